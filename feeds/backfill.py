"""Fetch what a store lacks: enough history at the start, and what a cut swallowed.

Bars of whole minutes come as the venue's bars, the running minute as its prints; below a minute the
venue has no bars, so everything comes as prints, and for crypto the quotes that fill silence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from domain.bars import MINUTE_S
from domain.market import AssetClass, Bar, SessionPhase, asset_class_of
from domain.ports import Calendar, Clock
from domain.records import NS_PER_S
from feeds.alpaca.wire import QuoteMessage, TradeMessage, stamp_ns
from feeds.gaps import Backfill
from feeds.historical import AlpacaHistory, Span

MINUTE_NS = MINUTE_S * NS_PER_S
DAY_NS = 86_400 * NS_PER_S
LATE_NS = 15 * NS_PER_S
"""How late a print may be reported: exchanges have 10 s (Alpaca, "Stock Minute Bars")."""
RECENT_NS = 5 * MINUTE_NS
"""Prints are fetched at most this far back where the venue has bars."""
PRINTS = (2_000, 10_000, 50_000)
"""How many of the newest prints are asked for, until they make bars enough."""
SPARE = 30
"""Intervals fetched beyond the need: the first may lack a print, any may hold odd lots alone."""
NATIVE_MINUTES = frozenset({1, 2, 3, 5, 6, 10, 15, 30})
"""Bars that the venue makes itself and that never straddle a session's edge (9:30, 16:00)."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What a store needs: bars of `interval_s`, `n_bars` of them at the start."""

    interval_s: int
    n_bars: int = 250

    @property
    def interval_ns(self) -> int:
        """Return the interval in nanoseconds."""
        return self.interval_s * NS_PER_S

    @property
    def has_venue_bars(self) -> bool:
        """Tell whether the venue's minute bars make these bars."""
        return self.interval_s % MINUTE_S == 0

    @property
    def piece_ns(self) -> int:
        """Return what the aggregator makes a bar of: minutes, or the whole."""
        return MINUTE_NS if self.has_venue_bars else self.interval_ns


@dataclass(slots=True)
class Found:
    """One symbol's findings while they are gathered."""

    since_ns: int = 0
    whole_bars: Sequence[Bar] = ()
    minute_bars: Sequence[Bar] = ()
    trades: Sequence[TradeMessage] = ()
    quotes: Sequence[QuoteMessage] = ()


class GapFiller:
    """Fetch back-fills of symbols of one class; raises `FeedError`."""

    def __init__(
        self, history: AlpacaHistory, lack: Lack, *, clock: Clock, calendar: Calendar | None = None
    ) -> None:
        self._history = history
        self._lack = lack
        self._clock = clock
        self._calendar = calendar

    async def fetch(self, symbols: Sequence[str], cut_ns: int | None) -> list[Backfill]:
        """Return what happened since `cut_ns`, or enough history when there is no past yet."""
        now_ns = self._clock.now_ns()
        lack = self._lack
        is_start = cut_ns is None or now_ns - cut_ns > lack.n_bars * lack.interval_ns
        found: dict[str, Found] = defaultdict(Found)
        if lack.has_venue_bars:
            await self._bars(found, symbols, now_ns, None if is_start else cut_ns)
        elif is_start:
            await self._first_prints(found, symbols, now_ns)
        else:
            since = _floor(cut_ns - LATE_NS, lack.interval_ns) if cut_ns else 0
            await self._prints(found, symbols, since)
        quotes = await self._history.latest_quotes(symbols)
        return [_backfill(symbol, found[symbol], quotes.get(symbol)) for symbol in symbols]

    async def _bars(
        self, found: dict[str, Found], symbols: Sequence[str], now_ns: int, cut_ns: int | None
    ) -> None:
        running = _floor(now_ns, MINUTE_NS)
        if cut_ns is None:
            for symbol in symbols:
                await self._first_bars(found[symbol], symbol, now_ns)
            since = running - MINUTE_NS
        else:
            start = _floor(cut_ns, MINUTE_NS) - 2 * MINUTE_NS
            bars = await self._history.bars(symbols, 1, Span(start_ns=start))
            for symbol, rows in bars.items():
                found[symbol].minute_bars = self._complete(rows, now_ns)
            since = max(_floor(cut_ns, MINUTE_NS) - MINUTE_NS, running - RECENT_NS)
        await self._prints(found, symbols, since)

    async def _first_bars(self, found: Found, symbol: str, now_ns: int) -> None:
        """Fetch the last bars: the venue's own where it makes them, else its minutes."""
        minutes, n_bars = self._lack.interval_s // MINUTE_S, self._lack.n_bars
        if minutes not in NATIVE_MINUTES:
            found.minute_bars = await self._last_bars(symbol, 1, n_bars * minutes, now_ns)
            return
        bars = await self._last_bars(symbol, minutes, n_bars, now_ns)
        if minutes == 1:
            found.minute_bars = bars
            return
        found.whole_bars = bars
        start = _floor(now_ns, self._lack.interval_ns)
        running = await self._history.bars([symbol], 1, Span(start_ns=start))
        found.minute_bars = self._complete(running.get(symbol, ()), now_ns)

    async def _last_bars(self, symbol: str, minutes: int, n_bars: int, now_ns: int) -> list[Bar]:
        """Fetch the last `n_bars` of trading hours; a stock's day holds 390 minutes of those."""
        is_crypto = asset_class_of(symbol) is AssetClass.CRYPTO
        days = n_bars * minutes // (1_440 if is_crypto else 390) + 1
        span = Span(
            start_ns=now_ns - (2 * days + 4) * DAY_NS,
            limit=n_bars + 10 if is_crypto else 3 * n_bars,
            is_newest_first=True,
        )
        bars = await self._history.bars([symbol], minutes, span)
        return self._complete(bars.get(symbol, ()), now_ns)[-n_bars:]

    def _complete(self, bars: Iterable[Bar], now_ns: int) -> list[Bar]:
        """Leave out the running bar and what lies outside trading hours."""
        done = (bar for bar in bars if bar.ts_event + bar.interval_s * NS_PER_S <= now_ns)
        return [bar for bar in done if self._is_open(bar)]

    def _is_open(self, bar: Bar) -> bool:
        if self._calendar is None:
            return True
        phase = self._calendar.phase(asset_class_of(bar.symbol), bar.ts_event)
        return phase is not SessionPhase.CLOSED

    async def _prints(self, found: dict[str, Found], symbols: Sequence[str], since: int) -> None:
        """Fetch every print since a time, and for crypto below a minute the quotes too."""
        trades = await self._history.trades(symbols, Span(start_ns=since))
        for symbol in symbols:
            found[symbol].since_ns = since
            found[symbol].trades = trades.get(symbol, ())
        if not self._lack.has_venue_bars and asset_class_of(symbols[0]) is AssetClass.CRYPTO:
            quotes = await self._history.crypto_quotes(symbols, Span(start_ns=since))
            for symbol, rows in quotes.items():
                found[symbol].quotes = rows

    async def _first_prints(
        self, found: dict[str, Found], symbols: Sequence[str], now_ns: int
    ) -> None:
        """Fetch prints enough for the first bars: crypto by time, for it has a bar each interval.

        A stock's are the newest of them, whenever they were: it may be night.
        """
        if asset_class_of(symbols[0]) is AssetClass.CRYPTO:
            span_ns = (self._lack.n_bars + SPARE) * self._lack.interval_ns
            await self._prints(found, symbols, _floor(now_ns - span_ns, self._lack.interval_ns))
            return
        for symbol in symbols:
            await self._newest_prints(found[symbol], symbol, now_ns)

    async def _newest_prints(self, found: Found, symbol: str, now_ns: int) -> None:
        step, n_bars = self._lack.interval_ns, self._lack.n_bars + SPARE
        for limit in PRINTS:
            span = Span(start_ns=now_ns - 5 * DAY_NS, limit=limit, is_newest_first=True)
            trades = (await self._history.trades([symbol], span)).get(symbol, [])
            intervals = sorted({stamp_ns(m.t) // step for m in trades})
            if len(trades) < limit or len(intervals) > n_bars:
                break
        if len(trades) == limit:
            intervals = intervals[1:]
        found.since_ns = (intervals[-n_bars:] or [now_ns // step])[0] * step
        found.trades = [m for m in trades if stamp_ns(m.t) >= found.since_ns]


def _backfill(symbol: str, found: Found, quote: QuoteMessage | None) -> Backfill:
    return Backfill(
        symbol=symbol,
        since_ns=found.since_ns,
        whole_bars=tuple(found.whole_bars),
        minute_bars=tuple(found.minute_bars),
        trades=tuple(found.trades),
        quotes=tuple(found.quotes),
        quote=quote,
    )


def _floor(ts_ns: int, step_ns: int) -> int:
    return ts_ns - ts_ns % step_ns
