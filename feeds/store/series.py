"""Keep one symbol's closed bars, as records for the indicators and as rows for a window."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

import numpy as np

from domain.indicators import BarArrays
from domain.market import Bar, WindowBar
from domain.records import format_ns


def window_bar(bar: Bar) -> WindowBar:
    """Return the bar as a row of a window file."""
    return WindowBar(
        t=format_ns(bar.ts_event),
        o=bar.open,
        h=bar.high,
        l=bar.low,
        c=bar.close,
        v=bar.volume,
        n=bar.trade_count,
        vw=bar.vwap,
    )


class BarSeries:
    """The last `keep` closed bars, oldest first. Appending is constant time, amortised.

    Rows, with their times as text, are made once a bar and only when a window shows it.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._bars: list[Bar] = []
        self._rows: list[WindowBar | None] = []

    def __len__(self) -> int:
        return min(len(self._bars), self._keep)

    @property
    def last(self) -> Bar | None:
        """Return the newest bar."""
        return self._bars[-1] if self._bars else None

    def append(self, bar: Bar) -> None:
        """Add a bar that is newer than all others."""
        self._bars.append(bar)
        if len(self._bars) >= 2 * self._keep:
            self._trim()

    def extend(self, bars: Iterable[Bar]) -> None:
        """Add bars that are newer than all others, in their order."""
        self._bars += bars
        if len(self._bars) >= 2 * self._keep:
            self._trim()

    def put(self, bar: Bar) -> int:
        """Replace the bar of the same start or insert this one; returns how many more there are."""
        at = self._index(bar.ts_event)
        del self._rows[at:]
        if at < len(self._bars) and self._bars[at].ts_event == bar.ts_event:
            self._bars[at] = bar
            return 0
        self._bars.insert(at, bar)
        return 1

    def remove(self, bar: Bar) -> int:
        """Take the bar of that start out; returns how many more there are: -1 or 0."""
        at = self._index(bar.ts_event)
        if at == len(self._bars) or self._bars[at].ts_event != bar.ts_event:
            return 0
        del self._bars[at]
        del self._rows[at:]
        return -1

    def count_from(self, ts: int) -> int:
        """Return how many bars start at that time or later."""
        return len(self._bars) - self._index(ts)

    def bars(self) -> list[Bar]:
        """Return the kept bars."""
        return self._bars[-self._keep :]

    def rows(self, limit: int) -> tuple[WindowBar, ...]:
        """Return the last bars as rows of a window."""
        first = max(len(self._bars) - limit, 0)
        rows, known = self._rows, len(self._rows)
        if known < len(self._bars):
            rows += [None] * (first - known)
            rows += [window_bar(bar) for bar in self._bars[max(first, known) :]]
        return tuple(
            row if row is not None else self._row(at) for at, row in enumerate(rows[first:], first)
        )

    def _row(self, at: int) -> WindowBar:
        """Make the row of a bar that no window has shown before."""
        row = self._rows[at] = window_bar(self._bars[at])
        return row

    def arrays(self) -> BarArrays:
        """Return the kept bars as columns."""
        bars = self.bars()
        return BarArrays(
            high=np.array([bar.high for bar in bars], dtype=np.float64),
            low=np.array([bar.low for bar in bars], dtype=np.float64),
            close=np.array([bar.close for bar in bars], dtype=np.float64),
            volume=np.array([bar.volume for bar in bars], dtype=np.float64),
        )

    def _index(self, ts: int) -> int:
        return bisect_left(self._bars, ts, key=_start)

    def _trim(self) -> None:
        n_gone = len(self._bars) - self._keep
        del self._bars[:n_gone]
        del self._rows[:n_gone]


def _start(bar: Bar) -> int:
    return bar.ts_event
