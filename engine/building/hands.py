"""Make the engine's hands: the gateway, what protects positions, what closes them all."""

from __future__ import annotations

import msgspec

from domain.orders import OrderRequest
from domain.risk import Facts
from engine.building.parts import EngineParts
from engine.killswitch.sweep import Sweeper
from engine.orders.delivery.seams import GatewaySeams
from engine.orders.flatten import Flatten, FlattenSeams
from engine.orders.gateway import Gateway
from engine.orders.looks import Trigger
from engine.orders.protection.exits import Exits
from engine.orders.protection.seams import Seams
from engine.watching.quotes import FreshQuotes


def make_hands(parts: EngineParts) -> None:
    """Make them in the order in which each acts through the last, and let them hear of orders."""
    _make_gateway(parts)
    _make_exits(parts)
    _make_flatten(parts)
    parts.book.listen(parts.exits.on_change)
    parts.book.listen(parts.on_change)
    parts.book.listen(parts.lowering.order_changed)
    parts.outside.ears.wake_exits = parts.exits.wake
    parts.outside.ears.notify = parts.notices.add


def _make_gateway(parts: EngineParts) -> None:
    plan, outside = parts.plan, parts.outside
    parts.fresh = FreshQuotes(
        ask=outside.ask_quote,
        glance=outside.store.glance,
        sink=outside.sink,
        limits=plan.limits,
        clock=outside.clock,
    )

    def facts(request: OrderRequest) -> Facts:
        said = parts.fresh.said(request.symbol)
        return msgspec.structs.replace(parts.windows.facts(request), venue_mid=said)

    parts.gateway = Gateway(
        GatewaySeams(
            broker=outside.broker,
            book=parts.book,
            journal=outside.journal,
            facts=facts,
            limits=lambda: plan.limits,
            clock=outside.clock,
            spool=outside.journal.spool,
            counted=parts.windows.note_sent,
            at=parts.reached,
            answered=parts.metrics.order_answered,
        ),
        plan.gateway,
    )
    parts.sweeper = Sweeper(
        parts.gateway,
        working=parts.book.working,
        ended=parts.book.ended,
        measured=parts.metrics.swept,
    )


def _make_exits(parts: EngineParts) -> None:
    plan, outside = parts.plan, parts.outside
    parts.exits = Exits(
        plan.exits,
        Seams(
            gateway=parts.gateway,
            clock=outside.clock,
            calendar=outside.calendar,
            position=parts.ledger.position,
            working=parts.book.working,
            quote=parts.quote,
            is_halted=outside.store.is_halted,
            atr=lambda entry: parts.windows.facts(entry).atr,
            set_band=outside.store.set_band,
            instrument=parts.instrument,
            refresh=parts.reconciler.refresh,
            measured=parts.protected,
            alert=parts.alert,
            is_managed=parts.ownership.is_managed,
            renew=parts.fresh.renew,
            look=lambda: parts.reconciler.reconcile(Trigger.RETRY),
        ),
    )


def _make_flatten(parts: EngineParts) -> None:
    outside = parts.outside
    parts.flatten = Flatten(
        FlattenSeams(
            exits=parts.exits,
            ledger=parts.ledger,
            quote=parts.quote,
            instrument=parts.instrument,
            is_ours=parts.is_ours,
            is_managed=parts.ownership.is_managed,
            cancel_entries=lambda: parts.sweeper.entries("flatten"),
            ended=parts.book.ended,
            refresh=parts.reconciler.refresh,
            start=parts.start_apart,
            calendar=outside.calendar,
            journal=outside.journal,
            clock=outside.clock,
            alert=parts.alert,
        )
    )
