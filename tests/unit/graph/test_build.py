"""The compiled graph: its picture, its edges under a person's hand, and its last word."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from domain.decisions import Decision, Role
from domain.errors import ConfigError
from domain.records import parse, plain
from graph.analysts.registry import enroll
from graph.approval.node import PENDING
from graph.build import RECURSION_LIMIT, approval_graph, build, picture, trading_graph, way_of
from graph.state import State
from tests.unit.graph.conftest import (
    APPROVED,
    BUY,
    HOLD,
    SELL,
    Scripted,
    long_position,
    make_window,
)

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "decisions"


def file(**changes: Any) -> dict[str, Any]:
    return {"schema": 1, "window": plain(make_window(**changes))}


def test_the_picture_in_the_readme_is_drawn_from_the_code() -> None:
    """Between the markers stands what `picture()` returns, word for word."""
    readme = (ROOT / "README.md").read_text()
    shown = re.search(r"<!-- graph -->\n```mermaid\n(.*?)```\n<!-- /graph -->", readme, re.DOTALL)
    assert shown is not None
    assert shown[1] == picture()
    assert (ROOT / "docs" / "graph.mmd").read_text() == picture()


def golden(name: str) -> Decision:
    return parse(json.loads((GOLDEN / f"{name}.json").read_bytes()), Decision)


def test_the_ways_shown_of_studio_are_those_that_golden_decisions_took() -> None:
    """Between the markers of each stands its picture, word for word."""
    page = (ROOT / "docs" / "studio.md").read_text()
    shown = re.findall(r"<!-- way: (\S+) -->\n```mermaid\n(.*?)```\n<!-- /way -->", page, re.DOTALL)
    assert [name for name, _ in shown] == ["hold", "risk-rejects", "order", "close"]
    for name, drawn in shown:
        assert drawn == picture(way_of(golden(name)))


def test_a_way_goes_through_the_person_who_was_asked() -> None:
    """Whatever the person said, and also while nothing is said yet."""
    ordered = golden("order")
    agents = ("director", "quant", "risk", "execution")
    assert way_of(ordered) == ("__start__", *agents, "__end__")
    waits = msgspec.structs.replace(ordered, reason_code=PENDING)
    assert way_of(waits) == ("__start__", *agents, "approval", "__end__")


def test_the_compiled_edges_are_those_of_the_design() -> None:
    """An exit at every edge, and a close that skips quant and risk."""
    edges = {(e.source, e.target, e.conditional) for e in trading_graph().get_graph().edges}
    assert edges == {
        ("__start__", "director", False),
        ("director", "quant", True),
        ("director", "execution", True),
        ("director", "__end__", True),
        ("quant", "risk", True),
        ("quant", "__end__", True),
        ("risk", "execution", True),
        ("risk", "__end__", True),
        ("execution", "__end__", False),
    }


def test_every_node_is_a_coroutine() -> None:
    """A synchronous node would cost a thread hop a step."""
    for node in build(with_approval=True).nodes.values():
        assert inspect.iscoroutinefunction(node.runnable.afunc)  # type: ignore[attr-defined]


def test_the_trading_graph_is_compiled_once_and_keeps_no_checkpoints() -> None:
    """The journal is the record."""
    assert trading_graph() is trading_graph()
    assert trading_graph().checkpointer is None


def test_its_input_is_a_window_file_and_its_context_plain_data() -> None:
    """What Studio shows as the form to fill in."""
    schema = trading_graph().get_input_jsonschema()
    assert set(schema["properties"]) == {"schema", "window"}
    context = trading_graph().get_context_jsonschema()
    assert set(context["properties"]) == {"analyst", "deadline_at", "approve_above"}


async def test_a_pasted_window_runs_with_the_rules_and_no_context() -> None:
    """Nothing but the file is needed."""
    state = await trading_graph().ainvoke(file())
    assert state["outcome"] == "ordered"
    assert state["request"]["symbol"] == "AAPL"


async def test_a_broken_window_ends_the_run_under_its_name() -> None:
    """No agent is asked about half a window."""
    broken = file()
    del broken["window"]["quote"]["bid"]
    state = await trading_graph().ainvoke(broken)
    assert (state["outcome"], state["reason_code"]) == ("invalid", "WINDOW_FIELD_MISSING")
    assert state["problem"] == "window.quote.bid is missing. Mend the window file."
    assert "calls" not in state


@pytest.mark.parametrize("quote", [(0.0, 231.0), (230.0, 0.0), (231.5, 231.0)])
async def test_a_quote_without_two_sides_asks_no_agent(quote: tuple[float, float]) -> None:
    """Nothing could be priced, so no model is paid."""
    state = await trading_graph().ainvoke(file(quote=quote))
    assert (state["outcome"], state["reason_code"]) == ("invalid", "QUOTE_MISSING")
    assert "calls" not in state


async def test_an_analyst_that_nobody_enrolled_is_refused_by_name() -> None:
    """A context over HTTP can name anything."""
    with pytest.raises(ConfigError, match="no analyst is called 'oracle'") as said:
        await trading_graph().ainvoke(file(), context={"analyst": "oracle"})
    assert said.value.code == "ANALYST_UNKNOWN"


async def test_a_run_on_a_used_thread_starts_empty() -> None:
    """LangGraph keeps a thread's old values: an old order must not survive into a new run."""
    graph = build().compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}, "recursion_limit": RECURSION_LIMIT}
    first, second = Scripted(), Scripted(director=HOLD)
    state = await graph.ainvoke(file(), thread, context={"analyst": enroll(first)})
    assert state["request"] is not None
    state = await graph.ainvoke(file(), thread, context={"analyst": enroll(second)})
    assert state["outcome"] == "held"
    assert state["request"] is None
    assert state["signal"] is None
    assert len(state["calls"]) == 1


async def stepped(until: str, **answers: Any) -> tuple[Any, dict[str, Any], Scripted]:
    graph = build().compile(checkpointer=InMemorySaver())
    thread = {"configurable": {"thread_id": "t"}, "recursion_limit": RECURSION_LIMIT}
    analyst = Scripted(**answers)
    await graph.ainvoke(
        file(), thread, context={"analyst": enroll(analyst)}, interrupt_before=[until]
    )
    return graph, thread, analyst


async def test_editing_the_directive_routes_again() -> None:
    """The reason why routing is by conditional edges: stopped before quant, edited to hold."""
    graph, thread, analyst = await stepped("quant")
    await graph.aupdate_state(thread, {"directive": {**HOLD}})
    assert (await graph.aget_state(thread)).next == ()
    assert analyst.roles == [Role.DIRECTOR]


async def test_editing_a_rejection_into_an_approval_goes_on_to_the_order() -> None:
    """A person takes the part of the Risk agent: no ends the run, yes leads to the order."""
    graph, thread, analyst = await stepped("risk")
    await graph.aupdate_state(thread, {"verdict": {**APPROVED, "approved": False}}, as_node="risk")
    assert (await graph.aget_state(thread)).next == ()
    await graph.aupdate_state(thread, {"verdict": {**APPROVED}}, as_node="risk")
    assert (await graph.aget_state(thread)).next == ("execution",)
    state = await graph.ainvoke(None, thread, context={"analyst": enroll(analyst)})
    assert state["outcome"] == "ordered"


async def test_a_step_can_be_taken_again_from_its_checkpoint() -> None:
    """Time travel: the history forks, and nothing is sent twice because nothing is ever sent."""
    graph, thread, analyst = await stepped("execution")
    await graph.ainvoke(None, thread, context={"analyst": enroll(analyst)})
    history = [past async for past in graph.aget_state_history(thread)]
    before_quant = next(past for past in history if past.next == ("quant",))
    fork = await graph.aupdate_state(
        before_quant.config, {"directive": {**BUY, "confidence": 0.1}}, as_node="director"
    )
    assert (await graph.aget_state(fork)).next == ()


@pytest.mark.parametrize(
    ("verdict", "outcome", "code"),
    [
        ({"verdict": "approved"}, "ordered", "APPROVED"),
        ({"verdict": "refused"}, "refused", "APPROVAL_REFUSED"),
        ({"verdict": "expired"}, "expired", "APPROVAL_EXPIRED"),
        ({"verdict": "yes please"}, "refused", "APPROVAL_UNREADABLE"),
        ("approved", "refused", "APPROVAL_UNREADABLE"),
        (["approved"], "refused", "APPROVAL_UNREADABLE"),
    ],
)
async def test_a_person_has_the_last_word(verdict: Any, outcome: str, code: str) -> None:
    """Approved goes on unchanged; everything that is not clearly yes is no."""
    graph = approval_graph(InMemorySaver())
    config = {"configurable": {"thread_id": "AAPL:d"}, "recursion_limit": RECURSION_LIMIT}
    analyst = Scripted()
    context = {"analyst": enroll(analyst)}
    paused = await graph.ainvoke(file(), config, context=context, durability="exit")
    asked = paused["__interrupt__"][0].value
    assert asked["request"] == paused["request"]
    state = await graph.ainvoke(Command(resume=verdict), config, context=context, durability="exit")
    assert (state["outcome"], state["reason_code"]) == (outcome, code)
    assert state["request"] == paused["request"]
    assert analyst.roles == list(Role)


@pytest.mark.parametrize("changes", [{"director": HOLD}, {"risk": {**APPROVED, "approved": False}}])
async def test_no_person_is_asked_without_an_order(changes: dict[str, Any]) -> None:
    """An approval is about an order."""
    graph = approval_graph(InMemorySaver())
    config = {"configurable": {"thread_id": "AAPL:d"}}
    analyst = Scripted(**changes)
    state = await graph.ainvoke(file(), config, context={"analyst": enroll(analyst)})
    assert "__interrupt__" not in state


async def test_a_close_asks_only_director_and_execution() -> None:
    """Two calls, however the position came about."""
    analyst = Scripted(director=SELL)
    state = await trading_graph().ainvoke(
        file(position=long_position()), context={"analyst": enroll(analyst)}
    )
    assert analyst.roles == [Role.DIRECTOR, Role.EXECUTION]
    assert (state["outcome"], state["reason_code"]) == ("ordered", "CLOSE")


async def test_nothing_in_the_state_is_more_than_json() -> None:
    """Studio shows it, a person edits it, a checkpoint keeps it."""
    state = await trading_graph().ainvoke(json.loads(json.dumps(file())))
    assert json.loads(json.dumps(state)) == state
    assert set(state) <= set(State.__annotations__)
    assert {"directive", "signal", "verdict", "plan", "request", "outcome"} <= set(state)


def test_importing_the_desk_loads_no_graph_library_and_no_model_client() -> None:
    """LangGraph and langchain-openai take a second each: replay tests and the CLI start fast."""
    code = "import graph.desk, graph.analysts.llm, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "graph.desk" in loaded
    assert not {"langgraph", "langchain_core", "langchain_openai", "openai", "xllamacpp"} & {
        *loaded
    }
