"""The venue's request budget and the headers that tell it."""

import time
from collections.abc import Callable
from typing import NamedTuple

_WINDOW_S = 60


class Budget(NamedTuple):
    """What is left of a minute after one request. `reset_s` is in unix seconds."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that every answer carries."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_s),
        }


class RateLimiter:
    """Count requests by the minute of the wall clock, whatever the venue's own speed.

    A client's budget is wall time too; the window is fixed, as the reset header implies.
    """

    def __init__(self, limit: int, *, wall: Callable[[], float] = time.time) -> None:
        self.limit = limit
        self._wall = wall
        self._window = 0
        self._used = 0

    def take(self) -> Budget:
        """Take one request out of the minute's budget, if there is one left."""
        window = int(self._wall() // _WINDOW_S)
        if window != self._window:
            self._window, self._used = window, 0
        allowed = self._used < self.limit
        self._used += allowed
        return Budget(allowed, self.limit, self.limit - self._used, (window + 1) * _WINDOW_S)
