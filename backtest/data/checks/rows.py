"""Check rows one by one: order, doubles, prices, ranges. What cannot be traded is an error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from backtest.data.reading.bars import SymbolBars
from backtest.data.remarks import DataWarning, Odd, RowRef, counted, first_rows, named
from backtest.records import Ints
from domain.errors import ConfigError

Warnings = list[DataWarning]
_PRICES = ("open", "high", "low", "close")
_VALUES = (*_PRICES, "volume")


def in_order(bars: SymbolBars, warnings: Warnings) -> SymbolBars:
    """Sort by time and warn when that was needed: a file may be newest first."""
    steps = np.diff(bars.ts_ns)
    if not (steps < 0).any():
        return bars
    if not (steps > 0).any():
        what = f"{bars.file} is newest first and was turned round"
        warnings.append(bars.warning(Odd.ROWS_REVERSED, what, (), 0))
        return bars.take(slice(None, None, -1))
    late = np.flatnonzero(steps < 0) + 1
    refs = [bars.ref(at, "it is before the row above") for at in first_rows(late)]
    what = f"{counted(len(late), 'row')} out of order, sorted"
    warnings.append(bars.warning(Odd.ROWS_OUT_OF_ORDER, what, refs, len(late)))
    return bars.take(np.argsort(bars.ts_ns, kind="stable"))


def without_doubles(bars: SymbolBars, warnings: Warnings) -> SymbolBars:
    """Drop repeated rows with a warning; raises `ConfigError` when two rows contradict each other.

    Bars are sorted already.
    """
    again = np.flatnonzero(np.diff(bars.ts_ns) == 0) + 1
    if not len(again):
        return bars
    differs = np.zeros(len(again), dtype=bool)
    for name in _VALUES:
        values = getattr(bars, name)
        differs |= ~_same(values[again], values[again - 1])
    if differs.any():
        at = int(again[differs][0])
        rows = [bars.ref(each, _ohlcv(bars, each)) for each in (at - 1, at)]
        raise ConfigError(
            f"{bars.symbol} has two different bars of one time: {named(rows, len(rows))}.",
            remedy="Remove the wrong one.",
            code="ROWS_CONTRADICT",
        )
    refs = [bars.ref(at, "the same bar again") for at in first_rows(again)]
    what = f"{counted(len(again), 'row')} repeated, dropped"
    warnings.append(bars.warning(Odd.ROWS_REPEATED, what, refs, len(again)))
    keep = np.ones(len(bars), dtype=bool)
    keep[again] = False
    return bars.take(keep)


def priced(bars: SymbolBars, warnings: Warnings) -> SymbolBars:
    """Hold prices and volumes to reason; raises `ConfigError` naming the rows that cannot be.

    An open or close outside its bar's range widens the range, with a warning.
    """
    for name in _PRICES if bars.has_range else ("close",):
        values = getattr(bars, name)
        _refuse(bars, ~(np.isfinite(values) & (values > 0)), name, "PRICE_INVALID")
    _refuse(bars, ~(np.isfinite(bars.volume) & (bars.volume >= 0)), "volume", "VOLUME_INVALID")
    upside_down = np.flatnonzero(bars.high < bars.low)
    if len(upside_down):
        refs = [bars.ref(at, _ohlcv(bars, at)) for at in first_rows(upside_down)]
        raise _impossible(bars, "the high is below the low", (refs, upside_down), "BAR_IMPOSSIBLE")
    return _widened(bars, warnings)


def _widened(bars: SymbolBars, warnings: Warnings) -> SymbolBars:
    high = np.maximum.reduce([bars.open, bars.close, bars.high])
    low = np.minimum.reduce([bars.open, bars.close, bars.low])
    outside = np.flatnonzero((high > bars.high) | (low < bars.low))
    if not len(outside):
        return bars
    refs = [bars.ref(at, _ohlcv(bars, at)) for at in first_rows(outside)]
    what = (
        f"{counted(len(outside), 'bar')} with an open or close outside the range, which was widened"
    )
    warnings.append(bars.warning(Odd.BAR_WIDENED, what, refs, len(outside)))
    return replace(bars, high=high, low=low)


def _refuse(bars: SymbolBars, is_bad: NDArray[np.bool_], name: str, code: str) -> None:
    bad = np.flatnonzero(is_bad)
    if len(bad):
        values = getattr(bars, name)
        refs = [bars.ref(at, f"{name} {values[at]:g}") for at in first_rows(bad)]
        least = "0 or more" if name == "volume" else "more than 0"
        raise _impossible(bars, f"the {name} is not a number of {least}", (refs, bad), code)


def _impossible(
    bars: SymbolBars, what: str, found: tuple[list[RowRef], Ints], code: str
) -> ConfigError:
    return ConfigError(
        f"{bars.symbol}: {what}: {named(found[0], len(found[1]))}.",
        remedy="Mend or remove the rows, or choose a period without them.",
        code=code,
    )


def _same(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray((one == other) | (np.isnan(one) & np.isnan(other)))


def _ohlcv(bars: SymbolBars, at: int) -> str:
    return " ".join(f"{name[0]} {getattr(bars, name)[at]:g}" for name in _VALUES)
