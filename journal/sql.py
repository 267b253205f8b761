"""The journal on a SQL database: what `domain.ports.Journal` and `Answers` are live."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self

from domain.decisions import Call, Role
from domain.errors import ConfigError, InvariantBroken, JournalError
from domain.ports import Clock, Entry, EntryKind
from domain.records import Record
from journal.database import JournalConfig, address_of
from journal.reads.reader import Reader
from journal.spool import Spool
from journal.store import Store
from journal.writer import Listeners, OnChange, OnOthers, Writer, sealed_request


class JournalStatus(Record, frozen=True):
    """How the journal does. `lost` counts traces dropped since the start, by kind of entry.

    `commit_s` is how many seconds the last commit took, none before the first.
    """

    is_up: bool
    reason: str
    last_seq: int
    queued: int
    commits: int
    lost: dict[str, int]
    commit_s: float | None


class SqlJournal:
    """Append entries to a hash chain and its projections; one writer a database.

    Open it with `async with SqlJournal(config, clock) as journal`. All methods belong to the event
    loop that opened it.
    """

    def __init__(
        self,
        config: JournalConfig,
        clock: Clock,
        *,
        on_change: OnChange = lambda _failure: None,
        on_others: OnOthers | None = None,
    ) -> None:
        address = address_of(config.url)
        self._clock = clock
        self._spool = Spool(config.spool_path)
        self._store = Store(address, config)
        listeners = Listeners(on_change=on_change, on_others=on_others)
        self._writer = Writer(self._store, self._spool, clock, config, listeners)
        self.reader = Reader(config)

    async def open(self) -> None:
        """Lock, create or migrate, check the end against its anchor, replay the spool.

        Raises `JournalError`, `JournalTooNew` for a database from a newer version.
        """
        await self._store.open(self._clock.now_ns())
        try:
            self._spool.reserve()
            await self._writer.start()
        except JournalError:
            with contextlib.suppress(JournalError):
                await self._store.close(self._clock.now_ns())
            raise

    async def close(self) -> None:
        """Commit what waits, anchor the chain, and let the database go."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._store.close, self._clock.now_ns())
            stack.push_async_callback(self.reader.close)
            await self._writer.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def hear_others(self, listener: OnOthers) -> None:
        """Tell `listener` what other processes append, from the journal's opening on.

        Within a second while it is idle; else before any append of ours returns that stands
        behind it in the chain.
        """
        self._writer.hear_others(listener)

    @property
    def is_up(self) -> bool:
        """Tell whether the last commit went through: when not, nothing may be opened."""
        return self._writer.failure is None

    def status(self) -> JournalStatus:
        """Return how the journal does, for `/status` and metrics."""
        failure = self._writer.failure
        return JournalStatus(
            is_up=failure is None,
            reason=failure.line if failure else "",
            last_seq=self._store.last_seq,
            queued=self._writer.queued,
            commits=self._writer.commits,
            lost=dict(self._writer.lost),
            commit_s=self._writer.commit_s,
        )

    async def append(self, *entries: Entry) -> int:
        """Write entries, all or none, and wait for their commit; returns the last one's seq.

        Raises `JournalError`: then they may not be acted upon. Raises `InvariantBroken` for an
        entry whose body has the wrong shape.
        """
        _refuse_anchors(entries)
        if not entries:
            return self._store.last_seq
        seq = await self._writer.append(sealed_request(entries, self._clock.now_ns()))
        assert seq is not None
        return seq

    def trace(self, *entries: Entry) -> None:
        """Hand entries over for the next commit without waiting; never raises.

        They are written in order with appends. What finds no room, or has the wrong shape, is
        counted in `status().lost`.
        """
        try:
            _refuse_anchors(entries)
            request = sealed_request(entries, self._clock.now_ns())
        except InvariantBroken:
            self._writer.lost.update(f"malformed_{entry.kind}" for entry in entries)
            return
        if entries:
            self._writer.trace(request)

    def spool(self, *entries: Entry) -> None:
        """Sync entries to the spool while the journal is down: for protect and flatten alone.

        They enter the journal once, when it is back or at the next start. Raises `JournalError`
        when the spool fails too.
        """
        _refuse_anchors(entries)
        now = self._clock.now_ns()
        sealed_request(entries, now)
        self._spool.append(entries, now)

    async def close_approval(
        self, decision_id: str, status: str, *, actor: str, reason: str = ""
    ) -> bool:
        """Move an approval from pending to `status`; false when someone else was first."""
        if status not in {"approved", "rejected", "expired"}:
            raise ConfigError(f"An approval cannot become {status!r}.")
        body = {"decision_id": decision_id, "status": status, "actor": actor, "reason": reason}
        entry = Entry(kind=EntryKind.APPROVAL, ref=decision_id, body=body)
        request = sealed_request((entry,), self._clock.now_ns(), pending=decision_id)
        return await self._writer.append(request) is not None

    async def recorded(self, decision_id: str, role: Role, attempt: int) -> Call | None:
        """Return a model's answer as it was journaled, or none (`domain.ports.Answers`)."""
        return await self.reader.decisions.recorded(decision_id, role, attempt)


def _refuse_anchors(entries: tuple[Entry, ...]) -> None:
    if any(entry.kind is EntryKind.ANCHOR for entry in entries):
        raise InvariantBroken("Anchors are the journal's own: no one else writes them.")
