"""Make the rows that people and restarts read from an entry: one function a kind of entry."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import fsum
from typing import Any

import msgspec

from domain.orders import Fill, Order, OrderEventKind, OrderState
from domain.records import canonical
from journal.projections.statements import Row, Rows, Write
from journal.projections.views import (
    AlertBody,
    AnchorBody,
    ApprovalBody,
    CallView,
    DecisionBody,
    DecisionView,
    EquityBody,
    GateBody,
    IntentBody,
    OperatorBody,
    OrderEventBody,
    OriginBody,
    ReconciliationBody,
    SessionBody,
    TradingStateBody,
    View,
)


class At(msgspec.Struct, frozen=True, gc=False):
    """The place of an entry: its number and its time."""

    seq: int
    ts: int


def project(view: View, at: At) -> Rows:
    """Yield the rows that follow from one entry."""
    return _PROJECTORS[type(view)](view, at)


def _text(text: str) -> str:
    """Drop NUL, which PostgreSQL's text cannot hold; the entry's body keeps it."""
    return text.replace("\0", "") if "\0" in text else text


def _maybe(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _decision(body: DecisionBody, at: At) -> Rows:
    decision = body.decision
    if body.window is not None:
        yield (
            Write.WINDOW,
            {
                "digest": body.window,
                "seq": at.seq,
                "decision_id": decision.id,
                "symbol": decision.symbol,
                "as_of": decision.as_of,
            },
        )
    yield Write.DECISION, _decision_row(decision, at)
    for n, call in enumerate(decision.calls):
        yield Write.CALL, _call_row(call, at.seq, n)


def _decision_row(decision: DecisionView, at: At) -> Row:
    directive = decision.directive
    return {
        "id": decision.id,
        "seq": at.seq,
        "last_seq": at.seq,
        "ts": at.ts,
        "symbol": decision.symbol,
        "outcome": decision.outcome,
        "reason_code": decision.reason_code,
        "action": directive.action if directive else None,
        "confidence": directive.confidence if directive else None,
        "analyst": decision.analyst,
        "as_of": decision.as_of,
        "ts_start": decision.ts_start,
        "ts_end": decision.ts_end,
        "window_digest": decision.window_digest,
        "graph_version": decision.graph_version,
        "tokens_in": sum(call.tokens_in for call in decision.calls),
        "tokens_out": sum(call.tokens_out for call in decision.calls),
        "cost_usd": fsum(call.cost_usd for call in decision.calls),
        "denial_code": None,
    }


def _call_row(call: CallView, seq: int, n: int) -> Row:
    return {
        "seq": seq,
        "n": n,
        "role": call.role,
        "attempt": call.attempt,
        "model": call.model,
        "prompt_digest": call.prompt_digest,
        "tokens_in": call.tokens_in,
        "tokens_out": call.tokens_out,
        "cost_usd": call.cost_usd,
        "latency_ms": call.latency_ms,
        "error": call.error,
    }


def _gate(body: GateBody, at: At) -> Rows:
    yield (
        Write.GATE,
        {
            "seq": at.seq,
            "ts": at.ts,
            "client_order_id": body.client_order_id,
            "decision_id": body.decision_id,
            "purpose": body.purpose,
            "authorized": body.authorized,
            "code": body.code,
        },
    )
    for n, check in enumerate(body.checks):
        if not check.passed:
            row = {"seq": at.seq, "n": n, "code": check.code, "bound": _text(check.limit)}
            yield Write.CHECK, {**row, "value": _text(check.value)}
    if not body.authorized:
        yield Write.DENIAL, {"of_decision": body.decision_id, "with_code": body.code}


def _intent(body: IntentBody, at: At) -> Rows:
    order = Order(request=body.request, state=OrderState.SUBMITTING)
    yield Write.INTENT, _order_row(order, at)


def _order_event(body: OrderEventBody, at: At) -> Rows:
    event = body.event
    yield Write.ORDER, _order_row(body.order, at)
    yield (
        Write.ORDER_EVENT,
        {
            "seq": at.seq,
            "ts": at.ts,
            "client_order_id": body.order.request.client_order_id,
            "kind": event.kind.value,
            "state": body.order.state.value,
            "ts_event": event.ts_event,
            "venue_order_id": event.venue_order_id,
            "execution_id": event.execution_id,
            "fill_quantity": _maybe(event.fill_quantity),
            "fill_price": _maybe(event.fill_price),
            "reason": _text(event.reason),
        },
    )
    if event.kind in _UNDONE and event.execution_id is not None:
        of_order = body.order.request.client_order_id
        yield Write.BUST, {"of_order": of_order, "of_execution": event.execution_id}


_UNDONE = frozenset({OrderEventKind.TRADE_BUSTED, OrderEventKind.TRADE_CORRECTED})


def _order_row(order: Order, at: At) -> Row:
    request = order.request
    return {
        "client_order_id": request.client_order_id,
        "seq": at.seq,
        "last_seq": at.seq,
        "ts": at.ts,
        "origin": request.decision_id,
        "leg": request.leg.value,
        "symbol": request.symbol,
        "side": request.side.value,
        "state": order.state.value,
        "is_open": not order.state.is_terminal,
        "has_filled": order.filled_quantity > 0,
        "venue_order_id": order.venue_order_id,
        "parent_client_order_id": order.parent_client_order_id,
        "body": canonical(order),
    }


def _fill(fill: Fill, at: At) -> Rows:
    yield (
        Write.FILL,
        {
            "seq": at.seq,
            "ts": at.ts,
            "client_order_id": fill.client_order_id,
            "execution_id": fill.execution_id,
            "symbol": fill.symbol,
            "side": fill.side.value,
            "leg": fill.leg.value,
            "quantity": str(fill.quantity),
            "price": str(fill.price),
            "fee": str(fill.fee),
            "position_quantity": _maybe(fill.position_quantity),
            "ts_event": fill.ts_event,
            "is_busted": False,
        },
    )


def _origin(body: OriginBody, at: At) -> Rows:
    row = {"id": body.id, "kind": body.kind, "symbol": body.symbol, "parent": body.parent}
    yield Write.ORIGIN, {**row, "reason": _text(body.reason), "seq": at.seq, "ts": at.ts}


def _approval(body: ApprovalBody, at: At) -> Rows:
    yield (
        Write.APPROVAL,
        {
            "decision_id": body.decision_id,
            "seq": at.seq,
            "last_seq": at.seq,
            "ts": at.ts,
            "ts_closed": 0 if body.status == "pending" else at.ts,
            "status": body.status,
            "actor": _text(body.actor),
            "reason": _text(body.reason),
            "expires_at": body.expires_at,
        },
    )


def _operator(body: OperatorBody, at: At) -> Rows:
    row = {"seq": at.seq, "ts": at.ts, "action": body.action, "args": canonical(body.args)}
    yield Write.OPERATOR_ACTION, {**row, "actor": _text(body.actor), "reason": _text(body.reason)}


def _trading_state(body: TradingStateBody, at: At) -> Rows:
    row = {"seq": at.seq, "ts": at.ts, "state": body.state, "code": body.code}
    yield Write.TRADING_STATE, {**row, "actor": _text(body.actor), "reason": _text(body.reason)}


def _equity(body: EquityBody, at: At) -> Rows:
    yield (
        Write.EQUITY,
        {
            "seq": at.seq,
            "ts": at.ts,
            "equity": str(body.equity),
            "cash": str(body.cash),
            "day": body.day,
            "day_start": str(body.day_start),
            "peak": str(body.peak),
        },
    )


def _anchor(body: AnchorBody, at: At) -> Rows:
    if not body.removed:
        yield Write.ANCHOR, {"seq": body.seq, "ts": at.ts, "hash": body.hash}


def _nothing(_body: SessionBody | ReconciliationBody | AlertBody, _at: At) -> Rows:
    yield from ()


_PROJECTORS: dict[type[View], Callable[[Any, At], Rows]] = {
    DecisionBody: _decision,
    GateBody: _gate,
    IntentBody: _intent,
    OrderEventBody: _order_event,
    Fill: _fill,
    OriginBody: _origin,
    ApprovalBody: _approval,
    OperatorBody: _operator,
    TradingStateBody: _trading_state,
    EquityBody: _equity,
    AnchorBody: _anchor,
    SessionBody: _nothing,
    ReconciliationBody: _nothing,
    AlertBody: _nothing,
}
