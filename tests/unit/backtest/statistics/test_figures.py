"""The ten figures: against empyrical and skfolio to 1e-9, and None wherever they mean nothing."""

import empyrical
import numpy as np
import pytest
import skfolio.measures as judge

from backtest.statistics import figures as ours
from domain.errors import ConfigError

YEAR = 252
EXACT = {"rel": 1e-9, "abs": 1e-9}


@pytest.fixture(params=[(0, 250), (1, 2_520), (2, 70)])
def returns(request):
    seed, n = request.param
    return np.random.default_rng(seed).normal(0.0004, 0.012, n)


def test_figures_equal_empyrical(returns, made):
    """Seven figures that empyrical has too, on three series of different lengths."""
    found = ours.figures_of(made(100 * np.cumprod(1 + returns)), YEAR)
    assert found.total_return == pytest.approx(empyrical.cum_returns_final(returns), **EXACT)
    assert found.cagr == pytest.approx(empyrical.cagr(returns), **EXACT)
    assert found.volatility == pytest.approx(empyrical.annual_volatility(returns), **EXACT)
    assert found.sharpe == pytest.approx(empyrical.sharpe_ratio(returns), **EXACT)
    assert found.sortino == pytest.approx(empyrical.sortino_ratio(returns), **EXACT)
    assert found.max_drawdown == pytest.approx(empyrical.max_drawdown(returns), **EXACT)
    assert found.calmar == pytest.approx(empyrical.calmar_ratio(returns), **EXACT)
    assert found.profit_factor == pytest.approx(empyrical.omega_ratio(returns), **EXACT)


def test_figures_equal_skfolio(returns, made):
    """A second judge; its semi-deviation about zero divides by n - 1, which is undone here."""
    equity = 100 * np.cumprod(1 + returns)
    found = ours.figures_of(made(equity), YEAR)
    n = len(returns)
    deviation = judge.standard_deviation(returns)
    assert found.volatility == pytest.approx(deviation * np.sqrt(YEAR), **EXACT)
    mean = judge.mean(returns)
    assert found.sharpe == pytest.approx(mean / deviation * np.sqrt(YEAR), **EXACT)
    downside = judge.semi_deviation(returns, min_acceptable_return=0.0) * np.sqrt((n - 1) / n)
    assert found.sortino == pytest.approx(mean / downside * np.sqrt(YEAR), **EXACT)
    falls = judge.get_drawdowns(returns, compounded=True)
    assert found.max_drawdown == pytest.approx(-judge.max_drawdown(falls), **EXACT)


def test_a_loss_of_the_first_bar_is_a_drawdown(made):
    """Libraries that begin with the first return lose it."""
    assert ours.figures_of(made([90.0, 99.0]), YEAR).max_drawdown == pytest.approx(-0.1)


def test_equity_that_never_moves_has_no_ratio(made):
    """Nothing varied and nothing fell: the ratios are undefined, not zero and not infinite."""
    found = ours.figures_of(made([100.0] * 50), YEAR)
    assert (found.total_return, found.volatility, found.max_drawdown) == (0.0, 0.0, 0.0)
    assert (found.sharpe, found.sortino, found.calmar, found.profit_factor) == (None,) * 4


def test_equal_returns_have_no_sharpe_ratio_although_their_deviation_is_rounded_off_zero(made):
    """Compounded by rounding numbers, the deviation is about 1e-16: no variation at all."""
    found = ours.figures_of(made(100 * 1.001 ** np.arange(1, 300)), YEAR)
    assert found.sharpe is None
    assert found.calmar is None
    assert found.cagr == pytest.approx(1.001**YEAR - 1)


def test_one_step_has_a_return_and_no_deviation(made):
    found = ours.figures_of(made([101.0]), YEAR)
    assert found.total_return == pytest.approx(0.01)
    assert (found.volatility, found.sharpe, found.sortino) == (None,) * 3


def test_a_run_without_steps_has_no_figure(made):
    found = ours.figures_of(made([]), YEAR)
    assert {getattr(found, name) for name in found.__struct_fields__} == {None}


def test_ruin_ends_the_returns_and_has_no_growth():
    """What follows a debt is no return upon it."""
    equity = np.array([100.0, 50.0, -10.0, 20.0])
    assert ours.returns_of(equity).tolist() == pytest.approx([-0.5, -1.2])
    assert ours.cagr(np.array([100.0, 50.0, -10.0]), 2) is None


def test_growth_beyond_all_numbers_is_undefined():
    """Ten ticks that double the money would be more a year than a number holds."""
    assert ours.cagr(np.array([100.0, 200.0]), 1e7) is None


def test_less_than_a_quarter_of_a_year_has_no_growth_a_year(made):
    """Six days that gained three per cent used to print a growth of 240 % a year."""
    short = ours.figures_of(made(100 * 1.005 ** np.arange(1, 7)), YEAR)
    assert short.total_return == pytest.approx(1.005**6 - 1)
    assert (short.cagr, short.calmar) == (None, None)
    quarter = ours.figures_of(made(100 * 1.005 ** np.arange(1, YEAR // 4 + 1)), YEAR)
    assert quarter.cagr == pytest.approx(1.005**YEAR - 1)


def test_a_hole_in_equity_is_an_error_that_names_its_step():
    with pytest.raises(ConfigError, match="step 2") as caught:
        ours.returns_of(np.array([100.0, 101.0, np.nan, 102.0]))
    assert caught.value.code == "EQUITY_NOT_FINITE"


def test_turnover_counts_both_sides_over_mean_equity_a_year(made, fill):
    """Bought and sold 50 of a mean 100 in half a year: 100/100 in half, so twice a year."""
    equity = [100.0] * (YEAR // 2)
    found = ours.figures_of(made(equity, fills=(fill(1, 50.0), fill(-1, 50.0))), YEAR)
    assert found.turnover == pytest.approx(2.0)


def test_exposure_is_the_mean_share_of_equity_in_positions(made):
    found = ours.figures_of(made([100.0, 200.0], exposure=[50.0, 0.0]), YEAR)
    assert found.exposure == pytest.approx(0.25)
