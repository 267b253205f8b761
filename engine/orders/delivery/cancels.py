"""See a cancel through: its answer, its event or the order itself may be lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import structlog

from domain.errors import BrokerError, BrokerRefused, OrderRejected
from domain.orders import Order, OrderEventKind
from engine.orders.book import OrderBook
from engine.orders.delivery.lookup import Lookup
from engine.orders.delivery.seams import GatewayConfig

log = structlog.get_logger(__name__)

Ask = Callable[[Order], Awaitable[None]]
Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]


class Cancels:
    """Cancel each order once, and stay with it until it has ended.

    `ask` is the gateway's own way to the venue; it raises `BrokerError`.
    """

    def __init__(
        self, book: OrderBook, *, lookup: Lookup, ask: Ask, spawn: Spawn, config: GatewayConfig
    ) -> None:
        self._book = book
        self._lookup = lookup
        self._ask = ask
        self._spawn = spawn
        self._config = config
        self._pursued: set[str] = set()
        self.answered_at = 0.0
        """When the venue last answered a cancel, in the loop's seconds."""

    def is_asked(self, client_order_id: str) -> bool:
        """Tell whether a cancel of the order is being seen through already."""
        return client_order_id in self._pursued

    def begin(self, order: Order, reason: str) -> asyncio.Task[None]:
        """Start; the task ends with the venue's first answer, the pursuit goes on behind it."""
        self._pursued.add(order.client_order_id)
        return self._spawn(self._first(order, reason), f"cancel:{order.client_order_id}")

    async def _first(self, order: Order, reason: str) -> None:
        await self._try(order, reason)
        self._spawn(self._pursue(order, reason), f"pursue:{order.client_order_id}")

    async def _try(self, order: Order, reason: str) -> None:
        """Ask once. A refusal means that the order ended or cannot end now: the venue is asked."""
        self._book.note(order, OrderEventKind.PENDING_CANCEL, reason)
        try:
            async with asyncio.timeout(self._config.deadline_s):
                await self._ask(order)
            self.answered_at = asyncio.get_running_loop().time()
        except (OrderRejected, BrokerRefused):
            self.answered_at = asyncio.get_running_loop().time()
            await self._lookup.is_missing(order)
        except (BrokerError, TimeoutError) as error:
            log.warning("cancel_uncertain", order=order.client_order_id, error=str(error))

    async def _pursue(self, order: Order, reason: str) -> None:
        pause_s = self._config.confirm_s
        try:
            while not await self._ends_within(order, pause_s):
                await self._lookup.is_missing(order)
                if self._is_working(order):
                    await self._try(order, reason)
                pause_s = min(pause_s * 2, self._config.confirm_longest_s)
        finally:
            self._pursued.discard(order.client_order_id)

    async def _ends_within(self, order: Order, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._book.ended(order)
        except TimeoutError:
            return False
        return True

    def _is_working(self, order: Order) -> bool:
        now = self._book.get(order.client_order_id)
        return now is not None and now.is_working
