"""Keep every position protected: a stop resting at the venue, targets run here.

No model, approval or slot stands in the way of an exit, and every order goes through the gateway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from domain.market import Instrument, Quote
from domain.orders import Fill, Leg, Order, OrderRequest, client_order_id
from domain.ports import Clock
from domain.risk import Denied
from engine.control import ProtectedBy
from engine.orders.protection.cover import covered
from engine.orders.protection.keeper import BAND_OWNER, ExitsConfig, GatewayPort, Keeper, Seams
from engine.orders.protection.plans import Plan, plan_of


class Exits:
    """Run one keeper for each symbol with a position or an order of ours."""

    def __init__(  # noqa: PLR0913 - the seams of the most careful part, each named
        self,
        config: ExitsConfig,
        *,
        gateway: GatewayPort,
        held: Callable[[str], Decimal],
        working: Callable[[str], list[Order]],
        quote: Callable[[str], Quote | None],
        set_band: Callable[[str, str, float, float], None],
        instrument: Callable[[str], Instrument],
        refresh: Callable[[], Awaitable[None]],
        clock: Clock,
        measured: Callable[[str, float], None],
        alert: Callable[[str, str, str], None],
    ) -> None:
        self._working = working
        self._held = held
        self._set_band = set_band
        self._keepers: dict[str, Keeper] = {}
        self._plans: dict[str, Plan] = {}
        self._attempts: dict[tuple[str, Leg], int] = {}
        self._group: asyncio.TaskGroup | None = None
        self.is_suspended = False
        """Set by a person who cancels all protection; a resume takes it back."""
        self._seams = Seams(
            config=config,
            gateway=gateway,
            clock=clock,
            held=held,
            working=working,
            quote=quote,
            set_band=set_band,
            instrument=instrument,
            refresh=refresh,
            plan=self.plan,
            forget=self._forget,
            next_id=self.next_id,
            is_suspended=lambda: self.is_suspended,
            measured=measured,
            alert=alert,
        )

    async def run(self) -> None:
        """Host the keepers until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                for keeper in self._keepers.values():
                    group.create_task(keeper.run(), name=f"exits:{keeper.symbol}")
                await asyncio.Event().wait()
        finally:
            self._group = None

    def adopt(self, plan: Plan, attempts: dict[Leg, int]) -> None:
        """Take over a plan at restart, with the attempts that its legs have used."""
        self._plans[plan.symbol] = plan
        for leg, attempt in attempts.items():
            self._attempts[plan.origin, leg] = attempt
        self._keeper(plan.symbol).filled()

    def plan(self, symbol: str) -> Plan | None:
        """Return what protects the symbol's position, or none."""
        return self._plans.get(symbol)

    def on_change(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        """Hear of an order of ours; called directly by the order book, never by the bus."""
        keeper = self._keeper(after.symbol)
        if fill is not None and after.request.leg is Leg.ENTRY:
            plan = plan_of(after.request, opened_at=fill.ts_event)
            if plan is not None:
                self._plans.setdefault(after.symbol, plan)
                keeper.filled()
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
        """Tell who would close the position at its stop right now."""
        if covered(self._working(symbol)) >= abs(self._held(symbol)) > 0:
            return ProtectedBy.VENUE
        if symbol in self._plans and self._group is not None:
            return ProtectedBy.ENGINE
        return ProtectedBy.NONE

    async def close(self, request: OrderRequest) -> Order | Denied:
        """Close by the agents' or a person's wish; quantity is taken anew from the position."""
        return await self._keeper(request.symbol).close(request)

    def next_id(self, origin: str, leg: Leg) -> str:
        """Name the next attempt of a leg; the one before it is terminal by then."""
        attempt = self._attempts.get((origin, leg), 0) + 1
        self._attempts[origin, leg] = attempt
        return client_order_id(origin, leg, attempt)

    def _forget(self, symbol: str) -> None:
        self._plans.pop(symbol, None)
        self._set_band(symbol, BAND_OWNER, 0.0, float("inf"))

    def _keeper(self, symbol: str) -> Keeper:
        keeper = self._keepers.get(symbol)
        if keeper is None:
            keeper = self._keepers[symbol] = Keeper(symbol, self._seams)
            if self._group is not None:
                self._group.create_task(keeper.run(), name=f"exits:{symbol}")
        return keeper
