"""Hold our view of orders, positions and money against the venue's, and say where they differ.

At the start, whenever the order stream comes back (it replays nothing), after each order's end and
on a timer. A question that fails proves nothing: it is never read as flat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import structlog

from domain.account import Account, Difference, Position
from domain.decisions import decision_id
from domain.errors import BrokerError, JournalError
from domain.orders import (
    Fill,
    Leg,
    Order,
    OrderEvent,
    OrderReport,
    Purpose,
    is_absent,
)
from domain.ports import Broker, Clock, Entry, EntryKind, Journal, LinkDown, LinkUp
from domain.records import NS_PER_S, Record, format_ns, parse_ns, plain
from engine.clock import woken_within
from engine.orders.book import OrderBook
from engine.orders.delivery.missing import Missing
from engine.orders.delivery.points import Point, nowhere
from engine.orders.family import ours_from
from engine.orders.ownership import Finding, Ownership

T = TypeVar("T")

log = structlog.get_logger(__name__)

OUR_PREFIX = "ah-"


class Trigger(StrEnum):
    """Why we look."""

    START = "start"
    LINK_UP = "link_up"
    TIMER = "timer"
    RETRY = "retry"
    ORDER_ENDED = "order_ended"
    STRANGER = "stranger"
    OPERATOR = "operator"


_ALWAYS_WRITTEN = frozenset({Trigger.START, Trigger.LINK_UP, Trigger.OPERATOR})


class Reconciliation(Record, frozen=True):
    """What one look found. It is conclusive when every question was answered."""

    ts: str
    trigger: Trigger
    clean: bool
    is_conclusive: bool
    differences: tuple[Finding, ...] = ()


class ReconcilerConfig(Record, frozen=True):
    """How often to look, in seconds of event time; deadlines are the broker's own.

    `retry_s` follows a look that was not clean. `settle_s` lets a burst of events be one look, and
    between two looks lie at least `spacing_s`: each costs three requests of the minute's budget. An
    order that the venue does not show must be missing for `missing_s` before it counts as gone.
    """

    interval_s: float = 30.0
    retry_s: float = 2.0
    settle_s: float = 0.25
    spacing_s: float = 2.0
    missing_s: float = 30.0


@dataclass(frozen=True, kw_only=True)
class ReconcilerSeams:
    """What the reconciler asks, corrects and tells."""

    broker: Broker
    book: OrderBook
    journal: Journal
    ownership: Ownership
    clock: Clock
    recall: Callable[[str], Awaitable[Order | None]]
    """Read an order of ours from the journal by client order id."""
    adopted: Callable[[Position, str], None]
    """Hear of a position taken over, with the journaled origin it is now named after."""
    alert: Callable[[str, str, str], None]
    """Hear (code, message, symbol)."""
    at: Callable[[Point], None] = nowhere


class Reconciler:
    """Follow the order stream and keep asking whether the venue and we agree.

    `run` looks, `follow` reads the stream; both last until cancelled. Entries wait while
    `is_clean` is false: before the first look, while the stream is down, and while a difference
    stands.
    """

    def __init__(self, seams: ReconcilerSeams, config: ReconcilerConfig | None = None) -> None:
        self._seams = seams
        self._config = config or ReconcilerConfig()
        self._book = seams.book
        self._lock = asyncio.Lock()
        self._woken = asyncio.Event()
        self._trigger = Trigger.START
        self._is_clean = False
        self._missing = Missing(seams.broker, seams.book, seams.clock, self._config.missing_s)
        self._unjudged: list[Difference] = []
        self._told: frozenset[tuple[str, str]] = frozenset()
        self.is_link_up = False
        self.last: Reconciliation | None = None
        self.last_clean_ns: int | None = None
        self.foreign_orders: tuple[OrderReport, ...] = ()
        seams.book.listen(self._on_change)
        seams.book.on_stray = self._on_stray

    @property
    def is_clean(self) -> bool:
        """Tell whether the last conclusive look agreed and nothing was lost since."""
        return self._is_clean and self.is_link_up

    async def run(self) -> None:
        """Look now, then whenever something asks for it or time has passed."""
        self._woken.clear()
        while True:
            result = await self.reconcile(self._trigger)
            self._trigger = await self._next(result)

    async def follow(self) -> None:
        """Apply the broker's order events and look again after each gap in them."""
        updates = self._seams.broker.updates()
        try:
            async for update in updates:
                self._take(update)
        finally:
            close = getattr(updates, "aclose", None)
            if close is not None:
                await close()

    def wake(self, trigger: Trigger) -> None:
        """Look again soon; what comes within `settle_s` is one look."""
        if not self._woken.is_set():
            self._trigger = trigger
        self._woken.set()

    async def reconcile(self, trigger: Trigger) -> Reconciliation:
        """Look once. Never raises for the venue's or the journal's failures.

        Positions are asked for before orders: whatever moved them is then told by the orders.
        """
        async with self._lock:
            absent = self._absent_entries()
            asked_ns = self._seams.clock.now_ns()
            before = self._book.working()
            positions, account = await self._ask_for_money()
            reports = await self._asked(self._seams.broker.open_orders())
            findings: list[Finding] | None = None
            if reports is not None:
                findings = await self._compare_orders(reports, before)
            findings = self._correct(asked_ns, account, positions, findings)
            return await self._conclude(trigger, findings, absent)

    async def refresh(self) -> None:
        """Correct account and positions alone: crypto fees leave in coin, unseen by any event."""
        async with self._lock:
            asked_ns = self._seams.clock.now_ns()
            positions, account = await self._ask_for_money()
            believed = None if positions is None else self._seams.ownership.believable(positions)
            self._unjudged += self._book.ledger.correct(account, believed, asked_ns)

    def _take(self, update: OrderEvent | LinkUp | LinkDown) -> None:
        match update:
            case OrderEvent():
                self._seams.at(Point.HEARD)
                self._book.apply(update)
                self._seams.at(Point.APPLIED)
            case LinkUp():
                self.is_link_up = True
                self._is_clean = False
                self.wake(Trigger.LINK_UP)
            case LinkDown(reason=reason):
                self.is_link_up = False
                self._seams.alert("ORDER_STREAM_LOST", f"{reason}; entries wait.", "")

    async def _ask_for_money(self) -> tuple[Sequence[Position] | None, Account | None]:
        return await asyncio.gather(
            self._asked(self._seams.broker.positions()),
            self._asked(self._seams.broker.account()),
        )

    async def _asked(self, question: Awaitable[T]) -> T | None:
        """Await one answer; none when the venue did not give it."""
        try:
            return await question
        except BrokerError as error:
            log.warning("reconciliation_question_failed", code=error.code, error=str(error))
            return None

    async def _next(self, result: Reconciliation) -> Trigger:
        """Wait for the next reason to look."""
        is_calm = result.clean and result.is_conclusive
        seconds = self._config.interval_s if is_calm else self._config.retry_s
        await woken_within(self._woken, self._seams.clock, seconds)
        if not self._woken.is_set():
            return Trigger.TIMER if is_calm else Trigger.RETRY
        looked_s = (self._seams.clock.now_ns() - parse_ns(result.ts)) / NS_PER_S
        wait_s = max(self._config.settle_s, self._config.spacing_s - looked_s)
        await self._seams.clock.sleep(wait_s)
        self._woken.clear()
        return self._trigger

    async def _compare_orders(
        self, reports: Sequence[OrderReport], before: Sequence[Order]
    ) -> list[Finding] | None:
        """Take over what the venue says of our orders; none when a needed answer failed."""
        findings: list[Finding] = []
        foreign = []
        for report in sorted(reports, key=lambda each: each.ts_submitted or ""):
            if self._book.knows(report):
                self._book.hear(report)
            elif self._is_named_ours(report):
                findings.append(await self._adopt_order(report))
            else:
                foreign.append(report)
        self.foreign_orders = tuple(foreign)
        shown = {each.venue_order_id for report in reports for each in (report, *report.legs)}
        judged = await self._missing.judge(before, shown)
        return None if judged is None else findings + judged

    def _is_named_ours(self, report: OrderReport) -> bool:
        """Tell an order of this bot: another one on the account may use the same names.

        Outside the managed symbols nothing is ours to touch, whatever it is called.
        """
        symbol = self._book.ledger.spelled(report.symbol)
        is_ours = report.client_order_id.startswith(OUR_PREFIX)
        return is_ours and self._seams.ownership.is_managed(symbol)

    async def _adopt_order(self, report: OrderReport) -> Finding:
        """Take up an order of ours that memory has lost: from the journal, else from its name."""
        name = report.client_order_id
        order = await self._recalled(name)
        self._book.restore([order or ours_from(report)])
        self._book.hear(report)
        where = "the journal" if order is not None else "the venue alone"
        return Finding(
            code="ORDER_ADOPTED",
            symbol=report.symbol,
            message=f"{name} was working and not in memory; it was known to {where}.",
            is_settled=True,
            client_order_id=name,
        )

    async def _recalled(self, name: str) -> Order | None:
        try:
            return await self._seams.recall(name)
        except JournalError as error:
            log.warning("order_not_recalled", order=name, error=str(error))
            return None

    def _correct(
        self,
        asked_ns: int,
        account: Account | None,
        positions: Sequence[Position] | None,
        findings: list[Finding] | None,
    ) -> list[Finding] | None:
        """Correct the ledger. Orders come first: what they filled explains the positions."""
        ownership = self._seams.ownership
        believed = None if positions is None else ownership.believable(positions)
        foreign = None if findings is None else self.foreign_orders
        differences = self._book.ledger.correct(account, believed, asked_ns, foreign_orders=foreign)
        if positions is None or account is None or findings is None:
            return None
        latest = {each.symbol: each for each in (*differences, *self._unjudged)}
        self._unjudged.clear()
        return findings + ownership.judge(list(latest.values()), positions, self._adopt_position)

    def _adopt_position(self, position: Position) -> None:
        account = self._book.ledger.account
        now = format_ns(self._seams.clock.now_ns())
        origin = decision_id(
            account="" if account is None else account.account_id,
            strategy="adoption",
            symbol=position.symbol,
            as_of=now,
            attempt=1,
        )
        body = {
            "id": origin,
            "kind": "adoption",
            "symbol": position.symbol,
            "reason": f"{position.quantity} held before the first start",
        }
        self._seams.journal.trace(Entry(kind=EntryKind.ORIGIN, ref=origin, body=body))
        self._seams.adopted(position, origin)

    async def _conclude(
        self, trigger: Trigger, findings: list[Finding] | None, absent: Sequence[str]
    ) -> Reconciliation:
        """Draw the verdict; one that could not be reached leaves the last one standing."""
        is_clean = findings is not None and all(each.is_settled for each in findings)
        now_ns = self._seams.clock.now_ns()
        if findings is not None:
            self._is_clean = is_clean
        if is_clean:
            self.last_clean_ns = now_ns
            self._release(absent)
        result = Reconciliation(
            ts=format_ns(now_ns),
            trigger=trigger,
            clean=is_clean,
            is_conclusive=findings is not None,
            differences=tuple(findings or ()),
        )
        await self._tell(result)
        return result

    async def _tell(self, result: Reconciliation) -> None:
        """Journal and publish; a difference is told to the operator once, not every two seconds."""
        is_news = self.last is None or (result.clean, result.differences) != (
            self.last.clean,
            self.last.differences,
        )
        self.last = result
        told = frozenset((each.code, each.symbol) for each in result.differences)
        for finding in result.differences:
            if (finding.code, finding.symbol) not in self._told:
                self._seams.alert(finding.code, finding.message, finding.symbol)
        self._told = told
        body = {**plain(result), "reducing": sorted(self._seams.ownership.reducing)}
        self._book.publish("reconciled", body)
        entry = Entry(kind=EntryKind.RECONCILIATION, ref=result.trigger.value, body=body)
        if not is_news and result.trigger not in _ALWAYS_WRITTEN:
            return
        with suppress(JournalError):
            await self._seams.journal.append(entry)

    def _absent_entries(self) -> list[str]:
        """Return the entries that were declared absent before this look: it may release them."""
        held = self._book.ledger.reservations.items()
        return [name for name, row in held if row.order is not None and is_absent(row.order)]

    def _release(self, absent: Sequence[str]) -> None:
        """Let go of what absent entries held: the venue agrees that they are not there."""
        for name in absent:
            order = self._book.get(name)
            if order is not None and is_absent(order) and order.request.purpose is Purpose.ENTRY:
                self._book.ledger.release(name)

    def _on_change(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        is_entry_fill = fill is not None and after.request.leg is Leg.ENTRY
        self._seams.ownership.touch(after.symbol, is_entry_fill=is_entry_fill)
        if not after.is_working and (before is None or before.is_working):
            self.wake(Trigger.ORDER_ENDED)

    def _on_stray(self, event: OrderEvent) -> None:
        """Look when somebody else trades a symbol of ours."""
        report = event.report
        if report is not None and self._seams.ownership.is_managed(report.symbol):
            self.wake(Trigger.STRANGER)
