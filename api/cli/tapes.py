"""Record the live stream to a tape."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from api.assembly.mapping import plan_of
from api.cli.journal.progress import progress
from api.logs.lines import configure
from api.settings import Config
from domain.errors import FeedError
from domain.market import MarketEvent
from engine.clock import LiveClock
from feeds.alpaca.config import AlpacaFeedConfig, FeedNotice
from feeds.alpaca.feed import AlpacaFeed
from feeds.tape import TapeRecorder

_SHOW_EVERY_S = 1.0


class _Counter:
    """A sink that only counts: the recorder sees the frames as they came."""

    def __init__(self) -> None:
        self.events = 0

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Count."""
        self.events += len(events)

    def link_lost(self, symbols: Sequence[str], reason: str) -> None:
        """Need nothing."""

    def link_restored(self, symbols: Sequence[str]) -> None:
        """Need nothing."""


def record_tape(to: Path, *, seconds: float | None) -> None:
    """Record until Ctrl-C or for so many seconds; raises `ConfigError` or `FeedError`."""
    config = Config.read()
    configure(config)
    plan = plan_of(config, mode="paper")
    asyncio.run(_record(to, plan.feeds, seconds))


async def _record(to: Path, feeds: tuple[AlpacaFeedConfig, ...], seconds: float | None) -> None:
    clock, counter = LiveClock(), _Counter()
    beside = Console(stderr=True, highlight=False)

    def report(notice: FeedNotice) -> None:
        beside.print(f"{notice.line} {notice.remedy}".strip())

    async with TapeRecorder(
        to, source="Alpaca market data", licence="Alpaca's data agreement", clock=clock
    ) as recorder:
        streams = [AlpacaFeed(feed, clock, report=report, recorder=recorder) for feed in feeds]
        try:
            await _run_all(streams, counter, seconds, beside)
        finally:
            for stream in streams:
                await stream.aclose()
    said = f"{to}: {recorder.written} frames, {recorder.dropped} dropped."
    Console(highlight=False, soft_wrap=True).print(said, markup=False)


async def _run_all(
    streams: list[AlpacaFeed], counter: _Counter, seconds: float | None, beside: Console
) -> None:
    """Run every stream until the time is over, a signal comes, or one is refused."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    running = [asyncio.create_task(stream.run(counter)) for stream in streams]
    told = asyncio.create_task(stop.wait())
    shown = asyncio.create_task(_show_time_left(seconds, beside))
    done, _ = await asyncio.wait(
        {told, *running}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
    )
    for task in (told, shown, *running):
        task.cancel()
    await asyncio.gather(told, shown, *running, return_exceptions=True)
    with suppress(asyncio.CancelledError):
        for task in done - {told}:
            error = task.exception()
            if isinstance(error, FeedError):
                raise error
    beside.print(f"{counter.events} events seen.")


async def _show_time_left(seconds: float | None, beside: Console) -> None:
    """Show how far a recording of a known length has come, on a terminal alone."""
    if seconds is None:
        return
    loop = asyncio.get_running_loop()
    began = loop.time()
    with progress("Recording", is_shown=True, console=beside) as tell:
        while True:
            tell(round(loop.time() - began), round(seconds))
            await asyncio.sleep(_SHOW_EVERY_S)
