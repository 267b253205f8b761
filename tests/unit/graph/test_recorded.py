"""A journaled decision decided again, to the byte, or the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from domain.decisions import Call, Decision, Outcome, Role, canonical_decision
from domain.errors import AnalystTimeout, AnalystUnavailable, ConfigError, InvalidAnswer
from domain.market import Window
from domain.records import canonical
from graph.analysts.llm import Llm
from graph.analysts.rules import Rules
from graph.desk import Desk, Run, replay
from tests.unit.graph.conftest import (
    APPROVED,
    BUY,
    HANG,
    HOLD,
    FakeModel,
    FixedClock,
    Ledger,
    Raw,
    completion,
    config,
    headline,
    make_window,
    rising_bars,
)


@dataclass
class Record:
    """The journal's answers of one decision."""

    calls: tuple[Call, ...]
    decision_id: str = "d" * 24

    async def recorded(self, decision_id: str, role: Role, attempt: int) -> Call | None:
        found = (c for c in self.calls if c.role is role and c.attempt == attempt)
        return next(found, None) if decision_id == self.decision_id else None


async def first(model: FakeModel, window: Window | None = None, **settings: Any) -> Run:
    analyst = Llm(config(model, **settings), Ledger())
    run = await Desk(analyst, FixedClock()).decide(window or make_window(), deadline_s=20)
    await analyst.aclose()
    return run


async def again(run: Run, window: Window | None = None, **changes: Any) -> Run:
    decision = msgspec.structs.replace(run.decision, **changes)
    return await replay(
        window or make_window(),
        Record(decision.calls),
        analyst=decision.analyst,
        clock=FixedClock(),
        prompts=run.prompts,
    )


def form(decision: Decision) -> bytes:
    return canonical(canonical_decision(decision))


REFUSAL = completion({"model": "m"}, "", refusal="No.")
BROKEN = Raw(status=500, body=b"{}")
CUT = completion({"model": "m"}, '{"act', finish="length")


@pytest.mark.parametrize(
    "replies",
    [
        {},
        {"director": [HOLD]},
        {"director": ["prose", BUY]},
        {"director": ["prose", "more prose"]},
        {"risk": [{**APPROVED, "stop_loss": 2.0}, APPROVED]},
        {"quant": [BROKEN]},
        {"director": [BROKEN, BUY]},
        {"director": [CUT, BUY]},
        {"director": [REFUSAL]},
        {"execution": [HANG]},
        {"risk": [Raw(status=429, body=b"{}")]},
        {"risk": [Raw(status=401, body=b"{}")]},
    ],
    ids=[
        "all-well",
        "hold",
        "repaired",
        "never-repaired",
        "stop-outside-the-window",
        "quant-fails",
        "director-fails-once",
        "cut-short-once",
        "refused",
        "hangs",
        "rate-limited",
        "key-refused",
    ],
)
async def test_a_replay_equals_the_decision_to_the_byte(
    model: FakeModel, replies: dict[str, list[Any]]
) -> None:
    """Orders, holds, repairs and failures alike; only times, latency and dollars may differ."""
    for role, said in replies.items():
        model.says(role, *said)
    original = await first(model, timeout_s=0.4)
    repeated = await again(original)
    assert form(repeated.decision) == form(original.decision)
    assert repeated.prompts == original.prompts
    assert repeated.decision.ts_start != ""


async def test_a_decision_of_the_rules_replays(model: FakeModel) -> None:
    """From the record, not by asking the rules again."""
    run = await Desk(Rules(), FixedClock()).decide(make_window(), deadline_s=5)
    repeated = await again(run)
    assert form(repeated.decision) == form(run.decision)
    assert repeated.decision.outcome is Outcome.ORDERED


async def test_another_window_is_a_mismatch_with_a_difference(model: FakeModel) -> None:
    """An answer to another question proves nothing: the replay stops and shows the lines."""
    original = await first(model)
    changed = make_window(news=(headline("Something else happened"),))
    with pytest.raises(ConfigError) as stopped:
        await again(original, changed)
    assert stopped.value.code == "REPLAY_PROMPT_CHANGED"
    told = str(stopped.value)
    assert "the director was asked something else" in told
    assert "-news: none" in told
    assert "+<<<news" in told


async def test_a_mismatch_without_the_old_text_names_both_digests(model: FakeModel) -> None:
    """The journal may have lost the text; the digests still tell."""
    original = await first(model)
    forgotten = Run(decision=original.decision, prompts={})
    with pytest.raises(ConfigError, match="recorded prompt is not at hand"):
        await again(forgotten, make_window(bars=rising_bars(230.9)))


async def test_a_changed_policy_is_a_mismatch(model: FakeModel) -> None:
    """Rules of another version answered another question."""
    run = await Desk(Rules(), FixedClock()).decide(make_window(), deadline_s=5)
    calls = tuple(msgspec.structs.replace(c, prompt_digest="0" * 64) for c in run.decision.calls)
    with pytest.raises(ConfigError) as stopped:
        await again(run, calls=calls)
    assert stopped.value.code == "REPLAY_PROMPT_CHANGED"


async def test_a_missing_answer_is_named(model: FakeModel) -> None:
    """Role, attempt and decision, so a person knows what to look for."""
    original = await first(model)
    kept = tuple(call for call in original.decision.calls if call.role is not Role.RISK)
    with pytest.raises(ConfigError, match=r"no answer of the risk \(attempt 1\)") as stopped:
        await again(original, calls=kept)
    assert stopped.value.code == "REPLAY_ANSWER_MISSING"


async def test_a_tampered_answer_decides_otherwise(model: FakeModel) -> None:
    """Everything but the model's words is worked out again, so a changed word shows."""
    original = await first(model)
    director, *others = original.decision.calls
    forged = msgspec.structs.replace(director, raw=director.raw.replace("0.8", "0.9"))
    with pytest.raises(ConfigError, match="the quant was asked something else"):
        await again(original, calls=(forged, *others))


@pytest.mark.parametrize("failure", [AnalystUnavailable, AnalystTimeout, InvalidAnswer])
async def test_a_failure_without_a_prompt_replays_as_the_same_failure(failure: Any) -> None:
    """An analyst that could not even ask leaves a call without a digest."""
    call = Call(
        role=Role.DIRECTOR, attempt=1, model="m", prompt_digest="", raw="", error=failure.code
    )
    second = msgspec.structs.replace(call, attempt=2)
    run = await replay(make_window(), Record((call, second)), analyst="llm:m", clock=FixedClock())
    assert (run.decision.outcome, run.decision.reason_code) == (Outcome.ABSTAINED, failure.code)
