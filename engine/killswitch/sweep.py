"""Cancel many orders at once and say for each what became of it, and how long that took."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from domain.orders import Leg, Order
from engine.control import Sweep, SweptOrder

_GONE_S = 2.0
"""How long a sweep waits for the venue to say that what it cancels is gone."""


class Hands(Protocol):
    """What a sweep needs of the gateway."""

    @property
    def cancel_answered_at(self) -> float:
        """Return when the venue last answered a cancel (the loop's seconds)."""
        ...

    async def cancel(self, order: Order, reason: str) -> Order:
        """Ask the venue to cancel and see it through."""
        ...


class Sweeper:
    """Cancel through the gateway, measure, and remember the last sweep for who asks."""

    def __init__(
        self,
        gateway: Hands,
        *,
        working: Callable[[], list[Order]],
        ended: Callable[[Order], Awaitable[Order]],
        measured: Callable[[str, float], None],
    ) -> None:
        self._gateway = gateway
        self._working = working
        self._ended = ended
        self._measured = measured
        self.last: Sweep | None = None

    async def entries(self, control: str) -> Sweep:
        """Cancel every working entry; protection stays."""
        return await self._sweep(
            control, [order for order in self._working() if order.request.leg is Leg.ENTRY]
        )

    async def everything(self, control: str) -> Sweep:
        """Cancel every working order of ours, protection too."""
        return await self._sweep(control, self._working())

    async def _sweep(self, control: str, orders: Sequence[Order]) -> Sweep:
        asked_at = asyncio.get_running_loop().time()
        asked = await asyncio.gather(*(self._gateway.cancel(order, control) for order in orders))
        answered_at = self._gateway.cancel_answered_at
        gone = await asyncio.gather(*(self._gone(order) for order in asked))
        took_s = answered_at - asked_at if answered_at >= asked_at else None
        if took_s is not None:
            self._measured(control, took_s)
        self.last = Sweep(
            control=control, answered_in_s=took_s, orders=tuple(swept(order) for order in gone)
        )
        return self.last

    async def _gone(self, order: Order) -> Order:
        """Give the venue's own word, which follows its answer, a moment to arrive."""
        try:
            async with asyncio.timeout(_GONE_S):
                return await self._ended(order)
        except TimeoutError:
            return order


def swept(order: Order) -> SweptOrder:
    """Say how an order stands, for a person."""
    return SweptOrder(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        leg=order.request.leg,
        state=order.state,
        filled_quantity=order.filled_quantity,
    )
