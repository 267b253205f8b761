"""Open what is seen of the market: the streams, their history, and how much of it is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack

from api.assembly.plan import Plan
from domain.market import Quote
from domain.ports import Calendar, Clock
from engine.building import EnginePlan
from engine.watching.market import MarketEars
from feeds.alpaca.config import AlpacaFeedConfig, Channel, FeedNotice
from feeds.alpaca.feed import AlpacaFeed
from feeds.store import StoreConfig


def store_config(plan: EnginePlan) -> StoreConfig:
    """Return how much of the market is kept."""
    return StoreConfig(
        symbols=plan.symbols,
        interval_s=plan.interval_s,
        window_bars=plan.history_limit,
        warmup_bars=plan.warmup_min,
    )


def open_feed(
    config: AlpacaFeedConfig,
    clock: Clock,
    calendar: Calendar,
    ears: MarketEars,
    stack: AsyncExitStack,
) -> AlpacaFeed:
    """Make one stream; what it reports is shown to the operator."""

    def report(notice: FeedNotice) -> None:
        ears.notify(notice.code, f"{notice.line} {notice.remedy}".strip())

    feed = AlpacaFeed(config, clock, report=report, calendar=calendar)
    stack.push_async_callback(feed.aclose)
    return feed


def quote_asker(
    plan: Plan, feeds: Sequence[AlpacaFeed]
) -> Callable[[str], Awaitable[Quote | None]]:
    """Return how to ask for one latest quote: of the history of the stream that has the symbol."""
    sources = {
        symbol: feed.history
        for config, feed in zip(plan.feeds, feeds, strict=True)
        if config.channel is not Channel.NEWS
        for symbol in config.symbols
    }

    async def ask(symbol: str) -> Quote | None:
        history = sources.get(symbol)
        return None if history is None else await history.latest_quote(symbol)

    return ask
