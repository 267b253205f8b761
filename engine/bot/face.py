"""Answer for the whole bot: what a person may ask of it, and how it stands.

The parts do the work; this is their face (`engine.control.Controls`). Each control is journaled
with its actor before it acts, but for those that only make things safer: these act at once,
whatever the disk does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from domain.errors import JournalError
from domain.limits import TradingState
from domain.market import AssetClass, Instrument, asset_class_of
from domain.orders import Order
from domain.ports import Entry, EntryKind
from engine.approving.approvals import APPROVAL_PENDING
from engine.bot.gauges import Gauges
from engine.bot.parts import Parts
from engine.bot.views import Views
from engine.control import (
    AccountView,
    Approving,
    ControlRefused,
    PositionView,
    SessionState,
    Status,
    TicketView,
)
from engine.figures import BarsView, LimitUse, Vitals
from engine.orders.looks import Reconciliation
from engine.restart import RESTORE, SUSPEND
from engine.trading import OPERATOR, STARTABLE, STOPPED

MANUAL_TRADE = "MANUAL_TRADE"
"""The code that resumes symbols in which somebody else traded."""


class Bot:
    """The face of the engine; implements `engine.control.Controls`."""

    def __init__(self, parts: Parts, gauges: Gauges) -> None:
        self._parts = parts
        self._views = Views(parts)
        self._gauges = gauges

    async def start(self, *, actor: str, reason: str = "") -> Status:
        """Run the session; raises `ControlRefused` when a person must resume first."""
        parts, standing = self._parts, self._parts.gate.standing
        if standing.state is not TradingState.ACTIVE and standing.code not in STARTABLE:
            raise ControlRefused(
                f"Trading is {standing.state} for {standing.code}: {standing.reason}",
                remedy=f'POST /resume with {{"code": "{standing.code}"}} when it is resolved.',
                code="RESUME_NEEDED",
            )
        await self._note("start", actor, reason)
        await parts.session.start(actor=actor, reason=reason)
        if standing.state is not TradingState.ACTIVE:
            await parts.gate.raise_to_active(code=standing.code, actor=actor, reason=reason)
        await self._restore_protection(actor)
        return self.status()

    async def stop(self, *, actor: str, reason: str = "") -> Status:
        """End the session and cancel working entries; what protects positions stays."""
        parts = self._parts
        if parts.session.state is SessionState.STOPPED:
            return self.status()
        parts.gate.lower(TradingState.HALTED, code=STOPPED, reason=reason or "stop", actor=actor)
        await parts.session.stop(actor=actor, reason=reason)
        await self._note("stop", actor, reason)
        return self.status()

    async def halt(self, *, actor: str, reason: str = "") -> Status:
        """Forbid entries at once and cancel working ones."""
        parts = self._parts
        parts.gate.lower(TradingState.HALTED, code=OPERATOR, reason=reason or "halt", actor=actor)
        await parts.sweeper.entries("halt")
        await self._note("halt", actor, reason)
        return self.status()

    async def reduce(self, *, actor: str, reason: str = "") -> Status:
        """Forbid entries at once and cancel working ones; what is held may still be closed."""
        parts = self._parts
        if parts.gate.state is TradingState.HALTED:
            raise ControlRefused(
                "Trading is halted, which forbids more than reducing does.",
                remedy="POST /resume with the code that GET /status shows, then POST /reduce.",
                code="HALTED_ALREADY",
            )
        parts.gate.lower(
            TradingState.REDUCING, code=OPERATOR, reason=reason or "reduce", actor=actor
        )
        await parts.sweeper.entries("reduce")
        await self._note("reduce", actor, reason)
        return self.status()

    async def resume(self, *, actor: str, code: str, reason: str = "") -> Status:
        """Raise trading to active for the person who names what lowered it."""
        await self._note("resume", actor, reason, {"code": code})
        if code == MANUAL_TRADE:
            for symbol in self._parts.ownership.reducing:
                self._parts.ownership.resume(symbol)
            return self.status()
        await self._parts.gate.raise_to_active(code=code, actor=actor, reason=reason)
        self._parts.flatten.cease()
        await self._restore_protection(actor)
        return self.status()

    async def flatten(
        self, *, actor: str, reason: str = "", account_wide: bool = False
    ) -> Sequence[PositionView]:
        """Halt, cancel, close our positions; returns what is left, which goes on being closed."""
        parts = self._parts
        parts.gate.lower(TradingState.HALTED, code=OPERATOR, reason="flatten", actor=actor)
        await asyncio.gather(
            self._note("flatten", actor, reason, {"account_wide": account_wide}),
            parts.flatten.all(actor=actor, account_wide=account_wide),
        )
        await self._reject_waiting(actor)
        left = self.positions()
        return left if account_wide else [position for position in left if position.is_ours]

    async def cancel_all(
        self, *, actor: str, reason: str = "", protective: bool = False
    ) -> Sequence[Order]:
        """Cancel working entries; with `protective` all of ours, which halts."""
        parts = self._parts
        if protective:
            parts.gate.lower(
                TradingState.HALTED, code=OPERATOR, reason="cancel-all protective", actor=actor
            )
            parts.exits.is_suspended = True
            sweep, _ = await asyncio.gather(
                parts.sweeper.everything("cancel-all"), self._note(SUSPEND, actor, reason)
            )
        else:
            sweep = await parts.sweeper.entries("cancel-all")
        await self._note("cancel_all", actor, reason, {"protective": protective})
        known = (parts.find_order(each.client_order_id) for each in sweep.orders)
        return [order for order in known if order is not None]

    async def heed(self) -> None:
        """Do what a person asked for beside us (`autohedge halt`) while we did not answer."""
        order = self._parts.gate.heed()
        if order is None:
            return
        if order.flatten:
            await self.flatten(
                actor=order.actor, reason=order.reason, account_wide=order.account_wide
            )
        elif order.protective:
            await self.cancel_all(actor=order.actor, reason=order.reason, protective=True)
        else:
            await self.halt(actor=order.actor, reason=order.reason)
        self._parts.notices.add("HALTED_FROM_OUTSIDE", f"{order.actor} halted us: {order.reason}")
        if self._parts.mark is not None and self._parts.is_journal_up():
            self._parts.mark.clear(order)

    async def reconcile(self, *, actor: str, repair: bool = False) -> Reconciliation:
        """Look until what differs is no lag of the venue's; accept its word when told to."""
        reconciler = self._parts.reconciler
        return await (reconciler.repair(actor) if repair else reconciler.examine())

    async def decide(self, symbol: str, *, actor: str) -> TicketView:
        """Queue a run for a person."""
        if self._parts.approvals.is_waiting(symbol) and not self._parts.ledger.quantity(symbol):
            raise ControlRefused(
                f"An order of {symbol} waits for approval.",
                remedy="POST /approvals/{decision_id}/approve or reject; GET /approvals lists it.",
                code=APPROVAL_PENDING,
            )
        ticket = self._parts.dispatcher.request(symbol, actor=actor)
        await self._note("decide", actor, "", {"symbol": symbol})
        return TicketView(
            id=ticket.id,
            symbol=ticket.symbol,
            reason=ticket.reason.value,
            priority=ticket.priority.word,
            ts=ticket.ts,
        )

    def approvals(self) -> Approving:
        """Return what waits for a person, to be shown and closed."""
        return self._parts.approvals

    def status(self) -> Status:
        """Return the whole at a glance."""
        return self._views.status()

    def account(self) -> AccountView | None:
        """Return the account with its age and what today brought."""
        return self._views.account()

    def positions(self) -> Sequence[PositionView]:
        """Return open positions, each with who protects it."""
        return self._views.positions()

    def bars(self, symbol: str, *, limit: int) -> BarsView:
        """Return a symbol's last closed bars with its indicators."""
        return self._gauges.bars(symbol, limit=limit)

    def limits(self) -> Sequence[LimitUse]:
        """Return how much of each limit that fills up is used."""
        return self._gauges.limits()

    def vitals(self) -> Vitals:
        """Return how each part does."""
        return self._gauges.vitals()

    def working_orders(self) -> Sequence[Order]:
        """Return our orders that may still fill."""
        return list(self._parts.ledger.working_orders)

    async def assets(self, asset_class: AssetClass | None = None) -> Sequence[Instrument]:
        """Return what the venue trades, of the classes this bot trades when none is named."""
        broker, symbols = self._parts.broker, self._parts.config.symbols
        classes = {asset_class} if asset_class else {asset_class_of(symbol) for symbol in symbols}
        lists = [await broker.instruments(each) for each in sorted(classes)]
        return [instrument for found in lists for instrument in found]

    def reader(self) -> Any:
        """Return the journal's reader."""
        return self._parts.reader

    async def _reject_waiting(self, actor: str) -> None:
        """Refuse what waits: whoever wants to be flat wants no entry that was proposed before."""
        try:
            await self._parts.approvals.reject_all(actor=actor, reason="flatten")
        except JournalError as error:
            self._parts.notices.add(error.code, error.line)

    async def _restore_protection(self, actor: str) -> None:
        """Let stops come back that a person had taken down; it is on disk first, as the other was.

        Trading that a person raises must find every position protected, also after a restart.
        """
        if self._parts.exits.is_suspended:
            await self._note(RESTORE, actor, "trading was raised")
            self._parts.exits.is_suspended = False
            self._parts.exits.wake_all()

    async def _note(
        self, action: str, actor: str, reason: str, args: dict[str, Any] | None = None
    ) -> None:
        """Journal what a person did; what makes things safer has happened already by then."""
        body = {"action": action, "actor": actor, "reason": reason, "args": args or {}}
        entry = Entry(kind=EntryKind.OPERATOR_ACTION, ref=action, body=body)
        try:
            await self._parts.journal.append(entry)
        except JournalError as error:
            if action in {"start", "resume", RESTORE, "decide"}:
                raise
            self._parts.notices.add(error.code, error.line)
