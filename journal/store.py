"""Write batches of entries: the chain, its projections and its contents in one transaction.

The store remembers the end of the chain. After any failure it forgets it and reads it again, so
that what was or was not committed is the database's word alone. An entry's number is its key:
whoever appends at the same time (`journal.aside`) takes it first or fails, reads the end again and
goes on after it, so that the chain never forks and needs no lock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog
import zstandard
from sqlalchemy.exc import IntegrityError

from domain.errors import JournalError
from domain.ports import Entry, EntryKind
from domain.records import NS_PER_S
from journal import schema
from journal.anchors import Anchor, AnchorFile
from journal.chain import GENESIS, Head, Sealed, link, seal
from journal.connections.errors import readable_errors
from journal.connections.runners import FileLock, open_runner
from journal.database import Address, JournalConfig
from journal.migrate import bring_up_to_date, require_current
from journal.projections.rows import At, project
from journal.projections.statements import Batch, Statements, Write, statements_for
from journal.upkeep.retention import Removed, cut, remove_some

log = structlog.get_logger(__name__)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Entries that go in together or not at all.

    `pending` names an approval that must still be open; `spool_ids` (one an entry) the lines of
    the spool they came from, each of which goes in once.
    """

    items: tuple[Sealed, ...]
    pending: str | None = None
    spool_ids: tuple[str, ...] = ()


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    head: Head
    results: list[int | None]
    anchor: Anchor | None
    others: tuple[Entry, ...]


class _Overtaken(Exception):
    """Another process took the next place in the chain."""


_RACES = 10
"""How often a batch may lose its place before something else must be wrong."""

_TAKE_TURN = "LOCK TABLE entries IN EXCLUSIVE MODE"
"""A server queues who waits for it: a slow process is not overtaken for ever. SQLite needs none:
its transactions begin as writers."""

_OTHERS_LIMIT = 1_000


class Store:
    """Own the one writing connection and the end of the chain."""

    def __init__(self, address: Address, config: JournalConfig, *, is_owner: bool = True) -> None:
        self._address = address
        self._config = config
        self._is_owner = is_owner
        self._runner = open_runner(address, config, is_owner=is_owner)
        self._anchors = AnchorFile(config.anchor_path)
        self._lock = FileLock(address.beside(".lock")) if address.path and is_owner else None
        self._statements: Statements = {}
        self._compressor = zstandard.ZstdCompressor(level=2)
        self._head: Head | None = None
        self._attempt = Head()
        self._others: list[Entry] = []
        self._acknowledged = 0
        self._anchored = 0
        self._anchored_at = 0

    @property
    def last_seq(self) -> int:
        """Return the number of the last entry known to be committed."""
        return self._acknowledged

    async def open(self, ts: int) -> None:
        """Lock, migrate, and check the chain's end against its anchors; raises `JournalError`.

        Where no anchor is kept outside the database one is made, so that from here on there is a
        witness. Who is not the owner only joins: the journal must be there, in this version's
        schema.
        """
        if self._lock:
            with readable_errors(self._address.shown):
                self._lock.take()
        try:
            self._head = await self._runner.run(self._prepare if self._is_owner else self._join)
        except JournalError:
            await self._release()
            raise
        self._acknowledged = self._head.seq
        self._anchored_at = ts
        if not self._is_owner:
            self._head = None
        elif self._head.seq and not self._anchored:
            await self.commit((), anchor_at=ts)

    async def commit(
        self, requests: Sequence[Request], *, anchor_at: int | None = None
    ) -> list[int | None]:
        """Write requests in order; returns each one's last seq, none where it lost its race.

        With `anchor_at` (ns) the chain's end is anchored now, else when that is due.

        Raises `JournalError`; then nothing of it counts.
        """
        for _ in range(_RACES):
            head, self._head = self._head, None
            try:
                written = await self._runner.run(partial(self._write, requests, head, anchor_at))
            except _Overtaken:
                continue
            self._take_over(written)
            if written.anchor:
                await self._anchor(written.anchor)
            return written.results
        raise JournalError(
            "The journal's next entry was taken again and again.",
            remedy="Look for another process that writes it.",
            code="JOURNAL_REFUSED",
        )

    async def look(self) -> None:
        """See what other processes appended; raises `JournalError`, which finds a lost database."""
        self._take_over(await self._runner.run(partial(self._write, (), None, None)))

    async def begin_removal(self, what: Removed, before_ts: int, ts: int) -> int:
        """Say in the chain what goes, if anything is older; returns through which entry, or 0."""
        last = await self._runner.run(partial(cut, what=what, before_ts=before_ts))
        if last is None:
            return 0
        body = {"seq": last.seq, "hash": last.hash.hex(), "removed": what.value}
        await self.commit([Request(items=(_anchor_entry(body, ts),))])
        return last.seq

    async def remove_some(self, what: Removed, through: int) -> bool:
        """Remove one batch of what the chain says is gone; false when all of it is."""
        return await self._runner.run(partial(remove_some, what=what, through=through))

    def take_others(self) -> tuple[Entry, ...]:
        """Return, once, what other processes appended since this one opened the journal."""
        others, self._others = tuple(self._others), []
        return others

    def _take_over(self, written: _Written) -> None:
        self._head = self._attempt = written.head
        self._acknowledged = written.head.seq
        self._others += written.others

    async def reconnect(self) -> None:
        """Drop the connection; the next commit opens another and reads the chain's end."""
        await self._runner.aclose()
        self._head = None

    async def close(self, ts: int) -> None:
        """Anchor the end of the chain and let go of everything."""
        try:
            if self._is_owner and self._head and self._head.seq > self._anchored:
                await self.commit((), anchor_at=ts)
        finally:
            await self._release()

    async def _release(self) -> None:
        await self._runner.aclose()
        self._runner.shut_down()
        if self._lock:
            self._lock.release()

    def _prepare(self, connection: sa.Connection) -> Head:
        bring_up_to_date(connection, self._address.shown)
        self._statements = statements_for(connection.dialect)
        head = _read_head(connection)
        for anchor in self._anchors.read()[-1:]:
            self._anchored, self._anchored_at = anchor.seq, anchor.ts
            _hold_to(connection, anchor, self._anchors)
        return head

    def _join(self, connection: sa.Connection) -> Head:
        require_current(connection, self._address.shown)
        self._statements = statements_for(connection.dialect)
        return _read_head(connection)

    def _write(
        self,
        requests: Sequence[Request],
        head: Head | None,
        anchor_at: int | None,
        connection: sa.Connection,
    ) -> _Written:
        try:
            return self._write_all(requests, head, anchor_at, connection)
        except IntegrityError as error:
            raise _Overtaken from error

    def _write_all(
        self,
        requests: Sequence[Request],
        head: Head | None,
        anchor_at: int | None,
        connection: sa.Connection,
    ) -> _Written:
        others: tuple[Entry, ...] = ()
        if head is None:
            if (requests or anchor_at is not None) and self._address.path is None:
                connection.exec_driver_sql(_TAKE_TURN)
            head, others = self._reread(connection)
        batch = Batch(self._statements)
        results: list[int | None] = []
        for request in requests:
            if request.pending is not None:
                batch.flush(connection)
                if not _is_pending(connection, request.pending):
                    results.append(None)
                    continue
            for sealed in self._new_items(connection, request, batch):
                head = self._add(batch, head, sealed)
            results.append(head.seq)
        anchor = None
        if anchor_at is None and requests and self._is_anchor_due(head, requests[-1].items[-1].ts):
            anchor_at = requests[-1].items[-1].ts
        if anchor_at is not None:
            body = {"seq": head.seq, "hash": head.hash.hex()}
            head = self._add(batch, head, _anchor_entry(body, anchor_at))
            anchor = Anchor(seq=head.seq, ts=anchor_at, hash=head.hash.hex())
        self._attempt = head
        batch.flush(connection)
        return _Written(head=head, results=results, anchor=anchor, others=others)

    def _is_anchor_due(self, head: Head, ts: int) -> bool:
        if not self._is_owner:
            return False
        waited_s = (ts - self._anchored_at) / NS_PER_S
        is_late = waited_s >= self._config.anchor_every_s
        return is_late or head.seq - self._anchored >= self._config.anchor_every

    def _new_items(
        self, connection: sa.Connection, request: Request, batch: Batch
    ) -> Iterator[Sealed]:
        """Yield a request's entries but for spooled lines that are in the journal already."""
        if not request.spool_ids:
            yield from request.items
            return
        table = schema.spooled
        query = sa.select(table.c.id).where(table.c.id.in_(request.spool_ids))
        known = set(connection.scalars(query))
        for spool_id, sealed in zip(request.spool_ids, request.items, strict=True):
            if spool_id not in known:
                batch.add(Write.SPOOLED, {"id": spool_id})
                yield sealed

    def _add(self, batch: Batch, head: Head, sealed: Sealed) -> Head:
        after = link(head, sealed)
        batch.add(
            Write.ENTRY,
            {
                "seq": after.seq,
                "ts": sealed.ts,
                "kind": sealed.kind.value,
                "ref": sealed.ref,
                "body": sealed.body,
                "prev_hash": head.hash,
                "hash": after.hash,
            },
        )
        if sealed.content is not None:
            packed = self._compressor.compress(sealed.content)
            row = {"seq": after.seq, "size": len(sealed.content), "content": packed}
            batch.add(Write.CONTENT, row)
        batch.extend(project(sealed.view, At(after.seq, sealed.ts)))
        return after

    def _reread(self, connection: sa.Connection) -> tuple[Head, tuple[Entry, ...]]:
        """Read the chain's end, and what others put there since our last commit."""
        head = _read_head(connection)
        if head.seq < self._acknowledged:
            raise JournalError(
                f"The journal ends at entry {head.seq}, but {self._acknowledged} was committed.",
                remedy="Stop the bot and restore the database.",
            )
        if head.seq == self._acknowledged:
            return head, ()
        attempt = self._attempt
        is_ours = attempt.seq > self._acknowledged and _is_there(connection, attempt)
        return head, _entries_after(connection, attempt.seq if is_ours else self._acknowledged)

    async def _anchor(self, anchor: Anchor) -> None:
        """Write the anchor's file; when it cannot be, the next one follows after as many more."""
        self._anchored, self._anchored_at = anchor.seq, anchor.ts
        try:
            await asyncio.to_thread(self._anchors.add, anchor)
        except OSError as error:
            log.warning("anchor_not_written", path=str(self._anchors.path), error=str(error))


def _anchor_entry(body: dict[str, Any], ts: int) -> Sealed:
    return seal(Entry(kind=EntryKind.ANCHOR, ref="chain", body=body), ts)


def _read_head(connection: sa.Connection) -> Head:
    table = schema.entries
    query = sa.select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
    row = connection.execute(query).first()
    return Head(row.seq, bytes(row.hash)) if row else Head(0, GENESIS)


def _is_there(connection: sa.Connection, head: Head) -> bool:
    """Tell whether a commit whose outcome we were never told went through after all."""
    table = schema.entries
    found = connection.scalar(sa.select(table.c.hash).where(table.c.seq == head.seq))
    return found is not None and bytes(found) == head.hash


def _entries_after(connection: sa.Connection, seq: int) -> tuple[Entry, ...]:
    table = schema.entries
    query = sa.select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(_OTHERS_LIMIT)
    return tuple(
        Entry(kind=EntryKind(row.kind), ref=row.ref, body=msgspec.json.decode(row.body))
        for row in connection.execute(query)
    )


def _hold_to(connection: sa.Connection, anchor: Anchor, anchors: AnchorFile) -> None:
    table = schema.entries
    found = connection.scalar(sa.select(table.c.hash).where(table.c.seq == anchor.seq))
    if found is None or bytes(found).hex() != anchor.hash:
        what = "is missing" if found is None else "is not the one that was written"
        raise JournalError(
            f"Entry {anchor.seq} of the journal {what}, by its anchor in {anchors.path.name}.",
            remedy=f"Restore the database; to go on with what is left, move {anchors.path} away.",
            code="JOURNAL_BROKEN",
        )


def _is_pending(connection: sa.Connection, decision_id: str) -> bool:
    table = schema.approvals
    query = sa.select(table.c.status).where(table.c.decision_id == decision_id)
    return connection.scalar(query) == "pending"
