"""Read decisions: lists, whole stories, windows, recorded answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import sqlalchemy as sa

from domain.decisions import Call, Check, Decision, Outcome, Role
from domain.orders import Order
from domain.records import Record
from journal import schema
from journal.chain import Content
from journal.projections.views import GateBody
from journal.reads.orders import FillRow, OrderEventRow, OrderReads
from journal.reads.queries import Page, Queries, record
from journal.reads.report import Span
from journal.reads.states import ApprovalRow, StateReads
from journal.reads.texts import says

_DECISIONS = schema.decisions
_ENTRIES = schema.entries
_GATES = schema.gates


class DecisionRow(Record, frozen=True):
    """One decision in a list. `denial_code` is the gateway's, none unless it denied the order."""

    id: str
    seq: int
    ts: int
    symbol: str
    outcome: Outcome
    reason_code: str
    action: str | None
    confidence: float | None
    analyst: str
    as_of: str
    ts_start: str
    ts_end: str
    window_digest: str
    tokens_in: int
    tokens_out: int
    cost_usd: float
    denial_code: str | None


class Gate(Record, frozen=True):
    """The gateway's verdict on one order, with every limit it was held against."""

    seq: int
    ts: int
    client_order_id: str
    purpose: str
    authorized: bool
    code: str | None
    checks: tuple[Check, ...]


class OrderStory(Record, frozen=True):
    """An order with what happened to it."""

    order: Order
    events: tuple[OrderEventRow, ...]
    fills: tuple[FillRow, ...]


class Story(Record, frozen=True):
    """Everything about one decision. `prompts` maps the digests its calls name to their texts."""

    seq: int
    decision: Decision
    window: dict[str, Any] | None
    prompts: dict[str, str]
    gates: tuple[Gate, ...]
    orders: tuple[OrderStory, ...]
    approval: ApprovalRow | None


class Recalled(Record, frozen=True):
    """A decision with what it saw and asked; `window` is none where retention has removed it.

    `denial_code` is the gateway's, none unless it denied the order.
    """

    decision: Decision
    window: dict[str, Any] | None
    prompts: dict[str, str]
    denial_code: str | None


class _Kept(msgspec.Struct, frozen=True):
    """A decision as its entry keeps it."""

    seq: int
    last_seq: int
    decision: Decision


class _WithDecision(msgspec.Struct, frozen=True):
    decision: Decision


class DecisionReads:
    """Answer for decisions."""

    def __init__(self, queries: Queries, orders: OrderReads, states: StateReads) -> None:
        self._queries = queries
        self._orders = orders
        self._states = states

    async def page(
        self,
        *,
        limit: int = 50,
        after: str | None = None,
        symbol: str | None = None,
        outcome: Outcome | None = None,
        code: str | None = None,
        text: str | None = None,
    ) -> Page[DecisionRow]:
        """Return decisions, newest first.

        `code` is why a run ended or why its order was denied, `text` a part of its thesis.
        """
        query = sa.select(*(_DECISIONS.c[name] for name in DecisionRow.__struct_fields__))
        if symbol is not None:
            query = query.where(_DECISIONS.c.symbol == symbol)
        if outcome is not None:
            query = query.where(_DECISIONS.c.outcome == outcome.value)
        if code is not None:
            is_code = sa.or_(_DECISIONS.c.reason_code == code, _DECISIONS.c.denial_code == code)
            query = query.where(is_code)
        if text is not None:
            query = query.join(_ENTRIES, _ENTRIES.c.seq == _DECISIONS.c.last_seq).where(says(text))
        rows, cursor = await self._queries.page(query, _DECISIONS.c.seq, limit=limit, after=after)
        items = (record(row, DecisionRow) for row in rows)
        return Page(items=tuple(items), next=cursor)

    async def get(self, decision_id: str) -> Decision | None:
        """Return a decision as it was journaled last."""
        kept = await self._kept(decision_id)
        return None if kept is None else kept.decision

    async def window(self, digest: str) -> dict[str, Any] | None:
        """Return a window in plain form (`domain.market.Window` reads it)."""
        seq = await self._queries.scalar(
            sa.select(schema.windows.c.seq).where(schema.windows.c.digest == digest)
        )
        return None if seq is None else _window(await self._queries.content(seq))

    async def recorded(self, decision_id: str, role: Role, attempt: int) -> Call | None:
        """Return a model's answer word for word, or none."""
        decision = await self.get(decision_id)
        if decision is None:
            return None
        calls = (c for c in decision.calls if c.role is role and c.attempt == attempt)
        return next(calls, None)

    async def story(self, decision_id: str) -> Story | None:
        """Return a decision with its window, prompts, checks, orders and fills."""
        kept = await self._kept(decision_id)
        if kept is None:
            return None
        content = await self._queries.content(kept.last_seq)
        return Story(
            seq=kept.seq,
            decision=kept.decision,
            window=_window(content),
            prompts={} if content is None else content.prompts,
            gates=tuple(await self.gates(decision_id)),
            orders=tuple(await self._order_stories(decision_id)),
            approval=await self._states.approval(decision_id),
        )

    async def count(self, span: Span) -> int:
        """Return how many decisions a span holds."""
        query = _within(sa.select(sa.func.count()).select_from(_DECISIONS), span)
        found: int = await self._queries.scalar(query)
        return found

    async def recall(self, span: Span) -> AsyncIterator[Recalled]:
        """Yield the decisions of a span, oldest first, each as it was journaled last."""
        columns = (_DECISIONS.c[name] for name in ("seq", "last_seq", "denial_code"))
        query = sa.select(*columns, _ENTRIES.c.body)
        query = query.join(_ENTRIES, _ENTRIES.c.seq == _DECISIONS.c.last_seq)
        async for rows in self._queries.chunks(_within(query, span), _DECISIONS.c.seq, size=100):
            for row in rows:
                content = await self._queries.content(row.last_seq)
                yield Recalled(
                    decision=msgspec.json.decode(row.body, type=_WithDecision).decision,
                    window=_window(content),
                    prompts={} if content is None else content.prompts,
                    denial_code=row.denial_code,
                )

    async def gates(self, decision_id: str) -> list[Gate]:
        """Return the gateway's verdicts on the orders of a decision or origin, oldest first."""
        query = (
            sa.select(_ENTRIES.c.seq, _ENTRIES.c.ts, _ENTRIES.c.body)
            .join(_GATES, _GATES.c.seq == _ENTRIES.c.seq)
            .where(_GATES.c.decision_id == decision_id)
            .order_by(_GATES.c.seq)
        )
        return [_gate(row) for row in await self._queries.all(query)]

    async def _order_stories(self, origin: str) -> list[OrderStory]:
        orders = await self._orders.of_origin(origin)
        names = tuple(order.request.client_order_id for order in orders)
        if not names:
            return []
        events = await self._orders.events(*names)
        fills = await self._orders.fills(client_order_ids=names)
        return [
            OrderStory(
                order=order,
                events=tuple(e for e in events if e.client_order_id == name),
                fills=tuple(f for f in fills if f.fill.client_order_id == name),
            )
            for name, order in zip(names, orders, strict=True)
        ]

    async def _kept(self, decision_id: str) -> _Kept | None:
        query = (
            sa.select(_DECISIONS.c.seq, _DECISIONS.c.last_seq, _ENTRIES.c.body)
            .join(_ENTRIES, _ENTRIES.c.seq == _DECISIONS.c.last_seq)
            .where(_DECISIONS.c.id == decision_id)
        )
        row = await self._queries.first(query)
        if row is None:
            return None
        decision = msgspec.json.decode(row.body, type=_WithDecision).decision
        return _Kept(row.seq, row.last_seq, decision)


def _within(query: sa.Select[Any], span: Span) -> sa.Select[Any]:
    query = query.where(_DECISIONS.c.ts >= span.since_ns)
    if span.until_ns is not None:
        query = query.where(_DECISIONS.c.ts < span.until_ns)
    return query if span.symbol is None else query.where(_DECISIONS.c.symbol == span.symbol)


def _window(content: Content | None) -> dict[str, Any] | None:
    window: dict[str, Any] | None = msgspec.json.decode(content.window) if content else None
    return window


def _gate(row: sa.Row[Any]) -> Gate:
    body = msgspec.json.decode(row.body, type=GateBody)
    return Gate(
        seq=row.seq,
        ts=row.ts,
        client_order_id=body.client_order_id,
        purpose=body.purpose,
        authorized=body.authorized,
        code=body.code,
        checks=body.checks,
    )
