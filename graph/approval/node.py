"""Let a person have the last word on an order, in the graph compiled for it.

LangGraph runs an interrupted node again from its start, so nothing stands before the interrupt that
may not happen twice.
"""

from __future__ import annotations

from enum import StrEnum

from domain.decisions import Outcome
from graph.routing import ended
from graph.state import State

PENDING = "APPROVAL_PENDING"
APPROVED = "APPROVED"
REFUSED = "APPROVAL_REFUSED"
EXPIRED = "APPROVAL_EXPIRED"
CUT = "APPROVAL_CUT"
LOST = "APPROVAL_LOST"
UNREADABLE = "APPROVAL_UNREADABLE"


class Word(StrEnum):
    """What is said about an order that waits.

    `CUT` is an approval whose process ended before the order could leave: its prices are stale, and
    it is not sent. `LOST` is one whose waiting run is gone, or is not the one that was journaled.
    """

    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    CUT = "cut"
    LOST = "lost"


_CODES: dict[str, str] = {
    Word.APPROVED: APPROVED,
    Word.REFUSED: REFUSED,
    Word.EXPIRED: EXPIRED,
    Word.CUT: CUT,
    Word.LOST: LOST,
}

OUTCOMES = {
    PENDING: Outcome.AWAITING_APPROVAL,
    APPROVED: Outcome.ORDERED,
    REFUSED: Outcome.REFUSED,
    EXPIRED: Outcome.EXPIRED,
    CUT: Outcome.EXPIRED,
    LOST: Outcome.EXPIRED,
    UNREADABLE: Outcome.REFUSED,
}
"""How a run stands, by the reason code that the approval gave it."""


async def approve(state: State) -> State:
    """Ask a person; the run stops here until it is resumed with `{"verdict": ...}`.

    The verdict is a `Word`; anything else refuses (fail closed). Who may say it, and that it is
    said once, is the engine's business: LangGraph lets two resumes succeed.
    """
    from langgraph.types import interrupt  # noqa: PLC0415 - only graphs with approvals load it

    said = interrupt({"request": state["request"], "checks": state["checks"]})
    return concluded(said.get("verdict") if isinstance(said, dict) else None)


def concluded(verdict: object) -> State:
    """Return how a run ends that a person, the clock or a crash had the last word on."""
    code = _CODES.get(verdict, UNREADABLE) if isinstance(verdict, str) else UNREADABLE
    return ended(OUTCOMES[code], code)
