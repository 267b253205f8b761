"""Prompts of one's own, in place of the built-in ones."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from domain.decisions import Role, canonical_decision
from domain.errors import ConfigError
from domain.records import canonical
from graph.analysts.llm import Llm
from graph.analysts.model.conversation import digests_of, template_digests
from graph.analysts.model.told import MAX_CHARACTERS, read_told, told_in
from graph.desk import Desk, graph_version, replay
from tests.unit.graph.conftest import (
    HOLD,
    FakeModel,
    FixedClock,
    Ledger,
    config,
    make_window,
)
from tests.unit.graph.test_recorded import Record


def folder_of(tmp_path: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (tmp_path / f"{name}.md").write_text(text)
    return tmp_path


async def test_the_model_is_told_what_the_file_says_and_shown_the_same(
    model: FakeModel, budget: Ledger, tmp_path: Path
) -> None:
    """Only the system text of that one role changes: data, schema and the other roles stay."""
    told = read_told(folder_of(tmp_path, director="Say the opposite of what you think.\n"))
    for texts in ({}, told):
        analyst = Llm(config(model), budget, told=texts)
        run = await Desk(analyst, FixedClock(), told=texts).decide(make_window(), deadline_s=20)
        await analyst.aclose()
    first, second = model.requests[:4], model.requests[4:]
    assert second[0]["messages"][0]["content"] == "Say the opposite of what you think."
    assert first[0]["messages"][1] == second[0]["messages"][1]
    assert first[0]["response_format"] == second[0]["response_format"]
    assert [each["messages"] for each in first[1:]] == [each["messages"] for each in second[1:]]
    assert any("Say the opposite" in text for text in run.prompts.values())
    assert {call.prompt_digest for call in run.decision.calls} == set(run.prompts)


def test_the_digest_names_what_was_told() -> None:
    """One role's text changes its own digest and the graph's version, and nothing else."""
    told = {Role.RISK: "Approve nothing."}
    built_in, mine = template_digests(), digests_of(told)
    assert {role for role in built_in if built_in[role] != mine[role]} == {"risk"}
    assert graph_version(told) != graph_version()


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({}, "holds no prompt"),
        ({"directer": "Buy."}, "directer.md is no role's prompt"),
        ({"director": " \n"}, "is empty"),
        ({"quant": "x" * (MAX_CHARACTERS + 1)}, "more than"),
    ],
)
def test_a_folder_that_means_something_else_is_refused(
    tmp_path: Path, texts: dict[str, str], said: str
) -> None:
    """A misspelt name would silently test the built-in prompt against itself."""
    with pytest.raises(ConfigError, match=said) as refused:
        read_told(folder_of(tmp_path, **texts))
    assert "director.md" in refused.value.remedy


def test_what_is_no_folder_and_no_text_is_refused(tmp_path: Path) -> None:
    """Each in one line."""
    with pytest.raises(ConfigError, match="no folder"):
        read_told(tmp_path / "nowhere")
    (tmp_path / "risk.md").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ConfigError, match="cannot be read as text"):
        read_told(tmp_path)


async def test_a_decision_under_prompts_of_ones_own_replays_to_the_byte(
    model: FakeModel, budget: Ledger, tmp_path: Path
) -> None:
    """The folder may be gone by then: what was asked is in the journal, its digest in the window.

    The second role was given a text too and never asked, because the Director holds.
    """
    told = read_told(folder_of(tmp_path, director="Hold whenever you can.", quant="Doubt it."))
    model.says("director", HOLD)
    analyst = Llm(config(model), budget, told=told)
    desk = Desk(analyst, FixedClock(), told=told)
    window = msgspec.structs.replace(make_window(), prompts=desk.prompts)
    run = await desk.decide(window, deadline_s=20)
    await analyst.aclose()
    again = await replay(
        window,
        Record(run.decision.calls),
        analyst=run.decision.analyst,
        clock=FixedClock(),
        prompts=run.prompts,
    )
    assert canonical(canonical_decision(again.decision)) == canonical(
        canonical_decision(run.decision)
    )


def test_a_built_in_prompt_of_another_version_is_not_taken_for_ones_own() -> None:
    """A window names it by the digest of both its forms, so nothing hides the change."""
    window = msgspec.structs.replace(make_window(), prompts={"director": "0" * 64})
    assert told_in(window, ["[system]\nDecide.\n\n[user]\nbars"]) == {}
