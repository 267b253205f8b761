"""Make the deciding half: approvals, runs, dispatcher, and the session that starts them."""

from __future__ import annotations

from domain.market import Window
from domain.orders import Leg, Order, OrderRequest
from domain.records import plain
from domain.risk import Denied
from engine.approving.approvals import APPROVAL_PENDING
from engine.building.approving import build_approvals
from engine.building.parts import EngineParts
from engine.clock import beside
from engine.deciding.dispatcher import Dispatcher, DispatcherConfig, DispatcherPorts, DropReason
from engine.deciding.limiter import Ticket
from engine.deciding.runs import Run, Runs
from engine.session import Session


def make_deciding(parts: EngineParts) -> None:
    """Make what decides, and what starts and stops it."""
    asking = _Asking(parts)
    _make_runs(parts, asking)
    _make_dispatcher(parts, asking)
    _make_session(parts)


def _make_runs(parts: EngineParts, asking: _Asking) -> None:
    plan, outside = parts.plan, parts.outside
    parts.approvals = build_approvals(parts, enter=asking.enter)
    parts.runs = Runs(
        compose=asking.compose,
        desk=asking,
        journal=outside.journal,
        enter=asking.enter,
        close=asking.close,
        publish=parts.publish,
        decided=parts.decided,
        ask=parts.approvals.ask,
        start=parts.guard.start,
        deadline_s=plan.decision_deadline_s - 1.0,
    )


def _make_dispatcher(parts: EngineParts, asking: _Asking) -> None:
    plan, outside = parts.plan, parts.outside
    parts.dispatcher = Dispatcher(
        DispatcherConfig(
            symbols=plan.symbols,
            cooldown_s=plan.cooldown_s,
            wake_move_atr=plan.wake_move_atr,
            near_exit_atr=plan.near_exit_atr,
            decision_deadline_s=plan.decision_deadline_s,
        ),
        DispatcherPorts(
            run=asking.run,
            is_warm=outside.store.is_warm,
            has_position=lambda symbol: parts.ledger.quantity(symbol) != 0,
            entries_possible=asking.entries_possible,
            mid_and_atr=asking.mid_and_atr,
            exit_levels=asking.exit_levels,
            set_band=outside.store.set_band,
            on_drop=asking.on_drop,
            on_failure=asking.on_failure,
        ),
        limiter=outside.limiter,
        clock=outside.clock,
    )


def _make_session(parts: EngineParts) -> None:
    outside = parts.outside
    parts.session = Session(
        watch=parts.watch,
        ears=outside.ears,
        dispatcher=parts.dispatcher,
        prepare=parts.guard.is_ready.wait,
        cancel_entries=lambda: parts.gateway.cancel_entries("stop"),
        journal=outside.journal,
        publish=parts.publish,
        alert=parts.notices.add,
        clock=outside.clock,
    )


class _Asking:
    """Answer what dispatcher and runs ask of the engine, and hand on what they tell."""

    def __init__(self, parts: EngineParts) -> None:
        self._parts = parts

    def compose(self, symbol: str, reason: str) -> Window | str:
        """Return the window of a symbol, or why there is none: its last entry still waits."""
        if self._parts.approvals.is_waiting(symbol) and self._parts.ledger.quantity(symbol) == 0:
            return APPROVAL_PENDING
        return self._parts.windows.compose(symbol, reason=reason)

    async def enter(self, request: OrderRequest) -> Order | Denied:
        """Send an entry on a fresh view of the account and a fresh quote."""
        await beside(
            self._parts.reconciler.before_entry(self._parts.plan.limits.account_max_age_s),
            self._parts.fresh.confirm(request.symbol),
        )
        with self._parts.outside.trace.order(request):
            return await self._parts.gateway.submit(request)

    async def close(self, request: OrderRequest) -> Order | Denied:
        """Close a position as the agents decided, on a fresh quote."""
        await self._parts.fresh.renew(request.symbol)
        with self._parts.outside.trace.order(request):
            return await self._parts.exits.close(request)

    async def run(self, ticket: Ticket) -> None:
        """See a ticket through, traced."""
        with self._parts.traced(ticket):
            await self._parts.runs.run(ticket)

    async def decide(self, window: Window, *, deadline_s: float) -> Run:
        """Run the graph, traced: implements `engine.deciding.runs.Desk`."""
        outside = self._parts.outside
        with outside.trace.deciding(window.symbol):
            return await outside.desk.decide(window, deadline_s=deadline_s)

    def entries_possible(self, symbol: str) -> bool:
        """Tell whether a run of a flat symbol could lead to an order at all."""
        working = self._parts.book.working(symbol)
        has_entry = any(order.request.leg is Leg.ENTRY for order in working)
        is_busy = has_entry or self._parts.approvals.is_waiting(symbol)
        return not is_busy and self._parts.standing.entries_possible(symbol)

    def mid_and_atr(self, symbol: str) -> tuple[float, float] | None:
        """Return what the price moves from and the measure of a move."""
        return self._parts.outside.store.mid_and_atr(symbol)

    def exit_levels(self, symbol: str) -> tuple[float | None, float | None]:
        """Return the stop and the target whose touch wakes the agents."""
        plan = self._parts.exits.plan(symbol)
        if plan is None:
            return None, None
        return float(plan.stop), None if plan.target is None else float(plan.target)

    def on_drop(self, ticket: Ticket, reason: DropReason) -> None:
        """Tell watchers of a ticket that left the queue."""
        self._parts.publish("ticket_dropped", {**plain(ticket), "dropped_for": reason.value})

    def on_failure(self, ticket: Ticket, error: Exception) -> None:
        """Tell the operator of a run that failed."""
        code = str(getattr(error, "code", "RUN_FAILED"))
        message = f"The run of {ticket.symbol} failed: {repr(error)[:300]}"
        self._parts.alert(code, str(getattr(error, "line", message)), ticket.symbol)
