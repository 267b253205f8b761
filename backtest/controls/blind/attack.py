"""Attack the mask: find windows again by their returns, or ask the model to name what it sees."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from backtest.controls.blind.mask import Mask, masked
from backtest.controls.repeats import MODELS
from backtest.controls.switches import found
from backtest.evidence.records import ControlResult
from backtest.records import Floats, RunResult
from backtest.statistics.figures import equity_of, returns_of
from backtest.statistics.intervals import Interval, paired_interval, share_interval
from domain.market import Window
from domain.records import Record

MOST_TICKERS, MOST_MONTHS = 0.05, 0.02
"""Shares of windows that a model may name and the mask still counts as one."""
MATERIAL = 1e-4
"""A bright run must be better by more than a basis point in all: a mask moves last digits."""


class NearestNeighbour:
    """Find whose closes a window shows, and where, among all closes ever: no mask stops this.

    It compares log returns, which no factor changes.
    """

    def __init__(self, library: Mapping[str, Floats], length: int) -> None:
        self._symbols: list[str] = []
        self._starts: list[int] = []
        parts = []
        for symbol, closes in library.items():
            windows = sliding_window_view(np.diff(np.log(closes)), length - 1)
            parts.append(windows)
            self._symbols += [symbol] * len(windows)
            self._starts += range(len(windows))
        self._returns: Floats = np.concatenate(parts)
        self._squares = np.sum(self._returns**2, axis=1)

    def find(self, closes: Floats) -> tuple[str, int]:
        """Return the symbol and first index of the window nearest to these closes."""
        seen = np.diff(np.log(closes))
        nearest = int(np.argmin(self._squares - 2 * self._returns @ seen))
        return self._symbols[nearest], self._starts[nearest]


class Guess(Record, frozen=True):
    """What a model says it sees; `month` as `2013-09`, none where it does not know."""

    ticker: str | None = None
    month: str | None = None


Ask = Callable[[Window], Awaitable[Guess]]
"""Show a masked window to a model and ask for the ticker and the month."""


class Recognition(Record, frozen=True):
    """How many of n masked windows were named."""

    n: int
    tickers: int
    months: int


async def recognised(windows: Sequence[Window], masks: Mapping[str, Mask], ask: Ask) -> Recognition:
    """Ask of every window, masked, what it is, and count what is right."""
    tickers = months = 0
    for window in windows:
        guess = await ask(masked(window, masks))
        tickers += guess.ticker is not None and guess.ticker.upper() in masks[window.symbol].tickers
        months += guess.month == window.as_of[:7]
    return Recognition(n=len(windows), tickers=tickers, months=months)


def blindness(
    bright: RunResult, blind: RunResult, seen: Recognition | None, *, seed: int
) -> ControlResult:
    """Report C3: the run is as good blind, and the mask is one.

    It fails where the bright run is better beyond its interval and by more than `MATERIAL` (it knew
    what it traded), and where more was named than the mask may let through. A model that was not
    asked is not judged: nobody knows whether its mask is one.
    """
    ours, theirs = (returns_of(equity_of(result)) for result in (bright, blind))
    difference = paired_interval(ours, theirs, seed=seed)
    knew = difference is not None and difference.low * len(ours) > MATERIAL
    figures = {
        "bright_minus_blind": float(np.mean(ours - theirs)),
        "low": None if difference is None else difference.low,
        "high": None if difference is None else difference.high,
    }
    if seen is not None and seen.n:
        figures |= {"tickers": seen.tickers / seen.n, "months": seen.months / seen.n}
    leaks = seen is not None and (
        seen.tickers > MOST_TICKERS * seen.n or seen.months > MOST_MONTHS * seen.n
    )
    is_unasked = bright.spec.analyst.startswith(MODELS) and (seen is None or not seen.n)
    passed = None if is_unasked and not knew else not knew and not leaks
    return found("C3", _line(difference, seen, knew=knew), passed=passed, **figures)


def _line(difference: Interval | None, seen: Recognition | None, *, knew: bool) -> str:
    if difference is None:
        compared = "too few steps to compare bright with blind"
    elif knew:
        compared = "better bright than blind: it knew what it traded"
    else:
        compared = "as good blind as bright, within the interval"
    if seen is None or not seen.n:
        return f"{compared}; nobody asked it to name what it saw"
    ticker, month = (share_interval(hits, seen.n) for hits in (seen.tickers, seen.months))
    assert ticker is not None
    assert month is not None
    return (
        f"{compared}; it named {seen.tickers} tickers and {seen.months} months of {seen.n} "
        f"(95 %: at most {ticker.high:.1%} and {month.high:.1%})"
    )
