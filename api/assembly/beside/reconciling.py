"""Hold the journal against the venue without a bot: on the same books, by the same engine code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.assembly.plan import Plan
from broker.alpaca import AlpacaBroker
from domain.account import Ledger
from domain.errors import BrokerRefused
from domain.orders import OrderEventKind
from domain.ports import Clock
from domain.records import NS_PER_S, parse_ns
from engine.orders.book import OrderBook
from engine.orders.looks import ReconcilerSeams, Reconciliation, Trigger
from engine.orders.ownership import Finding, Ownership, OwnershipConfig
from engine.orders.reconcile import Reconciler
from engine.restart import remember
from engine.trading import EMPTY
from journal.sql import SqlJournal


class Examiner:
    """What a person may ask beside no running bot: show, and accept. Nothing is sent."""

    def __init__(
        self, reconciler: Reconciler, book: OrderBook, broker: AlpacaBroker, clock: Clock
    ) -> None:
        self.standing = EMPTY
        """The trading state that the journal remembers."""
        self._reconciler = reconciler
        self._book = book
        self._broker = broker
        self._clock = clock

    async def look(self) -> tuple[Reconciliation, tuple[Finding, ...]]:
        """Return what differs, and the orders whose outcome nobody knows yet.

        Raises `BrokerError` when the venue does not answer.
        """
        first = await self._reconciler.reconcile(Trigger.START)
        result = await self._reconciler.examine() if first.is_conclusive else first
        if not result.is_conclusive:
            raise self._reconciler.unanswered or BrokerRefused("The venue did not answer.")
        return result, self._open_questions()

    async def repair(self, actor: str, *, patience_s: float) -> Reconciliation:
        """Accept the venue's word; orders it never had end once they can no longer arrive."""
        for finding in self._open_questions():
            order = self._book.get(finding.client_order_id or "")
            if order is None:
                continue
            past_ns = self._clock.now_ns() - parse_ns(order.request.valid_until)
            is_missing = await self._broker.find(order.client_order_id) is None
            if is_missing and past_ns > patience_s * NS_PER_S:
                self._book.note(order, OrderEventKind.DECLARED_ABSENT)
        return await self._reconciler.repair(actor)

    def _open_questions(self) -> tuple[Finding, ...]:
        return tuple(
            Finding(
                code="ORDER_UNKNOWN",
                symbol=order.symbol,
                message=f"Nobody knows what became of {order.client_order_id}; the bot asks when "
                "it starts, and a repair ends it once it can no longer arrive.",
                is_settled=False,
                client_order_id=order.client_order_id,
            )
            for order in self._book.working()
            if order.venue_order_id is None
        )


@asynccontextmanager
async def examiner(plan: Plan, clock: Clock) -> AsyncIterator[Examiner]:
    """Open journal and venue, and take up what the journal knows.

    Raises `JournalError`, also when a process holds the journal, and `BrokerError`.
    """
    async with SqlJournal(plan.journal, clock) as journal:
        broker = AlpacaBroker(plan.broker, clock)
        try:
            yield await _open(plan, journal, broker, clock)
        finally:
            await broker.aclose()


async def _open(plan: Plan, journal: SqlJournal, broker: AlpacaBroker, clock: Clock) -> Examiner:
    symbols, reader = plan.engine.symbols, journal.reader
    known = await remember(reader.orders, reader.states, reader.decisions, symbols)
    ledger = Ledger(symbols)
    book = OrderBook(ledger, journal, clock, lambda _kind, _body: None)
    ownership = Ownership(
        OwnershipConfig(symbols=frozenset(symbols)),
        ledger=ledger,
        clock=clock,
        owned=known.owned,
        reducing=known.reducing,
    )
    seams = ReconcilerSeams(
        broker=broker,
        book=book,
        journal=journal,
        ownership=ownership,
        clock=clock,
        recall=reader.orders.find,
        adopted=lambda _position, _origin: None,
        alert=lambda _code, _message, _symbol: None,
        mark=known.mark,
        since=known.since,
    )
    reconciler = Reconciler(seams)
    book.restore(known.orders)
    made = Examiner(reconciler, book, broker, clock)
    made.standing = known.standing
    return made
