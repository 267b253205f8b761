"""Keep what the market says, in constant time a message, and call the few who must hear of it.

The store is synchronous and belongs to one event loop. `apply_frame` takes a decoded frame as it
is: its loop is the hot path of the whole system, so it works on the wire's own structs, reads each
symbol's book by one dictionary look-up and makes no object for a quote. Everything rarer goes
through ordinary methods.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception class
from typing import Any

from domain.bars import (
    GRACE_NS,
    BarChange,
    Candles,
    ChangeKind,
    pack_print,
)
from domain.market import (
    AssetClass,
    Bar,
    MarketEvent,
    NewsItem,
    Quote,
    StatusChanged,
    TradeCanceled,
    TradeCorrected,
    asset_class_of,
)
from domain.ports import Calendar, Clock, MarketListener
from domain.records import NS_PER_S
from feeds.alpaca.events import to_event
from feeds.alpaca.wire import (
    Message,
    QuoteMessage,
    TradeMessage,
    WireMessage,
)
from feeds.gaps import Backfill
from feeds.news import cleaned, spelled
from feeds.store.checks import is_sound, mids_at_edges, quote_reason, sessions_of, to_message
from feeds.store.config import StoreConfig
from feeds.store.reading import MAX_AHEAD_NS, Reader
from feeds.store.symbols import Received, SymbolBook
from feeds.store.view import Glance, MarketView

split_stamp = Struct(">II").unpack
"""Split a MessagePack timestamp 64 into (fraction, seconds). The fraction counts quarters of a
nanosecond: the two bits below it are the seconds' highest, which are 0 until the year 2106."""


class RollingStore:
    """The `MarketSink` that the engine reads: books of symbols, bands, bars by the clock."""

    def __init__(
        self,
        config: StoreConfig,
        *,
        listener: MarketListener,
        clock: Clock,
        calendar: Calendar,
    ) -> None:
        self.config = config
        self._reader = Reader()
        self.rejects = self._reader.rejects
        self._listener = listener
        self._clock = clock
        self._interval_ns = config.interval_s * NS_PER_S
        self._books = {symbol: self._new_book(symbol, calendar) for symbol in config.symbols}
        self._handlers: dict[type, Callable[[Any], None]] = {
            Bar: self._take_bar,
            TradeCanceled: self._take_undo,
            TradeCorrected: self._take_undo,
            StatusChanged: self._take_status,
            NewsItem: self._take_news,
        }

    # -- what the market sends

    def apply_frame(self, messages: Iterable[WireMessage | MarketEvent]) -> None:
        """Take one decoded frame, in order; never raises for bad market data.

        A quote costs one look-up, its checks and two compares with the nearest bands; a print one
        look-up and 32 packed bytes, which are checked when its bar is folded. Seconds and fraction
        of a time are compared apart: as one number they would not fit Python's small integers.
        """
        now_ns = self._clock.now_ns()
        stamp = (now_ns, self._clock.monotonic_ns())
        horizon_s = (now_ns + MAX_AHEAD_NS) // NS_PER_S
        book_of = self._books.get
        full_price = self._reader.full_price
        for m in messages:
            if type(m) is QuoteMessage:
                book = book_of(m.symbol)
                if book is None:
                    self.rejects["symbol_unknown"] += 1
                    continue
                try:
                    fraction, seconds = split_stamp(m.t.data)
                except StructError:
                    self._take_quote(book, m, stamp)
                    continue
                bid = m.bid
                ask = m.ask
                if (
                    0.0 < bid <= ask
                    and book.low2 <= bid + ask <= book.high2
                    and (
                        (seconds == book.quote_s and fraction >= book.quote_fraction)
                        or (book.quote_s < seconds < book.edge_s and seconds < horizon_s)
                    )
                ):
                    book.quote = m
                    book.quote_s = seconds
                    book.quote_fraction = fraction
                    book.quote_at = stamp
                else:
                    self._take_quote(book, m, stamp)
            elif type(m) is TradeMessage:
                book = book_of(m.symbol)
                if book is None:
                    self.rejects["symbol_unknown"] += 1
                    continue
                piece = book.piece
                try:
                    data = m.t.data
                    if (
                        piece.first_s <= split_stamp(data)[1] < piece.fence_s
                        and m.conditions in full_price
                    ):
                        piece.prints += pack_print(data, m.trade_id, m.price, m.size)
                        book.trade_at = stamp
                        continue
                except StructError:
                    pass
                self._take_trade(book, m, stamp)
            else:
                self._take_other(m, stamp)

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Take records of the market (`MarketSink`); the same path as frames."""
        if len(events) == 1 and type(events[0]) is Bar:
            self._take_other(events[0], (self._clock.now_ns(), self._clock.monotonic_ns()))
        else:
            self.apply_frame([to_message(event) for event in events])

    def apply_run(self, symbol: str, bars: Sequence[Bar], told_ns: int) -> None:
        """Take whole bars of our interval, each behind the last, told up to `told_ns`.

        They are shown, but nobody is called for them. Whoever hands them over has looked whether
        their numbers can be true.
        """
        book = self._books[symbol]
        since_now = told_ns - self._clock.now_ns()
        book.other_at = (told_ns, self._clock.monotonic_ns() + since_now)
        if book.close_run(bars):
            return
        for bar in bars:
            changes = book.candles.venue_bar(bar)
            book.piece = book.candles.current
            self._keep(book, changes)

    def seed(self, backfill: Backfill) -> None:
        """Take a symbol's history: what it changes is shown, but nobody is called for it."""
        book = self._books[backfill.symbol]
        candles = book.candles
        now_ns = self._clock.now_ns()
        changes: list[BarChange] = []
        for bar in backfill.whole_bars:
            changes += candles.venue_bar(bar)
        prints = self._reader.prints_of(backfill.trades, now_ns)
        changes += candles.fill(backfill.minute_bars, prints, backfill.since_ns)
        candles.fill_mids(mids_at_edges(backfill.quotes, candles.interval_ns))
        if backfill.quote is not None:
            self._seed_quote(book, backfill.quote)
        changes += candles.close_due(now_ns, book.latest_mid())
        book.splice(changes)
        book.piece = candles.current

    def seed_news(self, items: Iterable[NewsItem]) -> None:
        """Take articles of the past: they are shown, but nobody is called for them."""
        for item in items:
            self._shelve(item)

    def link_lost(self, symbols: Sequence[str], reason: str) -> None:
        """Mark symbols stale: their bars stop closing until the gap is filled."""
        for book in (books := self._named(symbols, is_stale=False)):
            book.is_stale = True
            book.candles.mark_cut()
        if books:
            self._listener.link_changed([b.symbol for b in books], is_up=False, reason=reason)

    def link_restored(self, symbols: Sequence[str]) -> None:
        """Mark symbols fresh again, after `seed`; bars that closed meanwhile are not called."""
        now_ns = self._clock.now_ns()
        for book in (books := self._named(symbols, is_stale=True)):
            book.splice(book.candles.close_due(now_ns, book.latest_mid()))
            book.is_stale = False
        if books:
            self._listener.link_changed([b.symbol for b in books], is_up=True, reason="")

    # -- what the engine asks

    def view(self, symbol: str, *, n_bars: int | None = None) -> MarketView:
        """Return one symbol as of now; raises `KeyError` for one that is not kept.

        `n_bars` asks for another number of bars than a window's, at most as many as are kept.
        """
        book = self._books[symbol]
        book.settle()
        return book.view(limit=n_bars or self.config.window_bars, warmup=self.config.warmup_bars)

    def quote(self, symbol: str) -> Quote | None:
        """Return the latest quote alone; raises `KeyError` for a symbol that is not kept."""
        return self._books[symbol].latest_quote()

    def glance(self, symbol: str) -> Glance:
        """Return quote and state alone; raises `KeyError` for a symbol that is not kept."""
        book = self._books[symbol]
        return Glance(book.latest_quote(), book.is_stale, book.is_halted)

    def is_warm(self, symbol: str) -> bool:
        """Tell whether a symbol has enough closed bars to decide on."""
        book = self._books[symbol]
        book.settle()
        return book.n_closed >= self.config.warmup_bars

    def is_stale(self, symbol: str) -> bool:
        """Tell whether the symbol's link is down."""
        return self._books[symbol].is_stale

    def is_halted(self, symbol: str) -> bool:
        """Tell whether the symbol's market has halted it."""
        return self._books[symbol].is_halted

    def mid_and_atr(self, symbol: str) -> tuple[float, float] | None:
        """Return the latest middle price and the average true range, none without either."""
        book = self._books[symbol]
        book.settle()
        latest, atr = book.latest_mid(), book.indicator_values()["atr_14"]
        return None if latest is None or atr is None else (latest[1], atr)

    def set_band(self, symbol: str, owner: str, low: float, high: float) -> None:
        """Call `band_left` once when the middle price leaves [low, high]; replaces the owner's.

        A price that lies outside already leaves with the next quote. An unbounded band disarms.
        """
        if math.isnan(low) or math.isnan(high):
            raise ValueError(f"the band of {owner} for {symbol} is [{low}, {high}]: not a number")
        self._books[symbol].set_band(owner, low, high)

    def next_close_ns(self) -> int:
        """Return when the next bars are due to close."""
        behind = self._clock.now_ns() - GRACE_NS
        return behind - behind % self._interval_ns + self._interval_ns + GRACE_NS

    def close_due(self, now_ns: int) -> None:
        """Close every bar whose edge lies a second back, and call the listener for each."""
        for book in self._books.values():
            book.settle()
            if not book.is_stale:
                changes = book.candles.close_due(now_ns, book.latest_mid())
                self._show(book, changes)

    def snapshot_bytes(self, symbol: str) -> bytes:
        """Return everything shown of a symbol but receive times: equal for equal markets."""
        book = self._books[symbol]
        book.settle()
        return book.snapshot()

    def counts(self) -> Counter[str]:
        """Return how many messages were refused or mended, by reason."""
        return sum((book.candles.rejects for book in self._books.values()), Counter(self.rejects))

    # -- the rarer paths

    def _named(self, symbols: Iterable[str], *, is_stale: bool) -> list[SymbolBook]:
        books = (self._books.get(symbol) for symbol in symbols)
        return [book for book in books if book is not None and book.is_stale is is_stale]

    def _new_book(self, symbol: str, calendar: Calendar) -> SymbolBook:
        is_crypto = asset_class_of(symbol) is AssetClass.CRYPTO
        candles = Candles(
            symbol,
            self.config.interval_s,
            sessions=None if is_crypto else sessions_of(calendar),
            has_quiet_bars=is_crypto,
        )
        keep, min_bars = self.config.history_bars, self.config.min_indicator_bars
        is_lazy = self.config.is_seldom_read
        return SymbolBook(symbol, candles, keep=keep, min_bars=min_bars, is_lazy=is_lazy)

    def _take_quote(self, book: SymbolBook, m: QuoteMessage, stamp: Received) -> None:
        ts = self._reader.time_of(m.t, stamp[0])
        if ts is None:
            return
        reason = quote_reason(m)
        if reason is None and not book.offer_quote(m, ts, stamp):
            reason = "quote_out_of_order"
        if reason is not None:
            self.rejects[reason] += 1
        elif not book.low2 <= m.bid + m.ask <= book.high2:
            mid = (m.bid + m.ask) / 2
            for owner in book.leave_bands(mid):
                self._listener.band_left(book.symbol, owner, mid)

    def _take_trade(self, book: SymbolBook, m: TradeMessage, stamp: Received) -> None:
        ts = self._reader.time_of(m.t, stamp[0])
        if ts is None:
            return
        item = self._reader.print_of(m, ts)
        if item is not None:
            book.trade_at = stamp
            book.candles.add(item)
            book.piece = book.candles.current

    def _take_other(self, m: WireMessage | MarketEvent, stamp: Received) -> None:
        try:
            event = to_event(m, stamp[0]) if isinstance(m, Message) else m
        except ValueError:
            self.rejects["time_invalid"] += 1
            return
        handler = self._handlers.get(type(event))
        if handler is None:
            return
        book = self._books.get(getattr(event, "symbol", ""))
        if book is not None:
            book.other_at = stamp
        elif not isinstance(event, NewsItem):
            self.rejects["symbol_unknown"] += 1
            return
        handler(event)

    def _take_bar(self, bar: Bar) -> None:
        if not is_sound(bar):
            self.rejects["bar_invalid"] += 1
            return
        if bar.ts_event >= self._clock.now_ns() + MAX_AHEAD_NS:
            self.rejects["time_ahead"] += 1
            return
        book = self._books[bar.symbol]
        changes = book.candles.venue_bar(bar)
        book.piece = book.candles.current
        self._show(book, changes)

    def _take_undo(self, event: TradeCanceled | TradeCorrected) -> None:
        book = self._books[event.symbol]
        if isinstance(event, TradeCanceled):
            book.candles.cancel(event)
        else:
            book.candles.correct(event)

    def _take_status(self, status: StatusChanged) -> None:
        book = self._books[status.symbol]
        if book.is_halted != status.is_halted:
            book.is_halted = status.is_halted
            self._listener.halt_changed(
                status.symbol, is_halted=status.is_halted, reason=status.reason or status.code
            )

    def _take_news(self, item: NewsItem) -> None:
        kept = self._shelve(item)
        if kept is not None:
            self._listener.news_arrived(kept)

    def _shelve(self, item: NewsItem) -> NewsItem | None:
        """Keep an article, cleaned, with the symbols it names; none when all of them have it."""
        item = spelled(cleaned(item), self._books)
        named = [book for symbol in item.symbols if (book := self._books.get(symbol))]
        is_new = sum(book.news.put(item) for book in named) > 0
        return item if is_new else None

    def _show(self, book: SymbolBook, changes: Sequence[BarChange]) -> None:
        """Take bars that closed or changed; a bar that closed is called, a revised one is not."""
        closed = self._keep(book, changes)
        if not book.is_stale:
            for bar in closed:
                self._listener.bar_closed(bar)

    def _keep(self, book: SymbolBook, changes: Sequence[BarChange]) -> list[Bar]:
        """Take bars that closed or changed, and return those that closed."""
        book.settle()
        closed = [change.bar for change in changes if change.kind is ChangeKind.CLOSED]
        for bar in closed:
            book.close_bar(bar)
        if len(closed) < len(changes):
            book.splice([change for change in changes if change.kind is not ChangeKind.CLOSED])
        return closed

    def _seed_quote(self, book: SymbolBook, m: QuoteMessage) -> None:
        stamp = (self._clock.now_ns(), self._clock.monotonic_ns())
        ts = self._reader.time_of(m.t, stamp[0])
        if ts is not None and quote_reason(m) is None:
            book.offer_quote(m, ts, stamp)
