"""Name the steps of a decision's way that a trace can show: queue, agents, gate, submit, fill.

What stands here traces nothing and costs nothing; `api.observing.tracing` is what speaks
OpenTelemetry, and is only loaded where traces are wanted.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from domain.decisions import Decision
from domain.orders import Fill, OrderRequest
from domain.ports import Analyst
from engine.deciding.limiter import Ticket
from engine.orders.delivery.points import Point


class Trace(Protocol):
    """Hear of each step of a decision, on the way itself: every method returns at once."""

    def run(self, ticket: Ticket, waited_s: float) -> AbstractContextManager[Any]:
        """Enclose one run, from the wait for its slot on (`waited_s`, wall time) to its end."""
        ...

    def deciding(self, symbol: str) -> AbstractContextManager[Any]:
        """Enclose the graph."""
        ...

    def decided(self, decision: Decision) -> None:
        """Say what the run came to."""
        ...

    def order(self, request: OrderRequest) -> AbstractContextManager[Any]:
        """Enclose an order's way from the gate to the venue's first answer."""
        ...

    def denied(self, code: str) -> None:
        """Say that the gate denied the order that is on its way."""
        ...

    def reached(self, point: Point) -> None:
        """Say that the order on its way made a step."""
        ...

    def filled(self, fill: Fill) -> None:
        """Say that the venue executed an order."""
        ...

    def traced(self, analyst: Analyst) -> Analyst:
        """Return an analyst whose every answer is a step."""
        ...


class Untraced:
    """Trace nothing: what stands where nobody asked for traces."""

    def run(self, _ticket: Ticket, _waited_s: float) -> AbstractContextManager[Any]:
        """Enclose nothing."""
        return nullcontext()

    def deciding(self, _symbol: str) -> AbstractContextManager[Any]:
        """Enclose nothing."""
        return nullcontext()

    def decided(self, _decision: Decision) -> None:
        """Keep nothing."""

    def order(self, _request: OrderRequest) -> AbstractContextManager[Any]:
        """Enclose nothing."""
        return nullcontext()

    def denied(self, _code: str) -> None:
        """Keep nothing."""

    def reached(self, _point: Point) -> None:
        """Keep nothing."""

    def filled(self, _fill: Fill) -> None:
        """Keep nothing."""

    def traced(self, analyst: Analyst) -> Analyst:
        """Return the analyst as it is."""
        return analyst
