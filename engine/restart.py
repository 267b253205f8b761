"""Take up what the journal remembers: open orders, plans, trading state, equity marks.

There is one way up, after a crash and after a stop alike: read the journal, then ask the venue.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from domain.orders import Leg, Order
from domain.ports import EntryKind
from domain.records import Record, parse
from engine.orders.protection.plans import Plan, plan_of
from engine.trading import EMPTY, Standing
from engine.watching.equity import EquityMarks
from journal.reads.orders import OrderReads
from journal.reads.states import StateReads


class Remembered(Record, frozen=True):
    """What the journal knew. `owned` are symbols whose fills do not add up to zero."""

    orders: tuple[Order, ...]
    plans: tuple[tuple[Plan, dict[Leg, int]], ...]
    owned: frozenset[str]
    reducing: frozenset[str]
    standing: Standing
    marks: EquityMarks | None


async def remember(orders: OrderReads, states: StateReads, symbols: Iterable[str]) -> Remembered:
    """Read all that a start needs; raises `JournalError`."""
    held: dict[str, Order] = {}
    related: dict[str, Order] = {}
    plans: list[tuple[Plan, dict[Leg, int]]] = []
    for symbol in symbols:
        entry = await _held_by(orders, symbol)
        if entry is None:
            continue
        held[symbol] = entry
        origin = entry.request.decision_id
        for order in await orders.of_origin(origin):
            related[order.client_order_id] = order
        plan = plan_of(entry.request, opened_at=entry.ts_updated or entry.request.valid_until)
        if plan is not None:
            plans.append((plan, await orders.attempts(origin)))
    for order in await orders.open():
        related[order.client_order_id] = order
    return Remembered(
        orders=tuple(related.values()),
        plans=tuple(plans),
        owned=frozenset(held),
        reducing=await _reducing(states),
        standing=await _standing(states),
        marks=await _marks(states),
    )


async def _held_by(orders: OrderReads, symbol: str) -> Order | None:
    """Return the entry a position in the symbol came from; none when its fills add up to zero."""
    rows = await orders.fills(symbol=symbol)
    total = sum((row.fill.change for row in rows), Decimal(0))
    return await orders.last_entry(symbol) if total != 0 else None


async def _reducing(states: StateReads) -> frozenset[str]:
    """Return the symbols somebody else had traded, as the last reconciliation said."""
    entry = await states.reconciliation()
    return frozenset(() if entry is None else entry.body.get("reducing", ()))


async def _standing(states: StateReads) -> Standing:
    entry = await states.last(EntryKind.TRADING_STATE)
    return EMPTY if entry is None else parse(entry.body, Standing)


async def _marks(states: StateReads) -> EquityMarks | None:
    row = await states.equity()
    if row is None:
        return None
    return EquityMarks(day=row.day, day_start=row.day_start, peak=row.peak)
