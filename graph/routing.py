"""Say where a run goes next, from what the agents said; the return types are the edges.

What ends a run is one pure function an agent (`conclude_*`): its finding is empty while the run
goes on. The node writes it down, the router follows it, and both read the answers themselves and no
flag: so a person who edits an answer in Studio changes the way, and a stale outcome does not.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from domain.decisions import (
    Action,
    Directive,
    Intent,
    Outcome,
    Signal,
    Verdict,
    intent_of,
)
from domain.limits import Code, Limits
from domain.market import AssetClass, Window
from domain.orders import Leg
from domain.records import parse
from graph.state import State, window_of

HOLD = "HOLD"
CONFIDENCE_BELOW_FLOOR = "CONFIDENCE_BELOW_FLOOR"
ALREADY_IN_POSITION = "ALREADY_IN_POSITION"
NOT_CONFIRMED = "NOT_CONFIRMED"
SCORE_BELOW_FLOOR = "SCORE_BELOW_FLOOR"
NOT_APPROVED = "NOT_APPROVED"
NO_SIZE = "NO_SIZE"

END: Literal["__end__"] = "__end__"


def conclude_directive(said: Directive, window: Window) -> State:
    """Find what ends the run after the Director; an open or a close goes on."""
    intent = intent_in(said.action, window)
    if intent is Intent.HOLD:
        return ended(Outcome.HELD, HOLD)
    if intent is Intent.ALREADY_IN_POSITION:
        return ended(Outcome.ALREADY_IN_POSITION, ALREADY_IN_POSITION)
    if said.confidence < window.floors.confidence:
        return ended(Outcome.HELD, CONFIDENCE_BELOW_FLOOR)
    if intent is Intent.OPEN_SHORT and not may_short(window):
        return ended(Outcome.INVALID, Code.SHORT_NOT_ALLOWED)
    return State()


def conclude_signal(said: Signal, window: Window) -> State:
    """Find whether the Quant ends the run."""
    if not said.confirmed:
        return ended(Outcome.QUANT_REJECTED, NOT_CONFIRMED)
    if said.score < window.floors.score:
        return ended(Outcome.QUANT_REJECTED, SCORE_BELOW_FLOOR)
    return State()


def conclude_verdict(said: Verdict) -> State:
    """Find whether the Risk agent ends the run."""
    if not said.approved:
        return ended(Outcome.RISK_REJECTED, NOT_APPROVED)
    if said.size_fraction == 0:
        return ended(Outcome.RISK_REJECTED, NO_SIZE)
    return State()


async def after_director(state: State) -> Literal["quant", "execution", "__end__"]:
    """An open goes to the Quant, a close straight to Execution, everything else ends."""
    directive = state.get("directive")
    if directive is None:
        return END
    window, said = window_of(state), parse(directive, Directive)
    if conclude_directive(said, window):
        return END
    return "execution" if intent_in(said.action, window).is_close else "quant"


async def after_quant(state: State) -> Literal["risk", "__end__"]:
    """A confirmed trade goes on."""
    signal = state.get("signal")
    if signal is None or conclude_signal(parse(signal, Signal), window_of(state)):
        return END
    return "risk"


async def after_risk(state: State) -> Literal["execution", "__end__"]:
    """An approved trade goes on."""
    verdict = state.get("verdict")
    if verdict is None or conclude_verdict(parse(verdict, Verdict)):
        return END
    return "execution"


async def after_execution(state: State, runtime: Any) -> Literal["approval", "__end__"]:
    """A valid entry waits for a person; only the graph with approvals has this edge.

    `runtime` is LangGraph's `Runtime[Context]`, which a router cannot name: its hints are read, and
    this module loads no LangGraph.
    """
    request = state.get("request")
    if request is None or state.get("outcome") != Outcome.ORDERED:
        return END
    above = (runtime.context or {}).get("approve_above")
    return "approval" if needs_approval(request, above) else END


def needs_approval(request: dict[str, Any], above: str | None) -> bool:
    """Tell whether a person must approve an order: an entry, worth more than `above` dollars.

    Without `above` every entry. What only makes a position smaller never waits for anybody.
    """
    if request["leg"] != Leg.ENTRY:
        return False
    if above is None:
        return True
    price = request["limit_price"] or request["reference_price"]
    return Decimal(request["quantity"]) * Decimal(price) > Decimal(above)


def intent_in(action: Action, window: Window) -> Intent:
    """Say what an action means with the window's position."""
    quantity = window.position.quantity if window.position is not None else Decimal(0)
    return intent_of(action, (quantity > 0) - (quantity < 0))


def may_short(window: Window) -> bool:
    """Tell whether selling when flat may open a short: stocks only, if the limits allow it."""
    return (
        window.asset_class is AssetClass.STOCK
        and window.instrument.shortable
        and parse(window.limits, Limits).allow_short
    )


def ended(outcome: Outcome, reason_code: str, problem: str | None = None) -> State:
    """Return what a run that ends here says; `problem` is for a person, never for a model."""
    return State(outcome=outcome.value, reason_code=str(reason_code), problem=problem)
