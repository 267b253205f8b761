"""Bring one symbol's protection from what is to what should be, one step at a time.

The keeper looks at facts (position, working orders, quote), never at a remembered script, so an
event that is lost, doubled or out of order costs one look and never a stop. Every network step is
one order or one cancel through the gateway; what it caused wakes the keeper again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Hashable
from decimal import Decimal

import msgspec
import structlog

from domain.account import Position
from domain.errors import BrokerError, JournalError
from domain.market import AssetClass
from domain.orders import Leg, Order, OrderRequest, OrderState, Purpose, Side
from domain.pricing import to_decimal
from domain.records import NS_PER_S
from domain.risk import Denied
from engine.clock import woken_within
from engine.orders.protection.cover import (
    ACKNOWLEDGED,
    covered,
    has_target,
    is_urgent,
    loosest_stop,
    roots,
)
from engine.orders.protection.planbook import PlanBook
from engine.orders.protection.plans import Plan, rescaled, sellable, tightened, trailed, trails_at
from engine.orders.protection.requests import Urgency, stop_request, urgent_request
from engine.orders.protection.seams import BAND_OWNER, ExitsConfig, Seams
from engine.orders.protection.watching.bare import Bare, Cause
from engine.orders.protection.watching.pace import Pace
from engine.orders.protection.watching.patience import Patience
from engine.orders.protection.watching.prices import Prices
from engine.orders.protection.watching.refusals import Refusals
from engine.orders.protection.watching.triggers import Triggers, Why

log = structlog.get_logger(__name__)

_EXIT_LEGS = frozenset({Leg.REDUCE, Leg.FLATTEN})

_BLOCKED = ("wash trade", "insufficient qty", "insufficient balance")
"""What the venue says when another order stands in the way of a stop (ALPACA 3.4)."""


class Keeper:
    """Watch one symbol until the process ends; cheap when there is nothing to do."""

    def __init__(self, symbol: str, seams: Seams, config: ExitsConfig, book: PlanBook) -> None:
        self.symbol = symbol
        self._seams = seams
        self._config = config
        self._book = book
        self._instrument = seams.instrument(symbol)
        self._prices = Prices(symbol, seams, config)
        self._triggers = Triggers(config, seams.clock, seams.calendar)
        self._bare = Bare(symbol, seams.clock, seams.measured, seams.alert)
        self._refusals = Refusals(seams.clock, config)
        self._patience = Patience(seams.clock, config.exit_ttl_s)
        self._exit_pace = Pace(seams.clock, config.exit_pace_s, config.exit_pace_longest_s)
        self._trail_pace = Pace(seams.clock, config.trail_every_s, config.trail_every_s)
        self._woken = asyncio.Event()
        self._lock = asyncio.Lock()
        self._needs_refresh = False
        self._basis: Position | None = None
        self._leaving: Why | None = None

    def wake(self) -> None:
        """Look again now."""
        self._woken.set()

    def expect(self, cause: Cause) -> None:
        """Say what the next gap will be for: a fill, or a restart."""
        self._bare.expected = cause
        if cause is Cause.FILL and self._instrument.asset_class is AssetClass.CRYPTO:
            self._needs_refresh = True

    def moved(self) -> None:
        """Note that an order of ours moved the position: its size says nothing of a split."""
        self._basis = None

    def observe(self) -> None:
        """Measure protection as it stands; called in the very step of each order event."""
        quantity = self._quantity()
        working = self._seams.working(self.symbol)
        is_held = quantity > 0 and self._book.get(self.symbol) is not None
        is_covered = covered(working) >= quantity
        self._bare.observe(is_held=is_held, is_covered=is_covered)

    def look(self) -> None:
        """Alert when the position has stood bare for too long; a person may have wanted it so."""
        if not self._book.is_suspended:
            self._bare.look()

    @property
    def bare_for_s(self) -> float:
        """Return for how long the position has been bare, zero when it is not."""
        return self._bare.for_s

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
            waits = (
                self._stop_left_s(),
                self._exit_pace.left_s,
                *self._patience.left_s(),
                *self._triggers.left_s(),
                self._config.check_every_s,
            )
            soonest_s = min(wait_s for wait_s in waits if wait_s > 0)
            await woken_within(self._woken, self._seams.clock, soonest_s)
        self._woken.clear()

    async def _guarded_step(self) -> None:
        try:
            await self._step()
        except (BrokerError, JournalError) as error:
            log.warning("exit_step_failed", symbol=self.symbol, code=error.code)
            self._seams.alert(error.code, error.line, self.symbol)
        self.observe()

    async def _step(self) -> None:
        self.observe()
        plan, working = self._book.get(self.symbol), self._seams.working(self.symbol)
        if plan is None:
            await self._clean_up(working)
            return
        if any(order.request.leg in _EXIT_LEGS or is_urgent(order) for order in working):
            await self._expire_exits(working)
            return
        if await self._settle_entry(working):
            return
        quantity = self._quantity()
        if quantity <= 0:
            await self._clean_up(working)
            return
        if not self._book.is_suspended:
            await self._keep(self._follow_split(plan), quantity, working)

    async def _keep(self, plan: Plan, quantity: Decimal, working: list[Order]) -> None:
        """Leave the position when it is time to, else keep it behind its stop."""
        is_covered = covered(working) == quantity
        if self._triggers.is_open(self._instrument.asset_class) and not self._is_halted():
            quote = await self._prices.now(may_ask=is_covered or self._refusals.is_any)
            if is_covered and quote is not None and self._trail_pace.is_due:
                plan = self._trail(plan, working)
            why = self._triggers.due(plan, quote, working)
            if why is not None:
                await self._leave(plan, why)
                return
        self._leaving = None
        self._exit_pace.reset()
        await self._protect(plan, quantity, working)

    def _is_halted(self) -> bool:
        """Tell a halt: nothing would fill, and a stop taken back could not come into it again."""
        return self._seams.is_halted(self.symbol)

    def _quantity(self) -> Decimal:
        """Return what can be closed: a rest below the venue's minimum is dust and stays."""
        quote = self._seams.quote(self.symbol)
        price = Decimal(0) if quote is None else to_decimal(max(quote.bid, 0.0))
        return sellable(self._seams.held(self.symbol), self._instrument, price=price)

    def _follow_split(self, plan: Plan) -> Plan:
        """Bring the levels to the new price when the venue has split the position."""
        before, after = self._basis, self._seams.position(self.symbol)
        self._basis = after
        if before is None or after is None or before.quantity == after.quantity:
            return plan
        scaled = rescaled(plan, before, after, self._instrument)
        if scaled is None:
            return plan
        self._book.rescale(scaled)
        self._seams.alert(
            "POSITION_SPLIT",
            f"{self.symbol} went from {before.quantity} to {after.quantity} at the same cost: "
            f"its stop is now {scaled.stop}.",
            self.symbol,
        )
        return scaled

    def _trail(self, plan: Plan, working: list[Order]) -> Plan:
        """Move the stop up behind the price; what rests at the venue follows."""
        quote = self._seams.quote(self.symbol)
        if quote is None or loosest_stop(working, plan.side) != plan.stop:
            return plan
        moved = trailed(plan, quote, self._instrument, step=self._config.trail_step)
        if moved != plan:
            self._trail_pace.hold()
            moved = self._book.update(moved)
        return moved

    async def _settle_entry(self, working: list[Order]) -> bool:
        """Cancel the rest of a partly filled entry; true while an entry still works.

        A resting remainder would make the venue refuse the stop (wash rule, ALPACA 3.4); so would
        an entry whose executions we have not heard of but whose position we hold.
        """
        entries = [order for order in working if order.request.leg is Leg.ENTRY]
        has_filled = self._quantity() > 0
        for entry in entries:
            is_partial = (
                entry.filled_quantity > 0 or has_filled
            ) and entry.state is not OrderState.PENDING_CANCEL
            left_s = self._config.partial_grace_s - self._bare.for_s
            if is_partial and left_s <= 0:
                await self._seams.gateway.cancel(entry, "protect the filled part")
            elif is_partial:
                await self._seams.clock.sleep(left_s)
                self._woken.set()
        return bool(entries)

    async def _clean_up(self, working: list[Order]) -> None:
        """Take back what would sell a position that is gone; forget its plan.

        A rest that only its price has made too small keeps the stop it has.
        """
        has_entry = any(order.request.leg is Leg.ENTRY for order in working)
        lots = sellable(self._seams.held(self.symbol), self._instrument, price=Decimal(0))
        if lots > 0 or has_entry:
            return
        exits = [order for order in working if order.request.purpose is Purpose.PROTECT]
        for order in roots(exits):
            if order.state is not OrderState.PENDING_CANCEL:
                await self._seams.gateway.cancel(order, "the position is closed")
        if not working:
            self._triggers.reset()
            self._refusals.taken()
            self._exit_pace.reset()
            self._basis = self._leaving = None
            self._book.drop(self.symbol)
            self._seams.set_band(self.symbol, BAND_OWNER, 0.0, float("inf"))

    async def _protect(self, plan: Plan, quantity: Decimal, working: list[Order]) -> None:
        stops = roots([order for order in working if order.request.purpose is Purpose.PROTECT])
        resting = loosest_stop(working, plan.side)
        if covered(working) == quantity and resting is not None:
            plan = self._book.update(tightened(plan, resting))
            if resting == plan.stop:
                self._arm(plan, working)
                return
        if any(order.state not in ACKNOWLEDGED for order in stops):
            return
        for order in stops:
            if order.state is not OrderState.PENDING_CANCEL:
                self._bare.expected = Cause.REPLACED
                await self._seams.gateway.cancel(order, "size or level of the stop changed")
        if not stops and self._stop_left_s() <= 0:
            await self._place_stop(plan)

    def _stop_left_s(self) -> float:
        """Return how long a refused stop waits for its next try; nothing without a refusal."""
        return self._refusals.left_s(self._facts()) if self._refusals.is_any else 0.0

    def _facts(self) -> Hashable:
        """Return what the venue's answer to a stop hangs on, as far as we can see it."""
        quote = self._seams.quote(self.symbol)
        working = [(each.client_order_id, each.state) for each in self._seams.working(self.symbol)]
        price = None if quote is None else (quote.bid, quote.ask, quote.ts_recv)
        return price, self._seams.held(self.symbol), frozenset(working)

    async def _place_stop(self, plan: Plan) -> None:
        if self._needs_refresh:
            await self._briefly(self._seams.refresh())
            self._needs_refresh = False
        quantity = self._quantity()
        if quantity <= 0:
            return
        request = stop_request(
            msgspec.structs.replace(plan, target=None) if self._refusals.is_alone else plan,
            quantity,
            self._instrument,
            client_order_id=self._book.next_id(plan.origin, Leg.STOP),
            now_ns=self._seams.clock.now_ns(),
        )
        result = await self._seams.gateway.submit(request)
        if isinstance(result, Denied):
            text = f"the stop of {self.symbol} was denied: {result.value}"
            self._seams.alert(result.code, text, self.symbol)
            self._refusals.refused(self._facts())
        elif result.state is OrderState.REJECTED:
            await self._refused(result.reason)
        else:
            self._refusals.taken()
            self._woken.set()

    async def _refused(self, reason: str) -> None:
        """Find out what stands in the way, and ask again later each time, or with the next price.

        A loop of refusals would spend the budget that exits need.
        """
        self._refusals.refused(self._facts(), reason)
        self._needs_refresh = True
        if (quote := self._seams.quote(self.symbol)) is not None:
            self._seams.set_band(self.symbol, BAND_OWNER, quote.mid, quote.mid)
        if any(text in reason for text in _BLOCKED):
            await self._briefly(self._seams.look())
        self._seams.alert("STOP_REJECTED", reason, self.symbol)

    def _arm(self, plan: Plan, working: list[Order]) -> None:
        """Ask to be woken when the price reaches what the engine itself must act on."""
        quote, ahead = self._seams.quote(self.symbol), []
        if plan.target is not None and not has_target(working, plan.target, plan.side):
            ahead.append(float(plan.target))
        next_trail = trails_at(plan, step=self._config.trail_step)
        if next_trail is not None and quote is not None and self._trail_pace.is_due:
            ahead.append(float(next_trail) + plan.side.sign * (quote.ask - quote.bid) / 2)
        if plan.side is Side.BUY:
            low, high = float(plan.stop), min(ahead, default=float("inf"))
        else:
            low, high = max(ahead, default=0.0), float(plan.stop)
        self._seams.set_band(self.symbol, BAND_OWNER, low, high)

    async def _leave(self, plan: Plan, why: Why) -> None:
        """Sell marketably inside the collar: free the quantity first, protect the rest after."""
        if not self._exit_pace.is_due:
            return
        side = plan.side.opposite
        touch = await self._prices.touch(side)
        self._exit_pace.back_off()
        if touch is None:
            self._seams.alert("NO_PRICE", f"{self.symbol}: no price to sell at.", self.symbol)
            return
        if why is not self._leaving:
            self._leaving = why
            self._exit_pace.reset()
            text = f"{self.symbol} is closed: {why.text} (origin {plan.origin})."
            self._seams.alert(why.value, text, self.symbol)
        urgency = Urgency(
            origin=plan.origin,
            leg=why.leg,
            side=side,
            client_order_id=self._book.next_id(plan.origin, why.leg),
            now_ns=self._seams.clock.now_ns(),
            collar=self._config.exit_collar,
        )
        await self._close(urgent_request(urgency, self._quantity(), self._instrument, touch=touch))

    async def _close(self, request: OrderRequest) -> Order | Denied:
        self._bare.expected = Cause.EXIT
        await self._free()
        if self._instrument.asset_class is AssetClass.CRYPTO:
            await self._briefly(self._seams.refresh())
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
        """Cancel an exit that found no buyer in time: the next look prices it anew.

        The agents' closes too: while one works no stop rests, however long it may stay valid.
        """
        exits = [order for order in working if order.request.leg in _EXIT_LEGS or is_urgent(order)]
        for order in self._patience.overdue(exits):
            await self._seams.gateway.cancel(order, "the exit was not filled in time")

    async def _briefly(self, question: Awaitable[object]) -> None:
        """Ask what an order could do without: it waits no longer than `patience_s`."""
        await self._prices.briefly(question)
