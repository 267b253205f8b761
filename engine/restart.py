"""Take up what the journal remembers: open orders, plans, trading state, equity marks.

There is one way up, after a crash and after a stop alike: read the journal, then ask the venue.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from domain.orders import Fill, Leg, Order
from domain.ports import EntryKind
from domain.pricing import to_decimal
from domain.records import NS_PER_S, Record, parse, parse_ns
from engine.orders.accounts import Mark
from engine.orders.protection.plans import Opening
from engine.trading import EMPTY, Standing
from engine.watching.equity import EquityMarks
from journal.reads.decisions import DecisionReads
from journal.reads.orders import OrderReads
from journal.reads.states import StateReads

SUSPEND = "suspend_protection"
RESTORE = "restore_protection"
"""Operator actions: a person took every stop down on purpose, and let them come back."""

_JOURNAL_LAG_NS = 3_600 * NS_PER_S


class Held(Record, frozen=True):
    """A position as the journal explains it: how it opened, its orders, attempts used by leg."""

    opening: Opening
    orders: tuple[Order, ...]
    attempts: dict[Leg, int]


class Remembered(Record, frozen=True):
    """What the journal knew. `owned` are symbols whose fills do not add up to zero.

    `mark` is what the venue and the journal last agreed upon, `since` our fills from then on.
    `is_suspended` tells that a person took protection down, and nobody has resumed since.
    """

    orders: tuple[Order, ...]
    held: tuple[Held, ...]
    owned: frozenset[str]
    reducing: frozenset[str]
    standing: Standing
    marks: EquityMarks | None
    mark: Mark | None = None
    since: tuple[Fill, ...] = ()
    is_suspended: bool = False


async def remember(
    orders: OrderReads, states: StateReads, decisions: DecisionReads, symbols: Iterable[str]
) -> Remembered:
    """Read all that a start needs; raises `JournalError`."""
    held: dict[str, Held] = {}
    related: dict[str, Order] = {}
    for symbol in symbols:
        entry = await _held_by(orders, symbol)
        if entry is None:
            continue
        origin = entry.request.decision_id
        relatives = tuple(await orders.of_origin(origin))
        related |= {order.client_order_id: order for order in relatives}
        held[symbol] = Held(
            opening=await _opening(orders, decisions, entry),
            orders=relatives,
            attempts=await orders.attempts(origin),
        )
    for order in await orders.open():
        related[order.client_order_id] = order
    mark = await _mark(states)
    return Remembered(
        orders=tuple(related.values()),
        held=tuple(held.values()),
        owned=frozenset(held),
        reducing=await _reducing(states),
        standing=await _standing(states),
        marks=await _marks(states),
        mark=mark,
        since=() if mark is None else await _since(orders, mark),
        is_suspended=await _is_suspended(states),
    )


async def _held_by(orders: OrderReads, symbol: str) -> Order | None:
    """Return the entry a position in the symbol came from; none when its fills add up to zero."""
    rows = await orders.fills(symbol=symbol)
    total = sum((row.fill.change for row in rows), Decimal(0))
    return await orders.last_entry(symbol) if total != 0 else None


async def _opening(orders: OrderReads, decisions: DecisionReads, entry: Order) -> Opening:
    """Return how a position opened: its first execution, and the range its decision saw."""
    rows = await orders.fills(client_order_ids=(entry.client_order_id,), limit=1)
    decision = await decisions.get(entry.request.decision_id)
    window = None if decision is None else await decisions.window(decision.window_digest)
    atr = None if window is None else window.get("indicators", {}).get("atr_14")
    return Opening(
        entry=entry.request,
        price=rows[0].fill.price if rows else entry.request.reference_price,
        opened_at=rows[0].fill.ts_event if rows else entry.ts_updated or entry.request.valid_until,
        atr=None if atr is None else to_decimal(atr),
    )


async def _reducing(states: StateReads) -> frozenset[str]:
    """Return the symbols somebody else had traded, as the last reconciliation said."""
    entry = await states.reconciliation()
    return frozenset(() if entry is None else entry.body.get("reducing", ()))


async def _standing(states: StateReads) -> Standing:
    entry = await states.last(EntryKind.TRADING_STATE)
    return EMPTY if entry is None else parse(entry.body, Standing)


async def _marks(states: StateReads) -> EquityMarks | None:
    entry = await states.last(EntryKind.EQUITY)
    return None if entry is None else parse(entry.body, EquityMarks)


async def _mark(states: StateReads) -> Mark | None:
    """Return what the last reconciliation carried; none in a journal of before there were any."""
    entry = await states.reconciliation()
    body = None if entry is None else entry.body.get("mark")
    return None if body is None else parse(body, Mark)


async def _since(orders: OrderReads, mark: Mark) -> tuple[Fill, ...]:
    """Return our fills since a mark; what was journaled long before it cannot be of after it."""
    since_ns = parse_ns(mark.ts) - _JOURNAL_LAG_NS
    rows = await orders.fills(since_ns=since_ns)
    return tuple(row.fill for row in rows if row.fill.ts_event > mark.ts)


async def _is_suspended(states: StateReads) -> bool:
    """Tell whether the last word on protection was to take it down."""
    after = None
    while True:
        page = await states.operator_actions(limit=500, after=after)
        for row in page.items:
            if row.action in {SUSPEND, RESTORE}:
                return row.action == SUSPEND
        if page.next is None:
            return False
        after = page.next
