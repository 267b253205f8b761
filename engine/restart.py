"""Take up what the journal remembers: open orders, plans, trading state, equity marks.

There is one way up, after a crash and after a stop alike: read the journal, then ask the venue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from domain.limits import TradingState
from domain.orders import Fill, Leg, Order
from domain.records import Record
from engine.equity import EquityMarks
from engine.orders.plans import Plan, plan_of
from engine.trading import EMPTY, Standing


class _FillRow(Protocol):
    @property
    def fill(self) -> Fill: ...


class OrderMemory(Protocol):
    """What a restart reads of orders; `journal.reads.orders.OrderReads` is one."""

    async def open(self) -> list[Order]:
        """Return every order that is not terminal."""
        ...

    async def last_entry(self, symbol: str) -> Order | None:
        """Return the newest entry that filled."""
        ...

    async def attempts(self, origin: str) -> dict[Leg, int]:
        """Return the highest attempt each leg has used."""
        ...

    async def of_origin(self, origin: str) -> list[Order]:
        """Return the orders of an origin."""
        ...

    async def fills(self, *, symbol: str) -> Sequence[_FillRow]:
        """Return the fills of a symbol."""
        ...


class _TradingRow(Protocol):
    state: str
    code: str
    reason: str
    actor: str


class _EquityRow(Protocol):
    day: str
    day_start: Decimal
    peak: Decimal


class StateMemory(Protocol):
    """What a restart reads of states; `journal.reads.states.StateReads` is one."""

    async def trading(self) -> _TradingRow | None:
        """Return the last trading state."""
        ...

    async def equity(self) -> _EquityRow | None:
        """Return the last equity with its marks."""
        ...


class Remembered(Record, frozen=True):
    """What the journal knew. `owned` are symbols whose fills do not add up to zero."""

    orders: tuple[Order, ...]
    plans: tuple[tuple[Plan, dict[Leg, int]], ...]
    owned: frozenset[str]
    standing: Standing
    marks: EquityMarks | None


async def remember(orders: OrderMemory, states: StateMemory, symbols: Iterable[str]) -> Remembered:
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
        standing=await _standing(states),
        marks=await _marks(states),
    )


async def _held_by(orders: OrderMemory, symbol: str) -> Order | None:
    """Return the entry a position in the symbol came from; none when its fills add up to zero."""
    rows = await orders.fills(symbol=symbol)
    total = sum((row.fill.quantity * row.fill.side.sign for row in rows), Decimal(0))
    return await orders.last_entry(symbol) if total != 0 else None


async def _standing(states: StateMemory) -> Standing:
    row = await states.trading()
    if row is None:
        return EMPTY
    return Standing(
        state=TradingState(row.state), code=row.code, reason=row.reason, actor=row.actor
    )


async def _marks(states: StateMemory) -> EquityMarks | None:
    row = await states.equity()
    if row is None:
        return None
    return EquityMarks(day=row.day, day_start=row.day_start, peak=row.peak)
