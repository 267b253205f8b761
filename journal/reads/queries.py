"""Run the reads of one database: connections, pages, contents and stored entries."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
import zstandard

from domain.errors import ConfigError, JournalError
from domain.ports import EntryKind
from domain.records import Record
from journal import schema
from journal.chain import Content
from journal.connections.engines import reader_engine
from journal.connections.errors import readable_errors
from journal.database import JournalConfig, address_of
from journal.migrate import require_current

T = TypeVar("T")

MAX_PAGE = 500


class StoredEntry(Record, frozen=True):
    """An entry as the chain holds it; a decision's window and prompts are digests."""

    seq: int
    ts: int
    kind: EntryKind
    ref: str
    body: dict[str, Any]


class Page(Record, Generic[T], frozen=True):
    """Some of a list, newest first; `next` goes into `after` for the rest, none at its end."""

    items: tuple[T, ...]
    next: str | None


class Queries:
    """Own a few read-only connections; every failure is a `JournalError`."""

    def __init__(self, config: JournalConfig) -> None:
        self._address = address_of(config.url)
        self._engine = reader_engine(self._address, config)
        self._is_checked = False
        self._running: set[asyncio.Future[Any]] = set()

    async def close(self) -> None:
        """Wait for reads under way and close the connections."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._engine.dispose()

    async def all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        """Return every row.

        A caller who is cancelled does not cut the read: its connection would be lost half-way.
        """
        running = asyncio.ensure_future(self._all(query))
        self._running.add(running)
        running.add_done_callback(self._finished)
        return await asyncio.shield(running)

    def _finished(self, read: asyncio.Future[Any]) -> None:
        self._running.discard(read)
        if not read.cancelled():
            read.exception()

    async def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        self._require_file()
        with readable_errors(self._address.shown):
            async with self._engine.connect() as connection:
                if not self._is_checked:
                    await connection.run_sync(require_current, self._address.shown)
                    self._is_checked = True
                return (await connection.execute(query)).all()

    def _require_file(self) -> None:
        path = self._address.path
        if path is not None and not path.exists():
            raise JournalError(
                f"There is no journal at {path}.",
                remedy="Start the bot once, or set DATABASE_URL to the journal's address.",
            )

    async def first(self, query: sa.Select[Any]) -> sa.Row[Any] | None:
        """Return the first row, or none."""
        rows = await self.all(query.limit(1))
        return rows[0] if rows else None

    async def scalar(self, query: sa.Select[Any]) -> Any:
        """Return the first column of the first row, or none."""
        row = await self.first(query)
        return None if row is None else row[0]

    async def chunks(
        self, query: sa.Select[Any], key: sa.Column[int], size: int = 1000
    ) -> AsyncIterator[Sequence[sa.Row[Any]]]:
        """Yield rows in the order of `key`, `size` at a time, each chunk a read of its own."""
        after = -1
        while rows := await self.all(query.where(key > after).order_by(key).limit(size)):
            yield rows
            after = getattr(rows[-1], key.key)

    async def page(
        self, query: sa.Select[Any], key: sa.Column[int], *, limit: int, after: str | None
    ) -> tuple[Sequence[sa.Row[Any]], str | None]:
        """Return a page of rows by falling `key`, and the cursor of the next one."""
        limit = max(1, min(limit, MAX_PAGE))
        if after is not None:
            query = query.where(key < _read_cursor(after))
        rows = await self.all(query.order_by(key.desc()).limit(limit + 1))
        shown = rows[:limit]
        return shown, _cursor(getattr(shown[-1], key.key)) if len(rows) > limit else None

    async def content(self, seq: int) -> Content | None:
        """Return the window and prompts of the decision journaled at `seq`."""
        table = schema.contents
        packed = await self.scalar(sa.select(table.c.content).where(table.c.seq == seq))
        if packed is None:
            return None
        return msgspec.json.decode(unpacked(packed), type=Content)


def record(row: sa.Row[Any], kind: type[T]) -> T:
    """Build a record from a row whose columns have the names of its fields."""
    return msgspec.convert({str(name): value for name, value in row._asdict().items()}, kind)


def unpacked(content: bytes) -> bytes:
    """Decompress; raises `zstandard.ZstdError`."""
    return zstandard.ZstdDecompressor().decompress(content)


def stored(row: sa.Row[Any]) -> StoredEntry:
    """Build an entry from its row."""
    return StoredEntry(
        seq=row.seq,
        ts=row.ts,
        kind=EntryKind(row.kind),
        ref=row.ref,
        body=msgspec.json.decode(row.body),
    )


def select_entries() -> sa.Select[Any]:
    """Select what `stored` needs."""
    table = schema.entries
    return sa.select(table.c.seq, table.c.ts, table.c.kind, table.c.ref, table.c.body)


def _cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(f"seq:{seq}".encode()).decode().rstrip("=")


def _read_cursor(text: str) -> int:
    try:
        padded = text + "=" * (-len(text) % 4)
        name, _, seq = base64.b64decode(padded, altchars=b"-_", validate=True).partition(b":")
        if name == b"seq":
            return int(seq)
    except (binascii.Error, ValueError):
        pass
    raise ConfigError(
        f"{text[:80]!r} is no cursor.",
        remedy="Send the 'next' of the page before, unchanged.",
        code="CURSOR_INVALID",
    )
