"""Hold what is known of one symbol, and show it as one consistent picture."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

from domain.bars import BarChange, Candles, ChangeKind, Piece
from domain.indicators import Indicators
from domain.market import (
    AssetClass,
    Bar,
    Quote,
    WindowQuote,
    WindowTrade,
    asset_class_of,
)
from domain.records import NS_PER_S, canonical, format_ns
from feeds.alpaca.events import quote_event
from feeds.alpaca.wire import QuoteMessage, stamp_ns
from feeds.news import NewsShelf
from feeds.store.series import BarSeries, window_bar
from feeds.store.view import MarketView

Received = tuple[int, int]
"""When something came: (wall, monotonic) nanoseconds."""
NEVER: Received = (0, -1)
FAR_S = 1 << 40
MANY_UNSEEN = 32
"""From so many bars on it is cheaper to open the indicators anew than to catch up."""
MOST = sys.float_info.max
"""The upper edge without any band: an infinite price lies outside of it and is looked at."""


class SymbolBook:
    """Everything known of one symbol. The store's hot path reads and writes the slots directly.

    `low2` and `high2` are the nearest band edges, doubled, so that bid plus ask compares without a
    division. The latest quote's time is kept as seconds and fraction, the way it comes. `edge_s` is
    the next bar edge at which a quiet symbol's middle price is to be noted.
    """

    __slots__ = ("bands", "candles", "edge_s", "high2", "indicators", "is_crypto", "is_halted",
                 "is_lazy", "is_stale", "low2", "n_closed", "news", "other_at", "piece", "quote",
                 "quote_at", "quote_fraction", "quote_s", "series", "symbol", "trade_at",
                 "unseen", "values")  # fmt: skip

    def __init__(
        self, symbol: str, candles: Candles, *, keep: int, min_bars: int, is_lazy: bool = False
    ) -> None:
        self.symbol = symbol
        self.is_crypto = asset_class_of(symbol) is AssetClass.CRYPTO
        self.candles = candles
        self.piece: Piece = candles.current
        self.series = BarSeries(keep)
        self.indicators = Indicators(min_bars=min_bars)
        self.values: dict[str, float | None] | None = None
        self.is_lazy = is_lazy
        self.unseen = 0
        self.news = NewsShelf()
        self.quote: QuoteMessage | None = None
        self.quote_s, self.quote_fraction = 0, 0
        self.quote_at = self.trade_at = self.other_at = NEVER
        self.bands: dict[str, tuple[float, float]] = {}
        self.low2, self.high2 = -math.inf, MOST
        self.edge_s = 0 if self.is_crypto else FAR_S
        self.n_closed = 0
        self.is_stale = False
        self.is_halted = False

    # -- quotes

    def offer_quote(self, message: QuoteMessage, ts: int, received: Received) -> bool:
        """Make this quote the latest; False when a newer one is known."""
        seconds, nanoseconds = divmod(ts, NS_PER_S)
        if (seconds, 4 * nanoseconds) < (self.quote_s, self.quote_fraction):
            return False
        if seconds >= self.edge_s:
            self._cross_edge(ts)
        self.quote, self.quote_at = message, received
        self.quote_s, self.quote_fraction = seconds, 4 * nanoseconds
        return True

    def latest_mid(self) -> tuple[int, float] | None:
        """Return time and middle price of the latest quote."""
        quote = self.quote
        return None if quote is None else (stamp_ns(quote.t), (quote.bid + quote.ask) / 2)

    def _cross_edge(self, ts: int) -> None:
        """Note the middle price that stood when a bar's edge was passed, for quiet bars."""
        latest = self.latest_mid()
        if latest is not None:
            self.candles.note_mid(*latest)
        interval_s = self.candles.interval_s
        self.edge_s = (ts // NS_PER_S // interval_s + 1) * interval_s

    # -- bars

    def close_bar(self, bar: Bar) -> None:
        """Take one newly closed bar, in constant time."""
        last = self.series.last
        if last is not None and bar.ts_event <= last.ts_event:
            self.splice((BarChange(bar, ChangeKind.CLOSED),))
            return
        self.series.append(bar)
        self.n_closed += 1
        self.values = None
        if self.is_lazy:
            self.unseen += 1
        elif self.indicators.n_seen:
            self.indicators.update(bar.high, bar.low, bar.close, bar.volume)
        elif len(self.series) >= self.indicators.min_bars:
            self.indicators.open(self.series.arrays())

    def close_run(self, bars: Sequence[Bar]) -> bool:
        """Take bars that closed one behind the other; false where each must be taken for itself.

        So must they where the indicators see each bar as it closes.
        """
        if not self.is_lazy:
            return False
        self.settle()
        if not self.candles.venue_run(bars):
            return False
        self.series.extend(bars)
        self.n_closed += len(bars)
        self.unseen += len(bars)
        self.values = None
        return True

    def catch_up(self) -> None:
        """Let the indicators see the bars that nobody had asked about yet."""
        unseen, self.unseen = self.unseen, 0
        if not unseen:
            return
        if not self.indicators.n_seen or unseen > MANY_UNSEEN:
            self.indicators.open(self.series.arrays(), is_revisable=False)
            return
        for bar in self.series.bars()[-unseen:]:
            self.indicators.update(bar.high, bar.low, bar.close, bar.volume)

    def settle(self) -> None:
        """Take what late prints and corrections have changed."""
        changes = self.candles.settle()
        if changes:
            self.splice(changes)

    def splice(self, changes: Sequence[BarChange]) -> None:
        """Take bars that changed behind the newest, and let the indicators see them again."""
        if not changes:
            return
        self.catch_up()
        series = self.series
        earliest = min(change.bar.ts_event for change in changes)
        n_dropped = series.count_from(earliest)
        for bar, kind in changes:
            is_gone = kind is ChangeKind.REMOVED
            self.n_closed += series.remove(bar) if is_gone else series.put(bar)
        self.values = None
        arrays = series.arrays()
        if self.indicators.n_seen:
            first = len(series) - series.count_from(earliest)
            self.indicators.revise(arrays, first, n_dropped=n_dropped)
        else:
            self.indicators.open(arrays)

    # -- bands

    def set_band(self, owner: str, low: float, high: float) -> None:
        """Arm one owner's band; an unbounded one disarms it."""
        if low == -math.inf and high == math.inf:
            self.bands.pop(owner, None)
        else:
            self.bands[owner] = (low, high)
        self._find_edges()

    def leave_bands(self, mid: float) -> list[str]:
        """Disarm every band that the price has left; returns their owners."""
        left = [owner for owner, (low, high) in self.bands.items() if not low <= mid <= high]
        for owner in left:
            del self.bands[owner]
        self._find_edges()
        return left

    def _find_edges(self) -> None:
        self.low2 = 2 * max((low for low, _ in self.bands.values()), default=-math.inf)
        self.high2 = min(2 * min((high for _, high in self.bands.values()), default=MOST), MOST)

    # -- what is shown

    def latest_quote(self) -> Quote | None:
        """Return the latest quote with its receive time."""
        return None if self.quote is None else quote_event(self.quote, self.quote_at[0])

    def last_trade(self) -> WindowTrade | None:
        """Return the last print that sets a price."""
        newest = self.candles.newest_print()
        if newest is None:
            return None
        ts_event = format_ns(newest.ts)
        return WindowTrade(price=newest.price, size=newest.size, ts_event=ts_event)

    def last_received(self) -> Received:
        """Return when the last message of any kind came."""
        return max(self.quote_at, self.trade_at, self.other_at, key=_monotonic)

    def indicator_values(self) -> dict[str, float | None]:
        """Return the indicators at the last closed bar; a new dictionary each time."""
        if self.values is None:
            self.catch_up()
            self.values = self.indicators.values()
        return dict(self.values)

    def view(self, *, limit: int, warmup: int) -> MarketView:
        """Return the picture as of now, with at most `limit` bars."""
        forming = self.candles.forming()
        received = self.last_received()
        return MarketView(
            symbol=self.symbol,
            asset_class=AssetClass.CRYPTO if self.is_crypto else AssetClass.STOCK,
            interval_s=self.candles.interval_s,
            bars=self.series.rows(limit),
            forming_bar=None if forming is None else window_bar(forming),
            quote=self.latest_quote(),
            last_trade=self.last_trade(),
            indicators=self.indicator_values(),
            n_bars_seen=self.indicators.n_seen,
            n_closed=self.n_closed,
            is_warm=self.n_closed >= warmup,
            is_stale=self.is_stale,
            is_halted=self.is_halted,
            news=self.news.rows(),
            last_recv_ns=None if received is NEVER else received[1],
        )

    def snapshot(self) -> bytes:
        """Return what the market made of this symbol, without when we heard of it.

        Two stores that saw the same market have equal bytes, whatever was cut on the way.
        """
        view = self.view(limit=len(self.series), warmup=0)
        quote = view.quote
        shown = quote and WindowQuote(
            bid=quote.bid,
            bid_size=quote.bid_size,
            ask=quote.ask,
            ask_size=quote.ask_size,
            ts_event=format_ns(quote.ts_event),
            ts_recv="",
        )
        flags = [bar.ts_event for bar in self.series.bars() if bar.is_quote_mid]
        return canonical(
            {
                "bars": view.bars,
                "quote_mid_bars": flags,
                "forming_bar": view.forming_bar,
                "quote": shown,
                "last_trade": view.last_trade,
                "indicators": view.indicators,
                "n_bars_seen": view.n_bars_seen,
                "n_closed": view.n_closed,
                "news": view.news,
                "is_halted": view.is_halted,
                "is_stale": view.is_stale,
            }
        )


def _monotonic(received: Received) -> int:
    return received[1]
