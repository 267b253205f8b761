"""Name the steps of an order's life as the venue sees them, and strike exactly there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

from exchange.faults import Answer, Fault, FaultPlan, Request

_EXITS = ("-reduce-", "-flatten-", "-target-")
_ORDERS = "/v2/orders"


class Step(StrEnum):
    """Where in the life of an entry and its protection a fault is armed, in the order of life.

    It is armed in the venue, before what the step names has its effect or is told.
    """

    DECIDING = "deciding"
    ENTRY_POSTED = "entry posted"
    WORKING = "working"
    PARTLY_FILLED = "partly filled"
    FILLED = "filled, bare"
    STOP_POSTED = "stop posted"
    PROTECTED = "protected"
    STOP_CANCELING = "stop canceling"
    EXIT_POSTED = "exit posted"
    EXIT_FILLED = "exit filled"


class SteppedPlan(FaultPlan):
    """A fault plan that arms what it waits with when the awaited step comes."""

    def __init__(self, *, seed: int) -> None:
        super().__init__(seed=seed)
        self.reached = asyncio.Event()
        self._step: Step | None = None
        self._waiting: Sequence[Fault] = ()

    def wait_for(self, step: Step, faults: Sequence[Fault]) -> None:
        """Arm these faults at the next such step; deciding is now."""
        self.reached.clear()
        self._step, self._waiting = step, faults
        if step is Step.DECIDING:
            self._strike()

    async def before_request(self, request: Request) -> Answer | None:
        """Look whether the step is a request."""
        if self._step is _of_request(request, self._leg(request)):
            self._strike()
        return await super().before_request(request)

    def before_event(self, event: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Look whether the step is an order event."""
        if self._step is not None and self._step is _of_event(event):
            self._strike()
        return super().before_event(event)

    def _leg(self, request: Request) -> str:
        return f"-{self._targets.of_request(request).leg}-"

    def _strike(self) -> None:
        self.add(*self._waiting)
        self._step, self._waiting = None, ()
        self.reached.set()


def _of_request(request: Request, leg: str) -> Step | None:
    if request.method == "DELETE" and request.path.startswith(f"{_ORDERS}/"):
        is_stop = "-stop-" in leg or "-stop_loss-" in leg or "-take_profit-" in leg
        return Step.STOP_CANCELING if is_stop else None
    if (request.method, request.path) != ("POST", _ORDERS):
        return None
    if "-entry-" in leg:
        return Step.ENTRY_POSTED
    if "-stop-" in leg:
        return Step.STOP_POSTED
    return Step.EXIT_POSTED if any(exit_ in leg for exit_ in _EXITS) else None


def _of_event(event: dict[str, Any]) -> Step | None:
    order = event["order"]
    name, role = f"-{order['client_order_id']}-", order.get("group_role")
    is_entry = "-entry-" in name and role in (None, "entry")
    match event["event"]:
        case "new" | "held" if "-stop-" in name or role in ("stop_loss", "take_profit"):
            return Step.PROTECTED
        case "new" if is_entry:
            return Step.WORKING
        case "partial_fill" if is_entry:
            return Step.PARTLY_FILLED
        case "fill" if is_entry:
            return Step.FILLED
        case "fill" if any(exit_ in name for exit_ in _EXITS):
            return Step.EXIT_FILLED
        case _:
            return None
