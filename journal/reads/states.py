"""Read what stands now: trading state, session, equity, approvals, and what was said about them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import sqlalchemy as sa

from domain.ports import EntryKind
from domain.records import Record
from journal import schema
from journal.reads.queries import (
    Page,
    Queries,
    StoredEntry,
    record,
    select_entries,
    stored,
)

_ENTRIES = schema.entries
_STATE = schema.trading_state
_EQUITY = schema.equity
_APPROVALS = schema.approvals
_ACTIONS = schema.operator_actions


class TradingStateRow(Record, frozen=True):
    """The trading state as it was set."""

    seq: int
    ts: int
    state: str
    code: str
    reason: str
    actor: str


class EquityRow(Record, frozen=True):
    """The account's worth in dollars at one moment, with the day's start and the peak."""

    seq: int
    ts: int
    equity: Decimal
    cash: Decimal
    day: str
    day_start: Decimal
    peak: Decimal


class ApprovalRow(Record, frozen=True):
    """An approval; `ts` is when it was asked for, `ts_closed` 0 while it is pending."""

    decision_id: str
    seq: int
    last_seq: int
    ts: int
    ts_closed: int
    status: str
    actor: str
    reason: str
    expires_at: str | None


class OperatorActionRow(Record, frozen=True):
    """What a person did."""

    seq: int
    ts: int
    action: str
    actor: str
    reason: str
    args: dict[str, Any]


class StateReads:
    """Answer for the last of everything."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def trading(self) -> TradingStateRow | None:
        """Return the last trading state; none in a journal that never traded."""
        row = await self._queries.first(sa.select(_STATE).order_by(_STATE.c.seq.desc()))
        return None if row is None else record(row, TradingStateRow)

    async def session(self) -> StoredEntry | None:
        """Return the last change of the session: `state` and `reason` in its body."""
        return await self.last(EntryKind.SESSION)

    async def reconciliation(self) -> StoredEntry | None:
        """Return the last reconciliation: `clean` and `differences` in its body."""
        return await self.last(EntryKind.RECONCILIATION)

    async def last(self, kind: EntryKind) -> StoredEntry | None:
        """Return the newest entry of a kind."""
        query = select_entries().where(_ENTRIES.c.kind == kind.value)
        row = await self._queries.first(query.order_by(_ENTRIES.c.seq.desc()))
        return None if row is None else stored(row)

    async def page(
        self, kind: EntryKind, *, limit: int = 50, after: str | None = None
    ) -> Page[StoredEntry]:
        """Return entries of a kind (alerts, reconciliations), newest first."""
        query = select_entries().where(_ENTRIES.c.kind == kind.value)
        rows, cursor = await self._queries.page(query, _ENTRIES.c.seq, limit=limit, after=after)
        return Page(items=tuple(stored(row) for row in rows), next=cursor)

    async def equity(self) -> EquityRow | None:
        """Return the last equity, which carries the day's start and the peak."""
        row = await self._queries.first(sa.select(_EQUITY).order_by(_EQUITY.c.seq.desc()))
        return None if row is None else _equity(row)

    async def equity_at(self, ts: int) -> EquityRow | None:
        """Return the first equity at or after a time: a day's start, when that is midnight."""
        query = sa.select(_EQUITY).where(_EQUITY.c.ts >= ts).order_by(_EQUITY.c.ts)
        row = await self._queries.first(query)
        return None if row is None else _equity(row)

    async def equity_series(self, *, since_ns: int = 0, limit: int = 1000) -> list[EquityRow]:
        """Return at most `limit` equities since a time, the newest, oldest first."""
        query = (
            sa.select(_EQUITY)
            .where(_EQUITY.c.ts >= since_ns)
            .order_by(_EQUITY.c.seq.desc())
            .limit(limit)
        )
        return [_equity(row) for row in reversed(await self._queries.all(query))]

    async def equity_curve(self, *, since_ns: int, until_ns: int, points: int) -> list[EquityRow]:
        """Return the last equity of each of `points` equal spans of time, newest first.

        A month of equity is as short as an hour of it.
        """
        width = max(1, (until_ns - since_ns) // points)
        span = (_EQUITY.c.ts - since_ns) // width
        last = (
            sa.select(sa.func.max(_EQUITY.c.seq))
            .where(_EQUITY.c.ts >= since_ns, _EQUITY.c.ts <= until_ns)
            .group_by(span)
        )
        query = sa.select(_EQUITY).where(_EQUITY.c.seq.in_(last)).order_by(_EQUITY.c.seq.desc())
        return [_equity(row) for row in await self._queries.all(query)]

    async def approvals(self, *, status: str | None = "pending") -> list[ApprovalRow]:
        """Return approvals, oldest first; of every status when it is none."""
        query = sa.select(_APPROVALS).order_by(_APPROVALS.c.seq)
        if status is not None:
            query = query.where(_APPROVALS.c.status == status)
        return [record(row, ApprovalRow) for row in await self._queries.all(query)]

    async def approval(self, decision_id: str) -> ApprovalRow | None:
        """Return the approval of one decision."""
        query = sa.select(_APPROVALS).where(_APPROVALS.c.decision_id == decision_id)
        row = await self._queries.first(query)
        return None if row is None else record(row, ApprovalRow)

    async def operator_actions(
        self, *, limit: int = 50, after: str | None = None
    ) -> Page[OperatorActionRow]:
        """Return what people did, newest first."""
        query = sa.select(_ACTIONS)
        rows, cursor = await self._queries.page(query, _ACTIONS.c.seq, limit=limit, after=after)
        items = (
            OperatorActionRow(
                seq=row.seq,
                ts=row.ts,
                action=row.action,
                actor=row.actor,
                reason=row.reason,
                args=msgspec.json.decode(row.args),
            )
            for row in rows
        )
        return Page(items=tuple(items), next=cursor)


def _equity(row: sa.Row[Any]) -> EquityRow:
    return record(row, EquityRow)
