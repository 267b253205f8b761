"""Let a person have the last word on an order, in the graph compiled for it.

LangGraph runs an interrupted node again from its start, so nothing stands before the interrupt that
may not happen twice.
"""

from __future__ import annotations

from typing import Any

from domain.decisions import Outcome
from graph.routing import ended
from graph.state import State

APPROVED = "APPROVED"
REFUSED = "APPROVAL_REFUSED"
EXPIRED = "APPROVAL_EXPIRED"
UNREADABLE = "APPROVAL_UNREADABLE"


async def approve(state: State) -> State:
    """Ask a person; the run stops here until it is resumed with `{"verdict": ...}`.

    The verdict is `approved`, `refused` or `expired`; anything else refuses (fail closed). Who may
    say it, and that it is said once, is the engine's business: LangGraph lets two resumes succeed.
    """
    from langgraph.types import interrupt  # noqa: PLC0415 - only graphs with approvals load it

    said = interrupt({"request": state["request"], "checks": state["checks"]})
    return _concluded(said)


def _concluded(said: Any) -> State:
    verdict = said.get("verdict") if isinstance(said, dict) else None
    match verdict:
        case "approved":
            return ended(Outcome.ORDERED, APPROVED)
        case "refused":
            return ended(Outcome.REFUSED, REFUSED)
        case "expired":
            return ended(Outcome.EXPIRED, EXPIRED)
        case _:
            return ended(Outcome.REFUSED, UNREADABLE)
