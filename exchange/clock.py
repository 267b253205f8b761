"""The exchange's own time: an origin of its choice, at a speed of its choice."""

import time
from collections.abc import Callable

NS_PER_S = 1_000_000_000


class VenueClock:
    """Tell the venue's time, so that a recorded day can play now, and a day in an hour.

    Every frame, order and `/v2/clock` answer is stamped by it. Time runs from construction.
    """

    __slots__ = ("_started", "_wall", "origin_ns", "speed")

    def __init__(
        self, *, origin_ns: int, speed: float = 1.0, wall: Callable[[], int] = time.monotonic_ns
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed is {speed}: the venue's time can only run forward")
        self.origin_ns = origin_ns
        self.speed = speed
        self._wall = wall
        self._started = wall()

    def now_ns(self) -> int:
        """Return the venue's time, nanoseconds since the epoch, UTC."""
        elapsed_ns = self._wall() - self._started
        if self.speed != 1:  # a float of nanoseconds is exact for a hundred days alone
            elapsed_ns = int(elapsed_ns * self.speed)
        return self.origin_ns + elapsed_ns

    def wall_delay_s(self, until_ns: int) -> float:
        """Return how many wall seconds are left until the venue time `until_ns`; 0 when past."""
        return max(0.0, (until_ns - self.now_ns()) / self.speed / NS_PER_S)
