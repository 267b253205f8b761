"""Read orders, their events, fills and origins."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from domain.orders import Fill, Leg, Order, OrderState, Side
from domain.records import Record
from journal import schema
from journal.reads.queries import Page, Queries, record

_ORDERS = schema.orders
_FILLS = schema.fills
_EVENTS = schema.order_events
_ORIGINS = schema.origins


class OrderRow(Record, frozen=True):
    """An order with its place in the journal; `ts` is when it was written ahead."""

    seq: int
    ts: int
    order: Order


class OrderEventRow(Record, frozen=True):
    """What happened to an order, and its state afterwards."""

    seq: int
    ts: int
    client_order_id: str
    kind: str
    state: OrderState
    ts_event: str
    venue_order_id: str | None
    execution_id: str | None
    fill_quantity: str | None
    fill_price: str | None
    reason: str


class FillRow(Record, frozen=True):
    """A fill with its place in the journal."""

    seq: int
    ts: int
    fill: Fill


class OriginRow(Record, frozen=True):
    """What an order other than a decision's is named after."""

    id: str
    seq: int
    ts: int
    kind: str
    symbol: str
    reason: str
    parent: str | None


class OrderReads:
    """Answer for orders; `open` is what a restart must look up before it trades."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def open(self) -> list[Order]:
        """Return every order whose state is not terminal, oldest first."""
        return await self._orders(_ORDERS.c.is_open.is_(True))

    async def find(self, client_order_id: str) -> Order | None:
        """Return an order by our own id."""
        orders = await self._orders(_ORDERS.c.client_order_id == client_order_id)
        return orders[0] if orders else None

    async def of_origin(self, origin: str) -> list[Order]:
        """Return the orders of a decision or another origin, oldest first."""
        return await self._orders(_ORDERS.c.origin == origin)

    async def last_entry(self, symbol: str) -> Order | None:
        """Return the newest entry that filled: what the position in a symbol came from."""
        query = (
            sa.select(_ORDERS.c.body)
            .where(_ORDERS.c.symbol == symbol, _ORDERS.c.leg == Leg.ENTRY.value)
            .where(_ORDERS.c.has_filled.is_(True))
            .order_by(_ORDERS.c.seq.desc())
        )
        body = await self._queries.scalar(query)
        return None if body is None else msgspec.json.decode(body, type=Order)

    async def attempts(self, origin: str) -> dict[Leg, int]:
        """Return the highest attempt that each leg of an origin has used."""
        attempts: dict[Leg, int] = {}
        prefix = f"ah-{origin}-"
        for order in await self.of_origin(origin):
            name = order.request.client_order_id
            number = name.rpartition("-")[2]
            if name.startswith(prefix) and number.isdigit():
                leg = order.request.leg
                attempts[leg] = max(int(number), attempts.get(leg, 0))
        return attempts

    async def page(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        symbol: str | None = None,
        state: OrderState | None = None,
        is_open: bool | None = None,
    ) -> Page[OrderRow]:
        """Return orders, newest first; with `is_open` only those that may still fill, or not."""
        query = sa.select(_ORDERS.c.seq, _ORDERS.c.ts, _ORDERS.c.body)
        if symbol is not None:
            query = query.where(_ORDERS.c.symbol == symbol)
        if state is not None:
            query = query.where(_ORDERS.c.state == state.value)
        if is_open is not None:
            query = query.where(_ORDERS.c.is_open.is_(is_open))
        rows, cursor = await self._queries.page(query, _ORDERS.c.seq, limit=limit, after=after)
        items = (
            OrderRow(seq=row.seq, ts=row.ts, order=msgspec.json.decode(row.body, type=Order))
            for row in rows
        )
        return Page(items=tuple(items), next=cursor)

    async def events(self, *client_order_ids: str) -> list[OrderEventRow]:
        """Return what happened to some orders, oldest first."""
        query = (
            sa.select(_EVENTS)
            .where(_EVENTS.c.client_order_id.in_(client_order_ids))
            .order_by(_EVENTS.c.seq)
        )
        return [record(row, OrderEventRow) for row in await self._queries.all(query)]

    async def fills_page(
        self, *, limit: int = 50, after: str | None = None, symbol: str | None = None
    ) -> Page[FillRow]:
        """Return fills, newest first, busted ones left out."""
        query = sa.select(_FILLS).where(_FILLS.c.is_busted.is_(False))
        if symbol is not None:
            query = query.where(_FILLS.c.symbol == symbol)
        rows, cursor = await self._queries.page(query, _FILLS.c.seq, limit=limit, after=after)
        return Page(items=tuple(fill_row(row) for row in rows), next=cursor)

    async def fills(
        self,
        *,
        since_ns: int = 0,
        symbol: str | None = None,
        client_order_ids: tuple[str, ...] | None = None,
        limit: int | None = None,
    ) -> list[FillRow]:
        """Return fills journaled since a time, oldest first, busted ones left out."""
        query = sa.select(_FILLS).where(_FILLS.c.ts >= since_ns, _FILLS.c.is_busted.is_(False))
        if symbol is not None:
            query = query.where(_FILLS.c.symbol == symbol)
        if client_order_ids is not None:
            query = query.where(_FILLS.c.client_order_id.in_(client_order_ids))
        query = query.order_by(_FILLS.c.seq).limit(limit)
        return [fill_row(row) for row in await self._queries.all(query)]

    async def origin(self, origin: str) -> OriginRow | None:
        """Return one origin."""
        rows = await self._origins(_ORIGINS.c.id == origin)
        return rows[0] if rows else None

    async def origins(self, symbol: str, *, limit: int = 100) -> list[OriginRow]:
        """Return the origins of a symbol, newest first."""
        return (await self._origins(_ORIGINS.c.symbol == symbol))[:limit]

    async def _orders(self, condition: sa.ColumnElement[bool]) -> list[Order]:
        query = sa.select(_ORDERS.c.body).where(condition).order_by(_ORDERS.c.seq)
        rows = await self._queries.all(query)
        return [msgspec.json.decode(row.body, type=Order) for row in rows]

    async def _origins(self, condition: sa.ColumnElement[bool]) -> list[OriginRow]:
        query = sa.select(_ORIGINS).where(condition).order_by(_ORIGINS.c.seq.desc())
        return [record(row, OriginRow) for row in await self._queries.all(query)]


def fill_row(row: sa.Row[Any]) -> FillRow:
    """Build a fill from its row."""
    position = row.position_quantity
    fill = Fill(
        client_order_id=row.client_order_id,
        execution_id=row.execution_id,
        symbol=row.symbol,
        side=Side(row.side),
        leg=Leg(row.leg),
        quantity=Decimal(row.quantity),
        price=Decimal(row.price),
        fee=Decimal(row.fee),
        ts_event=row.ts_event,
        position_quantity=None if position is None else Decimal(position),
    )
    return FillRow(seq=row.seq, ts=row.ts, fill=fill)


def signed(fill: Fill) -> Decimal:
    """Return by how much a fill moved the position, with the sign of its side, net of coin fees."""
    return fill.change
