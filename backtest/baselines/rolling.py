"""Keep means and deviations of the newest prices, one constant-time step a bar."""

from __future__ import annotations

import math
from collections import deque


class Mean:
    """The mean of the last `period` prices.

    Sums are kept about an anchor near the prices and made anew every so many steps, or the rounding
    of a hundred thousand additions and subtractions would creep into them.
    """

    __slots__ = ("_anchor", "_prices", "_since", "_sum", "is_full", "period")

    _RENEW = 512

    def __init__(self, period: int) -> None:
        self.period = period
        self.is_full = False
        """Whether `period` prices have been seen."""
        self._prices: deque[float] = deque(maxlen=period)
        self._anchor = self._sum = 0.0
        self._since = self._RENEW

    @property
    def mean(self) -> float:
        """Return the mean of the prices in the window."""
        return self._anchor + self._sum / len(self._prices)

    def see(self, price: float) -> float:
        """Take the next price, and return the mean; the oldest leaves when the window is full."""
        prices = self._prices
        self._since += 1
        self._sum += price - (prices[0] if self.is_full else self._anchor)
        prices.append(price)
        if not self.is_full:
            self.is_full = len(prices) == self.period
        if self._since > self._RENEW:
            self._renew()
        return self._anchor + self._sum / len(prices)

    def _renew(self) -> None:
        self._anchor = self._prices[-1]
        self._sum = math.fsum(price - self._anchor for price in self._prices)
        self._since = 0


class Rolling(Mean):
    """The mean and the deviation of the last `period` prices."""

    __slots__ = ("_squares",)

    def __init__(self, period: int) -> None:
        super().__init__(period)
        self._squares = 0.0

    @property
    def deviation(self) -> float:
        """Return their population deviation."""
        n = len(self._prices)
        return math.sqrt(max(0.0, (self._squares - self._sum * self._sum / n) / n))

    def see(self, price: float) -> float:
        """Take the next price, and return the mean."""
        prices, new = self._prices, price - self._anchor
        if self.is_full:
            old = prices[0] - self._anchor
            self._squares -= old * old
        self._squares += new * new
        return super().see(price)

    def _renew(self) -> None:
        super()._renew()
        distances = (price - self._anchor for price in self._prices)
        self._squares = math.fsum(distance * distance for distance in distances)


class Smooth:
    """An exponential average with weight `alpha` on the newest, begun with the first value."""

    __slots__ = ("alpha", "value")

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha
        self.value: float | None = None

    @classmethod
    def over(cls, period: int) -> Smooth:
        """Return the average whose weight is the usual `2 / (period + 1)`."""
        return cls(2.0 / (period + 1))

    def see(self, value: float) -> float:
        """Take the next value and return the average."""
        last = self.value
        self.value = value if last is None else last + self.alpha * (value - last)
        return self.value
