"""Fetch Alpaca's history to the disk, with a bar that says how long it takes."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from api.assembly.mapping import history_of
from api.cli.journal.progress import progress
from api.settings import Config
from backtest.data.fetching import Fetched, Fetcher, Parts, Unit, Wanted, units_of
from backtest.data.fetching.fetcher import Tell
from backtest.data.fetching.plan import interval_of
from backtest.data.loading import period_of
from domain.errors import ConfigError
from engine.clock import LiveClock
from feeds.historical import AlpacaHistory, HistoryConfig
from feeds.pages import HistoryPages, Kind

FEEDS = ("sip", "iex", "otc", "boats")
"""Every plan may read SIP's history but for its last minutes (Alpaca, "Market Data FAQ")."""
ADJUSTMENTS = ("raw", "split", "dividend", "all")


@dataclass(frozen=True, kw_only=True)
class FetchCommand:
    """What was asked for."""

    symbols: tuple[str, ...]
    start: str
    end: str | None = None
    interval: str = "1d"
    kinds: str = "bars"
    out: Path = Path("data/alpaca")
    feed: str = "sip"
    adjustment: str = "split"
    per_minute: int = 180
    as_json: bool = False


def run_fetch(asked: FetchCommand) -> None:
    """Fetch and say what was done; raises `FeedError`, and `ConfigError` also where nothing came.

    Whatever ends it, whole parts stay and the same command goes on behind them.
    """
    history = replace(history_of(Config.read()), feed=asked.feed)
    wanted = _wanted(asked)
    units = units_of(wanted, LiveClock().now_ns())
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    with progress("Fetching", is_shown=not asked.as_json) as tell:
        try:
            fetched = asyncio.run(_fetch(asked, history, units, tell))
        except KeyboardInterrupt:
            err.print("Interrupted. Run the same command again: it goes on where it stopped.")
            raise
    _say(asked, fetched)
    if fetched.empty:
        raise ConfigError(
            f"The venue has nothing of {', '.join(fetched.empty)} from {asked.start} to "
            f"{asked.end or 'now'}: it knows no such symbol, or nothing happened in that time.",
            remedy="Check the symbol (AAPL, BRK.B, BTC/USD), --from, --to and --feed.",
            code="FETCH_EMPTY",
        )


async def _fetch(
    asked: FetchCommand, config: HistoryConfig, units: list[Unit], tell: Tell
) -> Fetched:
    clock = LiveClock()
    history = AlpacaHistory(config, clock)
    try:
        pages = HistoryPages(history, feed=config.feed)
        fetcher = Fetcher(pages, Parts(asked.out), clock, per_minute=asked.per_minute)
        return await fetcher.run(units, tell)
    finally:
        await history.aclose()


def _wanted(asked: FetchCommand) -> Wanted:
    _one_of("--feed", asked.feed, FEEDS)
    _one_of("--adjustment", asked.adjustment, ADJUSTMENTS)
    kinds = [name.strip() for name in asked.kinds.split(",") if name.strip()]
    for name in kinds or [""]:
        _one_of("--kind", name, tuple(Kind))
    period = period_of(asked.start, asked.end)
    return Wanted(
        symbols=tuple(dict.fromkeys(symbol.upper() for symbol in asked.symbols)),
        kinds=tuple(dict.fromkeys(Kind(name) for name in kinds)),
        start_ns=period.start_ns,
        end_ns=period.end_ns,
        interval_s=interval_of(asked.interval),
        feed=asked.feed,
        adjustment=asked.adjustment,
    )


def _one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(
            f"{option} is {value!r}.",
            remedy=f"Choose of {', '.join(known)}.",
            code="OPTION_INVALID",
        )


def _say(asked: FetchCommand, fetched: Fetched) -> None:
    out = Console(highlight=False, soft_wrap=True)
    if asked.as_json:
        out.print_json(json.dumps({"folder": str(asked.out), **asdict(fetched)}))
        return
    out.print(
        f"{fetched.rows:,} rows of {fetched.units - fetched.was_there} units came in "
        f"{fetched.requests:,} requests; {fetched.was_there} units were there already.",
        markup=False,
    )
    if fetched.limited:
        out.print(f"The venue asked {fetched.limited} times for a pause: {fetched.waited_s:.0f} s.")
    out.print(f"Read it with --data alpaca:{asked.out}", markup=False)
