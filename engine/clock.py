"""Tell the time three ways: as it is, scaled to a venue's, and by hand.

Event time (bars, sessions, ages, cool-downs) comes from one of these; deadlines of network and
model stay wall time whatever the scale, so those who bound them ask a `LiveClock`.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from typing import Any, TypeVar

from domain.ports import Clock
from domain.records import NS_PER_S

_SETTLE_PASSES = 16

T = TypeVar("T")
U = TypeVar("U")


class LiveClock:
    """Tell wall time; monotonic nanoseconds come from the system's monotonic clock."""

    __slots__ = ()

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go back."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(max(0.0, seconds))

    def loop_s(self, seconds: float) -> float:
        """Return how long that is on the event loop's own timers."""
        return seconds


class ScaledClock:
    """Tell a venue's time that runs `speed` times as fast as the wall's.

    `now` is the venue's own clock, in this process; for a venue elsewhere see `from_origin`.
    """

    __slots__ = ("_monotonic", "_now", "_speed", "_started")

    def __init__(
        self,
        now: Callable[[], int],
        *,
        speed: float,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if speed <= 0:
            raise ValueError(f"speed is {speed}: time can only run forward")
        self._now = now
        self._speed = speed
        self._monotonic = monotonic
        self._started = monotonic()

    @classmethod
    def from_origin(
        cls,
        origin_ns: int,
        *,
        speed: float,
        monotonic: Callable[[], int] = time.monotonic_ns,
    ) -> ScaledClock:
        """Run from `origin_ns` (what the venue's `/v2/clock` said) as of this call."""
        started = monotonic()

        def now() -> int:
            return origin_ns + int((monotonic() - started) * speed)

        return cls(now, speed=speed, monotonic=monotonic)

    def now_ns(self) -> int:
        """Return the venue's UTC nanoseconds."""
        return self._now()

    def monotonic_ns(self) -> int:
        """Return scaled nanoseconds that never go back, from 0 at construction."""
        return int((self._monotonic() - self._started) * self._speed)

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of venue time."""
        await asyncio.sleep(max(0.0, seconds) / self._speed)

    def loop_s(self, seconds: float) -> float:
        """Return how long that is on the event loop's own timers."""
        return seconds / self._speed


class ManualClock:
    """Stand still until told to move: time for tests and for engines that play history.

    Sleepers wake in the order of their deadlines, each with the clock standing at its own.
    """

    __slots__ = ("_now", "_origin", "_sequence", "_sleepers")

    def __init__(self, now_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._now = self._origin = now_ns
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._sequence = count()

    def now_ns(self) -> int:
        """Return the UTC nanoseconds it stands at."""
        return self._now

    def monotonic_ns(self) -> int:
        """Return nanoseconds since construction."""
        return self._now - self._origin

    @property
    def sleepers(self) -> int:
        """Return how many tasks wait for time to move."""
        return sum(not future.done() for _, _, future in self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by so many seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        deadline = self._now + round(seconds * NS_PER_S)
        heapq.heappush(self._sleepers, (deadline, next(self._sequence), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Move time on, letting every woken task run before time moves past its deadline."""
        await settle()
        target = self._now + round(seconds * NS_PER_S)
        while self._sleepers and self._sleepers[0][0] <= target:
            deadline, _, future = heapq.heappop(self._sleepers)
            if future.done():
                continue
            self._now = max(self._now, deadline)
            future.set_result(None)
            await settle()
        self._now = target
        await settle()


async def settle() -> None:
    """Let tasks that are ready run, and those that they wake: a bounded number of loop passes."""
    for _ in range(_SETTLE_PASSES):
        await asyncio.sleep(0)


async def beside(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Await two at once, the second in a task of its own, which is gone on return; raises theirs.

    An error of the first ends the second, one of the second is raised when the first has answered.
    A gather makes a task of each, and an engine that plays history asks a hundred thousand times.
    """
    other = asyncio.ensure_future(second)
    try:
        return await first, await other
    finally:
        if not other.done():
            other.cancel()
            await asyncio.wait({other})
        if not other.cancelled():
            other.exception()  # Beside an error of the first nobody asks for it.


async def woken_within(event: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Wait until the event is set, at most so many seconds of the clock's time; leaves no task.

    A clock that runs on the event loop's timers says so (`loop_s`) and needs no task of its own.
    """
    loop_s = getattr(clock, "loop_s", None)
    if loop_s is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, loop_s(seconds))):
                await event.wait()
        return
    woken = asyncio.ensure_future(event.wait())
    tick = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({woken, tick}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        woken.cancel()
        tick.cancel()
