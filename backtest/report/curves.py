"""Work curves out of a run: drawdown, returns by month, exposure, turnover; and thin them to draw.

Arrays are float64 of one length n, oldest first; times are nanoseconds, UTC.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from backtest.evidence.records import Band
from backtest.records import FillRow, Floats, Ints
from backtest.report.records import Area, Line, Month
from backtest.statistics.figures import drawdowns

# More points than a screen has columns tell an eye nothing and make the page heavy.
MAX_POINTS = 3000
NS_PER_MS = 1_000_000


def drawdown(equity: Floats, *, start: float) -> Floats:
    """Return how far each point lies under the highest so far, `start` included: fractions <= 0."""
    return drawdowns(np.concatenate(([start], equity)))[1:]


def share(part: Floats, whole: Floats) -> Floats:
    """Return part over whole, NaN where there is nothing to share."""
    positive = np.where(whole > 0, whole, np.nan)
    shares: Floats = part / positive
    return shares


def months(ts_ns: Ints, equity: Floats, *, start: float) -> tuple[Month, ...]:
    """Return the return of each calendar month (UTC) and of each year, which has month 0.

    `ts_ns` are when the steps began. Each period starts from the last value of the one before it,
    the first from `start` dollars, so that the months of a year multiply up to it.
    """
    return (*_periods(ts_ns, equity, start, "M"), *_periods(ts_ns, equity, start, "Y"))


def _periods(ts_ns: Ints, equity: Floats, start: float, unit: str) -> list[Month]:
    if equity.size == 0:
        return []
    labels = ts_ns.astype("datetime64[ns]").astype(f"datetime64[{unit}]")
    ends = np.append(np.flatnonzero(labels[1:] != labels[:-1]), equity.size - 1)
    before = np.concatenate(([start], equity[ends[:-1]]))
    found = []
    for label, first, last in zip(labels[ends], before, equity[ends], strict=True):
        if first > 0:
            year, month = _named(str(label))
            found.append(Month(year=year, month=month, value=float(last / first - 1.0)))
    return found


def _named(label: str) -> tuple[int, int]:
    year, _, month = label.partition("-")
    return int(year), int(month or 0)


def turnover_by_month(fills: tuple[FillRow, ...], ts_ns: Ints, equity: Floats) -> tuple[Month, ...]:
    """Return what was traded in each month (sum of |quantity * price|) over its mean equity.

    `ts_ns` are when the steps began.
    """
    if equity.size == 0:
        return ()
    labels = ts_ns.astype("datetime64[ns]").astype("datetime64[M]")
    traded: dict[str, float] = {}
    for fill in fills:
        label = str(np.datetime64(fill.ts_ns, "ns").astype("datetime64[M]"))
        traded[label] = traded.get(label, 0.0) + abs(fill.quantity * fill.price)
    found = []
    for label in np.unique(labels):
        mean = float(equity[labels == label].mean())
        year, month = _named(str(label))
        if mean > 0:
            value = traded.get(str(label), 0.0) / mean
            found.append(Month(year=year, month=month, value=value))
    return tuple(found)


def line(name: str, ts_ns: Ints, values: Floats) -> Line:
    """Make a curve ready to be drawn: at most `MAX_POINTS`, each peak and trough kept.

    What is no number (a share before it was listed) is left out.
    """
    known = np.isfinite(values)
    ts_ns, values = ts_ns[known], values[known]
    kept = thinned(values)
    return Line(
        name=name,
        ms=tuple((ts_ns[kept] // NS_PER_MS).tolist()),
        values=tuple(values[kept].tolist()),
    )


def area(band: Band) -> Area:
    """Make a band ready to be drawn: every so many points, the first and the last kept."""
    known = np.isfinite(band.low) & np.isfinite(band.high)
    ts_ns, low, high = band.ts_ns[known], band.low[known], band.high[known]
    count = min(MAX_POINTS, ts_ns.size)
    kept = np.linspace(0, max(ts_ns.size - 1, 0), count).astype(np.int64)
    return Area(
        name=f"{band.name} traders, the middle 90 %",
        ms=tuple((ts_ns[kept] // NS_PER_MS).tolist()),
        low=tuple(low[kept].tolist()),
        high=tuple(high[kept].tolist()),
    )


def thinned(values: Floats) -> Ints:
    """Choose the points to draw: of each stretch the lowest and the highest, and both ends."""
    if values.size <= MAX_POINTS:
        return np.arange(values.size)
    edges = np.linspace(0, values.size, MAX_POINTS // 2).astype(np.int64)
    kept = {0, values.size - 1}
    for start, end in pairwise(edges):
        stretch = values[start:end]
        kept |= {int(start + stretch.argmin()), int(start + stretch.argmax())}
    return np.array(sorted(kept), dtype=np.int64)
