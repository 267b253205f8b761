"""Keep below the venue's budget of requests, counted over a sliding minute."""

from __future__ import annotations

from collections import deque

from domain.ports import Clock
from domain.records import NS_PER_S

MINUTE_NS = 60 * NS_PER_S


class Pace:
    """Let at most `per_minute` requests go in any minute (Alpaca's free plan: 200)."""

    def __init__(self, per_minute: int, clock: Clock) -> None:
        self.waited_s = 0.0
        self._per_minute = per_minute
        self._clock = clock
        self._sent: deque[int] = deque(maxlen=per_minute)

    async def turn(self) -> None:
        """Wait until one more request fits, and count it."""
        if len(self._sent) == self._per_minute:
            left_ns = self._sent[0] + MINUTE_NS - self._clock.monotonic_ns()
            await self.pause(left_ns / NS_PER_S)
        self._sent.append(self._clock.monotonic_ns())

    async def pause(self, seconds: float) -> None:
        """Wait, and count it as waiting."""
        if seconds > 0:
            self.waited_s += seconds
            await self._clock.sleep(seconds)
