"""Press 100 times more ticks on the bot than its graph can use, and see what it decides on.

Ten thousand messages a second of 30 symbols come in real time as frames; the model takes 50 ms a
call, so the graph's three slots end about 15 decisions a second. Ingest keeps up if frames are
taken when they are due. A window's age is event time: now less the newest quote in it, when the
decision begins. Before that, untimed, the indicators are warmed up with the same market.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time

from benchmarks.figures import Figure, show
from benchmarks.stage.analysts import Following
from benchmarks.stage.pipeline import Pipeline, frame, resident_mb, seconds
from domain.records import NS_PER_S
from engine.clock import LiveClock

SYMBOLS = tuple(f"S{n:02}" for n in range(30))
RATE = 10_000
A_FRAME = 100
WARM_S = 360
DENSE_S = 60
SPAN_S = 25
CALL_S = 0.05


class Lagging:
    """A clock that stands at a time of the past while history is played, then tells wall time."""

    def __init__(self) -> None:
        self.now: int | None = None
        self._live = LiveClock()

    def now_ns(self) -> int:
        """Return UTC nanoseconds."""
        return self._live.now_ns() if self.now is None else self.now

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go back."""
        return self._live.monotonic_ns()

    async def sleep(self, seconds_: float) -> None:
        """Wait so many seconds."""
        await asyncio.sleep(max(0.0, seconds_))


async def measure() -> list[Figure]:
    """Warm up, press, and return what was kept up with."""
    clock = Lagging()
    clock.now = time.time_ns() - WARM_S * NS_PER_S
    pipeline = Pipeline(SYMBOLS, Following(CALL_S), clock, cooldown_s=0.0)
    number = _warm(pipeline, clock)
    clock.now = None
    async with pipeline.running():
        gc.collect()
        return await _press(pipeline, clock, number)


def _warm(pipeline: Pipeline, clock: Lagging) -> int:
    """Play history up to now, its last minute as dense as what comes; returns the next number.

    A minute fills what the store keeps of single prints; bars may be repaired for five.
    """
    assert clock.now is not None
    number, end = 0, time.time_ns()
    while clock.now < end:
        is_dense = clock.now > end - DENSE_S * NS_PER_S
        step = NS_PER_S // (RATE if is_dense else 10 * len(SYMBOLS))
        times = range(clock.now, clock.now + A_FRAME * step, step)
        clock.now += A_FRAME * step
        pipeline.take(frame(number, A_FRAME, SYMBOLS, times))
        pipeline.store.close_due(clock.now)
        number += A_FRAME
    return number


async def _press(pipeline: Pipeline, clock: Lagging, number: int) -> list[Figure]:
    step = NS_PER_S // RATE
    begun = at = clock.now_ns()
    lags: list[int] = []
    taken, next_close, before = 0, pipeline.store.next_close_ns(), pipeline.runs.count
    halfway_mb, cpu = 0.0, 0.0
    while at < begun + SPAN_S * NS_PER_S:
        frame_ = frame(number, A_FRAME, SYMBOLS, range(at, at + A_FRAME * step, step))
        number, at = number + A_FRAME, at + A_FRAME * step
        await asyncio.sleep(max(0.0, seconds(at - clock.now_ns())))
        lags.append(clock.now_ns() - at)
        started = time.thread_time()
        pipeline.take(frame_)
        if clock.now_ns() >= next_close:
            pipeline.store.close_due(clock.now_ns())
            next_close = pipeline.store.next_close_ns()
        cpu += time.thread_time() - started
        taken += A_FRAME
        if not halfway_mb and at > begun + SPAN_S * NS_PER_S // 2:
            half, halfway_mb = taken, resident_mb()
    grown = (resident_mb() - halfway_mb) / (taken - half) * 100_000
    if pipeline.failures:
        raise pipeline.failures[0]
    decided, span = pipeline.runs.count - before, seconds(clock.now_ns() - begun)
    ages = sorted(seconds(age) for age in pipeline.ages_ns)
    return [
        Figure("back-pressure: ticks taken", taken / span, "/s", least=0.99 * RATE),
        Figure("back-pressure: decisions", decided / span, "/s"),
        Figure("back-pressure: ticks a decision", taken / max(1, decided), "", least=100),
        Figure("back-pressure: CPU a tick, decode to dispatcher", cpu / taken * 1e6, " us"),
        Figure("back-pressure: a frame taken late, median", _ms(statistics.median(lags)), " ms"),
        Figure("back-pressure: a frame taken late, at the end", _ms(lags[-1]), " ms", most=1000),
        Figure("back-pressure: window age at decision, median", statistics.median(ages), " s"),
        Figure("back-pressure: window age at decision, oldest", ages[-1], " s", most=1.0),
        Figure("back-pressure: growth per 100,000 ticks", grown, " MB", most=1.0),
    ]


def _ms(ns: float) -> float:
    return ns / 1e6


def figures() -> list[Figure]:
    """Measure and return the figures."""
    return asyncio.run(measure())


def main() -> None:
    show(figures())


if __name__ == "__main__":
    main()
