"""Hold the parts of one engine while they are wired, and what passes between them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any

from domain.account import Ledger, Position
from domain.decisions import Decision
from domain.market import Instrument, Quote
from domain.orders import Fill, Order
from engine.approving.approvals import Approvals
from engine.bot import Notices
from engine.building.lowering import Lowering
from engine.building.outside import Outside
from engine.building.plan import EnginePlan
from engine.building.standing import EngineStanding
from engine.deciding.dispatcher import Dispatcher
from engine.deciding.limiter import Ticket
from engine.deciding.runs import Runs
from engine.deciding.windows import Windows
from engine.guard import Guard
from engine.killswitch.sweep import Sweeper
from engine.metrics import Metrics
from engine.orders.book import OrderBook
from engine.orders.delivery.points import Point
from engine.orders.flatten import Flatten
from engine.orders.gateway import Gateway
from engine.orders.ownership import Ownership
from engine.orders.protection.exits import Exits
from engine.orders.protection.watching.bare import Cause
from engine.orders.reconcile import Reconciler
from engine.session import Session
from engine.trading import TradingGate
from engine.watching.market import MarketWatch
from engine.watching.pulse import Pulse
from engine.watching.quotes import FreshQuotes


class EngineParts:
    """The parts, each named here before it is made: some of them refer to later ones.

    What stands in `__init__` needs nothing but the outside. The rest is set by the functions of
    this package, in the order that `engine` gives; a part may hold another's method that is only
    called once the engine runs.
    """

    ownership: Ownership
    reconciler: Reconciler
    lowering: Lowering
    windows: Windows
    fresh: FreshQuotes
    gateway: Gateway
    sweeper: Sweeper
    exits: Exits
    flatten: Flatten
    watch: MarketWatch
    guard: Guard
    approvals: Approvals
    runs: Runs
    dispatcher: Dispatcher
    session: Session

    def __init__(self, plan: EnginePlan, outside: Outside) -> None:
        self.plan = plan
        self.outside = outside
        self.publish = outside.bus.publish
        self.metrics = Metrics(outside.registry)
        self.pulse = Pulse()
        self.notices = Notices(
            outside.journal, self.publish, outside.clock, raised=self.metrics.alert_raised
        )
        self.gate = TradingGate(
            outside.journal,
            self.publish,
            outside.remembered.standing,
            mark=outside.mark,
            spool=outside.journal.spool,
        )
        self.ledger = Ledger(plan.symbols, fees=plan.fees)
        self.book = OrderBook(self.ledger, outside.journal, outside.clock, self.sent)
        outside.limiter.waited = self.waited
        self._waited_s: dict[str, float] = {}
        self.standing = EngineStanding(outside, self.gate)

    def instrument(self, symbol: str) -> Instrument:
        """Return the venue's rules of a symbol."""
        return self.outside.instruments[symbol]

    def is_ours(self, symbol: str) -> bool:
        """Tell whether the symbol is ours to trade and nobody else holds it."""
        return self.ownership.is_managed(symbol) and not self.ownership.is_foreign(symbol)

    def quote(self, symbol: str) -> Quote | None:
        """Return the latest quote; none for a symbol that the store does not keep."""
        return self.outside.store.quote(symbol) if symbol in self.plan.symbols else None

    def alert(self, code: str, message: str, symbol: str) -> None:
        """Let the tripwires hear of a line for the operator, and show it."""
        self.lowering.alerted(code)
        self.notices.add(code, message, symbol or None)

    def tripped(self, code: str, line: str) -> None:
        """Show a trip that is on disk already."""
        self.notices.show(code, line)

    def start_apart(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Start work that outlives the call; none before the guard runs."""
        return self.guard.start(work, name) if self.guard.is_running else None

    def sent(self, kind: str, body: dict[str, Any]) -> None:
        """Copy an event to the watchers; let the tripwires hear of it."""
        if kind == "order_submitted":
            self.metrics.order_sent(body["request"].leg.value)
        elif kind == "order_denied":
            self.metrics.order_denied(body["code"], body["purpose"])
            self.outside.trace.denied(body["code"])
        self.lowering.order_told(kind, body)
        self.outside.bus.publish(kind, body)

    def on_change(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        """Count what was filled and what ended; wake what watches levels."""
        if fill is not None:
            self.metrics.fill_received(fill)
            self.outside.trace.filled(fill)
            self.dispatcher.levels_changed(after.symbol)
        if not after.is_working and (before is None or before.is_working):
            self.metrics.order_ended(after.state)

    def waited(self, ticket: Ticket, seconds: float) -> None:
        """Count how long a ticket waited for its slot, and remember it for its run's trace."""
        self.metrics.ticket_waited(ticket.priority, seconds)
        self._waited_s[ticket.symbol] = seconds

    def traced(self, ticket: Ticket) -> AbstractContextManager[Any]:
        """Enclose a run whose ticket has just been granted."""
        return self.outside.trace.run(ticket, self._waited_s.get(ticket.symbol, 0.0))

    def reached(self, point: Point) -> None:
        """Let an order's step be traced, and let a proof strike there."""
        self.outside.trace.reached(point)
        self.outside.at(point)

    def decided(self, decision: Decision) -> None:
        """Count a decision, remember how its questions went, and close its part of the trace."""
        self.metrics.decision_finished(decision)
        self.pulse.heard(decision.calls)
        self.outside.trace.decided(decision)

    def protected(self, _symbol: str, seconds: float, cause: Cause) -> None:
        """Measure how long a position stood without a stop."""
        self.metrics.position_protected(unprotected_s=seconds, cause=cause)

    def adopted(self, position: Position, origin: str) -> None:
        """Protect a position taken over at the first start."""
        self.exits.adopt(position, origin)
