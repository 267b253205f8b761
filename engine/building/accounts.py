"""Make the engine's memory: what is owned, what the venue agrees to, what a decision sees."""

from __future__ import annotations

from domain.limits import TradingState
from engine.building.lowering import Lowering, LoweringSeams
from engine.building.parts import EngineParts
from engine.deciding.windows import WindowConfig, Windows
from engine.orders.looks import ReconcilerSeams
from engine.orders.ownership import Ownership, OwnershipConfig
from engine.orders.reconcile import Reconciler


def make_accounts(parts: EngineParts) -> None:
    """Make who owns what, who agrees with the venue, and what lowers trading."""
    plan, outside = parts.plan, parts.outside
    parts.ownership = Ownership(
        OwnershipConfig(symbols=frozenset(plan.symbols), adopt_positions=plan.adopt_positions),
        ledger=parts.ledger,
        clock=outside.clock,
        owned=outside.remembered.owned,
        reducing=outside.remembered.reducing,
    )
    parts.reconciler = Reconciler(
        ReconcilerSeams(
            broker=outside.broker,
            book=parts.book,
            journal=outside.journal,
            ownership=parts.ownership,
            clock=outside.clock,
            recall=outside.journal.reader.orders.find,
            adopted=parts.adopted,
            alert=parts.alert,
            halt=lambda code, line: parts.lowering.alarm.lower(TradingState.HALTED, code, line),
            mark=outside.remembered.mark,
            since=outside.remembered.since,
            at=outside.at,
        ),
        plan.looks,
    )
    parts.lowering = Lowering(
        plan,
        outside,
        LoweringSeams(
            gate=parts.gate,
            ledger=parts.ledger,
            cancel_entries=lambda reason: parts.gateway.cancel_entries(reason),  # noqa: PLW0108
            tell=parts.tripped,
        ),
    )
    parts.standing.ownership = parts.ownership
    parts.standing.reconciler = parts.reconciler
    parts.standing.equity = parts.lowering.equity


def make_windows(parts: EngineParts) -> None:
    """Make what a decision sees."""
    plan, outside = parts.plan, parts.outside
    parts.windows = Windows(
        WindowConfig(
            account=outside.account_id,
            strategy=plan.strategy,
            symbols=plan.symbols,
            interval_s=plan.interval_s,
            feed=plan.feed,
            limits=plan.limits,
            floors=plan.floors,
            prompts=outside.desk.prompts,
        ),
        view=outside.store.view,
        glance=outside.store.glance,
        ledger=parts.ledger,
        instrument=parts.instrument,
        plan=lambda symbol: parts.exits.plan(symbol),  # noqa: PLW0108 - made later
        standing=parts.standing,
        calendar=outside.calendar,
        clock=outside.clock,
    )
