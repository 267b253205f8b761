"""Make bars of ticks by the one aggregator, and longer bars of shorter ones."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from backtest.data.checks.gaps import Hours, days_of, session_hours
from backtest.data.checks.series import Origin, digest_of
from backtest.data.reading.bars import DAY_NS
from backtest.data.reading.times import market_midnights
from backtest.data.remarks import time_text
from backtest.data.ticks import Moment
from backtest.records import Ints, Series
from domain.bars import GRACE_NS, Candles, ChangeKind, Changes, Print, Sessions, print_kind
from domain.errors import ConfigError
from domain.market import Bar, MarketEvent, Trade, TradeCanceled, TradeCorrected
from domain.records import NS_PER_S

_WEEK_S = 7 * 86_400
_COLUMNS = ("open", "high", "low", "close", "volume")


def sessions_of(hours: Hours) -> Sessions | None:
    """Return the aggregator's sessions: New York's, or none for what always trades."""
    if hours is not Hours.XNYS:
        return None
    opens, closes = session_hours()

    def session(ts_ns: int) -> tuple[int, int] | None:
        at = int(np.searchsorted(closes, ts_ns, side="right"))
        return (int(opens[at]), int(closes[at])) if at < len(opens) else None

    return session


class Bars:
    """Aggregate every symbol's prints as the live store does, late ones and corrections too."""

    def __init__(self, interval_s: int, origin: Origin) -> None:
        self._interval_s = interval_s
        self._origin = origin
        self._candles: dict[str, Candles] = {}
        self._made: dict[str, dict[int, Bar]] = {}
        self._due_ns = 0

    def take(self, moments: Iterable[Moment]) -> None:
        """Take ticks, oldest first; quotes and news make no bar.

        Bars close when the time of the ticks has passed their edge, whoever's ticks they are.
        """
        for now_ns, events in moments:
            for event in events:
                self._take(event)
            if now_ns >= self._due_ns:
                self._close(now_ns)
                step = self._interval_s * NS_PER_S
                self._due_ns = (now_ns - GRACE_NS) // step * step + step + GRACE_NS

    def series(self) -> list[Series]:
        """Close what is open and return each symbol's bars, oldest first."""
        self._close(1 << 62)
        return [
            self._one(symbol, [made[start] for start in sorted(made)])
            for symbol, made in sorted(self._made.items())
            if made
        ]

    @property
    def symbols(self) -> list[str]:
        """Return every symbol that traded, in its market's hours or outside them."""
        return sorted(self._candles)

    def hours(self, series: Series) -> Hours:
        """Return when the market of a series trades."""
        return self._origin.hours or Hours.of(series.symbol)

    def _close(self, now_ns: int) -> None:
        for symbol, candles in self._candles.items():
            self._keep(symbol, candles.settle())
            self._keep(symbol, candles.close_due(now_ns))

    def _take(self, event: MarketEvent) -> None:
        match event:
            case Trade():
                _check(event)
                kind = print_kind(event.conditions, event.tape)
                self._of(event.symbol).add(
                    Print(event.ts_event, event.trade_id, event.price, event.size, kind)
                )
            case TradeCanceled():
                self._of(event.symbol).cancel(event)
            case TradeCorrected():
                self._of(event.symbol).correct(event)
            case Bar():
                self._keep(event.symbol, self._of(event.symbol).venue_bar(event))
            case _:
                pass

    def _of(self, symbol: str) -> Candles:
        candles = self._candles.get(symbol)
        if candles is None:
            hours = self._origin.hours or Hours.of(symbol)
            candles = Candles(symbol, self._interval_s, sessions=sessions_of(hours))
            self._candles[symbol] = candles
            self._made[symbol] = {}
        return candles

    def _keep(self, symbol: str, changes: Changes) -> None:
        for bar, kind in changes:
            if kind is ChangeKind.REMOVED:
                self._made[symbol].pop(bar.ts_event, None)
            else:
                self._made[symbol][bar.ts_event] = bar

    def _one(self, symbol: str, bars: list[Bar]) -> Series:
        columns = {name: np.array([getattr(bar, name) for bar in bars]) for name in _COLUMNS}
        ts_ns = np.array([bar.ts_event for bar in bars], dtype=np.int64)
        return Series(
            symbol=symbol,
            interval_s=self._interval_s,
            ts_ns=ts_ns,
            **columns,
            source=f"{self._origin.source}, bars made of ticks",
            licence=self._origin.licence,
            digest=digest_of(symbol, self._interval_s, {"ts_ns": ts_ns, **columns}),
        )


def _check(trade: Trade) -> None:
    """Raise `ConfigError` (`PRICE_INVALID`) for a print at a price that nobody can pay."""
    if not 0 < trade.price < math.inf or not 0 <= trade.size < math.inf:
        raise ConfigError(
            f"{trade.symbol}: the trade {trade.trade_id} at {time_text(trade.ts_event)} is "
            f"{trade.size:g} at {trade.price:g}.",
            remedy="Mend or remove it, or choose a period without it.",
            code="PRICE_INVALID",
        )


def resample(series: Series, interval_s: int) -> Series:
    """Make longer bars of shorter ones, of a stock those in regular hours alone.

    Within a day bars begin at multiples of the interval (UTC), as the aggregator's do; days begin
    at the market's midnight, weeks with Monday. Raises `ConfigError` (`INTERVAL_INVALID`, and
    `PERIOD_EMPTY` where nothing lies in regular hours).
    """
    if interval_s == series.interval_s:
        return series
    _check_interval(series, interval_s)
    is_day = series.interval_s >= DAY_NS // NS_PER_S
    kept = np.ones(len(series.ts_ns), bool) if is_day else _in_hours(series)
    ts_ns = series.ts_ns[kept]
    if not len(ts_ns):
        raise ConfigError(
            f"{series.symbol} has no bar in regular hours, of which longer ones could be made.",
            remedy="Choose another period, or leave the bars as long as they are.",
            code="PERIOD_EMPTY",
        )
    starts = _starts(series.symbol, ts_ns, interval_s)
    edges = np.flatnonzero(np.diff(starts, prepend=starts[:1] - 1))
    last = np.append(edges[1:], len(ts_ns)) - 1
    columns = {
        "ts_ns": starts[edges],
        "open": series.open[kept][edges],
        "high": np.maximum.reduceat(series.high[kept], edges),
        "low": np.minimum.reduceat(series.low[kept], edges),
        "close": series.close[kept][last],
        "volume": np.add.reduceat(series.volume[kept], edges),
    }
    digest = digest_of(series.symbol, interval_s, columns)
    return replace(series, interval_s=interval_s, digest=digest, **columns)


def _in_hours(series: Series) -> np.ndarray:
    if Hours.of(series.symbol) is not Hours.XNYS:
        return np.ones(len(series.ts_ns), bool)
    opens, closes = session_hours()
    at = np.minimum(np.searchsorted(closes, series.ts_ns, side="right"), len(opens) - 1)
    return np.asarray(opens[at] < series.ts_ns + series.interval_s * NS_PER_S)


def _starts(symbol: str, ts_ns: Ints, interval_s: int) -> Ints:
    step = interval_s * NS_PER_S
    if step < DAY_NS:
        return ts_ns - ts_ns % step
    is_stock = Hours.of(symbol) is Hours.XNYS
    days = days_of(ts_ns) if is_stock else ts_ns // DAY_NS
    if interval_s == _WEEK_S:
        days = days - (days + 3) % 7  # 1970-01-01 was a Thursday
    return market_midnights(days * DAY_NS, symbol)


def _check_interval(series: Series, interval_s: int) -> None:
    is_known = interval_s * NS_PER_S <= DAY_NS or interval_s == _WEEK_S
    if interval_s < series.interval_s or interval_s % series.interval_s or not is_known:
        raise ConfigError(
            f"{series.symbol}: bars of {series.interval_s} s make none of {interval_s} s.",
            remedy="Choose a multiple of their length, at most a day, or a week.",
            code="INTERVAL_INVALID",
        )
