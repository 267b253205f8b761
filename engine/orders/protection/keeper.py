"""Bring one symbol's protection from what is to what should be, one step at a time.

The keeper looks at facts (position, working orders, quote), never at a remembered script, so an
event that is lost, doubled or out of order costs one look and never a stop. Every network step is
one order or one cancel through the gateway; what it caused wakes the keeper again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

import msgspec
import structlog

from domain.errors import BrokerError, JournalError
from domain.market import AssetClass, Instrument, Quote
from domain.orders import (
    Leg,
    Order,
    OrderRequest,
    OrderState,
    Purpose,
    Side,
)
from domain.ports import Clock
from domain.pricing import to_decimal
from domain.records import NS_PER_S, Record, format_ns
from domain.risk import Denied
from engine.clock import woken_within
from engine.orders.protection.cover import ACKNOWLEDGED, covered, is_urgent, roots
from engine.orders.protection.plans import (
    Plan,
    Urgency,
    sellable,
    stop_request,
    touch_of,
    urgent_request,
)

log = structlog.get_logger(__name__)

BAND_OWNER = "exits"

_EXIT_LEGS = frozenset({Leg.REDUCE, Leg.FLATTEN})


class ExitsConfig(Record, frozen=True):
    """How keepers behave; times in seconds of event time.

    `partial_grace_s`: how long a partly filled entry may wait for its rest before the rest is
    cancelled and the filled part protected. `breach_grace_s`: how long a stop may stay unfilled
    beyond its trigger before the engine sells itself. `exit_collar`: the fraction of price such an
    urgent exit may give up. `exit_ttl_s`: how long it may work before it is cancelled and priced
    anew. `cancel_wait_s`: how long a cancel may take to become terminal. A stop that the venue
    refuses is tried again after `retry_s`, doubling to `retry_longest_s`.
    """

    check_every_s: float = 1.0
    partial_grace_s: float = 0.4
    breach_grace_s: float = 2.0
    exit_collar: Decimal = Decimal("0.02")
    exit_ttl_s: float = 5.0
    cancel_wait_s: float = 5.0
    retry_s: float = 0.25
    retry_longest_s: float = 5.0


class GatewayPort(Protocol):
    """What a keeper needs of the gateway."""

    async def submit(self, request: OrderRequest) -> Order | Denied:
        """Authorize, write ahead and send."""
        ...

    async def cancel(self, order: Order, reason: str) -> Order:
        """Ask the venue to cancel and see it through."""
        ...

    def turn(self, symbol: str) -> AbstractAsyncContextManager[None]:
        """Hold a symbol for a sequence that no entry may interrupt."""
        ...


@dataclass(frozen=True, kw_only=True)
class Seams:
    """What every keeper shares: facts to look at, hands to act with, ears to tell."""

    config: ExitsConfig
    gateway: GatewayPort
    clock: Clock
    held: Callable[[str], Decimal]
    """Our signed position in a symbol."""
    working: Callable[[str], list[Order]]
    """Our orders in a symbol that may still fill."""
    quote: Callable[[str], Quote | None]
    set_band: Callable[[str, str, float, float], None]
    instrument: Callable[[str], Instrument]
    refresh: Callable[[], Awaitable[None]]
    """Correct account and positions by REST: crypto fees leave in coin, unseen by any event."""
    plan: Callable[[str], Plan | None]
    forget: Callable[[str], None]
    next_id: Callable[[str, Leg], str]
    is_suspended: Callable[[], bool]
    """Tell whether a person has taken all protection down (cancel-all with `protective`)."""
    measured: Callable[[str, float], None]
    """Hear how long a position stood bare, in seconds."""
    alert: Callable[[str, str, str], None]
    """Hear (code, message, symbol)."""


class Keeper:
    """Watch one symbol until the process ends; cheap when there is nothing to do."""

    def __init__(self, symbol: str, seams: Seams) -> None:
        self.symbol = symbol
        self._seams = seams
        self._config = seams.config
        self._woken = asyncio.Event()
        self._lock = asyncio.Lock()
        self._bare_since_ns: int | None = None
        self._breached_since_ns: int | None = None
        self._needs_refresh = False
        self._refusals = 0
        self._retry_at_ns = 0

    def wake(self) -> None:
        """Look again now."""
        self._woken.set()

    def filled(self) -> None:
        """Note that an entry filled: the time without protection starts here."""
        if self._bare_since_ns is None:
            self._bare_since_ns = self._seams.clock.monotonic_ns()
        if self._seams.instrument(self.symbol).asset_class is AssetClass.CRYPTO:
            self._needs_refresh = True
        self._woken.set()

    async def run(self) -> None:
        """Step whenever something changed, and every `check_every_s` while there is a position."""
        while True:
            await self._wait()
            async with self._lock, self._seams.gateway.turn(self.symbol):
                await self._guarded_step()

    async def close(self, request: OrderRequest) -> Order | Denied:
        """Close the position for the agents or a person; the keeper re-protects what is left."""
        async with self._lock, self._seams.gateway.turn(self.symbol):
            try:
                return await self._close(request)
            finally:
                self._woken.set()

    async def _wait(self) -> None:
        if not self._seams.held(self.symbol) and not self._seams.working(self.symbol):
            await self._woken.wait()
        else:
            retry_s, every_s = self._retry_in_s(), self._config.check_every_s
            wait_s = min(retry_s, every_s) if retry_s > 0 else every_s
            await woken_within(self._woken, self._seams.clock, wait_s)
        self._woken.clear()

    async def _guarded_step(self) -> None:
        try:
            await self._step()
        except (BrokerError, JournalError) as error:
            log.warning("exit_step_failed", symbol=self.symbol, code=error.code)
            self._seams.alert(error.code, error.line, self.symbol)

    async def _step(self) -> None:
        plan = self._seams.plan(self.symbol)
        if plan is None:
            return
        working = self._seams.working(self.symbol)
        if any(order.request.leg in _EXIT_LEGS or is_urgent(order) for order in working):
            await self._expire_exits(working)
            return
        if await self._settle_entry(working):
            return
        quantity = self._quantity()
        if quantity <= 0:
            await self._clean_up(plan, working)
            return
        if self._seams.is_suspended():
            return
        if self._should_exit(plan):
            await self._exit_now(plan, self._exit_leg(plan))
            return
        await self._protect(plan, quantity, working)

    def _quantity(self) -> Decimal:
        """Return what can be closed: a rest below the venue's minimum is dust and stays."""
        instrument, quote = self._seams.instrument(self.symbol), self._seams.quote(self.symbol)
        price = Decimal(0) if quote is None else to_decimal(max(quote.bid, 0.0))
        return sellable(self._seams.held(self.symbol), instrument, price=price)

    async def _settle_entry(self, working: list[Order]) -> bool:
        """Cancel the rest of a partly filled entry; true while an entry still works.

        A resting remainder would make the venue refuse the stop (wash rule, ALPACA 3.4).
        """
        entries = [order for order in working if order.request.leg is Leg.ENTRY]
        for entry in entries:
            is_partial = entry.filled_quantity > 0 and entry.state is not OrderState.PENDING_CANCEL
            if is_partial and self._bare_for_s() >= self._config.partial_grace_s:
                await self._seams.gateway.cancel(entry, "protect the filled part")
            elif is_partial:
                await self._seams.clock.sleep(self._config.partial_grace_s - self._bare_for_s())
                self._woken.set()
        return bool(entries)

    def _bare_for_s(self) -> float:
        if self._bare_since_ns is None:
            return 0.0
        return (self._seams.clock.monotonic_ns() - self._bare_since_ns) / NS_PER_S

    async def _clean_up(self, plan: Plan, working: list[Order]) -> None:
        """Take back what would sell a position that is gone."""
        exits = [order for order in working if order.request.purpose is Purpose.PROTECT]
        for order in roots(exits):
            if order.state is not OrderState.PENDING_CANCEL:
                await self._seams.gateway.cancel(order, "the position is closed")
        if not working:
            self._bare_since_ns = None
            self._breached_since_ns = None
            self._seams.forget(plan.symbol)

    async def _protect(self, plan: Plan, quantity: Decimal, working: list[Order]) -> None:
        stops = roots([order for order in working if order.request.purpose is Purpose.PROTECT])
        if covered(working) == quantity:
            self._note_protected()
            self._arm(plan)
            return
        pending = [order for order in stops if order.state not in ACKNOWLEDGED]
        if pending:
            return
        for order in stops:
            if order.state is not OrderState.PENDING_CANCEL:
                await self._seams.gateway.cancel(order, "the position's size changed")
        if not stops and self._retry_in_s() <= 0:
            await self._place_stop(plan)

    async def _place_stop(self, plan: Plan) -> None:
        instrument = self._seams.instrument(self.symbol)
        if self._needs_refresh:
            await self._seams.refresh()
            self._needs_refresh = False
        quantity = self._quantity()
        if quantity <= 0:
            return
        request = stop_request(
            plan,
            quantity,
            instrument,
            client_order_id=self._seams.next_id(plan.origin, Leg.STOP),
            now_ns=self._seams.clock.now_ns(),
        )
        result = await self._seams.gateway.submit(request)
        if isinstance(result, Denied):
            self._seams.alert(result.code, f"the stop of {self.symbol} was denied", self.symbol)
        elif result.state is OrderState.REJECTED:
            self._seams.alert("STOP_REJECTED", result.reason, self.symbol)
            self._needs_refresh = True
            self._back_off()
        else:
            self._refusals = 0
            self._woken.set()

    def _back_off(self) -> None:
        """Ask again later each time: a loop of refusals would spend the budget that exits need."""
        pause_s = min(self._config.retry_s * 2**self._refusals, self._config.retry_longest_s)
        self._refusals += 1
        self._retry_at_ns = self._seams.clock.monotonic_ns() + int(pause_s * NS_PER_S)

    def _retry_in_s(self) -> float:
        return (self._retry_at_ns - self._seams.clock.monotonic_ns()) / NS_PER_S

    def _note_protected(self) -> None:
        if self._bare_since_ns is not None:
            self._seams.measured(self.symbol, self._bare_for_s())
            self._bare_since_ns = None

    def _arm(self, plan: Plan) -> None:
        """Ask to be woken when the price reaches the target or falls through the stop."""
        stop, target = float(plan.stop), float(plan.target or 0)
        if plan.side is Side.BUY:
            self._seams.set_band(self.symbol, BAND_OWNER, stop, target or float("inf"))
        else:
            self._seams.set_band(self.symbol, BAND_OWNER, target, stop)

    def _should_exit(self, plan: Plan) -> bool:
        quote = self._seams.quote(self.symbol)
        if quote is None or quote.bid <= 0 or quote.ask <= 0:
            return False
        if self._target_rests_at_venue():
            return self._is_breached(plan, quote)
        return self._is_target_reached(plan, quote) or self._is_breached(plan, quote)

    def _target_rests_at_venue(self) -> bool:
        return any(o.request.leg is Leg.TARGET for o in self._seams.working(self.symbol))

    def _is_target_reached(self, plan: Plan, quote: Quote) -> bool:
        if plan.target is None:
            return False
        if plan.side is Side.BUY:
            return quote.bid >= float(plan.target)
        return quote.ask <= float(plan.target)

    def _is_breached(self, plan: Plan, quote: Quote) -> bool:
        """Tell whether the price has stood beyond the stop longer than the venue's stop needs."""
        stop = float(plan.stop)
        beyond = quote.bid < stop if plan.side is Side.BUY else quote.ask > stop
        now_ns = self._seams.clock.monotonic_ns()
        if not beyond:
            self._breached_since_ns = None
            return False
        if self._breached_since_ns is None:
            self._breached_since_ns = now_ns
        return now_ns - self._breached_since_ns >= self._config.breach_grace_s * NS_PER_S

    def _exit_leg(self, plan: Plan) -> Leg:
        quote = self._seams.quote(self.symbol)
        reached = quote is not None and self._is_target_reached(plan, quote)
        return Leg.TARGET if reached else Leg.STOP

    async def _exit_now(self, plan: Plan, leg: Leg) -> None:
        """Sell marketably inside the collar: free the quantity first, protect the rest after."""
        quote = self._seams.quote(self.symbol)
        if quote is None:
            return
        side, instrument = plan.side.opposite, self._seams.instrument(self.symbol)
        urgency = Urgency(
            origin=plan.origin,
            leg=leg,
            side=side,
            client_order_id=self._seams.next_id(plan.origin, leg),
            now_ns=self._seams.clock.now_ns(),
            collar=self._config.exit_collar,
            ttl_s=self._config.exit_ttl_s,
        )
        touch = touch_of(quote, side, instrument)
        await self._close(urgent_request(urgency, self._quantity(), instrument, touch=touch))

    async def _close(self, request: OrderRequest) -> Order | Denied:
        await self._free()
        if self._seams.instrument(self.symbol).asset_class is AssetClass.CRYPTO:
            await self._seams.refresh()
        fresh = msgspec.structs.replace(request, quantity=self._quantity())
        return await self._seams.gateway.submit(fresh)

    async def _free(self) -> None:
        """Cancel what holds the quantity and wait until each cancel is terminal."""
        deadline = self._seams.clock.monotonic_ns() + int(self._config.cancel_wait_s * NS_PER_S)
        asked: set[str] = set()
        while working := roots(self._seams.working(self.symbol)):
            for order in working:
                if order.client_order_id not in asked:
                    asked.add(order.client_order_id)
                    await self._seams.gateway.cancel(order, "free the quantity for an exit")
            left_s = (deadline - self._seams.clock.monotonic_ns()) / NS_PER_S
            if left_s <= 0:
                self._seams.alert("CANCEL_SLOW", "a cancel did not end in time", self.symbol)
                return
            self._woken.clear()
            if roots(self._seams.working(self.symbol)):
                await woken_within(self._woken, self._seams.clock, min(left_s, 0.25))

    async def _expire_exits(self, working: list[Order]) -> None:
        """Cancel an exit that found no buyer in time: the next look prices it anew."""
        now = format_ns(self._seams.clock.now_ns())
        for order in working:
            is_exit = order.request.leg in _EXIT_LEGS or is_urgent(order)
            is_old = order.request.valid_until < now and order.state is not OrderState.UNKNOWN
            if is_exit and is_old and order.state is not OrderState.PENDING_CANCEL:
                await self._seams.gateway.cancel(order, "the exit was not filled in time")
