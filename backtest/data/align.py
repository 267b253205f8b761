"""Put several symbols on one calendar, and cut them into windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backtest.data.checks.series import digest_of
from backtest.data.remarks import DataWarning, Odd, time_text
from backtest.records import Ints, Series
from domain.errors import ConfigError

_COLUMNS = ("ts_ns", "open", "high", "low", "close", "volume")


def align(series: Sequence[Series]) -> tuple[list[Series], list[DataWarning]]:
    """Keep the times that every symbol has; raises `ConfigError` where they share none.

    Warns of each symbol that loses bars, for it may have lost the interesting ones.
    """
    if not series:
        return [], []
    intervals = {each.interval_s for each in series}
    if len(intervals) > 1:
        raise ConfigError(
            f"The symbols' bars have different lengths: {sorted(intervals)} s.",
            remedy="Resample them to one interval first.",
            code="INTERVALS_MIXED",
        )
    common = reduce(np.intersect1d, [each.ts_ns for each in series])
    if not len(common):
        names = ", ".join(each.symbol for each in series[:5])
        raise ConfigError(
            f"{names} have no bar at the same time.",
            remedy="Choose symbols of one market and one period.",
            code="NOTHING_IN_COMMON",
        )
    kept = [take(each, np.isin(each.ts_ns, common)) for each in series]
    pairs = zip(series, kept, strict=True)
    return kept, [_lost(before, after) for before, after in pairs if before is not after]


def windows(series: Sequence[Series], count: int) -> list[list[Series]]:
    """Cut all symbols at the same times into `count` windows of equal numbers of steps.

    The steps are the times that any symbol has; a symbol without a bar in a window is not in it.
    """
    steps = reduce(np.union1d, [each.ts_ns for each in series])
    if not 1 <= count <= len(steps):
        raise ConfigError(
            f"{len(steps)} steps make no {count} windows.",
            remedy="Ask for fewer windows, or a longer period.",
            code="WINDOWS_INVALID",
        )
    edges = [steps[len(steps) * n // count] for n in range(count)] + [int(steps[-1]) + 1]
    return [
        [part for each in series if len((part := between(each, start, end)).ts_ns)]
        for start, end in pairwise(edges)
    ]


def between(series: Series, start_ns: int, end_ns: int) -> Series:
    """Return the bars that start from `start_ns` on and before `end_ns`."""
    first, last = np.searchsorted(series.ts_ns, [start_ns, end_ns])
    return take(series, slice(int(first), int(last)))


def take(series: Series, at: NDArray[np.bool_] | Ints | slice) -> Series:
    """Return these bars alone, with a digest of their own; all of them are the same series."""
    columns = {name: getattr(series, name)[at] for name in _COLUMNS}
    if len(columns["ts_ns"]) == len(series.ts_ns):
        return series
    return replace(series, **columns, digest=digest_of(series.symbol, series.interval_s, columns))


def _lost(before: Series, after: Series) -> DataWarning:
    lost = before.ts_ns[~np.isin(before.ts_ns, after.ts_ns)]
    return DataWarning(
        code=Odd.BARS_LEFT_OUT,
        symbol=before.symbol,
        message=(
            f"{before.symbol}: {len(lost):,} bars were left out, for another symbol has none then "
            f"(the first at {time_text(int(lost[0]))})."
        ),
    )
