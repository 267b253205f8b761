"""Ask after entries that say nothing: an order event can be lost on a link that looks well.

The venue's stream has no replay and no numbers, and a socket may stay silent for hours. An entry
that brings its own stop may wait for the timer; a fill of any other stands bare until it is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from domain.orders import Leg, Order, OrderClass, OrderState
from engine.orders.book import OrderBook
from engine.orders.delivery.lookup import Lookup

_SAID_TO_WORK = frozenset(
    {OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL}
)


class SecondLooks:
    """Look a working entry up after `first_s` wall seconds, and then ever more rarely.

    None: never, where no event can be lost.
    """

    def __init__(
        self,
        book: OrderBook,
        lookup: Lookup,
        spawn: Callable[[Coroutine[Any, Any, Any], str], object],
        first_s: float | None,
    ) -> None:
        self._first_s = first_s
        self._book = book
        self._lookup = lookup
        self._spawn = spawn
        self._watched: set[str] = set()

    def begin(self, order: Order) -> None:
        """Watch an order, once; nothing happens for one that needs no watching."""
        if self._first_s is None:
            return
        request, name = order.request, order.client_order_id
        is_bare = request.leg is Leg.ENTRY and request.order_class is OrderClass.SIMPLE
        if is_bare and order.state in _SAID_TO_WORK and name not in self._watched:
            self._watched.add(name)
            self._spawn(self._look(order, self._first_s), f"second-look:{name}")

    async def _look(self, order: Order, pause_s: float) -> None:
        try:
            while True:
                await asyncio.sleep(pause_s)
                now = self._book.get(order.client_order_id)
                if now is None or not now.is_working:
                    return
                await self._lookup.is_missing(now)
                pause_s *= 2
        finally:
            self._watched.discard(order.client_order_id)
