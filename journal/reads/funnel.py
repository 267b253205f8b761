"""Count how far runs came: from an outcome to a denial, an order, a fill."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from domain.orders import Leg, Purpose
from domain.records import Record
from journal import schema
from journal.reads.queries import Queries

_DECISIONS = schema.decisions
_GATES = schema.gates
_ORDERS = schema.orders


class Reached(Record, frozen=True):
    """Runs by outcome, entries denied by code, entries handed to the venue, entries that filled."""

    by_outcome: dict[str, int]
    denied: dict[str, int]
    ordered: int
    filled: int


class FunnelReads:
    """Answer with counts of one span of time."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def reached(self, *, since_ns: int, symbol: str | None = None) -> Reached:
        """Count what was journaled since a time, of one symbol or of all."""
        outcomes = sa.select(_DECISIONS.c.outcome, sa.func.count()).group_by(_DECISIONS.c.outcome)
        denied = (
            sa.select(_GATES.c.code, sa.func.count())
            .where(_GATES.c.authorized.is_(False), _GATES.c.purpose == Purpose.ENTRY.value)
            .group_by(_GATES.c.code)
        )
        if symbol is not None:
            outcomes = outcomes.where(_DECISIONS.c.symbol == symbol)
            of_symbol = sa.select(_DECISIONS.c.id).where(_DECISIONS.c.symbol == symbol)
            denied = denied.where(_GATES.c.decision_id.in_(of_symbol))
        return Reached(
            by_outcome=await self._counts(outcomes.where(_DECISIONS.c.ts >= since_ns)),
            denied=await self._counts(denied.where(_GATES.c.ts >= since_ns)),
            ordered=await self._entries(since_ns, symbol),
            filled=await self._entries(since_ns, symbol, has_filled=True),
        )

    async def _counts(self, query: sa.Select[Any]) -> dict[str, int]:
        return {row[0]: row[1] for row in await self._queries.all(query)}

    async def _entries(self, since_ns: int, symbol: str | None, *, has_filled: bool = False) -> int:
        query = sa.select(sa.func.count()).select_from(_ORDERS)
        query = query.where(_ORDERS.c.ts >= since_ns, _ORDERS.c.leg == Leg.ENTRY.value)
        if symbol is not None:
            query = query.where(_ORDERS.c.symbol == symbol)
        if has_filled:
            query = query.where(_ORDERS.c.has_filled.is_(True))
        return int(await self._queries.scalar(query))
