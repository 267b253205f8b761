"""Where a run goes next, and why it ends."""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

import pytest
from langgraph.runtime import Runtime

from domain.decisions import Action, Directive, Intent, Outcome, Signal, Verdict, Volatility
from domain.limits import Limits
from domain.market import Floors, Window
from domain.records import plain
from graph import routing
from graph.routing import (
    after_director,
    after_execution,
    after_quant,
    after_risk,
    conclude_directive,
    intent_in,
    may_short,
)
from graph.state import Context, State
from tests.unit.graph.conftest import (
    APPROVED,
    BUY,
    CONFIRMED,
    HOLD,
    instrument,
    long_position,
    make_window,
)

SHORT = long_position("-3")
ALLOWS_SHORT = {"limits": Limits(allow_short=True)}


def state(window: Window, **said: Any) -> State:
    return State(schema=1, window=plain(window), **said)


def directive(action: str, confidence: float = 0.9) -> Directive:
    return Directive(action=Action(action), confidence=confidence, thesis="")


@pytest.mark.parametrize(
    ("action", "changes", "outcome", "code"),
    [
        ("hold", {}, "held", "HOLD"),
        ("hold", {"position": long_position()}, "held", "HOLD"),
        ("buy", {"position": long_position()}, "already_in_position", "ALREADY_IN_POSITION"),
        ("sell", {"position": SHORT}, "already_in_position", "ALREADY_IN_POSITION"),
        ("sell", {}, "invalid", "SHORT_NOT_ALLOWED"),
        (
            "sell",
            {"instrument": instrument("AAPL", shortable=False), **ALLOWS_SHORT},
            "invalid",
            "SHORT_NOT_ALLOWED",
        ),
        ("sell", {"symbol": "BTC/USD", **ALLOWS_SHORT}, "invalid", "SHORT_NOT_ALLOWED"),
    ],
)
async def test_a_directive_that_cannot_go_on_ends_the_run_with_its_code(
    action: str, changes: dict[str, Any], outcome: str, code: str
) -> None:
    """Every exit after the Director, each with the code that the journal keeps."""
    window = make_window(**changes)
    finding = conclude_directive(directive(action), window)
    assert (finding["outcome"], finding["reason_code"]) == (outcome, code)
    said = plain(directive(action))
    assert await after_director(state(window, directive=said)) == "__end__"


@pytest.mark.parametrize(
    ("action", "changes", "goes_to"),
    [
        ("buy", {}, "quant"),
        ("sell", ALLOWS_SHORT, "quant"),
        ("sell", {"position": long_position()}, "execution"),
        ("buy", {"position": SHORT}, "execution"),
        ("sell", {"symbol": "BTC/USD", "position": long_position()}, "execution"),
    ],
)
async def test_an_open_goes_to_the_quant_and_a_close_straight_to_execution(
    action: str, changes: dict[str, Any], goes_to: str
) -> None:
    """The side and the position decide, not a word of the model."""
    window = make_window(**changes)
    assert conclude_directive(directive(action), window) == {}
    assert await after_director(state(window, directive=plain(directive(action)))) == goes_to


@pytest.mark.parametrize(("confidence", "goes_to"), [(0.549, "__end__"), (0.55, "quant")])
async def test_confidence_under_the_floor_ends_the_run(confidence: float, goes_to: str) -> None:
    """The floor itself is enough."""
    window = make_window(floors=Floors(confidence=0.55))
    said = {**BUY, "confidence": confidence}
    assert await after_director(state(window, directive=said)) == goes_to


@pytest.mark.parametrize(
    ("said", "goes_to"),
    [
        (CONFIRMED, "risk"),
        ({**CONFIRMED, "score": 0.5}, "risk"),
        ({**CONFIRMED, "score": 0.49}, "__end__"),
        ({**CONFIRMED, "confirmed": False}, "__end__"),
        (None, "__end__"),
    ],
)
async def test_only_a_confirmed_trade_with_its_score_reaches_risk(said: Any, goes_to: str) -> None:
    """A rejection, a low score, and no answer at all end the run."""
    assert await after_quant(state(make_window(), directive=BUY, signal=said)) == goes_to


@pytest.mark.parametrize(
    ("said", "goes_to"),
    [
        (APPROVED, "execution"),
        ({**APPROVED, "approved": False}, "__end__"),
        ({**APPROVED, "size_fraction": 0.0}, "__end__"),
        (None, "__end__"),
    ],
)
async def test_only_an_approved_trade_with_a_size_reaches_execution(
    said: Any, goes_to: str
) -> None:
    """`{"approved": false}` is no approval, whatever else the answer says."""
    assert await after_risk(state(make_window(), directive=BUY, verdict=said)) == goes_to


async def test_a_stale_outcome_in_the_state_does_not_steer() -> None:
    """A person who edits an answer in Studio changes the way, whatever the node had concluded."""
    window = make_window()
    was_held = state(window, directive=BUY, outcome="held", reason_code="HOLD")
    assert await after_director(was_held) == "quant"
    was_open = state(window, directive=HOLD, outcome=None)
    assert await after_director(was_open) == "__end__"


def ordered(outcome: Outcome = Outcome.ORDERED, **changes: Any) -> State:
    request = {"leg": "entry", "quantity": "2", "limit_price": "50.01", "reference_price": "50"}
    return State(outcome=outcome, request=request | changes)


async def test_only_an_order_asks_for_approval() -> None:
    """An invalid order ends before a person is asked."""
    always: Runtime[Context] = Runtime(context={})
    assert await after_execution(ordered(), always) == "approval"
    assert await after_execution(ordered(Outcome.INVALID), always) == "__end__"
    assert await after_execution(State(outcome=Outcome.ORDERED), always) == "__end__"


@pytest.mark.parametrize(
    ("changes", "above", "goes_to"),
    [
        ({}, "100", "approval"),
        ({}, "100.02", "__end__"),
        ({"limit_price": None}, "100", "__end__"),
        ({"limit_price": None}, "99.99", "approval"),
        ({"leg": "reduce"}, "1", "__end__"),
        ({"leg": "reduce"}, None, "__end__"),
    ],
)
async def test_a_person_is_asked_for_entries_worth_more_than_the_limit(
    changes: dict[str, Any], above: str | None, goes_to: str
) -> None:
    """A close is never held up, whatever its worth."""
    context: Context = {} if above is None else {"approve_above": above}
    assert await after_execution(ordered(**changes), Runtime(context=context)) == goes_to


def test_the_side_already_held_adds_nothing_and_the_other_closes_all() -> None:
    """Buy when short closes: the published bot made every signal a buy."""
    flat, held, short = (
        make_window(),
        make_window(position=long_position()),
        make_window(position=SHORT),
    )
    assert intent_in(Action.BUY, flat) is Intent.OPEN_LONG
    assert intent_in(Action.SELL, flat) is Intent.OPEN_SHORT
    assert intent_in(Action.SELL, held) is Intent.CLOSE_LONG
    assert intent_in(Action.BUY, short) is Intent.CLOSE_SHORT
    assert intent_in(Action.BUY, held) is Intent.ALREADY_IN_POSITION


def test_shorts_need_a_stock_that_lends_and_a_limit_that_allows() -> None:
    """Three conditions, each of them alone forbids."""
    assert may_short(make_window(**ALLOWS_SHORT))
    assert not may_short(make_window())
    assert not may_short(make_window("BTC/USD", **ALLOWS_SHORT))


def test_routers_are_coroutines_whose_return_types_are_edges_to_nodes() -> None:
    """A synchronous router would cost a thread hop, and an untyped one would draw no edge."""
    nodes = {"quant", "risk", "execution", "approval", "__end__"}
    for router in (after_director, after_quant, after_risk, after_execution):
        assert routing.__dict__[router.__name__].__code__.co_flags & 0x80  # CO_COROUTINE
        assert set(get_args(get_type_hints(router)["return"])) <= nodes


def test_findings_carry_plain_values_that_a_checkpoint_can_keep() -> None:
    """An enum in the state would not survive JSON."""
    signal = Signal(confirmed=False, score=0.1, volatility=Volatility.LOW, reason="")
    verdict = Verdict(approved=False, size_fraction=0.0, reason="")
    window = make_window()
    for finding in (
        conclude_directive(directive("hold"), window),
        routing.conclude_signal(signal, window),
        routing.conclude_verdict(verdict),
    ):
        assert {type(value) for value in finding.values()} <= {str, type(None)}
