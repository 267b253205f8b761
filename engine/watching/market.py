"""Run the feeds while anyone needs them, and tell the few who must hear what the market did.

The session needs the market to decide; the guard needs it while a position or an order lives. What
the store notices goes to the dispatcher and the exits by direct calls; the bus gets a copy.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from domain.errors import FeedError
from domain.market import Bar, NewsItem
from domain.ports import Clock, Feed, MarketSink
from domain.records import NS_PER_S, format_ns
from engine.orders.protection.seams import BAND_OWNER as EXITS

Publish = Callable[[str, dict[str, Any]], None]
"""Hand (kind, body) to the bus; never blocks, never raises."""


class Wakes(Protocol):
    """What the dispatcher listens to."""

    def bar_closed(self, bar: Bar) -> None:
        """A candle closed."""
        ...

    def band_left(self, symbol: str, owner: str, mid: float) -> None:
        """The price left the dispatcher's band."""
        ...

    def news_arrived(self, item: NewsItem) -> None:
        """An article named a symbol of ours."""
        ...


class BarClock(Protocol):
    """The part of the rolling store that closes candles by the clock."""

    def close_due(self, now_ns: int) -> None:
        """Close every bar whose edge lies a second back."""
        ...

    def next_close_ns(self) -> int:
        """Return when the next bar is due to close."""
        ...


class MarketEars:
    """Hear the store (`domain.ports.MarketListener`) and pass on by direct calls."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish
        self.notify: Callable[[str, str], None] = lambda _code, _message: None
        """Hear (code, line) for the operator."""
        self.wakes: Wakes | None = None
        """The dispatcher while a session runs."""
        self.wake_exits: Callable[[str], None] = lambda _symbol: None
        self.link_lost: Callable[[Sequence[str]], None] = lambda _symbols: None
        """Hear of streams that were lost, by their symbols."""
        self.losses: Counter[str] = Counter()
        """How often each symbol's feed was lost after it had been there."""
        self._down: dict[str, str] = {}
        self._was_up: set[str] = set()

    def bar_closed(self, bar: Bar) -> None:
        """Wake the dispatcher; show the bar to watchers."""
        if self.wakes is not None:
            self.wakes.bar_closed(bar)
        self._publish(
            "bar_closed",
            {
                "symbol": bar.symbol,
                "ts": format_ns(bar.ts_event),
                "interval_s": bar.interval_s,
                "open": bar.open,
                "high": bar.high,
                "low": bar.low,
                "close": bar.close,
                "volume": bar.volume,
            },
        )

    def band_left(self, symbol: str, owner: str, mid: float) -> None:
        """Wake whoever set the band."""
        if owner == EXITS:
            self.wake_exits(symbol)
        elif self.wakes is not None:
            self.wakes.band_left(symbol, owner, mid)

    def news_arrived(self, item: NewsItem) -> None:
        """Wake the dispatcher for the symbols the article names."""
        if self.wakes is not None:
            self.wakes.news_arrived(item)

    def halt_changed(self, symbol: str, *, is_halted: bool, reason: str) -> None:
        """Tell the operator; the store itself carries the flag that the gate reads."""
        word = "halted" if is_halted else "resumed"
        self.notify("MARKET_STATUS", f"{symbol} was {word} by its market ({reason}).")

    def link_changed(self, symbols: Sequence[str], *, is_up: bool, reason: str) -> None:
        """Tell watchers that the feed of these symbols was lost or restored."""
        for symbol in symbols:
            if is_up:
                self._down.pop(symbol, None)
                self._was_up.add(symbol)
            else:
                self._down[symbol] = reason
                self.losses[symbol] += symbol in self._was_up
        kind = "feed_restored" if is_up else "feed_lost"
        self._publish(kind, {"symbols": list(symbols), "reason": reason})
        if not is_up:
            self.link_lost(symbols)

    @property
    def is_up(self) -> bool:
        """Tell whether no symbol's link is down."""
        return not self._down


class MarketWatch:
    """Run every feed and the bar clock while at least one party wants the market.

    Without `bars` nobody closes candles here: whoever plays a market does.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        store: MarketSink,
        bars: BarClock | None,
        *,
        clock: Clock,
        notify: Callable[[str, str], None],
    ) -> None:
        self._feeds = feeds
        self._store = store
        self._bars = bars
        self._clock = clock
        self._notify = notify
        self._wanted_by: set[str] = set()
        self._changed = asyncio.Event()

    def want(self, who: str) -> None:
        """Keep the feeds running for `who`."""
        if who not in self._wanted_by:
            self._wanted_by.add(who)
            self._changed.set()

    def release(self, who: str) -> None:
        """`who` needs the market no longer; the feeds end when nobody does."""
        if who in self._wanted_by:
            self._wanted_by.discard(who)
            self._changed.set()

    @property
    def is_wanted(self) -> bool:
        """Tell whether anyone needs the market."""
        return bool(self._wanted_by)

    async def run(self) -> None:
        """Start and end the feeds as they are wanted, until cancelled."""
        while True:
            await self._until(wanted=True)
            async with asyncio.TaskGroup() as group:
                feeding = group.create_task(self._feed(), name="market")
                await self._until(wanted=False)
                feeding.cancel()

    async def _until(self, *, wanted: bool) -> None:
        while self.is_wanted is not wanted:
            self._changed.clear()
            await self._changed.wait()

    async def _feed(self) -> None:
        async with asyncio.TaskGroup() as group:
            if self._bars is not None:
                group.create_task(self._close_bars(self._bars), name="bar-clock")
            for feed in self._feeds:
                group.create_task(self._run_feed(feed), name=f"feed:{type(feed).__name__}")

    async def _run_feed(self, feed: Feed) -> None:
        """Run one feed; one that the venue refuses stays down, the others go on."""
        try:
            await feed.run(self._store)
        except FeedError as error:
            self._notify(error.code, error.line)

    async def _close_bars(self, bars: BarClock) -> None:
        while True:
            wait_s = (bars.next_close_ns() - self._clock.now_ns()) / NS_PER_S
            await self._clock.sleep(min(max(wait_s, 0.01), 1.0))
            bars.close_due(self._clock.now_ns())
