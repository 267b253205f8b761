"""Intervals of differences, ratios and shares, and none where they would only look like one."""

import numpy as np
import pytest
from scipy.stats import binomtest

from backtest.statistics.intervals import (
    Interval,
    mean_interval,
    none_in,
    paired_interval,
    share_interval,
    sharpe_interval,
)
from domain.errors import ConfigError


def noise(n, seed=1, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 0.01, n)


def test_pairing_takes_out_what_moved_both():
    """A steady advantage of 2 bp is lost in the market's noise, and plain once it is taken out."""
    market = noise(500)
    ours = market + 0.0002 + noise(500, seed=2) / 100
    assert mean_interval(ours, seed=1).covers_zero
    paired = paired_interval(ours, market, seed=1)
    assert paired.low > 0.0001
    assert paired.high < 0.0003


def test_series_of_different_lengths_are_refused():
    with pytest.raises(ConfigError, match="500 and 499 steps") as caught:
        paired_interval(noise(500), noise(499), seed=1)
    assert caught.value.code == "NOT_PAIRED"


def test_a_series_equal_to_its_benchmark_differs_by_exactly_nothing():
    market = noise(100)
    assert paired_interval(market, market, seed=1) == Interval(low=0.0, high=0.0)


def test_a_few_steps_have_no_interval():
    assert mean_interval(noise(19), seed=1) is None
    assert sharpe_interval(noise(19), 252, seed=1) is None


def test_returns_that_never_vary_have_no_interval_of_their_ratio():
    assert sharpe_interval(np.full(100, 0.001), 252, seed=1) is None


def test_the_ratios_interval_is_about_lows_on_independent_returns():
    """A. W. Lo (2002): the standard error of a ratio a step is sqrt((1 + SR^2 / 2) / n)."""
    returns = noise(2_000, mean=0.0005)
    found = sharpe_interval(returns, 252, seed=1)
    ratio = returns.mean() / returns.std(ddof=1)
    half = 1.96 * np.sqrt((1 + ratio**2 / 2) / 2_000 * 252)
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.15)
    assert found.low < ratio * np.sqrt(252) < found.high


def test_draws_without_variation_are_left_out_of_the_ratios():
    """One return in thirty moved: some draws miss it, and have no ratio."""
    returns = np.zeros(30)
    returns[3] = 0.01
    found = sharpe_interval(returns, 252, seed=1)
    assert np.isfinite([found.low, found.high]).all()


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (57, 400)])
def test_shares_are_bounded_as_wilson_has_it(hits, n):
    theirs = binomtest(hits, n).proportion_ci(method="wilson")
    found = share_interval(hits, n)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_no_trial_bounds_nothing():
    assert share_interval(0, 0) is None
    assert none_in(0) == 1.0


def test_none_of_a_thousand_leaves_about_three_in_a_thousand():
    theirs = binomtest(0, 1_000).proportion_ci(confidence_level=0.9, method="exact").high
    assert none_in(1_000) == pytest.approx(theirs, rel=1e-9)
    assert none_in(1_000) == pytest.approx(3 / 1_000, rel=0.01)
