"""What a report's sheet says: figures, months, marks, and what nobody may overlook."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from backtest.evidence.records import Cutoff, Registered
from backtest.records import Costs, Ended
from backtest.report import ReportInput, sheet_of, writing
from backtest.report import curves as working
from backtest.report.marks import MAX_HOLDS
from backtest.report.records import MarkKind

DAY_NS = 86_400 * 1_000_000_000
NEW_YEAR_NS = 1_577_836_800 * 1_000_000_000  # 2020-01-01


def test_a_loss_of_the_first_step_is_a_drawdown():
    """The capital that a run began with is its first peak."""
    fallen = working.drawdown(np.array([90.0, 95.0, 110.0, 99.0]), start=100.0)
    assert fallen == pytest.approx([-0.10, -0.05, 0.0, -0.10])


def test_the_months_of_a_year_multiply_up_to_it():
    """Each month starts where the one before ended, the first from the run's cash."""
    ts_ns = NEW_YEAR_NS + DAY_NS * np.arange(500)
    equity = 100 * np.cumprod(1 + np.random.default_rng(3).normal(0, 0.01, 500))
    found = working.months(ts_ns, equity, start=100.0)
    for year, days in ((2020, 366), (2021, 134)):
        product = math.prod(1 + m.value for m in found if m.year == year and m.month)
        (whole,) = (m.value for m in found if m.year == year and m.month == 0)
        assert product == pytest.approx(1 + whole), days
    assert [m.month for m in found if m.year == 2020 and m.month] == list(range(1, 13))
    total = math.prod(1 + m.value for m in found if m.month == 0)
    assert total == pytest.approx(equity[-1] / 100)


def test_the_last_day_of_a_month_counts_to_it(make_result):
    """Its bar ends at midnight, which is the next month's first moment already."""
    sessions = np.array([30, 31, 33]) * DAY_NS + NEW_YEAR_NS  # bars that end on 31 Jan, 1, 3 Feb
    equity = np.array([10_000.0, 11_000.0, 11_000.0])
    result = make_result(ts_ns=sessions, equity=equity, cash=equity, exposure=equity, fills=())
    found = {(m.year, m.month): m.value for m in sheet_of(ReportInput(result=result)).months}
    assert found[2020, 1] == pytest.approx(0.10)
    assert found[2020, 2] == 0


def test_what_rounds_to_zero_has_no_sign():
    """Minus nothing would look like a loss."""
    assert writing.percent(-0.0001) == writing.percent(0.0001) == f"0.0{writing.NO_BREAK}%"
    assert writing.number(-12.5, 1) == f"{writing.MINUS}12.5"


def test_a_thinned_curve_keeps_its_peak_its_trough_and_both_ends():
    """A crash of one bar among 100,000 is still drawn."""
    values = np.linspace(1, 2, 100_000)
    values[70_001], values[33] = 0.1, 9.0
    kept = working.thinned(values)
    assert len(kept) <= working.MAX_POINTS + 2
    assert {0, 33, 70_001, 99_999} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


def test_a_share_that_was_not_listed_yet_is_drawn_from_its_first_price(make_result):
    """What is no number stands in no plot, and the page's script would not read it."""
    result = make_result()
    ts_ns, price = result.prices["AAA"]
    late = np.where(np.arange(price.size) < 100, np.nan, price)
    prices = {**result.prices, "AAA": (ts_ns, late)}
    chart = sheet_of(ReportInput(result=make_result(prices=prices))).charts[0]
    assert len(chart.price.values) == price.size - 100
    assert chart.price.ms[0] == ts_ns[100] // 1_000_000


def test_turnover_is_what_was_traded_over_the_mean_equity_of_its_month(make_result):
    """Two trades of $1,000 in a month of $10,000 are 0.2."""
    result = make_result(31)
    fills = tuple(
        msgspec.structs.replace(
            result.fills[0], ts_ns=int(result.ts_ns[at]), quantity=q, price=100.0
        )
        for at, q in ((1, 10.0), (5, -10.0))
    )
    found = working.turnover_by_month(fills, result.ts_ns, np.full(31, 10_000.0))
    assert [(m.year, m.month) for m in found] == [(2020, 1), (2020, 2)]
    assert [m.value for m in found] == pytest.approx([0.2, 0.0])


@pytest.mark.parametrize(
    ("ended", "word"),
    [
        (Ended.INTERRUPTED, "interrupted"),
        (Ended.BUDGET_SPENT, "budget spent"),
        (Ended.ANALYST_FAILED, "analyst failed"),
    ],
)
def test_a_run_that_did_not_end_is_called_partial(make_result, ended, word):
    """Half a run read as a whole one fools its reader."""
    bare, told = (
        sheet_of(ReportInput(result=make_result(ended=ended, note=note))).shouts[0]
        for note in ("", "a person interrupted it")
    )
    assert bare == f"PARTIAL: the run did not reach its end: {word}."
    # It once said "it was interrupted. interrupted by a person".
    assert told == "PARTIAL: the run did not reach its end: a person interrupted it."


def test_no_costs_are_shouted(make_result):
    """Only who typed `none` may trade for nothing, and everybody hears of it."""
    result = make_result()
    spec = msgspec.structs.replace(result.spec, costs=Costs(name="none", venue_fees=False))
    shouts = sheet_of(ReportInput(result=make_result(spec=spec))).shouts
    assert any("COSTS: NONE" in shout for shout in shouts)
    assert not any("COSTS" in s for s in sheet_of(ReportInput(result=result)).shouts)


def test_a_changed_registration_makes_a_run_exploratory(make_result, make_evidence):
    """The field that was changed is named."""
    registered = make_evidence().registration
    changed = msgspec.structs.replace(registered, changed=("universe",))
    given = ReportInput(result=make_result(), evidence=make_evidence(registration=changed))
    assert any("EXPLORATORY: universe" in shout for shout in sheet_of(given).shouts)
    none = Registered(digest=None, hypothesis="", primary_figure="", n_tries=1)
    given = ReportInput(result=make_result(), evidence=make_evidence(registration=none))
    assert any("not registered" in shout for shout in sheet_of(given).shouts)


def test_an_order_that_the_gate_denied_is_marked_as_denied(given):
    """The graph ordered and the gate said no: the gate's word stands on the price."""
    chart = sheet_of(given).charts[0]
    denied = [mark for mark in chart.marks if mark.kind is MarkKind.DENIED]
    told = [r for r in given.result.decisions if r.code and r.symbol == chart.symbol]
    assert len(denied) == len(told) > 0
    assert {mark.code for mark in denied} == {"NOTIONAL_EXCEEDS_MAX"}


def test_holds_never_push_out_what_was_done(make_result):
    """Of 5,000 holds so many are drawn, of everything else all, and the rest is counted."""
    result = make_result()
    hold, *others = result.decisions[:5]
    many = tuple(
        msgspec.structs.replace(hold, ts_ns=hold.ts_ns + at, id=f"h{at}") for at in range(5000)
    )
    chart = sheet_of(ReportInput(result=make_result(decisions=(*many, *others), fills=()))).charts[
        0
    ]
    kinds = [mark.kind for mark in chart.marks]
    assert kinds.count(MarkKind.HELD) == MAX_HOLDS
    assert chart.left_out == 5000 - MAX_HOLDS
    assert len(kinds) - MAX_HOLDS == len(others)


def test_a_decision_without_a_price_stands_upon_none(make_result):
    """Its quote was missing: it is in the table of outcomes, and the page still opens."""
    result = make_result()
    blind = msgspec.structs.replace(result.decisions[0], price=math.nan)
    given = ReportInput(result=make_result(decisions=(blind,), fills=()))
    assert sheet_of(given).charts[0].marks == ()
    assert sheet_of(given).outcomes[0].value == 1


def test_a_run_without_evidence_says_that_nothing_was_compared(make_result):
    """A lone curve is no proof, and the page says so in the sentence's place."""
    result = make_result()
    sheet = sheet_of(ReportInput(result=result))
    assert "Nothing was compared" in sheet.sentence
    assert len(sheet.equity) == 1
    [row] = sheet.rows
    assert row.figures.total_return == pytest.approx(result.equity[-1] / result.spec.cash - 1)
    assert (row.denials, row.n_fills) == (69, len(result.fills))
    assert row.excess is None
    assert row.deflated_sharpe is None


def test_a_run_without_evidence_claims_no_interval_for_what_its_model_may_have_read(make_result):
    """A model whose knowledge nobody dated is not judged leniently because nothing was compared."""
    result = make_result()
    unknown = msgspec.structs.replace(result.spec, analyst="llm:nobody-knows-it")
    [row] = sheet_of(ReportInput(result=make_result(spec=unknown))).rows
    assert row.sharpe_interval is None
    assert row.cutoff is Cutoff.UNKNOWN


def test_costs_show_the_models_dollars_and_add_up(given):
    """The model is one cost among the others."""
    rows = {row.name: row for row in sheet_of(given).costs}
    assert rows["model"].value == 1.25
    assert sum(row.share for row in rows.values()) == pytest.approx(1)


def test_a_run_of_no_steps_has_a_sheet(make_result):
    """An analyst that failed before the first bar still gets its partial report."""
    none = np.empty(0)
    result = make_result(
        ended=Ended.ANALYST_FAILED,
        ts_ns=np.empty(0, np.int64),
        equity=none,
        cash=none,
        exposure=none,
        fills=(),
        decisions=(),
        prices={},
    )
    sheet = sheet_of(ReportInput(result=result))
    assert sheet.months == ()
    assert sheet.shouts
