"""A view that walks over columns and fills what is wanted at once: the engine is elsewhere."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest


class Walk:
    """One symbol bar by bar; the position follows each wish at once, in units of the wish."""

    def __init__(self, close, high=None, low=None):
        self._close = np.asarray(close, dtype=float)
        self._high = self._close if high is None else np.asarray(high, dtype=float)
        self._low = self._close if low is None else np.asarray(low, dtype=float)
        self.symbol, self.n, self.quantity, self.equity = "TEST", 0, 0.0, 1_000.0

    @property
    def price(self):
        return float(self._close[self.n - 1])

    @property
    def close(self):
        return self._close[: self.n]

    @property
    def high(self):
        return self._high[: self.n]

    @property
    def low(self):
        return self._low[: self.n]

    def through(self, policy):
        """Return what the policy wanted at each bar, none as None, following its wishes."""
        wishes = []
        for n in range(1, len(self._close) + 1):
            self.n = n
            wishes.append(policy.target(self))
            if wishes[-1] is not None:
                self.quantity = wishes[-1]
        return wishes


@pytest.fixture
def walk() -> type[Walk]:
    return Walk


@pytest.fixture
def market() -> Callable[..., np.ndarray]:
    """Make closes of a random walk with drift."""

    def make(n, seed=1, drift=0.0002, deviation=0.012, start=100.0):
        steps = np.random.default_rng(seed).normal(drift, deviation, n)
        return start * np.exp(np.cumsum(steps))

    return make
