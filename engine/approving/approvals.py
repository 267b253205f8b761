"""Let orders wait for a person, and see each to its one end: approved, rejected or expired.

A run that needs a person has ended: its slot is free, nothing is reserved, and only its symbol
waits. The journal closes an approval by compare-and-set, and whoever wins that alone resumes the
graph, so an order can be approved once however many ask. What waits outlives the process; what was
approved but had not left when a process died is forgotten like any run cut before its order was
written ahead, because its prices are stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec
import structlog

from domain.decisions import Decision, Outcome
from domain.errors import AutoHedgeError, JournalError
from domain.market import Window
from domain.orders import Order
from domain.ports import Clock, Entry, EntryKind
from domain.records import NS_PER_S, Record, format_ns, parse, plain
from domain.risk import Denied
from engine.approving.seams import ApprovalConfig, ApprovalJournal, WaitingDesk
from engine.approving.telling import expiry_ns, message_of, not_pending, view_of
from engine.clock import woken_within
from engine.control import ApprovalResult, ApprovalView, ControlRefused, UnknownApproval
from engine.deciding.runs import Execute
from graph.approval.node import Word
from journal.reads.approvals import (
    APPROVED,
    EXPIRED,
    PENDING,
    REJECTED,
    ApprovalReads,
    Asked,
)
from journal.reads.decisions import DecisionReads

log = structlog.get_logger(__name__)

T = TypeVar("T")

APPROVAL_PENDING = "APPROVAL_PENDING"
"""Why a flat symbol makes no window: its last order still waits."""

AUTOHEDGE = "autohedge"
_RETRY_S = 1.0
_LONG_S = 3600.0

_WORDS = {APPROVED: Word.APPROVED, REJECTED: Word.REFUSED, EXPIRED: Word.EXPIRED}


class _Waiting(Record, frozen=True):
    """An approval in memory, for its symbol and its clock alone: the journal is the truth."""

    symbol: str
    expires_ns: int


class Approvals:
    """Hold what waits, close it once, and hand what was approved to the gateway.

    `approved` tells the gateway's facts that a decision's age counts from now, its prices still
    from its window. `start` runs what no request's end may cut. `not_yet` says of a symbol why a
    yes would be wasted at this moment, if it would.
    """

    def __init__(  # noqa: PLR0913 - two stores, two hands and two voices, each named
        self,
        config: ApprovalConfig,
        *,
        desk: WaitingDesk,
        journal: ApprovalJournal,
        reads: ApprovalReads,
        decisions: DecisionReads,
        approved: Callable[[Window], None],
        enter: Execute,
        start: Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]],
        alert: Callable[[str, str, str], None],
        not_yet: Callable[[str], ControlRefused | None],
        clock: Clock,
    ) -> None:
        self._config = config
        self._desk = desk
        self._journal = journal
        self._reads = reads
        self._decisions = decisions
        self._approved = approved
        self._enter = enter
        self._start = start
        self._alert = alert
        self._not_yet = not_yet
        self._clock = clock
        self._waiting: dict[str, _Waiting] = {}
        self._has_changed = asyncio.Event()

    @property
    def count(self) -> int:
        """Return how many orders wait."""
        return len(self._waiting)

    def is_waiting(self, symbol: str) -> bool:
        """Tell whether an order of the symbol waits: until it is settled no other is made."""
        return any(waiting.symbol == symbol for waiting in self._waiting.values())

    def ask(self, decision: Decision) -> tuple[Entry, ...]:
        """Return what is journaled together with a decision: that its order waits, if it does.

        The symbol waits from here on. When the journal refuses, it waits until the time is over.
        """
        if decision.outcome is not Outcome.AWAITING_APPROVAL:
            return ()
        expires_ns = self._clock.now_ns() + round(self._config.ttl_s * NS_PER_S)
        self._wait(decision, expires_ns)
        body = {
            "decision_id": decision.id,
            "status": PENDING,
            "actor": AUTOHEDGE,
            "reason": "",
            "expires_at": format_ns(expires_ns),
        }
        return (Entry(kind=EntryKind.APPROVAL, ref=decision.id, body=body),)

    async def take_up(self) -> None:
        """Take up what the journal remembers: what waits goes on waiting, its time running.

        What lost its run expires; what was settled but not seen through is, without an order.
        Raises `JournalError`.
        """
        kept: list[Decision] = []
        for asked in await self._reads.pending():
            if self._desk.has_approvals and await self._desk.waits(asked.decision):
                self._wait(asked.decision, expiry_ns(asked))
                kept.append(asked.decision)
            else:
                why = "its waiting run is gone" if self._desk.has_approvals else "APPROVAL is never"
                await self._journal.close_approval(
                    asked.decision.id, EXPIRED, actor=AUTOHEDGE, reason=why
                )
        for asked in await self._reads.unfinished():
            await self._finish(asked)
        await self._desk.keep_only(kept)

    async def run(self) -> None:
        """Expire what nobody answered, each at its time, until cancelled."""
        while True:
            self._has_changed.clear()
            try:
                left_s = await self._expire_due()
            except JournalError as error:
                log.warning("approval_not_expired", error=error.line)
                left_s = _RETRY_S
            await woken_within(self._has_changed, self._clock, left_s)

    async def approve(self, decision_id: str, *, actor: str, reason: str = "") -> ApprovalResult:
        """Let a waiting order go: the gateway checks everything again, on fresh prices.

        What a moment will settle (venue and books do not agree yet, no market data) leaves it
        waiting: the gate would deny it, and the word would be spent. Raises `UnknownApproval`,
        `ControlRefused` for this and when it waits no more, and `JournalError`.
        """
        waiting = self._waiting.get(decision_id)
        if waiting is not None and (why := self._not_yet(waiting.symbol)) is not None:
            raise why
        return await self._uncut(self._settle(decision_id, APPROVED, actor, reason))

    async def reject(self, decision_id: str, *, actor: str, reason: str = "") -> ApprovalResult:
        """Refuse a waiting order; raises as `approve` does."""
        return await self._uncut(self._settle(decision_id, REJECTED, actor, reason))

    async def reject_all(self, *, actor: str, reason: str) -> int:
        """Refuse everything that waits; returns how many were. Raises `JournalError`."""
        rejected = 0
        for decision_id in tuple(self._waiting):
            try:
                await self.reject(decision_id, actor=actor, reason=reason)
            except (ControlRefused, UnknownApproval):
                continue
            rejected += 1
        return rejected

    def view(self, asked: Asked) -> ApprovalView:
        """Return an approval as it is shown."""
        return view_of(asked, self._clock.now_ns())

    async def _settle(
        self, decision_id: str, status: str, actor: str, reason: str
    ) -> ApprovalResult:
        """Close an approval for whoever is first, and see through what was said."""
        asked = await self._open(decision_id)
        won = await self._journal.close_approval(decision_id, status, actor=actor, reason=reason)
        if not won:
            raise await self._closed(decision_id)
        try:
            return await self._see_through(asked.decision, status)
        finally:
            self._release(decision_id)

    async def _open(self, decision_id: str) -> Asked:
        """Return an approval that may be closed; one whose time is over is closed here."""
        asked = await self._reads.get(decision_id)
        if asked is None:
            raise UnknownApproval(
                f"No approval of {decision_id!r} was ever asked for.",
                remedy="GET /approvals lists what waits.",
            )
        if asked.approval.status != PENDING:
            raise not_pending(asked)
        if not self._desk.has_approvals:
            raise ControlRefused(
                "This engine resumes no run that waits for approval.",
                remedy="Set APPROVAL=always or above; what waits expires by itself.",
                code="APPROVALS_OFF",
            )
        if expiry_ns(asked) <= self._clock.now_ns():
            await self._expire(decision_id)
            raise await self._closed(decision_id)
        return asked

    async def _closed(self, decision_id: str) -> ControlRefused:
        asked = await self._reads.get(decision_id)
        assert asked is not None
        return not_pending(asked)

    async def _see_through(self, decision: Decision, status: str) -> ApprovalResult:
        """Resume the graph, journal how the run ended, and only then send what was approved."""
        now_ns = self._clock.now_ns()
        ended, window = await self._conclude(decision, _WORDS[status])
        sent: Order | Denied | None = None
        if ended.outcome is Outcome.ORDERED and ended.request is not None and window is not None:
            self._approved(window)
            until_ns = now_ns + round(self._config.decision_max_age_s * NS_PER_S)
            request = msgspec.structs.replace(ended.request, valid_until=format_ns(until_ns))
            sent = await self._enter(request)
        asked = await self._reads.get(decision.id)
        assert asked is not None
        return ApprovalResult(
            message=message_of(ended, sent),
            outcome=ended.outcome,
            approval=self.view(asked),
            order=sent if isinstance(sent, Order) else None,
            denied_code=sent.code.value if isinstance(sent, Denied) else None,
        )

    async def _conclude(self, decision: Decision, word: Word) -> tuple[Decision, Window | None]:
        """End the run and journal its end, with the window and prompts it has had all along."""
        story = await self._decisions.story(decision.id)
        assert story is not None
        ended = await self._desk.conclude(decision, word)
        body = {"decision": plain(ended), "window": story.window, "prompts": story.prompts}
        await self._journal.append(Entry(kind=EntryKind.DECISION, ref=decision.id, body=body))
        try:
            await self._desk.forget(ended)
        except JournalError as error:
            log.warning("waiting_run_not_deleted", decision_id=ended.id, error=error.line)
        return ended, None if story.window is None else parse(story.window, Window)

    async def _finish(self, asked: Asked) -> None:
        """End what a crash left half said: a no stays a no, a yes has grown stale."""
        status, decision = asked.approval.status, asked.decision
        word = Word.CUT if status == APPROVED else _WORDS[status]
        await self._conclude(decision, word)
        if word is Word.CUT:
            self._alert(
                "APPROVAL_CUT",
                f"{decision.symbol}: {asked.approval.actor} approved an order, but the process "
                "ended before it could leave. It was not sent and will not be.",
                decision.symbol,
            )

    async def _expire_due(self) -> float:
        """Expire everything whose time is over; returns the seconds until the next one's is."""
        now_ns = self._clock.now_ns()
        for decision_id, waiting in tuple(self._waiting.items()):
            if waiting.expires_ns <= now_ns:
                await self._expire(decision_id)
        nearest = min((each.expires_ns for each in self._waiting.values()), default=None)
        return _LONG_S if nearest is None else max(0.0, (nearest - now_ns) / NS_PER_S)

    async def _expire(self, decision_id: str) -> None:
        """Expire an approval, unless somebody was first; raises `JournalError`."""
        why = f"nobody answered within {self._config.ttl_s:g} s"
        won = await self._journal.close_approval(decision_id, EXPIRED, actor=AUTOHEDGE, reason=why)
        try:
            asked = await self._reads.get(decision_id) if won else None
            if asked is not None:
                await self._conclude(asked.decision, Word.EXPIRED)
        finally:
            self._release(decision_id)

    async def _uncut(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to its end what a request asked for, though the request be cancelled."""
        result = await asyncio.shield(self._start(_outcome_of(work), "approval"))
        if isinstance(result, AutoHedgeError):
            raise result
        settled: T = result
        return settled

    def _wait(self, decision: Decision, expires_ns: int) -> None:
        self._waiting[decision.id] = _Waiting(symbol=decision.symbol, expires_ns=expires_ns)
        self._has_changed.set()

    def _release(self, decision_id: str) -> None:
        self._waiting.pop(decision_id, None)
        self._has_changed.set()


async def _outcome_of(work: Coroutine[Any, Any, T]) -> T | AutoHedgeError:
    """Return what work comes to or the error a person must see: none may end the guard."""
    try:
        return await work
    except AutoHedgeError as error:
        return error
