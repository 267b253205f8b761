"""Show approvals to people, and say in one line what became of each."""

from __future__ import annotations

from domain.decisions import Decision
from domain.orders import Order, OrderState
from domain.records import NS_PER_S, format_ns, parse_ns
from domain.risk import Denied
from engine.control import ApprovalView, ControlRefused
from graph.approval.node import LOST
from journal.reads.approvals import EXPIRED, PENDING, Asked


def view_of(asked: Asked, now_ns: int) -> ApprovalView:
    """Return an approval as it is shown, with the seconds it has left."""
    row, decision = asked.approval, asked.decision
    is_pending = row.status == PENDING
    left_s = max(0.0, (expiry_ns(asked) - now_ns) / NS_PER_S)
    return ApprovalView(
        decision_id=decision.id,
        symbol=decision.symbol,
        status=row.status,
        ts=row.ts,
        ts_closed=row.ts_closed,
        expires_at=row.expires_at,
        seconds_left=round(left_s, 3) if is_pending else None,
        actor="" if is_pending else row.actor,
        reason=row.reason,
        analyst=decision.analyst,
        directive=decision.directive,
        request=decision.request,
        checks=decision.checks,
    )


def expiry_ns(asked: Asked) -> int:
    """Return when an approval expires; one that says no time has none left."""
    expires_at = asked.approval.expires_at
    return 0 if expires_at is None else parse_ns(expires_at)


def not_pending(asked: Asked) -> ControlRefused:
    """Say who was first, and when."""
    row = asked.approval
    why = f" ({row.reason})" if row.reason else ""
    return ControlRefused(
        f"{row.actor} {row.status} it at {format_ns(row.ts_closed)}{why}."
        if row.status != EXPIRED
        else f"It expired at {format_ns(row.ts_closed)}{why}.",
        remedy="GET /approvals lists what waits.",
        code="NOT_PENDING",
    )


def message_of(ended: Decision, sent: Order | Denied | None) -> str:
    """Say in one line what became of the order."""
    if sent is None:
        if ended.reason_code == LOST:
            return "Approved, but its waiting run is gone or was altered: nothing was sent."
        return "Rejected: nothing is sent."
    if isinstance(sent, Denied):
        found = f"{sent.value}; limit: {sent.limit}" if sent.limit else sent.value
        code = sent.code.value
        return f"Approved, but the gate denied it with {code} ({found}). Nothing was sent."
    request = sent.request
    what = f"{request.side.value} {request.quantity} {request.symbol} at {request.limit_price}"
    if sent.state is OrderState.REJECTED:
        return f"Approved, but the venue refused to {what}: {sent.reason}."
    return f"Approved: {what} is {sent.state.value}."
