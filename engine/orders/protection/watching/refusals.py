"""Say when a stop that the venue refused is tried again, and in which form.

A whole share's stop and target are one order (an OCO), and the venue refuses that whose stop lies
within a cent of the market (ALPACA 3.4). While prices came such a stop was tried every five
seconds: so it was over a whole weekend, 17,000 times a day, each of them journaled.
"""

from __future__ import annotations

from collections.abc import Hashable

from domain.ports import Clock
from engine.orders.protection.seams import ExitsConfig
from engine.orders.protection.watching.pace import Pace

_NEAR = "base_price"
"""In the venue's words when an exit of a group stands too near to the market, or beyond it."""

MANY = 100


class Refusals:
    """Follow the refusals of one symbol's stop.

    `facts` are what the venue's answer hangs on. While they change, the pause between two tries
    doubles to `retry_longest_s`; while they do not, the same answer would come again, and it goes
    on doubling to `retry_still_s`. So it does after `MANY` refusals whatever changes: it is not the
    price that the venue minds then.
    """

    def __init__(self, clock: Clock, config: ExitsConfig) -> None:
        self._moving = Pace(clock, config.retry_s, config.retry_longest_s)
        self._still = Pace(clock, config.retry_s, config.retry_still_s)
        self._facts: Hashable = None
        self._n = 0
        self.is_alone = False
        """Whether the stop goes without its target: beside it the venue did not take it."""

    @property
    def is_any(self) -> bool:
        """Tell whether the stop was refused since one was last taken."""
        return self._n > 0

    def left_s(self, facts: Hashable) -> float:
        """Return how long to wait before the next try, not above zero when its time has come."""
        if self._is_news(facts):
            return self._moving.left_s
        return max(self._moving.left_s, self._still.left_s)

    def refused(self, facts: Hashable, reason: str = "") -> None:
        """Wait before the next try; an exit too near to the market is left out of it."""
        if self._is_news(facts):
            self._still.reset()
        self._facts = facts
        self._n += 1
        self._moving.back_off()
        self._still.back_off()
        self.is_alone = self.is_alone or _NEAR in reason

    def taken(self) -> None:
        """Begin anew: the venue has taken a stop, or there is nothing to protect."""
        self._moving.reset()
        self._still.reset()
        self._facts, self._n = None, 0
        self.is_alone = False

    def _is_news(self, facts: Hashable) -> bool:
        return facts != self._facts and self._n <= MANY
