"""Run every check over one symbol's rows, and make the series that a backtest reads."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from backtest.data.checks.gaps import Hours, gaps
from backtest.data.checks.jumps import jumps
from backtest.data.checks.rows import Warnings, in_order, priced, without_doubles
from backtest.data.reading.bars import DAY_NS, SymbolBars
from backtest.data.remarks import DataWarning, Odd
from backtest.records import Ints, Series
from domain.errors import ConfigError
from domain.records import NS_PER_S

_SLACK_NS = 2 * 3_600 * NS_PER_S
"""A day may be an hour short where clocks change."""
_DTYPES = {
    "ts_ns": "<i8",
    "open": "<f8",
    "high": "<f8",
    "low": "<f8",
    "close": "<f8",
    "volume": "<f8",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What part of a history is asked for: from `start_ns` on, before `end_ns`."""

    start_ns: int = -(1 << 63) + 1
    end_ns: int = (1 << 63) - 1
    text: str = ""

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing is left out."""
        return (self.start_ns, self.end_ns) == (Period().start_ns, Period().end_ns)

    def of(self, ts_ns: Ints) -> slice:
        """Return where it lies in sorted times."""
        first, last = np.searchsorted(ts_ns, [self.start_ns, self.end_ns])
        return slice(int(first), int(last))


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a series is from, its licence, when its market trades, and the length of its bars.

    `interval_s` of none is found in the times.
    """

    source: str
    licence: str
    hours: Hours | None = None
    interval_s: int | None = None


def checked(
    bars: SymbolBars, origin: Origin, period: Period
) -> tuple[Series | None, list[DataWarning]]:
    """Make a series of the period's rows, none where there is no row; raises `ConfigError`.

    Order, doubles and interval are those of the whole file; prices, gaps and jumps are judged
    within the period alone.
    """
    warnings: Warnings = []
    bars = without_doubles(in_order(bars, warnings), warnings)
    if not len(bars):
        return None, warnings
    interval_s = origin.interval_s or _interval_s(bars)
    _not_mixed(bars, interval_s)
    bars = bars.take(period.of(bars.ts_ns))
    if not len(bars):
        return None, warnings
    bars = priced(bars, warnings)
    if not bars.has_volume:
        what = "volumes are unknown: no cap on our share of them can bind"
        warnings.append(bars.warning(Odd.VOLUME_UNKNOWN, what, (), 0))
    if not bars.has_range:
        what = "only closes are known: open, high and low are the close"
        warnings.append(bars.warning(Odd.CLOSES_ONLY, what, (), 0))
    warnings += gaps(bars, interval_s, origin.hours or Hours.of(bars.symbol))
    warnings += jumps(bars)
    return make_series(bars, origin, interval_s), warnings


def series_remarks(series: Series, hours: Hours) -> list[DataWarning]:
    """Warn of gaps and jumps in a series that was made of ticks: its rows are bars, from 1."""
    bars = SymbolBars(
        symbol=series.symbol,
        file="bars made of ticks",
        rows=np.arange(1, len(series.ts_ns) + 1),
        **{name: getattr(series, name) for name in _DTYPES},
        has_range=True,
        has_volume=True,
    )
    return [*gaps(bars, series.interval_s, hours), *jumps(bars)]


def make_series(bars: SymbolBars, origin: Origin, interval_s: int) -> Series:
    """Make a series of rows that are known to be right."""
    columns = {
        name: np.ascontiguousarray(getattr(bars, name), kind) for name, kind in _DTYPES.items()
    }
    return Series(
        symbol=bars.symbol,
        interval_s=interval_s,
        **columns,
        source=f"{origin.source}, closes only" if not bars.has_range else origin.source,
        licence=origin.licence,
        digest=digest_of(bars.symbol, interval_s, columns),
    )


def digest_of(symbol: str, interval_s: int, columns: dict[str, Ints]) -> str:
    """Return the sha256 over symbol, interval and the columns' bytes, little-endian."""
    hasher = hashlib.sha256(f"{symbol}\n{interval_s}\n".encode())
    for name, kind in _DTYPES.items():
        hasher.update(np.ascontiguousarray(columns[name], kind).tobytes())
    return hasher.hexdigest()


def _interval_s(bars: SymbolBars) -> int:
    """Return the most frequent distance between rows; a day's is a day whatever the clocks do."""
    if len(bars) == 1:
        raise ConfigError(
            f"{bars.symbol} has one row alone in {bars.file}: {bars.time(0)}.",
            remedy="A backtest needs a history: give at least two bars.",
            code="ONE_ROW",
        )
    steps, counts = np.unique(np.diff(bars.ts_ns), return_counts=True)
    step = int(steps[np.argmax(counts)])
    if step > DAY_NS - _SLACK_NS:
        step = round(step / DAY_NS) * DAY_NS
    return max(step // NS_PER_S, 1)


def _not_mixed(bars: SymbolBars, interval_s: int) -> None:
    """Raise `ConfigError` where a bar begins before the one above has ended."""
    step = interval_s * NS_PER_S
    slack = _SLACK_NS if step == DAY_NS else 0
    overlaps = np.flatnonzero(np.diff(bars.ts_ns) < step - slack)
    if len(overlaps) and step <= DAY_NS:
        row = bars.ref(int(overlaps[0]) + 1, "")
        raise ConfigError(
            f"{bars.symbol}: {row.file} row {row.row}, {row.time} begins before the bar above has "
            f"ended: bars are mostly {interval_s} s long.",
            remedy="Keep bars of one length in one file.",
            code="INTERVALS_MIXED",
        )
