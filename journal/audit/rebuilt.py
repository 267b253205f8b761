"""Make every projection anew from the chain, in a scratch database, and compare.

The scratch file lies in the system's temporary folder and is about as large as the tables that are
compared; memory stays bounded.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import sqlalchemy as sa

from domain.ports import EntryKind
from journal import schema
from journal.audit.findings import BadEntry
from journal.audit.walk import Link
from journal.projections.rows import At, project
from journal.projections.statements import Batch, statements_for
from journal.projections.views import VIEWS

_NOT_PROJECTED = {"entries", "contents", "spooled"}
_ROWS = 1_000
_BATCH = 500
_SHOWN = 60


class Rebuilt:
    """The projections of the entries that were taken."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.rows = 0

    def __enter__(self) -> Self:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="autohedge-audit-"))
        engine = sa.create_engine(f"sqlite:///{Path(folder) / 'scratch.sqlite3'}")
        self._stack.callback(engine.dispose)
        self._connection = self._stack.enter_context(engine.connect())
        for pragma in ("journal_mode=OFF", "synchronous=OFF"):
            self._connection.exec_driver_sql(f"PRAGMA {pragma}")
        schema.metadata.create_all(self._connection, _tables())
        self._batch = Batch(statements_for(self._connection.dialect))
        self._taken = 0
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def take(self, link: Link) -> BadEntry | None:
        """Project one sound entry."""
        line = link.line
        try:
            view = VIEWS[EntryKind(line.kind)].decode(line.body)
        except (ValueError, msgspec.MsgspecError) as error:
            return BadEntry(seq=line.seq, kind=line.kind, reason=f"it cannot be read: {error}")
        self._batch.extend(project(view, At(line.seq, line.ts)))
        self._taken += 1
        if self._taken % _BATCH == 0:
            self._batch.flush(self._connection)
        return None

    def compare(self, source: sa.Connection, *, first: int) -> BadEntry | None:
        """Return the first row, by its entry, that is not what the entries from `first` on say.

        Rows that began before `first` are older than what is left of the chain and are let be.
        """
        self._batch.flush(self._connection)
        found = [bad for table in _tables() for bad in self._differences(table, source, first)]
        return min(found, key=lambda bad: bad.seq, default=None)

    def _differences(
        self, table: sa.Table, source: sa.Connection, first: int
    ) -> Iterator[BadEntry]:
        """Yield at most one; a value that is not of its column's type is one too."""
        try:
            yield from self._compare(table, source, first)
        except (TypeError, ValueError) as error:
            yield BadEntry(seq=first, reason=f"its table {table.name} cannot be read: {error}")

    def _compare(self, table: sa.Table, source: sa.Connection, first: int) -> Iterator[BadEntry]:
        """Yield at most one difference: the first in the order of the table's key."""
        kept, made = _in_order(table, source), _in_order(table, self._connection)
        left, right = next(kept, None), next(made, None)
        while left is not None or right is not None:
            self.rows += 1
            order = _order(table, left, right)
            has_begun_before = order <= 0 and left is not None and left.seq < first
            if (order or left != right) and not has_begun_before:
                yield _difference(
                    table, left if order <= 0 else None, right if order >= 0 else None
                )
                return
            if order <= 0:
                left = next(kept, None)
            if order >= 0:
                right = next(made, None)


def _tables() -> list[sa.Table]:
    tables = schema.metadata.sorted_tables
    return [table for table in tables if table.name not in _NOT_PROJECTED]


def _in_order(table: sa.Table, connection: sa.Connection) -> Iterator[sa.Row[Any]]:
    """Read a table in the order of its key, by bytes whatever the database's language."""
    is_server = connection.dialect.name == "postgresql"
    keys = [
        sa.collate(column, "C") if is_server and isinstance(column.type, sa.String) else column
        for column in table.primary_key.columns
    ]
    query = sa.select(table).order_by(*keys).execution_options(yield_per=_ROWS)
    yield from connection.execute(query)


def _order(table: sa.Table, left: sa.Row[Any] | None, right: sa.Row[Any] | None) -> int:
    """Return below, equal or above 0 as `left`'s key is before, equal to or after `right`'s."""
    if left is None or right is None:
        return 1 if left is None else -1
    mine, other = _key(table, left), _key(table, right)
    return (mine > other) - (mine < other)


def _key(table: sa.Table, row: sa.Row[Any]) -> tuple[Any, ...]:
    values = (getattr(row, column.name) for column in table.primary_key.columns)
    return tuple(v.encode() if isinstance(v, str) else v for v in values)


def _difference(table: sa.Table, left: sa.Row[Any] | None, right: sa.Row[Any] | None) -> BadEntry:
    told = right if right is not None else left
    assert told is not None
    seq = getattr(told, "last_seq", told.seq)
    name = ", ".join(str(getattr(told, c.name)) for c in table.primary_key.columns)
    place = f"{table.name}[{name}]"
    if left is None:
        return BadEntry(seq=seq, reason=f"its row {place} is missing")
    if right is None:
        return BadEntry(seq=seq, reason=f"the row {place} follows from no entry")
    column = next(c.name for c in table.c if getattr(left, c.name) != getattr(right, c.name))
    said, kept = (repr(getattr(row, column))[:_SHOWN] for row in (right, left))
    reason = f"{place}.{column} is {kept}, the entries say {said}"
    return BadEntry(seq=seq, reason=reason)
