"""Show one symbol's bars to a policy, closed ones alone: later rows cannot be reached from here."""

from __future__ import annotations

from collections.abc import Callable

from backtest.records import Floats, Ints, Series
from domain.ports import Clock


class ColumnsView:
    """A `PolicyView` over a series; whoever plays it sets `n` and `price`.

    The columns are slices made when asked, so the rows behind `n` are never handed out.
    """

    __slots__ = ("_clock", "_equity", "_quantity", "_series", "n", "price", "symbol")

    def __init__(
        self,
        series: Series,
        clock: Clock,
        *,
        quantity: Callable[[str], float],
        equity: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._series = series
        self._quantity = quantity
        self._equity = equity
        self.symbol = series.symbol
        self.n = 0
        self.price = 0.0

    @property
    def now_ns(self) -> int:
        """Return the time of the decision, UTC."""
        return self._clock.now_ns()

    @property
    def ts_ns(self) -> Ints:
        """Return the bars' starts."""
        return self._series.ts_ns[: self.n]

    @property
    def open(self) -> Floats:
        """Return the opening prices."""
        return self._series.open[: self.n]

    @property
    def high(self) -> Floats:
        """Return the highs."""
        return self._series.high[: self.n]

    @property
    def low(self) -> Floats:
        """Return the lows."""
        return self._series.low[: self.n]

    @property
    def close(self) -> Floats:
        """Return the closes."""
        return self._series.close[: self.n]

    @property
    def volume(self) -> Floats:
        """Return the volumes."""
        return self._series.volume[: self.n]

    @property
    def quantity(self) -> float:
        """Return our position, signed."""
        return self._quantity(self.symbol)

    @property
    def equity(self) -> float:
        """Return the account's equity in dollars."""
        return self._equity()
