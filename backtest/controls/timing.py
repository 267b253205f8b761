"""C1: let an agent read only what was known, and prove of a run that nothing came too early.

A price is known when its bar has closed, an article when it reached us. The engine's own windows
and views are cut there already; `AsOf` is for data that an agent brings along, and raises where it
reads on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult
from backtest.records import DecisionRow, Floats, RunResult, Series
from domain.errors import InvariantBroken
from domain.records import NS_PER_S, Record, digest, format_ns

LOOK_AHEAD = "LOOK_AHEAD"
COLUMNS = ("open", "high", "low", "close", "volume")
ABSURD_BARS = 5

T = TypeVar("T")


class Known(Record, Generic[T], frozen=True):
    """A value and when it became known, UTC nanoseconds: an article, a filing, a revision."""

    known_at: int
    value: T


class AsOf:
    """A series as an agent may read it: up to now, and a raise beyond.

    `now` tells the time of the run, UTC nanoseconds. What is answered is a copy, so nothing leads
    back to the whole.
    """

    def __init__(self, series: Series, now: Callable[[], int]) -> None:
        self._series = series
        self._known_at = series.ts_ns + series.interval_s * NS_PER_S
        self._now = now

    @property
    def n(self) -> int:
        """Return how many bars have closed by now."""
        return int(np.searchsorted(self._known_at, self._now(), side="right"))

    def column(self, name: str) -> Floats:
        """Return a column of `COLUMNS` up to now, oldest first."""
        whole: Floats = getattr(self._series, name)
        return whole[: self.n].copy()

    def at(self, name: str, index: int) -> float:
        """Return one value; raises `InvariantBroken` (`LOOK_AHEAD`) for a bar not yet closed."""
        if index >= self.n:
            raise _too_early(f"bar {index} of {self._series.symbol}", self._now())
        column: Floats = getattr(self._series, name)
        return float(column[index])


def read(record: Known[T], now_ns: int) -> T:
    """Return a record's value once it is known; raises `InvariantBroken` (`LOOK_AHEAD`) before."""
    if record.known_at > now_ns:
        raise _too_early("a record", now_ns)
    return record.value


def known(records: Sequence[Known[T]], now_ns: int) -> list[T]:
    """Return the values known by now, in their order."""
    return [record.value for record in records if record.known_at <= now_ns]


def _too_early(what: str, now_ns: int) -> InvariantBroken:
    return InvariantBroken(
        f"{what} was read at {format_ns(now_ns)}, before it was known.",
        remedy="The agent looks ahead: its results mean nothing.",
        code=LOOK_AHEAD,
    )


def with_absurd_future(series: Series, at_ns: int) -> Series:
    """Return what had closed by a time, with a few bars of nonsense appended.

    Prices alternate between a hundredth and a hundredfold. Whoever decides otherwise before
    that time on such data has looked ahead.
    """
    is_past = series.ts_ns + series.interval_s * NS_PER_S <= at_ns
    n_past = int(is_past.sum())
    n = min(len(series.ts_ns), n_past + ABSURD_BARS)
    factor = np.where(np.arange(n) % 2 == 0, 100.0, 0.01)
    factor[:n_past] = 1.0
    changed = {name: getattr(series, name)[:n] * factor for name in COLUMNS}
    return rebuilt(series, changed, f"{series.source}, absurd after {format_ns(at_ns)}")


def rebuilt(series: Series, columns: dict[str, Floats], source: str) -> Series:
    """Return a series with other columns, as long as they are, whose digest and source say so."""
    n = len(columns["close"])
    kept = {name: columns.get(name, getattr(series, name)[:n]) for name in COLUMNS}
    return Series(
        symbol=series.symbol,
        interval_s=series.interval_s,
        ts_ns=series.ts_ns[:n],
        source=source,
        licence=series.licence,
        digest=digest({name: column.tolist() for name, column in kept.items()}),
        **kept,
    )


def decided_by(result: RunResult, at_ns: int) -> str:
    """Return the digest of every decision up to a time: what a changed future must not change."""
    return digest([_said(row) for row in result.decisions if row.ts_ns <= at_ns])


def _said(row: DecisionRow) -> tuple[int, str, str, str, str, float]:
    return (row.ts_ns, row.symbol, row.action, row.outcome, row.reason_code, row.price)


def point_in_time(
    result: RunResult, *, absurd: RunResult | None = None, at_ns: int = 0
) -> ControlResult:
    """Report C1: no fill at or before its decision, and no decision moved by an absurd future.

    `absurd` is the same run on data that `with_absurd_future` changed after `at_ns`.
    """
    decided_at = {row.id: row.ts_ns for row in result.decisions}
    early = sum(
        fill.ts_ns <= decided_at[fill.decision_id]
        for fill in result.fills
        if fill.decision_id in decided_at
    )
    joined = sum(fill.decision_id in decided_at for fill in result.fills)
    is_moved = absurd is not None and decided_by(result, at_ns) != decided_by(absurd, at_ns)
    n_before = sum(row.ts_ns <= at_ns for row in result.decisions) if absurd else 0
    figures = {
        "fills": float(joined),
        "early_fills": float(early),
        "decisions_held": float(n_before),
    }
    if is_moved:
        line = f"prices after {format_ns(at_ns)} changed decisions before it"
    elif early:
        line = f"{early} of {joined} fills are not later than their decision"
    elif absurd is not None:
        line = f"{n_before} decisions stand whatever came after; {joined} fills follow theirs"
    else:
        line = f"{joined} fills are later than their decision"
    return found("C1", line, passed=not early and not is_moved, **figures)
