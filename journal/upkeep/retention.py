"""Remove what is older than a setting allows, in small batches, so that the chain still verifies.

First the journal says, in an anchor of its own, through which entry it removes and what that
entry's hash is; then it removes. The audit accepts a beginning that such an anchor names and says
since when the journal is whole. What money rests on stays: orders, fills, equity, decisions,
operator actions, trading states; and nothing goes from the oldest working order on. SQLite keeps
the freed pages for what comes next; its file does not shrink.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import StrEnum

import sqlalchemy as sa

from journal import schema
from journal.chain import Head

BATCH = 500
"""Entries a transaction removes: some milliseconds, which appends wait for at most."""

_ENTRIES = schema.entries
_CONTENTS = schema.contents
_ORDERS = schema.orders


_NOTHING_LEFT = 2**63 - 1


class Removed(StrEnum):
    """What goes: windows and prompts alone, or whole entries with the bulky rows made from them."""

    CONTENTS = "contents"
    ENTRIES = "entries"


_TABLES: dict[Removed, tuple[sa.Table, ...]] = {
    Removed.CONTENTS: (_CONTENTS,),
    Removed.ENTRIES: (
        *(_CONTENTS, schema.windows, schema.calls, schema.gates, schema.checks),
        *(schema.order_events, _ENTRIES),
    ),
}
_FIRST = {Removed.CONTENTS: _CONTENTS, Removed.ENTRIES: _ENTRIES}


def cut(connection: sa.Connection, what: Removed, before_ts: int) -> Head | None:
    """Return the last entry that may go, with its hash; none when nothing may."""
    kept = connection.scalar(
        sa.select(sa.func.min(_ENTRIES.c.seq)).where(_ENTRIES.c.ts >= before_ts)
    )
    kept = kept or connection.scalar(sa.select(sa.func.max(_ENTRIES.c.seq))) or 0
    working = connection.scalar(sa.select(sa.func.min(_ORDERS.c.seq)).where(_ORDERS.c.is_open))
    through = min(kept, working or kept) - 1
    if _first(connection, what) > through:
        return None
    query = sa.select(_ENTRIES.c.hash).where(_ENTRIES.c.seq == through)
    return Head(through, bytes(connection.scalars(query).one()))


def remove_some(connection: sa.Connection, what: Removed, through: int) -> bool:
    """Remove the oldest batch up to `through`; false when nothing was left to remove."""
    first = _first(connection, what)
    if first > through:
        return False
    until = min(first + BATCH - 1, through)
    with _unguarded(connection) if what is Removed.ENTRIES else nullcontext():
        for table in _TABLES[what]:
            connection.execute(sa.delete(table).where(table.c.seq <= until))
    return True


def _first(connection: sa.Connection, what: Removed) -> int:
    table = _FIRST[what]
    first = connection.scalar(sa.select(sa.func.min(table.c.seq)))
    return _NOTHING_LEFT if first is None else int(first)


@contextmanager
def _unguarded(connection: sa.Connection) -> Iterator[None]:
    """Lift the triggers that forbid to delete entries, inside this transaction alone."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("ALTER TABLE entries DISABLE TRIGGER entries_no_change")
        yield
        connection.exec_driver_sql("ALTER TABLE entries ENABLE TRIGGER entries_no_change")
        return
    query = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = 'entries_no_delete'"
    guard = connection.exec_driver_sql(query).scalar_one()
    connection.exec_driver_sql("DROP TRIGGER entries_no_delete")
    yield
    connection.exec_driver_sql(guard)
