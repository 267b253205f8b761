"""Settle orders whose outcome is not known: ask the venue until there is proof.

An entry is never sent again. An exit is, with the same id, for the venue refuses a second copy by
itself. Nobody but the gateway sends: repeating comes in as a function.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

import structlog

from domain.errors import BrokerError
from domain.orders import Order, OrderEventKind, OrderState, Purpose
from domain.ports import Broker
from domain.records import Record
from engine.orders.book import OrderBook

log = structlog.get_logger(__name__)

_OPEN_QUESTIONS = frozenset({OrderState.SUBMITTING, OrderState.UNKNOWN})


class Repeated(StrEnum):
    """What became of sending an exit again; `REFUSED` proves nothing about the first sending."""

    MAYBE_SENT = "maybe_sent"
    NOT_SENT = "not_sent"
    REFUSED = "refused"


Repeat = Callable[[], Awaitable[Repeated]]


class LookupConfig(Record, frozen=True):
    """How often to ask, in wall seconds: the pause doubles from `first_s` to `longest_s`."""

    first_s: float = 0.2
    longest_s: float = 5.0
    deadline_s: float = 15.0


class Lookup:
    """Ask for one order until the venue shows it or its absence is proven."""

    def __init__(self, broker: Broker, book: OrderBook, config: LookupConfig) -> None:
        self._broker = broker
        self._book = book
        self._config = config
        self._failing: set[str] = set()

    async def settle(self, order: Order, *, window_s: float, repeat: Repeat | None) -> None:
        """Ask until the order's fate is known, whoever tells it first.

        Absence is proven only by a clean miss, asked for after the whole window; a failed question
        proves nothing, so with the venue away this goes on. Each repetition that may have arrived
        starts the window anew.
        """
        loop = asyncio.get_running_loop()
        provable_at, pause_s = loop.time() + window_s, self._config.first_s
        while self._is_open(order):
            await asyncio.sleep(min(pause_s, max(0.0, provable_at - loop.time()) or pause_s))
            asked_at, pause_s = loop.time(), min(pause_s * 2, self._config.longest_s)
            if not self._is_open(order) or not await self.is_missing(order):
                continue
            if asked_at >= provable_at:
                self._declare_absent(order)
                return
            if repeat is not None and self._is_open(order):
                repeated = await repeat()
                repeat = None if repeated is Repeated.REFUSED else repeat
                if repeated is Repeated.MAYBE_SENT:
                    provable_at = loop.time() + window_s

    async def is_missing(self, order: Order) -> bool:
        """Ask once and apply the answer; true only for a clean miss."""
        try:
            async with asyncio.timeout(self._config.deadline_s):
                report = await self._broker.find(order.client_order_id)
        except (BrokerError, TimeoutError) as error:
            if order.client_order_id not in self._failing:
                log.warning("order_lookup_failed", order=order.client_order_id, error=str(error))
            self._failing.add(order.client_order_id)
            return False
        self._failing.discard(order.client_order_id)
        if report is not None:
            self._book.hear(report)
        return report is None

    def _is_open(self, order: Order) -> bool:
        now = self._book.get(order.client_order_id)
        return now is not None and now.state in _OPEN_QUESTIONS

    def _declare_absent(self, order: Order) -> None:
        """Give the order up. An entry's reservation stays until a clean reconciliation."""
        self._book.note(order, OrderEventKind.DECLARED_ABSENT)
        if order.request.purpose is not Purpose.ENTRY:
            self._book.ledger.release(order.client_order_id)
        self._book.publish(
            "alert_raised",
            {
                "code": "ORDER_ABSENT",
                "message": f"The venue never had {order.client_order_id}; it counts as not sent.",
                "symbol": order.symbol,
            },
        )
