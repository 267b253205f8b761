"""Measure the limiter under saturation, and what an event costs the dispatcher.

Bar: slots busy at least 99 %. Also printed: microseconds of an offer into a full queue, and of a
closed bar whose symbol cools down or cannot be entered.
"""

from __future__ import annotations

import asyncio
import math
import random
import time

from benchmarks.figures import Figure, show
from domain.market import Bar
from engine.clock import LiveClock
from engine.deciding.dispatcher import Dispatcher, DispatcherConfig, DispatcherPorts
from engine.deciding.limiter import Limiter, Priority, Ticket, WakeReason

SYMBOLS = tuple(f"S{n}" for n in range(50))
SLOTS = 3
RUN_S = (0.005, 0.03)  # a model call takes seconds: these are the harder case
SPAN_S = 4.0


async def busy_share() -> tuple[float, int]:
    """Saturate the slots for a while; return their busy share and the number of runs."""
    rng = random.Random(7)
    clock = LiveClock()
    limiter = Limiter(slots=SLOTS, queue_size=100, clock=clock)
    runs = 0

    def offer(symbol: str) -> None:
        priority = rng.choice(list(Priority))
        limiter.offer(
            Ticket(id="", symbol=symbol, reason=WakeReason.NEWS, priority=priority, ts="")
        )

    async def run(ticket: Ticket) -> None:
        nonlocal runs
        await asyncio.sleep(rng.uniform(*RUN_S))
        runs += 1
        offer(ticket.symbol)

    for symbol in SYMBOLS:
        offer(symbol)
    slots = [asyncio.create_task(limiter.serve(run)) for _ in range(SLOTS)]
    await asyncio.sleep(0.1)
    busy_before, before = limiter.busy_s, time.perf_counter()
    await asyncio.sleep(SPAN_S)
    share = (limiter.busy_s - busy_before) / (SLOTS * (time.perf_counter() - before))
    for slot in slots:
        slot.cancel()
    await asyncio.gather(*slots, return_exceptions=True)
    return share, runs


def queue_cost(size: int) -> float:
    """Return microseconds of one offer into a full queue of `size`, the drop included."""
    limiter = Limiter(slots=1, queue_size=size, clock=LiveClock())
    tickets = [
        Ticket(id="", symbol=f"S{n}", reason=WakeReason.NEWS, priority=Priority(1 + n % 3), ts="")
        for n in range(size * 3)
    ]
    started = time.perf_counter()
    for ticket in tickets:
        limiter.offer(ticket)
    return (time.perf_counter() - started) / len(tickets) * 1e6


async def event_cost(*, is_cooling: bool) -> float:
    """Return microseconds of one closed bar, in the cool-down or with entries impossible."""
    all_ran = asyncio.Event()

    async def run(_: Ticket) -> None:
        await asyncio.sleep(0)
        if limiter.granted == len(SYMBOLS):
            all_ran.set()

    bands: dict[tuple[str, str], tuple[float, float]] = {}
    open_for_entries = True
    ports = DispatcherPorts(
        run=run,
        is_warm=lambda _: True,
        has_position=lambda _: False,
        entries_possible=lambda _: open_for_entries,
        mid_and_atr=lambda _: (100.0, 1.0),
        exit_levels=lambda _: (),
        set_band=lambda symbol, owner, *band: bands.update({(symbol, owner): band}),
        on_drop=lambda *_: None,
        on_failure=lambda *_: None,
    )
    clock = LiveClock()
    limiter = Limiter(slots=SLOTS, queue_size=100, clock=clock)
    dispatcher = Dispatcher(DispatcherConfig(symbols=SYMBOLS), ports, limiter=limiter, clock=clock)
    task = asyncio.create_task(dispatcher.run_forever())
    await asyncio.sleep(0)
    bars = [_bar(symbol) for symbol in SYMBOLS]
    for bar in bars:
        dispatcher.bar_closed(bar)
    await all_ran.wait()
    open_for_entries = is_cooling
    rounds = 200
    started = time.perf_counter()
    for _ in range(rounds):
        for bar in bars:
            dispatcher.bar_closed(bar)
    cost = (time.perf_counter() - started) / (rounds * len(bars)) * 1e6
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return cost


def _bar(symbol: str) -> Bar:
    return Bar(symbol, 60, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, math.pi)


def figures() -> list[Figure]:
    """Measure and return every figure."""
    share, runs = asyncio.run(busy_share())
    found = [
        Figure("limiter: slots busy under saturation", share * 100, " %", least=99.0),
        Figure("limiter: runs of that", runs, ""),
    ]
    found += [
        Figure(f"limiter: offer into a full queue of {size:,}", queue_cost(size), " us")
        for size in (100, 10_000)
    ]
    cooling = asyncio.run(event_cost(is_cooling=True))
    barred = asyncio.run(event_cost(is_cooling=False))
    return [
        *found,
        Figure("dispatcher: closed bar in cool-down", cooling, " us"),
        Figure("dispatcher: closed bar of a symbol that is not due", barred, " us"),
    ]


def main() -> None:
    show(figures())


if __name__ == "__main__":
    main()
