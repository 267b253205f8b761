"""The stationary bootstrap: its blocks against arch, and how often its intervals are right."""

import numpy as np
import pytest
from arch.bootstrap import optimal_block_length
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.statistics.bootstrap import block_length, drawn, draws
from backtest.statistics.intervals import mean_interval


def autoregressive(n, phi, seed, *, burn_in=100):
    noise = np.random.default_rng(seed).normal(size=n + burn_in)
    series = np.zeros(n + burn_in)
    for t in range(1, n + burn_in):
        series[t] = phi * series[t - 1] + noise[t]
    return series[burn_in:]


@pytest.mark.parametrize("n", [25, 250, 1_001, 5_000])
@pytest.mark.parametrize("phi", [-0.4, 0.0, 0.3, 0.95])
def test_block_length_equals_archs(n, phi):
    """Ours is never below one step, which is a draw of single steps."""
    series = autoregressive(n, phi, seed=n)
    theirs = optimal_block_length(series)["stationary"].iloc[0]
    assert block_length(series) == pytest.approx(max(1.0, theirs), rel=1e-9)


@pytest.mark.parametrize("series", [[], [1.0], [0.5] * 100, [1.0, 2.0, 3.0]])
def test_a_series_that_cannot_say_is_drawn_step_by_step(series):
    assert block_length(np.array(series, dtype=float)) == 1.0


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 60),
    block=st.floats(1, 40),
    seed=st.integers(0, 2**32),
    n_draws=st.integers(1, 20),
)
def test_draws_hold_only_steps_of_the_series(n, block, seed, n_draws):
    rows = np.concatenate(list(draws(n, block, seed, n_draws=n_draws)))
    assert rows.shape == (n_draws, n)
    assert rows.min() >= 0
    assert rows.max() < n


def test_blocks_have_the_mean_length_that_was_asked_for_and_run_on_around_the_end():
    """A step is followed by its neighbour unless a new block begins, once in ten."""
    rows = np.concatenate(list(draws(500, 10.0, 3, n_draws=400)))
    follows = (rows[:, 1:] - rows[:, :-1]) % 500 == 1
    assert follows.mean() == pytest.approx(0.9 + 0.1 / 500, abs=0.003)


def test_the_same_seed_draws_the_same_and_another_differs():
    first, again, other = (next(draws(50, 4.0, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_long_series_is_drawn_in_parts_that_bound_memory():
    parts = list(draws(1_500_000, 10.0, 1, n_draws=2))
    assert [part.shape for part in parts] == [(1, 1_500_000)] * 2


def test_drawn_answers_one_number_a_draw():
    found = drawn(np.arange(30.0), lambda rows: rows.max(axis=1), seed=1, n_draws=17)
    assert found.shape == (17,)
    assert found.max() <= 29


def test_intervals_of_dependent_returns_cover_the_truth_and_independent_draws_do_not(say):
    """C7: on AR(1) with phi = 0.3, n = 250, nominal 95 %, ours must cover more than 88 %.

    Drawing single steps, as if they were independent, is the careless agent here.
    """
    n_markets, block = 600, {"stationary": None, "independent": 1.0}
    hits = dict.fromkeys(block, 0)
    for market in range(n_markets):
        series = autoregressive(250, 0.3, seed=(7, market))
        for name, length in block.items():
            found = mean_interval(series, seed=market, block=length, n_draws=300)
            hits[name] += found.covers_zero
    covers = {name: count / n_markets for name, count in hits.items()}
    say(f"C7 coverage at nominal 95 %, {n_markets} markets of AR(1): {covers}")
    assert covers["stationary"] > 0.88
    assert covers["independent"] < covers["stationary"] - 0.03
