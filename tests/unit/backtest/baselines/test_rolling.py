"""Running means and deviations: equal to numpy's over the window, however long they run."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.baselines.rolling import Rolling, Smooth


@settings(max_examples=25, deadline=None)
@given(
    period=st.integers(2, 60),
    seed=st.integers(0, 2**32),
    level=st.sampled_from([0.01, 1.0, 1e6]),
)
def test_a_window_equals_numpys(period, seed, level):
    prices = level * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, 1_200)))
    rolling = Rolling(period)
    for n, price in enumerate(prices.tolist(), start=1):
        rolling.see(price)
        if n % 97 == 0:
            window = prices[max(0, n - period) : n]
            assert rolling.is_full == (n >= period)
            assert rolling.mean == pytest.approx(window.mean(), rel=1e-12)
            assert rolling.deviation == pytest.approx(window.std(), rel=1e-7, abs=1e-12 * level)


def test_a_spike_that_left_the_window_leaves_no_trace():
    """Plain sums of squares would keep a rounding of a million squared."""
    rolling = Rolling(20)
    for price in [1e9, *[100.0] * 2_000]:
        rolling.see(price)
    assert rolling.mean == 100.0
    assert rolling.deviation == 0.0


def test_an_exponential_average_begins_with_the_first_value():
    average = Smooth.over(3)
    assert [average.see(value) for value in (2.0, 4.0, 4.0)] == [2.0, 3.0, 3.5]
