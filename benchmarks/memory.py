"""Measure the bot's memory: the demo's own process with 50 symbols, and what ticks leave behind.

The demo is started as a user would start it, in an empty directory, on a free port. It plays in
real time, so the slope is taken in this process: the same path from frame to decision, 50 symbols,
bars of one second, a clock that moves as fast as the frames come. After 400 bars a symbol
every ring is full (closed bars stay open to repair for 300 s),
 and what grows from then on would grow for ever.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import Figure, show
from benchmarks.stage.analysts import Following
from benchmarks.stage.pipeline import Pipeline, frame, resident_mb
from domain.records import NS_PER_S
from engine.clock import ManualClock

SYMBOLS = tuple(f"S{n:02}" for n in range(50))
DEMO_S = 75.0
UP_S = 45.0
A_FRAME = 100
FRAMES_A_SECOND = 10
WARM_S = 400
SPAN_S = 400


def demo() -> list[Figure]:
    """Run the demo with 50 symbols for a while and read what its process holds."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "api.cli", "demo", "--symbols", "50", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "ANALYST": "rules"}
    with (
        tempfile.TemporaryDirectory() as place,
        Path(place, "out").open("wb") as out,
        subprocess.Popen(command, cwd=place, env=environment, stdout=out, stderr=out) as bot,
    ):
        try:
            held = _watch(bot, port)
        finally:
            bot.send_signal(signal.SIGINT)
            try:
                bot.wait(20)
            except subprocess.TimeoutExpired:
                bot.kill()
    return [
        Figure("memory: the demo's bot, 50 symbols, at most", max(held), " MB", most=300),
        Figure("memory: the same at the end", held[-1], " MB"),
    ]


def _watch(bot: subprocess.Popen[bytes], port: int) -> list[float]:
    up_by = time.monotonic() + UP_S
    while not _answers(port):
        if bot.poll() is not None or time.monotonic() > up_by:
            raise RuntimeError("the demo did not come up")
        time.sleep(0.25)
    held, until = [], time.monotonic() + DEMO_S
    while time.monotonic() < until:
        held.append(resident_mb(bot.pid))
        time.sleep(1.0)
    return held


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def slope() -> list[Figure]:
    """Play a market through the whole path and return what 100,000 ticks leave behind."""
    clock = ManualClock(time.time_ns() // NS_PER_S * NS_PER_S)
    pipeline = Pipeline(SYMBOLS, Following(), clock, cooldown_s=60.0)
    async with pipeline.running():
        number = await _play(pipeline, clock, 0, WARM_S)
        gc.collect()
        before, decided = resident_mb(), pipeline.runs.count
        ticks = await _play(pipeline, clock, number, SPAN_S) - number
        gc.collect()
        grown = (resident_mb() - before) / ticks * 100_000
    if pipeline.failures:
        raise pipeline.failures[0]
    return [
        Figure("memory: ticks played after warm-up", ticks, ""),
        Figure("memory: decisions made of them", pipeline.runs.count - decided, "", least=1),
        Figure("memory: growth per 100,000 ticks", grown, " MB", most=1.0),
    ]


async def _play(pipeline: Pipeline, clock: ManualClock, number: int, span_s: int) -> int:
    step = NS_PER_S // (A_FRAME * FRAMES_A_SECOND)
    for _ in range(span_s * FRAMES_A_SECOND):
        start = clock.now_ns()
        pipeline.take(frame(number, A_FRAME, SYMBOLS, range(start, start + A_FRAME * step, step)))
        number += A_FRAME
        await clock.advance(A_FRAME * step / NS_PER_S)
        pipeline.store.close_due(clock.now_ns())
    return number


def figures() -> list[Figure]:
    """Measure and return the figures."""
    return [*demo(), *asyncio.run(slope())]


def main() -> None:
    show(figures())


if __name__ == "__main__":
    main()
