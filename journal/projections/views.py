"""Say what the body of each kind of entry must hold for the projections to be made from it.

A view reads only the fields a projection needs; what else a body holds is kept and ignored.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from domain.decisions import Check
from domain.orders import Fill, Order, OrderEvent, OrderRequest
from domain.ports import EntryKind


class _View(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all views."""


class DirectiveView(_View, frozen=True):
    """What the director wanted."""

    action: str
    confidence: float


class CallView(_View, frozen=True):
    """One question to an analyst, without the answer's text."""

    role: str
    attempt: int
    model: str
    prompt_digest: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    error: str | None = None


class DecisionView(_View, frozen=True):
    """A decision, without its answers' texts."""

    id: str
    symbol: str
    window_digest: str
    analyst: str
    outcome: str
    reason_code: str
    as_of: str
    graph_version: str
    ts_start: str = ""
    ts_end: str = ""
    directive: DirectiveView | None = None
    calls: tuple[CallView, ...] = ()


class DecisionBody(_View, frozen=True):
    """A decision; `window` and the values of `prompts` are digests of contents."""

    decision: DecisionView
    window: str | None = None
    prompts: dict[str, str] = {}

    def __post_init__(self) -> None:
        """Refuse a window that is not the one the decision names."""
        if self.window is not None and self.window != self.decision.window_digest:
            raise ValueError("the window is not the one whose digest the decision names")


class GateBody(_View, frozen=True):
    """The gateway's verdict on one order."""

    client_order_id: str
    decision_id: str
    purpose: str
    authorized: bool
    code: str | None = None
    checks: tuple[Check, ...] = ()


class IntentBody(_View, frozen=True):
    """An order written ahead of its submission."""

    request: OrderRequest


class OrderEventBody(_View, frozen=True):
    """What happened to an order, and the order after it."""

    event: OrderEvent
    order: Order


class OriginBody(_View, frozen=True):
    """What an order other than a decision's is named after."""

    id: str
    kind: str
    symbol: str
    reason: str = ""
    parent: str | None = None


class ApprovalBody(_View, frozen=True):
    """Where one approval stands: pending, approved, rejected or expired."""

    decision_id: str
    status: str
    actor: str = ""
    reason: str = ""
    expires_at: str | None = None


class OperatorBody(_View, frozen=True):
    """What a person did."""

    action: str
    actor: str
    reason: str = ""
    args: dict[str, Any] = {}


class TradingStateBody(_View, frozen=True):
    """The trading state, who set it and why."""

    state: str
    code: str
    reason: str = ""
    actor: str = ""


class SessionBody(_View, frozen=True):
    """The session's state."""

    state: str
    reason: str = ""


class EquityBody(_View, frozen=True):
    """The account's worth in dollars, at the day's start and at its peak; `day` is a date."""

    equity: Decimal
    cash: Decimal
    day_start: Decimal
    peak: Decimal
    day: str = ""


class ReconciliationBody(_View, frozen=True):
    """Whether the journal and the venue agreed."""

    clean: bool
    differences: tuple[Any, ...] = ()


class AlertBody(_View, frozen=True):
    """One line for the operator."""

    code: str
    message: str
    symbol: str | None = None


class AnchorBody(_View, frozen=True):
    """An entry that was there, and its hash in hexadecimal: the chain's end, or what goes.

    Where retention removes, it first says so here: the `entries` up to `seq`, or their `contents`
    (windows and prompts) alone.
    """

    seq: int
    hash: str
    removed: str = ""


View = (
    DecisionBody
    | GateBody
    | IntentBody
    | OrderEventBody
    | Fill
    | OriginBody
    | ApprovalBody
    | OperatorBody
    | TradingStateBody
    | SessionBody
    | EquityBody
    | ReconciliationBody
    | AlertBody
    | AnchorBody
)

_TYPES: dict[EntryKind, type[View]] = {
    EntryKind.DECISION: DecisionBody,
    EntryKind.GATE: GateBody,
    EntryKind.INTENT: IntentBody,
    EntryKind.ORDER_EVENT: OrderEventBody,
    EntryKind.FILL: Fill,
    EntryKind.ORIGIN: OriginBody,
    EntryKind.APPROVAL: ApprovalBody,
    EntryKind.OPERATOR_ACTION: OperatorBody,
    EntryKind.TRADING_STATE: TradingStateBody,
    EntryKind.SESSION: SessionBody,
    EntryKind.EQUITY: EquityBody,
    EntryKind.RECONCILIATION: ReconciliationBody,
    EntryKind.ALERT: AlertBody,
    EntryKind.ANCHOR: AnchorBody,
}

VIEWS: dict[EntryKind, msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(view) for kind, view in _TYPES.items()
}
