"""Read what waits for a person, what was said about it, and what a crash left half said."""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from domain.decisions import Decision, Outcome
from domain.records import Record
from journal import schema
from journal.reads.queries import Page, Queries
from journal.reads.states import ApprovalRow

_APPROVALS = schema.approvals
_DECISIONS = schema.decisions
_ENTRIES = schema.entries

PENDING, APPROVED, REJECTED, EXPIRED = "pending", "approved", "rejected", "expired"


class Asked(Record, frozen=True):
    """An approval with the decision whose order it is about, as it was journaled last."""

    approval: ApprovalRow
    decision: Decision


class _WithDecision(msgspec.Struct, frozen=True):
    decision: Decision


class ApprovalReads:
    """Answer for approvals together with their decisions."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def page(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        symbol: str | None = None,
        is_pending: bool = True,
    ) -> Page[Asked]:
        """Return approvals, newest first: those that wait, or with `is_pending` false all."""
        query = _select()
        if is_pending:
            query = query.where(_APPROVALS.c.status == PENDING)
        if symbol is not None:
            query = query.where(_DECISIONS.c.symbol == symbol)
        rows, cursor = await self._queries.page(query, _APPROVALS.c.seq, limit=limit, after=after)
        return Page(items=tuple(_asked(row) for row in rows), next=cursor)

    async def pending(self) -> list[Asked]:
        """Return every approval that waits, oldest first."""
        query = _select().where(_APPROVALS.c.status == PENDING).order_by(_APPROVALS.c.seq)
        return [_asked(row) for row in await self._queries.all(query)]

    async def unfinished(self) -> list[Asked]:
        """Return what was settled but never seen through: the process ended in between."""
        query = (
            _select()
            .where(_APPROVALS.c.status != PENDING)
            .where(_DECISIONS.c.outcome == Outcome.AWAITING_APPROVAL.value)
            .order_by(_APPROVALS.c.seq)
        )
        return [_asked(row) for row in await self._queries.all(query)]

    async def get(self, decision_id: str) -> Asked | None:
        """Return the approval of one decision, or none."""
        row = await self._queries.first(_select().where(_APPROVALS.c.decision_id == decision_id))
        return None if row is None else _asked(row)


def _select() -> sa.Select[Any]:
    shown = (_APPROVALS.c[name] for name in ApprovalRow.__struct_fields__)
    return (
        sa.select(*shown, _ENTRIES.c.body)
        .join(_DECISIONS, _DECISIONS.c.id == _APPROVALS.c.decision_id)
        .join(_ENTRIES, _ENTRIES.c.seq == _DECISIONS.c.last_seq)
    )


def _asked(row: sa.Row[Any]) -> Asked:
    columns = row._asdict()
    return Asked(
        approval=msgspec.convert(
            {name: columns[name] for name in ApprovalRow.__struct_fields__}, ApprovalRow
        ),
        decision=msgspec.json.decode(columns["body"], type=_WithDecision).decision,
    )
