"""Wire what lowers trading by itself: every rule to what it watches, and all to one alarm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from domain.account import Ledger
from domain.limits import Code
from domain.orders import Fill, Leg, Order, Purpose
from engine.building.outside import Outside
from engine.building.plan import EnginePlan
from engine.trading import TradingGate
from engine.watching.alarm import Alarm
from engine.watching.equity import DAWN_S, EquityWatch, day_zone
from engine.watching.transfers import Transfers
from engine.watching.tripwires import ORDER_STREAM, Tripwires


@dataclass(frozen=True, kw_only=True)
class LoweringSeams:
    """What the rules act on, and whom they tell."""

    gate: TradingGate
    ledger: Ledger
    cancel_entries: Callable[[str], Awaitable[Any]]
    tell: Callable[[str, str], None]


class Lowering:
    """Hold the rules of one engine and hand them what happens, by direct calls."""

    def __init__(self, plan: EnginePlan, outside: Outside, seams: LoweringSeams) -> None:
        marks = outside.remembered.marks
        self._outside = outside
        self._ledger = seams.ledger
        self.alarm = Alarm(seams.gate, cancel_entries=seams.cancel_entries, tell=seams.tell)
        self.equity = EquityWatch(
            ledger=seams.ledger,
            limits=plan.limits,
            journal=outside.journal,
            clock=outside.clock,
            zone=day_zone(trades_stocks=any("/" not in symbol for symbol in plan.symbols)),
            lower=self.alarm.lower,
            marks=marks,
            skew_ns=outside.venue.skew_ns,
            # A played clock is the venue's own and never jumps.
            dawn_s=0.0 if plan.guard.is_played else DAWN_S,
            transfers=Transfers(
                outside.broker.activities,
                outside.clock,
                known=None if marks is None else marks.known_transfers,
            ),
        )
        self.wires = Tripwires(
            plan.limits,
            clock=outside.clock,
            lower=self.alarm.lower,
            is_flat=self._is_flat,
            remember=self.equity.record,
        )
        self.equity.losses_in_a_row = lambda: self.wires.losses_in_a_row
        self.wires.restore(0 if marks is None else marks.losses_in_a_row, outside.remembered.orders)
        seams.gate.when_raised(self._raised)
        outside.venue.measured = self.wires.skew_measured
        outside.ears.link_lost = self.wires.link_lost

    @property
    def works(self) -> tuple[Callable[[], Coroutine[Any, Any, None]], ...]:
        """Return what has to run beside the guard."""
        return self.alarm.run, self.equity.follow_transfers

    def order_told(self, kind: str, body: dict[str, Any]) -> None:
        """Hear what the gateway tells of an order it denied or sent."""
        if kind == "order_denied":
            self.wires.order_denied(Purpose(body["purpose"]), Code(body["code"]))
        elif kind == "order_submitted":
            is_entry = body["request"].leg is Leg.ENTRY
            self.wires.order_submitted(Purpose.ENTRY if is_entry else Purpose.PROTECT)

    def order_changed(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        """Hear of every change of an order."""
        self.wires.order_changed(before, after, fill)

    def alerted(self, code: str) -> None:
        """Hear of the order stream's losses, which come as a line to the operator."""
        if code == "ORDER_STREAM_LOST":
            self.wires.link_lost((ORDER_STREAM,))

    def _raised(self, code: str) -> None:
        """Reset what a person resumed; what else passes its limit trips at once."""
        self.equity.resumed(code)
        self.wires.resumed(code)

    def _is_flat(self, symbol: str) -> bool:
        """Tell whether nothing is left of a position, or only what no order can carry."""
        position = self._ledger.position(symbol)
        if position is None or position.market_price is None:
            return position is None
        worth = abs(position.quantity) * position.market_price
        return worth < self._outside.instruments[symbol].min_notional
