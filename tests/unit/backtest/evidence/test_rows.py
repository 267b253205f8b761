"""The headline and its sentence: printed whatever they say, and withheld where nothing may be."""

import msgspec
import numpy as np
import pytest

from backtest.evidence.records import NOT_DISTINGUISHABLE, Cutoff
from backtest.evidence.rows import (
    analysts_row,
    band_of,
    paired_returns,
    randoms_row,
    row_of,
    sentence_on,
)
from backtest.evidence.runs import Runs
from backtest.records import CostsPaid, DecisionRow
from backtest.statistics.intervals import Interval

YEAR = 252


def noise(n=500, seed=1):
    return np.random.default_rng(seed).normal(0.0003, 0.01, n)


def curve(returns):
    return 100 * np.cumprod(1 + returns)


@pytest.fixture
def hold(made):
    return made(curve(noise()))


def test_the_excess_is_paired_and_a_year(made, hold):
    """A steady 2 bp a day above the market are 5.04 % a year, plain although both are noisy."""
    row = row_of("ours", made(curve(noise() + 0.0002)), hold, periods=YEAR)
    assert row.excess == pytest.approx(0.0504)
    assert row.excess_interval.low == pytest.approx(0.0504)
    assert row.sharpe_interval.covers_zero


def test_buy_and_hold_has_no_excess_over_itself(hold):
    row = row_of("buy-and-hold", hold, hold, periods=YEAR)
    assert row.excess is None
    assert row.excess_interval is None


def test_a_run_that_was_cut_is_compared_over_what_it_has(made, hold):
    ours, theirs = paired_returns(made(curve(noise()[:100])), hold)
    assert len(ours) == len(theirs) == 100
    assert ours == pytest.approx(theirs)


def test_what_the_model_cost_is_taken_off(made, hold):
    run = made([110.0], paid=CostsPaid(model=4.0))
    row = row_of("ours", run, hold, periods=YEAR)
    assert row.figures.total_return == pytest.approx(0.10)
    assert row.net_return == pytest.approx(0.06)
    assert row.model_cost_usd == 4.0


def row_with(made, hold, low, high, *, deflated=0.99, cutoff=Cutoff.NOT_A_MODEL):
    return msgspec.structs.replace(
        row_of("ours", made(curve(noise(seed=2))), hold, periods=YEAR),
        excess=(low + high) / 2,
        excess_interval=Interval(low=low, high=high),
        deflated_sharpe=deflated,
        cutoff=cutoff,
    )


@pytest.mark.parametrize(
    ("low", "high", "deflated", "sentence"),
    [
        (-0.02, 0.06, 0.99, f"{NOT_DISTINGUISHABLE} (excess +2.0% a year, 95 % between -2.0% and"),
        (-0.06, -0.02, 0.1, "worse than buy and hold beyond its interval (excess -4.0% a year"),
        (0.02, 0.06, 0.99, "more than buy and hold beyond its interval (excess +4.0% a year"),
    ],
)
def test_the_sentence_says_what_the_interval_says(made, hold, low, high, deflated, sentence):
    said = sentence_on(row_with(made, hold, low, high, deflated=deflated), 1)
    assert said.startswith(sentence)
    assert said.endswith("%)")


def test_what_the_tries_find_by_chance_is_said(made, hold):
    said = sentence_on(row_with(made, hold, 0.02, 0.06, deflated=0.8), 20)
    assert said.endswith("but 20 tries find as much by chance")


@pytest.mark.parametrize("cutoff", [Cutoff.BEFORE, Cutoff.MIXED, Cutoff.UNKNOWN])
def test_no_claim_is_made_of_what_a_model_may_have_read(made, hold, cutoff):
    assert sentence_on(row_with(made, hold, 0.02, 0.06, cutoff=cutoff), 1).startswith("no claim: ")


def test_a_short_run_is_not_distinguishable(made):
    hold = made([100.0, 101.0, 99.0])
    said = sentence_on(row_of("ours", made([100.0, 103.0, 104.0]), hold, periods=YEAR), 1)
    assert said == f"too few steps to say anything: {NOT_DISTINGUISHABLE}"


def test_the_headline_refuses_a_model_that_may_have_read_the_period(made, hold, spec):
    """Its return is shown, its claims are not."""
    decision = DecisionRow(
        ts_ns=0,
        symbol="TEST",
        id="d",
        action="hold",
        outcome="held",
        reason_code="",
        confidence=0.5,
        thesis="",
        price=1.0,
    )
    model = msgspec.structs.replace(spec, analyst="llm:gpt-5")
    main = made(curve(noise(seed=2)), spec=model, decisions=(decision,))
    runs = Runs(repeats=[main], baselines={}, random=[])
    row = analysts_row(runs, hold, periods=YEAR, tried=(1, ()), repeats=None)
    assert row.cutoff is Cutoff.BEFORE
    assert row.figures.total_return is not None
    assert (row.excess, row.excess_interval, row.deflated_sharpe) == (None, None, None)


def test_tries_deflate_the_judged_run_and_no_baseline(made, hold):
    main = made(curve(noise(seed=2) + 0.0005))
    runs = Runs(repeats=[main], baselines={}, random=[])
    rows = [analysts_row(runs, hold, periods=YEAR, tried=(n, ()), repeats=None) for n in (1, 1_000)]
    assert rows[0].deflated_sharpe > rows[1].deflated_sharpe + 0.2


def test_the_random_traders_row_is_the_middle_one(made, hold):
    traders = [made(curve(noise(seed=2) + drift)) for drift in (0.01, -0.01, 0.0)]
    row = randoms_row(Runs(repeats=[hold], baselines={}, random=traders), hold, periods=YEAR)
    assert row.name == "random (median of 3)"
    assert row.figures.total_return == pytest.approx(curve(noise(seed=2))[-1] / 100 - 1)
    assert randoms_row(Runs(repeats=[hold], baselines={}, random=[]), hold, periods=YEAR) is None


def test_the_band_holds_the_middle_nine_tenths(made):
    traders = [made([100.0, 100.0 + n]) for n in range(101)]
    band = band_of(traders)
    assert (band.low[1], band.middle[1], band.high[1]) == (105.0, 150.0, 195.0)
    assert band_of(traders[:1]) is None
