"""The page prints exactly what came out: the sentence, every row, every control."""

import msgspec
import numpy as np
import pytest

from backtest.controls.switches import NAMES, found, switched_off
from backtest.evidence.page import Made, Study, page_of
from backtest.evidence.records import Curve, Evidence, Registered
from backtest.evidence.rows import row_of
from domain.records import format_ns

COMMAND = "autohedge evidence --seed 3 --only deep"
MADE = Made(
    command=COMMAND, date="2026-11-29 21:00 UTC", commit="abc1234", seed=3, machine="2 cores"
)


@pytest.fixture
def evidence(made):
    rng = np.random.default_rng(1)
    hold = made(100 * np.cumprod(1 + rng.normal(0, 0.01, 100)))
    ours = made(100 * np.cumprod(1 + rng.normal(0, 0.01, 100)))
    rows = (
        msgspec.structs.replace(row_of("rules", ours, hold, periods=252), is_baseline=False),
        row_of("buy-and-hold", hold, hold, periods=252),
        row_of("cash", made([100.0] * 100), hold, periods=252),
    )
    results = [found(code, f"line of {code}", passed=code != "C7") for code in NAMES]
    results[2] = switched_off("C3")
    return Evidence(
        rows=rows,
        sentence="not distinguishable from buy and hold (excess -1.0% a year)",
        periods=252.0,
        n_steps=100,
        n_tries=4,
        controls=tuple(results),
        registration=Registered(digest=None, hypothesis="", primary_figure="", n_tries=0),
        curves=(Curve(name="rules", ts_ns=ours.ts_ns, equity=ours.equity),),
    )


def page(evidence, spec, **changed):
    study = Study(name="Days", about="Survivors only.", seconds=61.4, **changed)
    return page_of([(study, spec, evidence)], MADE)


def test_the_sentence_stands_above_the_figures_whatever_it_says(evidence, spec):
    text = page(evidence, spec)
    said = "**Not distinguishable from buy and hold (excess -1.0% a year).**"
    assert said in text
    assert text.index(said) < text.index("| Who decides")


def test_every_row_and_every_control_is_there(evidence, spec):
    lines = page(evidence, spec).splitlines()
    assert [line.split(" | ")[0] for line in lines if line.startswith("| **rules")] == [
        "| **rules**"
    ]
    assert sum(line.startswith(("| buy-and-hold", "| cash")) for line in lines) == 2
    for code in NAMES:
        (row,) = [line for line in lines if line.startswith(f"| {code} |")]
        verdict = {"C7": "**no**", "C3": "not judged"}.get(code, "yes")
        assert f"| {verdict} |" in row


def test_what_is_undefined_is_written_none(evidence, spec):
    (cash,) = [line for line in page(evidence, spec).splitlines() if line.startswith("| cash")]
    assert cash.split(" | ")[4:6] == ["none", "none"]


def test_it_names_what_it_was_made_of(evidence, spec):
    text = page(evidence, spec, warnings=("CLOSES_ONLY: only | closes",))
    for told in (
        "commit abc1234, seed 3",
        "Took 61 s",
        "tried: 4",
        "- CLOSES_ONLY",
        "costs *none*",
    ):
        assert told in text
    assert f"`{COMMAND}`" in text


def test_steps_begin_where_decisions_do_and_not_with_the_warm_up(evidence, spec):
    """A study of two years was headed by the three that its data spanned."""
    first, last = (format_ns(int(evidence.curves[0].ts_ns[at]))[:10] for at in (0, -1))
    told = page(evidence, msgspec.structs.replace(spec, start="1999-01-04T00:00:00.000000000Z"))
    assert f"100 steps from {first} to {last} (bars from 1999-01-04 on warm" in told
