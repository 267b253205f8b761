"""Say how long an exit under way may still look for a buyer: while it works no stop rests."""

from __future__ import annotations

from collections.abc import Sequence

from domain.orders import Order, OrderState
from domain.ports import Clock
from domain.records import NS_PER_S

_OUT_OF_HAND = frozenset({OrderState.UNKNOWN, OrderState.PENDING_CANCEL})


class Patience:
    """Count from when each exit of one symbol was first seen; `ttl_s` is what it may take."""

    def __init__(self, clock: Clock, ttl_s: float) -> None:
        self._clock = clock
        self._ttl_ns = int(ttl_s * NS_PER_S)
        self._since_ns: dict[str, int] = {}

    def overdue(self, exits: Sequence[Order]) -> list[Order]:
        """Return which of the working exits have had their time; forget all others."""
        now_ns = self._clock.monotonic_ns()
        names = [order.client_order_id for order in exits]
        self._since_ns = {name: self._since_ns.get(name, now_ns) for name in names}
        return [
            order
            for order in exits
            if order.state not in _OUT_OF_HAND
            and now_ns - self._since_ns[order.client_order_id] >= self._ttl_ns
        ]

    def left_s(self) -> list[float]:
        """Return how long each may still work, not above zero when its time is over."""
        now_ns = self._clock.monotonic_ns()
        return [(since + self._ttl_ns - now_ns) / NS_PER_S for since in self._since_ns.values()]
