"""Hold our view of orders, positions and money against the venue's, and say where they differ.

At the start, whenever the order stream comes back (it replays nothing), after each order's end and
on a timer. A question that fails proves nothing: it is never read as flat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import TypeVar

import msgspec
import structlog

from domain.account import Account, Activity, Difference, Position
from domain.errors import BrokerError, BrokerRefused
from domain.orders import (
    Fill,
    Leg,
    Order,
    OrderEvent,
    OrderReport,
    OrderState,
    Purpose,
    is_absent,
)
from domain.ports import Entry, EntryKind, LinkDown, LinkUp
from domain.records import NS_PER_S, format_ns, plain
from engine.clock import beside
from engine.orders.accounts import (
    Accounts,
    Answer,
    answer_of,
)
from engine.orders.delivery.missing import Missing
from engine.orders.delivery.points import Point
from engine.orders.delivery.takeover import Takeover
from engine.orders.looks import (
    Pace,
    ReconcilerConfig,
    ReconcilerSeams,
    Reconciliation,
    Trigger,
)
from engine.orders.ownership import Finding, adoption_of
from engine.orders.verdicts import Verdicts

T = TypeVar("T")

log = structlog.get_logger(__name__)

_OPEN_QUESTIONS = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})
_EXAMINATIONS, _EXAMINE_S = 6, 2.5


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
        self._pace = Pace(self._config, seams.clock)
        self._missing = Missing(seams.broker, seams.book, seams.clock, self._config.missing_s)
        self.accounts = Accounts(
            seams.clock, self._judged_symbols, mark=seams.mark, since=seams.since
        )
        self._orders = Takeover(
            seams.book,
            self._missing,
            is_managed=seams.ownership.is_managed,
            recall=seams.recall,
        )
        self._verdicts = Verdicts(
            seams.journal,
            seams.clock,
            publish=seams.book.publish,
            alert=seams.alert,
            halt=seams.halt,
            halt_after_s=self._config.halt_after_s,
            mark=seams.mark,
        )
        self._unjudged: list[Difference] = []
        self.unanswered: BrokerError | None = None
        self.is_link_up = False
        self.last: Reconciliation | None = None
        self.last_clean_ns: int | None = None
        self._money_asked = self._money_answered = 0
        seams.book.listen(self._on_change)
        seams.book.on_stray = self._on_stray

    @property
    def foreign_orders(self) -> tuple[OrderReport, ...]:
        """Return the working orders that are not ours, as of the last look."""
        return self._orders.foreign

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

    async def before_entry(self, max_age_s: float) -> None:
        """Look when what we believe of the account is older than it may be for an entry.

        Most entries find it young: order events move it, and looks correct it. A venue that does
        not answer in time leaves it old, and the entry is denied for that.
        """
        asked_ns = self._book.ledger.account_ts_ns
        now_ns = self._seams.clock.now_ns()
        if asked_ns is None or now_ns - asked_ns > max_age_s * NS_PER_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.entry_wait_s):
                    await self.reconcile(Trigger.ENTRY)

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
            absent, self.unanswered = self._absent_entries(), None
            if trigger is Trigger.START:
                await self._ask_open_questions()
            asked_ns = self._seams.clock.now_ns()
            before = self._book.working()
            positions, account = await self._ask_for_money()
            reports = await self._asked(self._seams.broker.open_orders)
            findings: list[Finding] | None = None
            if reports is not None:
                findings = await self._orders.take(reports, before)
            findings = await self._correct(asked_ns, account, positions, findings)
            return await self._conclude(trigger, findings, absent)

    async def examine(self) -> Reconciliation:
        """Look for a person: again and again until nothing is left that may be the venue's lag."""
        for _ in range(_EXAMINATIONS):
            result = await self.reconcile(Trigger.OPERATOR)
            if not result.is_conclusive or not self.accounts.is_doubting:
                break
            await self._seams.clock.sleep(_EXAMINE_S)
        return result

    async def repair(self, actor: str) -> Reconciliation:
        """Accept the venue's word where it and the journal differ, by a person's; never trade.

        It is journaled with what was accepted before it is acted upon. Positions and cash are taken
        over, orders that the venue does not know end. Raises `JournalError`, and `BrokerRefused`
        when the venue does not answer. Trading stays as it is: raising it is another word.
        """
        async with self._lock:
            asked_ns = self._seams.clock.now_ns()
            positions, account = await self._ask_for_money()
            if positions is None or account is None:
                raise BrokerRefused(
                    "The venue did not say what it holds; nothing was repaired.",
                    remedy="Try again when `autohedge doctor` finds the venue well.",
                )
            answer = answer_of(asked_ns, account, positions, self._book.ledger.spelled)
            differences = () if self.last is None else self.last.differences
            accepted = [plain(each) for each in differences if not each.is_settled]
            body = {
                "action": "reconcile",
                "actor": actor,
                "reason": "the venue's word is accepted",
                "args": {"accepted": accepted, "venue": plain(answer)},
            }
            action = EntryKind.OPERATOR_ACTION
            await self._seams.journal.append(Entry(kind=action, ref="reconcile", body=body))
            self._missing.give_up()
            self._book.ledger.accept(account, positions, asked_ns)
            self.accounts.accept(answer)
            self._seams.ownership.accept()
        return await self.examine()

    async def _ask_open_questions(self) -> None:
        """Ask for orders of unknown outcome before the positions that they may have moved."""
        for order in self._book.working():
            if order.state in _OPEN_QUESTIONS:
                report = await self._asked(self._seams.broker.find, order.client_order_id)
                if report is not None:
                    self._book.hear(report)

    async def refresh(self) -> None:
        """Correct account and positions alone: crypto fees leave in coin, unseen by any event.

        Who waited while another's question was put after he came has his answer: at a restart every
        position asks at once, and the venue counts requests.
        """
        came_after = self._money_asked
        async with self._lock:
            if self._money_answered > came_after:
                return
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
        self._money_asked += 1
        positions, account = await beside(
            self._asked(self._seams.broker.positions),
            self._asked(self._seams.broker.account),
        )
        if positions is not None and account is not None:
            self._money_answered = self._money_asked
        return positions, account

    async def _asked(self, ask: Callable[..., Awaitable[T]], *about: str) -> T | None:
        """Put one question; none when the venue did not answer it.

        It is put here and not by the caller: a task cancelled before its first step would leave
        it unawaited.
        """
        try:
            return await ask(*about)
        except BrokerError as error:
            self.unanswered = error
            return None

    async def _next(self, result: Reconciliation) -> Trigger:
        """Wait for the next reason to look."""
        self._pace.looked(result)
        is_doubting = self.accounts.is_doubting
        is_calm = await self._pace.rest(self._woken, result, is_doubting=is_doubting)
        if not self._woken.is_set():
            return Trigger.TIMER if is_calm else Trigger.RETRY
        await self._pace.space(self._trigger)
        self._woken.clear()
        return self._trigger

    async def _correct(
        self,
        asked_ns: int,
        account: Account | None,
        positions: Sequence[Position] | None,
        findings: list[Finding] | None,
    ) -> list[Finding] | None:
        """Correct the ledger. Orders come first: what they filled explains the positions."""
        ownership, ledger = self._seams.ownership, self._book.ledger
        foreign = None if findings is None else self.foreign_orders
        if positions is None or account is None or findings is None:
            believed = None if positions is None else ownership.believable(positions, _never)
            self._unjudged += ledger.correct(account, believed, asked_ns, foreign_orders=foreign)
            return None
        answer = answer_of(asked_ns, account, positions, ledger.spelled)
        history = await self._history(answer)
        believed = ownership.believable(
            positions, lambda symbol, told: self.accounts.is_sound(symbol, told, history)
        )
        differences = ledger.correct(account, believed, asked_ns, foreign_orders=foreign)
        latest = {each.symbol: each for each in (*differences, *self._unjudged)}
        self._unjudged.clear()
        findings += ownership.judge(list(latest.values()), positions, self._adopt_position)
        findings += self._news_of(self.accounts.judge(answer, history))
        return list(
            {(each.code, each.symbol, each.client_order_id): each for each in findings}.values()
        )

    async def _history(self, answer: Answer) -> Sequence[Activity] | None:
        """Ask for the venue's own history since the mark when something has differed for long."""
        mark = self.accounts.mark
        if mark is None or not self.accounts.doubts(answer):
            return None
        history = await self._asked(self._seams.broker.activities, mark.ts)
        spelled = self._book.ledger.spelled
        return history and [
            msgspec.structs.replace(each, symbol=spelled(each.symbol)) for each in history
        ]

    def _news_of(self, found: Sequence[Finding]) -> list[Finding]:
        """Leave out trades of others that were told when they moved the position."""
        ledger, ownership, news = self._book.ledger, self._seams.ownership, []
        for each in found:
            if each.is_settled and each.symbol:
                if ledger.quantity(each.symbol) != each.venue or ownership.is_reducing(each.symbol):
                    continue
                ownership.reduce(each.symbol)
            news.append(each)
        return news

    def _judged_symbols(self) -> Iterable[str]:
        """Return the symbols whose positions are ours to explain."""
        ownership = self._seams.ownership
        return (symbol for symbol in ownership.managed if not ownership.is_foreign(symbol))

    def _adopt_position(self, position: Position) -> None:
        account = self._book.ledger.account
        now = format_ns(self._seams.clock.now_ns())
        entry = adoption_of(position, "" if account is None else account.account_id, now)
        self._seams.journal.trace(entry)
        self._seams.adopted(position, entry.ref)

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
        self.last = result
        self._verdicts.answered(self.unanswered or self._missing.unanswered)
        reducing = sorted(self._seams.ownership.reducing)
        await self._verdicts.tell(result, mark=self.accounts.mark, reducing=reducing)
        return result

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
        if fill is not None:
            self.accounts.follow(fill)
        elif before is not None:
            self.accounts.revise(before, after)
        is_entry_fill = fill is not None and after.request.leg is Leg.ENTRY
        self._seams.ownership.touch(after.symbol, is_entry_fill=is_entry_fill)
        if not after.is_working and (before is None or before.is_working):
            self.wake(Trigger.ORDER_ENDED)

    def _on_stray(self, event: OrderEvent) -> None:
        """Look when somebody else trades a symbol of ours."""
        report = event.report
        if report is not None and self._seams.ownership.is_managed(report.symbol):
            self.wake(Trigger.STRANGER)


def _never(_symbol: str, _told: Decimal) -> bool:
    """Explain nothing: questions failed."""
    return False
