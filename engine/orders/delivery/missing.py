"""Find out what became of orders that the venue's list does not show."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domain.errors import BrokerError
from domain.orders import Order, OrderEventKind, OrderReport, OrderState
from domain.ports import Broker, Clock
from domain.records import NS_PER_S, format_ns, parse_ns
from engine.orders.book import OrderBook
from engine.orders.ownership import Finding

VANISHED = "VANISHED"
"""The `reason` of an order that the venue had acknowledged and then did not know any more."""

_BULK = 3
_OPEN_QUESTIONS = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})


class Missing:
    """Ask for each expected order that is not in the list of working ones.

    Most have just ended. One that the venue does not know at all must be missing for `patience_s`
    before it counts as gone. Orders of unknown outcome are the look-up's matter.
    """

    def __init__(self, broker: Broker, book: OrderBook, clock: Clock, patience_s: float) -> None:
        self._broker = broker
        self._book = book
        self._clock = clock
        self._patience_ns = int(patience_s * NS_PER_S)
        self._since_ns: dict[str, int] = {}
        self.unanswered: BrokerError | None = None

    async def judge(
        self, expected: Sequence[Order], shown: Collection[str]
    ) -> list[Finding] | None:
        """Settle the orders that `shown` (venue ids) lacks; none when a question failed.

        `expected` is what worked before the list was asked for: younger orders cannot be in it.
        """
        missing = [order for order in expected if self._is_missing(order, shown)]
        names = {order.client_order_id for order in missing}
        self._since_ns = {name: at for name, at in self._since_ns.items() if name in names}
        try:
            await self._ask(missing)
        except BrokerError as error:
            self.unanswered = error
            return None
        self.unanswered = None
        return [found for order in missing if (found := self._verdict(order)) is not None]

    def give_up(self) -> None:
        """End what is missing now, by a person's word."""
        for name in tuple(self._since_ns):
            order = self._book.get(name)
            if order is not None and order.is_working:
                self._book.note(order, OrderEventKind.CANCELED, VANISHED)
        self._since_ns.clear()

    def _is_missing(self, order: Order, shown: Collection[str]) -> bool:
        now = self._book.get(order.client_order_id)
        if now is None or not now.is_working or now.state in _OPEN_QUESTIONS:
            return False
        return now.venue_order_id not in shown

    async def _ask(self, missing: Sequence[Order]) -> None:
        """Ask for many at once by their time, for the rest one by one; raises `BrokerError`."""
        since = [order.ts_submitted for order in missing if order.ts_submitted]
        if len(missing) > _BULK and since:
            start = format_ns(parse_ns(min(since)) - NS_PER_S)
            for each in await self._broker.orders_since(start):
                if self._book.knows(each):
                    self._hear(each)
        for order in missing:
            if self._is_missing(order, ()):
                report = await self._broker.find(order.client_order_id)
                if report is not None:
                    self._hear(report)
                else:
                    self._since_ns.setdefault(order.client_order_id, self._clock.monotonic_ns())

    def _hear(self, report: OrderReport) -> None:
        self._since_ns.pop(report.client_order_id, None)
        self._book.hear(report)

    def _verdict(self, order: Order) -> Finding | None:
        """Give an order up that has been missing for long enough; protection is then made anew."""
        name = order.client_order_id
        since_ns = self._since_ns.get(name)
        if since_ns is None:
            return None
        is_gone = self._clock.monotonic_ns() - since_ns >= self._patience_ns
        if is_gone:
            del self._since_ns[name]
            self._book.note(order, OrderEventKind.CANCELED, VANISHED)
        return Finding(
            code="ORDER_VANISHED" if is_gone else "ORDER_MISSING",
            symbol=order.symbol,
            message=f"The venue does not know {name} any more.",
            is_settled=is_gone,
            client_order_id=name,
        )
