"""Windows cut from the real tape, and what becomes of them: to the byte, every time."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from domain.decisions import Decision, Outcome, canonical_decision
from domain.market import Window
from domain.records import canonical
from exchange.tapes import ES_SYMBOL
from graph.analysts.llm import Llm
from graph.analysts.rules import Rules
from graph.desk import Desk
from graph.state import read_window
from tests.unit.graph.conftest import FakeModel, FixedClock, Ledger, config

GOLDEN = Path(__file__).parents[2] / "golden"
WINDOWS = sorted(path.stem for path in (GOLDEN / "windows").glob("*.json"))
DECISIONS = sorted(path.stem for path in (GOLDEN / "decisions").glob("*.json"))


def saved(name: str) -> Window:
    return read_window(json.loads((GOLDEN / "windows" / f"{name}.json").read_bytes()))


async def decide(analyst: Any, window: Window) -> Decision:
    return (await Desk(analyst, FixedClock()).decide(window, deadline_s=20)).decision


def test_the_golden_windows_cover_every_way_a_run_ends() -> None:
    """Hold, both rejections, an order, a close, an abstention; all from the real ticks."""
    assert WINDOWS == ["abstain", "close", "hold", "order", "quant-rejects", "risk-rejects"]
    assert {saved(name).symbol for name in WINDOWS} == {ES_SYMBOL}


@pytest.mark.parametrize("name", DECISIONS)
async def test_a_saved_window_decides_as_it_did(name: str) -> None:
    """The canonical form, byte for byte; `tests/golden/make.py` writes them anew."""
    expected = json.loads((GOLDEN / "decisions" / f"{name}.json").read_bytes())
    decision = await decide(Rules(), saved(name))
    assert json.loads(canonical(canonical_decision(decision))) == expected


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("hold", "held"),
        ("quant-rejects", "quant_rejected"),
        ("risk-rejects", "risk_rejected"),
        ("order", "ordered"),
        ("close", "ordered"),
    ],
)
def test_a_golden_decision_is_what_its_name_says(name: str, outcome: str) -> None:
    """So a file made anew cannot silently become another case."""
    expected = json.loads((GOLDEN / "decisions" / f"{name}.json").read_bytes())
    assert expected["outcome"] == outcome
    is_close = expected["request"] is not None and expected["request"]["leg"] == "reduce"
    assert is_close == (name == "close")


async def test_a_model_that_cannot_answer_abstains_where_the_rules_would_trade(
    model: FakeModel,
) -> None:
    """The fifth golden window: the market asks for an order, the model for nothing readable."""
    window = saved("abstain")
    assert (await decide(Rules(), window)).outcome is Outcome.ORDERED
    model.says("director", "The trend is my friend.")
    analyst = Llm(config(model), Ledger())
    decision = await decide(analyst, window)
    await analyst.aclose()
    assert (decision.outcome, decision.reason_code) == (
        Outcome.ABSTAINED, "ANALYST_INVALID_ANSWER",
    )  # fmt: skip
    assert decision.request is None


async def test_the_golden_files_are_what_the_tape_makes() -> None:
    """Cut anew from tape, aggregator, indicators and graph: the same bytes."""
    make = runpy.run_path(str(GOLDEN / "make.py"))
    for name, (window, decision) in (await make["cut"]()).items():
        assert (GOLDEN / "windows" / f"{name}.json").read_bytes() == make["window_file"](window)
        if name != "abstain":
            kept = (GOLDEN / "decisions" / f"{name}.json").read_bytes()
            assert kept == make["decision_file"](decision)
