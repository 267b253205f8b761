"""C2: an agent that remembers shines before the cut-off of what it read, and not after."""

import msgspec
import numpy as np
import pytest

from backtest.controls.cutoffs import CUTOFFS, cutoff_of, knowledge, label, label_all
from backtest.evidence.records import Cutoff
from backtest.records import DecisionRow
from backtest.statistics.figures import sharpe
from domain.records import parse_ns

DAY_NS = 86_400_000_000_000
CUTOFF = parse_ns("2024-06-01T00:00:00Z")


def test_the_memorising_agent_shines_before_the_cut_off_and_is_ordinary_after(walk_of, earn, say):
    """It knows every return that was published before its cut-off, and tosses a coin after."""
    closes = walk_of(1_500)
    times = CUTOFF + DAY_NS * (np.arange(1_500) - 900)
    rises = np.append(closes[1:] > closes[:-1], False)
    coin = np.random.default_rng(5).random(1_500) < 0.5
    positions = np.where(times < CUTOFF, rises, coin).astype(float)
    returns = earn(positions, closes)
    labels = np.array([label("llm:gpt-4.1-mini", int(ts)) for ts in times[:-1]])
    shining = sharpe(returns, 252)
    ordinary = sharpe(returns[labels == Cutoff.AFTER], 252)
    say(f"C2 memorising: Sharpe {shining:.1f} over all time, {ordinary:.2f} after its cut-off")
    assert shining > 5
    assert abs(ordinary) < 1.5


def test_ninety_days_after_the_date_belong_to_before():
    assert label("llm:gpt-4.1", CUTOFF + 90 * DAY_NS - 1) is Cutoff.BEFORE
    assert label("llm:gpt-4.1", CUTOFF + 90 * DAY_NS) is Cutoff.AFTER


def test_rules_and_policies_have_read_nothing():
    assert label("rules", 0) is Cutoff.NOT_A_MODEL
    assert label("policy:sma", 0) is Cutoff.NOT_A_MODEL


@pytest.mark.parametrize("model", ["llm:some-new-model", "local:SmolLM2-135M", "llm:gpt-4o-ultra"])
def test_a_model_without_a_published_date_has_read_everything(model):
    assert label(model, 4 * 10**18) is Cutoff.UNKNOWN


def test_a_dated_snapshot_has_its_models_date():
    assert cutoff_of("gpt-4o-2024-08-06") == cutoff_of("gpt-4o")
    assert cutoff_of("gpt-4.1-mini-2025-04-14") == cutoff_of("gpt-4.1-mini")


def test_every_date_of_the_table_can_be_read():
    assert all(cutoff_of(model) is not None for model in CUTOFFS)


def run(made, spec, analyst, times):
    rows = tuple(
        DecisionRow(
            ts_ns=ts_ns,
            symbol="TEST",
            id=str(n),
            action="hold",
            outcome="held",
            reason_code="",
            confidence=0.5,
            thesis="",
            price=100.0,
        )
        for n, ts_ns in enumerate(times)
    )
    return made([100.0], spec=msgspec.structs.replace(spec, analyst=analyst), decisions=rows)


@pytest.mark.parametrize(
    ("analyst", "days", "stands", "passed"),
    [
        ("rules", (0, 1), Cutoff.NOT_A_MODEL, True),
        ("llm:gpt-5", (0, 1), Cutoff.BEFORE, False),
        ("llm:gpt-4.1", (89, 91), Cutoff.MIXED, False),
        ("llm:gpt-4.1", (90, 91), Cutoff.AFTER, True),
        ("llm:unheard-of", (5_000,), Cutoff.UNKNOWN, False),
    ],
)
def test_only_decisions_after_the_cut_off_pass(made, spec, analyst, days, stands, passed):
    times = [CUTOFF + day * DAY_NS for day in days]
    assert label_all(analyst, times) is stands
    assert knowledge(run(made, spec, analyst, times)).passed is passed


def test_the_line_says_from_when_on_nothing_was_read(made, spec):
    result = knowledge(run(made, spec, "llm:gpt-4.1", [CUTOFF, CUTOFF + 100 * DAY_NS]))
    assert result.line == "1 of 2 decisions lie after 2024-08-30, when nothing was read"
