"""Run asyncio on event time: when nothing is ready, play the market or jump to the next timer.

Every sleep, deadline and cool-down of the engine then lasts as long in the market as it does live,
and no time at all here. What runs when follows from the market and the order of calls alone, so the
same input gives the same run. While something outside is awaited (a model's answer) event time
stands still and the loop waits for it as any other loop does.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections import deque
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, Protocol, TypeVarTuple, Unpack

from domain.errors import InvariantBroken
from domain.records import NS_PER_S

NEVER = 1 << 62

Ts = TypeVarTuple("Ts")


class Market(Protocol):
    """What moves event time beside the timers."""

    @property
    def next_ns(self) -> int:
        """Return when it has something to tell next, `NEVER` when it has not."""
        ...

    def play(self, until_ns: int) -> None:
        """Tell what is due up to that time, in order, moving the clock with it.

        Returns when all of it is told, or as soon as somebody has something to do about it.
        """
        ...


class VirtualClock:
    """Tell event time (`domain.ports.Clock`); whoever plays the market moves it, never back."""

    __slots__ = ("now", "origin")

    def __init__(self, origin_ns: int) -> None:
        self.origin = self.now = origin_ns

    def now_ns(self) -> int:
        """Return UTC nanoseconds of event time."""
        return self.now

    def monotonic_ns(self) -> int:
        """Return nanoseconds since the run began."""
        return self.now - self.origin

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of event time."""
        await asyncio.sleep(max(0.0, seconds))

    def loop_s(self, seconds: float) -> float:
        """Return how long that is on the event loop's own timers: they run on this clock."""
        return seconds


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is a `VirtualClock`'s."""

    # The base class's own queues, which its type stubs leave out.
    _ready: deque[asyncio.Handle]
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.outside = 0
        """How many answers from outside are awaited: while there is one, time stands still."""
        self.market: Market | None = None
        super().__init__(_Selector(self))
        # Must be more than a float of seconds resolves after decades, or a timer is never due.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return seconds of event time since the run began."""
        return (self.clock.now - self.clock.origin) / NS_PER_S

    def call_soon(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.Handle:
        """Let a callback run next: nothing here runs in other threads, or on a closed loop."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    @property
    def ready(self) -> deque[asyncio.Handle]:
        """Return what tasks have to do at this moment; whoever plays a market stops for it."""
        return self._ready

    @property
    def due_ns(self) -> int:
        """Return when the next timer is due, `NEVER` without one.

        Its time is a float of seconds, which after some years of market is coarser than a
        nanosecond: the answer is the first that `time` does not tell as earlier.
        """
        timers = self._scheduled
        if not timers:
            return NEVER
        when = timers[0].when()
        elapsed_ns = math.ceil(when * NS_PER_S)
        while elapsed_ns / NS_PER_S < when:
            elapsed_ns += max(1, int(math.ulp(when) * NS_PER_S))
        return self.clock.origin + elapsed_ns

    def move_on(self) -> None:
        """Play the market up to the next timer, or jump there when nothing happens before it."""
        due_ns = self.due_ns
        market = self.market
        if market is not None and market.next_ns <= due_ns:
            market.play(due_ns)
        elif due_ns != NEVER:
            self.clock.now = max(self.clock.now, due_ns)
        else:
            raise InvariantBroken("The backtest waits for something that will never come.")


class _Selector(selectors.BaseSelector):
    """Watch real files as ever, but never wait for them while only event time has to pass."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._files = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; when no task is, move event time on instead of waiting."""
        loop = self._loop
        if loop.outside:
            return self._files.select(0 if timeout == 0 else None)
        if timeout is None or timeout > 0:
            loop.move_on()
        return []

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch a file."""
        return self._files.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        """Watch it no longer."""
        return self._files.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        """Watch it for something else."""
        return self._files.modify(fileobj, events, data)

    def close(self) -> None:
        """Let go of all files."""
        self._files.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        """Return what is watched."""
        return self._files.get_map()
