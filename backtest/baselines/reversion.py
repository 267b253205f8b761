"""Expect prices to come back: KDJ with RSI, the z-score. Long or flat, a constant step a bar."""

from __future__ import annotations

from collections import deque

from backtest.baselines.rolling import Rolling, Smooth
from backtest.policy import PolicyView

KDJ_BARS, KDJ_ALPHA = 9, 1 / 3
RSI_BARS = 14
OVERSOLD, OVERBOUGHT = (20.0, 30.0), (80.0, 70.0)
Z_BARS, Z_ENTRY, Z_EXIT = 20, -1.0, 0.0


class Oscillators:
    """Buy when K is under 20 and RSI under 30; leave when K is over 80 or RSI over 70.

    K and D smooth the place of the close in the range of the last 9 bars by thirds, J = 3K - 2D
    leads them: a purchase also waits until J has turned above K. Sources: G. C. Lane, "Lane's
    Stochastics", Technical Analysis of Stocks & Commodities 2 (1984), for K and D; J. W. Wilder,
    "New Concepts in Technical Trading Systems" (1978), for RSI over 14. Thresholds are theirs.
    """

    __slots__ = ("_d", "_down", "_highs", "_k", "_last", "_lows", "_n", "_share", "_up")
    name = "kdj-rsi"

    def __init__(self, share: float) -> None:
        self._share = share
        self._highs: deque[float] = deque(maxlen=KDJ_BARS)
        self._lows: deque[float] = deque(maxlen=KDJ_BARS)
        self._k, self._d = Smooth(KDJ_ALPHA), Smooth(KDJ_ALPHA)
        self._up, self._down = Smooth(1 / RSI_BARS), Smooth(1 / RSI_BARS)
        self._last: float | None = None
        self._n = 0

    def target(self, view: PolicyView) -> float | None:
        """Want the share in a fall that ends, nothing once it is made good, else no change."""
        price = view.price
        k, j = self._stochastic(float(view.high[-1]), float(view.low[-1]), price)
        rsi = self._strength(price)
        self._n += 1
        if self._n <= RSI_BARS or rsi is None:
            return None
        if k < OVERSOLD[0] and rsi < OVERSOLD[1] and j > k:
            return self._share
        return 0.0 if k > OVERBOUGHT[0] or rsi > OVERBOUGHT[1] else None

    def _stochastic(self, high: float, low: float, price: float) -> tuple[float, float]:
        """Return K and J, 50 while the range is nothing."""
        self._highs.append(high)
        self._lows.append(low)
        top, bottom = max(self._highs), min(self._lows)
        place = 100 * (price - bottom) / (top - bottom) if top > bottom else 50.0
        k = self._k.see(place)
        return k, 3 * k - 2 * self._d.see(k)

    def _strength(self, price: float) -> float | None:
        """Return RSI, none while the price has never moved."""
        moved = 0.0 if self._last is None else price - self._last
        self._last = price
        up, down = self._up.see(max(moved, 0.0)), self._down.see(max(-moved, 0.0))
        return 100 * up / (up + down) if up + down > 0 else None


class Reversion:
    """Buy when the close is a deviation under the mean of the last 20, leave at the mean.

    Source: E. P. Chan, "Algorithmic Trading" (2013), chapter 2: the linear z-score strategy, with
    Bollinger's window.
    """

    __slots__ = ("_seen", "_share")
    name = "zmr"

    def __init__(self, share: float) -> None:
        self._share = share
        self._seen = Rolling(Z_BARS)

    def target(self, view: PolicyView) -> float | None:
        """Want the share below the entry, nothing above the exit, else no change."""
        price, seen = view.price, self._seen
        seen.see(price)
        if not seen.is_full:
            return None
        deviation = seen.deviation
        if deviation <= 0:
            return None
        z = (price - seen.mean) / deviation
        if z <= Z_ENTRY:
            return self._share
        return 0.0 if z >= Z_EXIT else None
