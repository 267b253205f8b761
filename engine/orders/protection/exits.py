"""Keep every position protected: a stop resting at the venue, the rest run here.

No model, approval or slot stands in the way of an exit, and every order goes through the gateway.
"""

from __future__ import annotations

import asyncio
from decimal import Decimal

from domain.account import Position
from domain.orders import Fill, Leg, Order, OrderRequest
from domain.pricing import to_decimal
from domain.risk import Denied
from engine.control import ProtectedBy
from engine.orders.protection.cover import covered, stop_of
from engine.orders.protection.keeper import Keeper
from engine.orders.protection.planbook import PlanBook
from engine.orders.protection.plans import (
    Opening,
    Plan,
    adopted_plan,
    plan_of,
    sellable,
    tightened,
)
from engine.orders.protection.seams import ExitsConfig, Seams
from engine.orders.protection.watching.bare import Cause

KEEPERS = "exits:"
"""How the names of their tasks begin; one a symbol that was ever held or ordered, for good."""


class Exits:
    """Run one keeper for each symbol with a position or an order of ours."""

    def __init__(self, config: ExitsConfig, seams: Seams) -> None:
        self._config = config
        self._seams = seams
        self._book = PlanBook()
        self._keepers: dict[str, Keeper] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def is_suspended(self) -> bool:
        """Tell whether a person has taken all protection down (cancel-all with `protective`)."""
        return self._book.is_suspended

    @is_suspended.setter
    def is_suspended(self, value: bool) -> None:
        self._book.is_suspended = value

    async def run(self) -> None:
        """Host the keepers until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for keeper in self._keepers.values():
                    keeper.observe()
                    group.create_task(keeper.run(), name=f"{KEEPERS}{keeper.symbol}")
                await self._look()
        finally:
            self._group = None

    def restore(
        self, opening: Opening, orders: list[Order], attempts: dict[Leg, int]
    ) -> Plan | None:
        """Take up a position of before a restart, under the rules of now.

        The journal tells how it opened and every stop that was ever sent for it: the nearest of
        them is where its stop stands, so a trailing stop stays where it had climbed to.
        """
        entry = opening.entry
        rules = self._config.rules_of(entry.symbol)
        plan = plan_of(opening, rules, self._seams.instrument(entry.symbol))
        if plan is not None:
            self._take_up(plan, orders, attempts)
        return self.plan(entry.symbol)

    def adopt(self, position: Position, origin: str) -> None:
        """Protect a position that somebody else opened."""
        rules = self._config.rules_of(position.symbol)
        instrument = self._seams.instrument(position.symbol)
        plan = adopted_plan(position, instrument, origin, rules)
        self._take_up(plan, self._seams.working(position.symbol), {})

    def watch(self, symbol: str) -> None:
        """Look after a symbol whose orders were working before a restart."""
        if self._seams.is_managed(symbol):
            self._keeper(symbol).wake()

    def plan(self, symbol: str) -> Plan | None:
        """Return what protects the symbol's position, or none."""
        return self._book.get(symbol)

    def on_change(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        """Hear of an order of ours; called directly by the order book, never by the bus."""
        if not self._seams.is_managed(after.symbol):
            return
        keeper = self._keeper(after.symbol)
        if fill is not None:
            keeper.moved()
            if after.request.leg is Leg.ENTRY:
                self._opened(after.request, fill)
        if self._group is not None:
            keeper.observe()
        if fill is not None or before is None or before.state is not after.state:
            keeper.wake()

    def wake(self, symbol: str) -> None:
        """Let the symbol's keeper look again now."""
        self._keeper(symbol).wake()

    def wake_all(self) -> None:
        """Let every keeper look again, as after a reconciliation."""
        for keeper in self._keepers.values():
            keeper.wake()

    def protected_by(self, symbol: str) -> ProtectedBy:
        """Tell who would close the position at its stop right now.

        The engine does only while it runs, sees a price, and no person has taken protection down.
        """
        held = self._seams.held(symbol)
        if held == 0 or not self._seams.is_managed(symbol):
            return ProtectedBy.NONE
        lots = sellable(held, self._seams.instrument(symbol), price=Decimal(0))
        if covered(self._seams.working(symbol)) >= lots > 0:
            return ProtectedBy.VENUE
        is_watched = self._group is not None and not self._book.is_suspended
        if not is_watched or self._book.get(symbol) is None:
            return ProtectedBy.NONE
        quote = self._seams.quote(symbol)
        if quote is None or not 0 < quote.bid <= quote.ask:
            return ProtectedBy.NONE
        price = to_decimal(quote.bid)
        is_dust = sellable(held, self._seams.instrument(symbol), price=price) == 0
        return ProtectedBy.NONE if is_dust else ProtectedBy.ENGINE

    def bare_for_s(self) -> dict[str, float]:
        """Return for how long each bare position has stood without a stop at the venue."""
        found = {symbol: keeper.bare_for_s for symbol, keeper in self._keepers.items()}
        return {symbol: seconds for symbol, seconds in found.items() if seconds > 0}

    async def close(self, request: OrderRequest) -> Order | Denied:
        """Close by the agents' or a person's wish; quantity is taken anew from the position."""
        return await self._keeper(request.symbol).close(request)

    def next_id(self, origin: str, leg: Leg) -> str:
        """Name the next attempt of a leg; the one before it is terminal by then."""
        return self._book.next_id(origin, leg)

    def _opened(self, entry: OrderRequest, fill: Fill) -> None:
        """Make the plan of a fresh position; what is left of an older one, dust, gives way to it.

        A late fill of another entry adds to a position whose plan stands already.
        """
        symbol, instrument = entry.symbol, self._seams.instrument(entry.symbol)
        before = self._seams.held(symbol) - fill.quantity * fill.side.sign
        is_known = self._book.get(symbol) is not None
        if not is_known or sellable(before, instrument, price=fill.price) == 0:
            atr = self._seams.atr(entry)
            opening = Opening(
                entry=entry,
                price=fill.price,
                opened_at=fill.ts_event,
                atr=None if atr is None else to_decimal(atr),
            )
            plan = plan_of(opening, self._config.rules_of(symbol), instrument)
            if plan is not None:
                self._book.open(plan)
        self._keeper(symbol).expect(Cause.FILL)

    def _take_up(self, plan: Plan, orders: list[Order], attempts: dict[Leg, int]) -> None:
        for order in orders:
            stop = stop_of(order)
            if order.request.leg is Leg.STOP and stop is not None:
                plan = tightened(plan, stop)
        for leg, attempt in attempts.items():
            self._book.has_used(plan.origin, leg, attempt)
        self._book.open(plan)
        keeper = self._keeper(plan.symbol)
        keeper.expect(Cause.RESTART)
        keeper.wake()

    async def _look(self) -> None:
        while True:
            await self._seams.clock.sleep(self._config.look_s)
            for keeper in tuple(self._keepers.values()):
                keeper.look()

    def _keeper(self, symbol: str) -> Keeper:
        keeper = self._keepers.get(symbol)
        if keeper is None:
            keeper = Keeper(symbol, self._seams, self._config, self._book)
            self._keepers[symbol] = keeper
            if self._group is not None:
                self._group.create_task(keeper.run(), name=f"{KEEPERS}{symbol}")
        return keeper
