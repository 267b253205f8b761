"""What selection does: against published figures, against arch, and on models without skill."""

import numpy as np
import pytest
from arch.bootstrap import SPA, StationaryBootstrap

from backtest.statistics.selection import (
    _long_run_variances,
    best_by_chance,
    deflated_sharpe,
    probabilistic_sharpe,
    probability_above,
    superior,
    superiority,
)


def test_deflated_ratio_is_the_papers_example():
    """Bailey and Lopez de Prado (2014): 100 tries, 1,250 days, ratio 2.5 a year: 0.9004."""
    chance = best_by_chance(100, 0.5 / 250)
    assert chance == pytest.approx(0.1132, abs=5e-5)
    found = probability_above(chance, ratio=2.5 / np.sqrt(250), n=1_250, shape=(-3.0, 10.0))
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_the_best_by_chance_is_what_simulated_tries_reach():
    best = np.random.default_rng(1).normal(0, 0.05, (20_000, 50)).max(axis=1).mean()
    assert best_by_chance(50, 0.05**2) == pytest.approx(best, rel=0.02)


def test_one_try_is_no_selection():
    returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    assert best_by_chance(1, 0.01) == 0.0
    assert deflated_sharpe(returns, 1) == probabilistic_sharpe(returns)


def test_more_tries_deflate_more():
    returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    found = [deflated_sharpe(returns, n) for n in (1, 10, 100, 1_000)]
    assert found == sorted(found, reverse=True)


def test_the_spread_of_the_tries_that_were_kept_is_what_counts():
    """Tries that hardly differ are hardly a selection."""
    returns = np.random.default_rng(1).normal(0.001, 0.01, 500)
    alike, apart = [0.05, 0.0501], [0.15, -0.15]
    assert deflated_sharpe(returns, 2, alike) > deflated_sharpe(returns, 2, apart)


@pytest.mark.parametrize("returns", [[0.01, 0.02], [0.01] * 50, []])
def test_too_few_or_equal_returns_have_no_probability(returns):
    assert probabilistic_sharpe(np.array(returns)) is None


def losses(seed, n=250, tries=6):
    return np.random.default_rng(seed).normal(0, 0.01, (n, tries))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_superiority_equals_archs_on_the_same_draws(seed):
    """arch takes losses and does not studentize its maximum; on its own draws, ours agrees."""
    gains = losses(seed) + np.linspace(-0.003, 0.002, 6)
    theirs = SPA(np.zeros(250), -gains, block_size=5, reps=400, seed=seed)
    theirs.compute()
    same = StationaryBootstrap(5, gains, seed=seed)
    means = np.array([position[0].mean(axis=0) for position, _ in same.bootstrap(400)])
    ours = superiority(gains, means, block=5.0, is_studentized=False)
    found = [ours.lower, ours.consistent, ours.upper]
    assert found == pytest.approx(theirs.pvalues.tolist(), abs=1e-9)


def test_long_run_variances_equal_archs():
    gains = losses(4)
    theirs = SPA(np.zeros(250), -gains, block_size=5, reps=10, seed=1)
    theirs.compute()
    assert _long_run_variances(gains, 5.0) == pytest.approx(theirs._loss_diff_var, rel=1e-9)


def test_a_real_advantage_is_found_and_models_that_do_not_vary_are_left_out():
    gains = losses(1)
    gains[:, 2] += 0.004
    gains[:, 3] = 0.0
    assert superior(gains, seed=1).consistent < 0.01
    assert superior(np.zeros((100, 3)), seed=1) is None


def test_choosing_the_best_of_twenty_without_skill_finds_skill_and_hansens_test_does_not(say):
    """C8, the over-fitting agent: its best of twenty looks skilled in a third of the markets."""
    n_markets, naive, tested = 200, 0, 0
    for market in range(n_markets):
        gains = losses((8, market), n=200, tries=20)
        z = gains.mean(axis=0) / gains.std(axis=0, ddof=1) * np.sqrt(200)
        naive += z.max() > 1.96
        tested += superior(gains, seed=market, n_draws=300, block=1.0).consistent < 0.05
    say(
        f"C8 of {n_markets} markets without skill, the best of 20 is called skilled in "
        f"{naive / n_markets:.1%} by itself and in {tested / n_markets:.1%} by Hansen's test"
    )
    assert naive / n_markets > 0.25
    assert tested / n_markets < 0.10
