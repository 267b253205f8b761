"""See one ticket through: window, graph, journal, and the gateway for what survives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from math import fsum
from typing import Any, Protocol

import structlog

from domain.decisions import Decision, Outcome
from domain.market import Window
from domain.orders import Leg, Order, OrderRequest
from domain.ports import Entry, EntryKind, Journal
from domain.risk import Denied
from engine.deciding.limiter import Ticket
from engine.watching.market import Publish

log = structlog.get_logger(__name__)


class Run(Protocol):
    """What the desk returns: the decision and the prompts it rendered, by digest."""

    @property
    def decision(self) -> Decision:
        """Return the decision."""
        ...

    @property
    def prompts(self) -> dict[str, str]:
        """Return the texts that were asked."""
        ...


class Desk(Protocol):
    """The one caller of the graph."""

    async def decide(self, window: Window, *, deadline_s: float) -> Run:
        """Run the graph once; an analyst's failure is an abstention, never an exception."""
        ...


Execute = Callable[[OrderRequest], Coroutine[Any, Any, Order | Denied]]


class Runs:
    """Turn tickets into journaled decisions and, sometimes, orders.

    A decision is on disk before its order leaves, and together with it, that the order waits for a
    person, if it does (`ask` says so). The order itself is sent by a task of its own
    that the run only waits for: a run cut by its deadline or by stop never cuts a submission.
    """

    def __init__(  # noqa: PLR0913 - the stations of one run, each named
        self,
        *,
        compose: Callable[[str, str], Window | str],
        desk: Desk,
        journal: Journal,
        enter: Execute,
        close: Execute,
        publish: Publish,
        decided: Callable[[Decision], None],
        ask: Callable[[Decision], tuple[Entry, ...]],
        start: Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]],
        deadline_s: float,
    ) -> None:
        self._compose = compose
        self._desk = desk
        self._journal = journal
        self._enter = enter
        self._close = close
        self._publish = publish
        self._decided = decided
        self._ask = ask
        self._start = start
        self._deadline_s = deadline_s
        self.count = 0
        self.model_cost_usd = 0.0
        self.last_at: dict[str, str] = {}

    async def run(self, ticket: Ticket) -> None:
        """See the ticket through; what it raises is journaled by the dispatcher's guard."""
        window = self._compose(ticket.symbol, ticket.reason)
        if isinstance(window, str):
            log.info("window_not_ready", symbol=ticket.symbol, code=window)
            return
        self._publish("decision_started", _started(ticket, window))
        run = await self._desk.decide(window, deadline_s=self._deadline_s)
        await self._remember(run, window)
        request = run.decision.request
        if run.decision.outcome is Outcome.ORDERED and request is not None:
            await self._act(request)

    async def _remember(self, run: Run, window: Window) -> None:
        decision = run.decision
        body = {"decision": decision, "window": window, "prompts": run.prompts}
        entry = Entry(kind=EntryKind.DECISION, ref=decision.id, body=body)
        seq = await self._journal.append(entry, *self._ask(decision))
        self.count += 1
        self.model_cost_usd += fsum(call.cost_usd for call in decision.calls)
        self.last_at[decision.symbol] = decision.as_of
        self._decided(decision)
        self._publish("decision_finished", {"seq": seq, **_finished(decision)})

    async def _act(self, request: OrderRequest) -> None:
        send = self._close if request.leg is Leg.REDUCE else self._enter
        sending = self._start(send(request), f"send:{request.client_order_id}")
        result = await asyncio.shield(sending)
        if isinstance(result, Denied):
            log.info("order_denied", symbol=request.symbol, code=result.code.value)


def _started(ticket: Ticket, window: Window) -> dict[str, Any]:
    return {"symbol": ticket.symbol, "decision_id": window.decision_id, "reason": ticket.reason}


def _finished(decision: Decision) -> dict[str, Any]:
    directive = decision.directive
    return {
        "symbol": decision.symbol,
        "decision_id": decision.id,
        "outcome": decision.outcome.value,
        "reason_code": decision.reason_code,
        "action": None if directive is None else directive.action.value,
        "confidence": None if directive is None else directive.confidence,
        "analyst": decision.analyst,
    }
