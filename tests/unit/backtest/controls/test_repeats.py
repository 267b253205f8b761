"""C6 and C7: a lucky run shines alone and is ordinary among its repeats."""

import msgspec
import numpy as np
import pytest

from backtest.controls.repeats import flip_rate, intervals, repeated, repeats_of
from backtest.evidence.records import HeadlineRow
from backtest.records import DecisionRow
from backtest.statistics.figures import figures_of, sharpe
from backtest.statistics.intervals import Interval
from domain.errors import ConfigError


def decisions(actions, symbol="TEST"):
    return tuple(
        DecisionRow(
            ts_ns=n,
            symbol=symbol,
            id=str(n),
            action=action,
            outcome="held",
            reason_code="",
            confidence=0.5,
            thesis="",
            price=1.0,
        )
        for n, action in enumerate(actions)
        if action
    )


def test_the_lucky_agent_shines_in_its_best_run_and_is_ordinary_over_all(
    walk_of, earn, made, spec, say
):
    """It tosses a coin every day, at the temperature that a model has, and shows one of 40 runs."""
    closes = walk_of(252)
    model = msgspec.structs.replace(spec, analyst="llm:gpt-5")
    runs = []
    for seed in range(40):
        coin = np.random.default_rng(seed).random(252) < 0.5
        equity = 100 * np.cumprod(1 + earn(coin * 2.0 - 1.0, closes))
        rows = decisions(["buy" if up else "sell" for up in coin])
        runs.append(made(equity, decisions=rows, spec=model, digest=str(seed)))
    ratios = [sharpe(np.diff(run.equity) / run.equity[:-1], 252) for run in runs]
    spread = repeats_of(runs)
    error = spread.spread / np.sqrt(spread.k)
    say(
        f"C6 lucky: best of 40 runs has Sharpe {max(ratios):.2f}; over all of them it returns "
        f"{spread.mean:+.1%} with an error of {error:.1%}, and {spread.flip_rate:.0%} flip"
    )
    assert max(ratios) > 1.5
    assert abs(spread.mean) < 2 * error
    assert spread.flip_rate == pytest.approx(0.5, abs=0.03)
    assert not repeated(runs).passed


def test_runs_of_a_rule_must_give_one_digest(made):
    same = [made([100.0], digest="a")] * 3
    assert repeated(same).passed
    assert repeated(same).line == "3 runs gave 1 journal digest"
    assert not repeated([*same, made([100.0], digest="b")]).passed


def test_one_run_is_not_judged_and_none_is_an_error(made):
    assert repeated([made([100.0])]).passed is None
    with pytest.raises(ConfigError, match="no runs"):
        repeats_of([])


@pytest.mark.parametrize(
    ("one", "other", "rate"),
    [
        (["buy", "hold"], ["buy", "hold"], 0.0),
        (["buy", "hold"], ["sell", "hold"], 0.5),
        (["buy", "hold"], ["buy", None], 0.5),
        ([], [], 0.0),
    ],
)
def test_flips_are_counted_by_time_and_symbol(made, one, other, rate):
    """A decision that only one run took is a flip too."""
    runs = [made([100.0], decisions=decisions(actions)) for actions in (one, other)]
    assert flip_rate(runs) == rate


def test_decisions_of_another_symbol_are_not_compared(made):
    runs = [
        made([100.0], decisions=decisions(["buy"]) + decisions([action], "OTHER"))
        for action in ("buy", "sell")
    ]
    assert flip_rate(runs) == 0.5


def headline(made, excess, interval):
    return HeadlineRow(
        name="rules",
        is_baseline=False,
        figures=figures_of(made([100.0, 101.0]), 252),
        sharpe_interval=None,
        deflated_sharpe=None,
        excess=excess,
        excess_interval=interval,
        net_return=0.01,
    )


@pytest.mark.parametrize(
    ("low", "high", "passed"), [(0.01, 0.2, True), (-0.01, 0.2, False), (-0.2, -0.1, False)]
)
def test_an_excess_counts_only_beyond_its_interval(made, low, high, passed):
    found = intervals(headline(made, (low + high) / 2, Interval(low=low, high=high)))
    assert found.passed is passed


def test_without_an_interval_nothing_is_judged(made):
    assert intervals(headline(made, 0.5, None)).passed is None
