"""Follow the trend: moving averages, MACD, momentum. Long or flat, one constant step a bar."""

from __future__ import annotations

from collections import deque

from backtest.baselines.rolling import Mean, Smooth
from backtest.policy import PolicyView

FAST, SLOW = 50, 200
MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
LOOK_BACK = 252


class Crossing:
    """Be long while the mean of the last 50 closes is above that of the last 200.

    Source: W. Brock, J. Lakonishok and B. LeBaron, "Simple Technical Trading Rules and the
    Stochastic Properties of Stock Returns", Journal of Finance 47 (1992), rule (50, 200, 0).
    """

    __slots__ = ("_fast", "_share", "_slow")
    name = "sma"

    def __init__(self, share: float) -> None:
        self._share = share
        self._fast, self._slow = Mean(FAST), Mean(SLOW)

    def target(self, view: PolicyView) -> float | None:
        """Want the share while the trend is up, nothing otherwise; no wish before 200 bars."""
        fast, slow = self._fast.see(view.price), self._slow.see(view.price)
        if not self._slow.is_full:
            return None
        return self._share if fast > slow else 0.0


class Convergence:
    """Be long while the MACD line (12, 26) is above its signal (9).

    Source: G. Appel, "Technical Analysis: Power Tools for Active Investors" (2005).
    """

    __slots__ = ("_fast", "_n", "_share", "_signal", "_slow")
    name = "macd"

    def __init__(self, share: float) -> None:
        self._share = share
        self._fast, self._slow = Smooth.over(MACD_FAST), Smooth.over(MACD_SLOW)
        self._signal = Smooth.over(MACD_SIGNAL)
        self._n = 0

    def target(self, view: PolicyView) -> float | None:
        """Want the share while the line is above its signal; no wish before 35 bars."""
        price = view.price
        line = self._fast.see(price) - self._slow.see(price)
        signal = self._signal.see(line)
        self._n += 1
        if self._n < MACD_SLOW + MACD_SIGNAL:
            return None
        return self._share if line > signal else 0.0


class Momentum:
    """Be long while the close is above the close of 252 bars ago.

    Source: T. J. Moskowitz, Y. H. Ooi and L. H. Pedersen, "Time Series Momentum", Journal of
    Financial Economics 104 (2012), with a year of daily bars.
    """

    __slots__ = ("_closes", "_share")
    name = "momentum"

    def __init__(self, share: float) -> None:
        self._share = share
        self._closes: deque[float] = deque(maxlen=LOOK_BACK + 1)

    def target(self, view: PolicyView) -> float | None:
        """Want the share after a year that rose; no wish before there was one."""
        closes = self._closes
        closes.append(view.price)
        if len(closes) <= LOOK_BACK:
            return None
        return self._share if closes[-1] > closes[0] else 0.0
