"""Name what each agent may say and what one run decided."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import msgspec

from domain.orders import OrderRequest
from domain.records import Record, plain


class Role(StrEnum):
    """The four agents, in the order they speak."""

    DIRECTOR = "director"
    QUANT = "quant"
    RISK = "risk"
    EXECUTION = "execution"


class Action(StrEnum):
    """What the director wants."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


class Intent(StrEnum):
    """What an action means given the position; derived by code, never by a model."""

    OPEN_LONG = "open_long"
    OPEN_SHORT = "open_short"
    CLOSE_LONG = "close_long"
    CLOSE_SHORT = "close_short"
    ALREADY_IN_POSITION = "already_in_position"
    HOLD = "hold"

    @property
    def is_close(self) -> bool:
        """Tell whether the whole position is to go."""
        return self in {Intent.CLOSE_LONG, Intent.CLOSE_SHORT}

    @property
    def is_open(self) -> bool:
        """Tell whether a position is to be opened."""
        return self in {Intent.OPEN_LONG, Intent.OPEN_SHORT}


def intent_of(action: Action, position_sign: int) -> Intent:
    """Derive the intent from the action and the sign of the position (-1, 0, 1)."""
    if action is Action.HOLD:
        return Intent.HOLD
    if position_sign == 0:
        return Intent.OPEN_LONG if action is Action.BUY else Intent.OPEN_SHORT
    if position_sign > 0:
        return Intent.CLOSE_LONG if action is Action.SELL else Intent.ALREADY_IN_POSITION
    return Intent.CLOSE_SHORT if action is Action.BUY else Intent.ALREADY_IN_POSITION


class Volatility(StrEnum):
    """The quant's word for how much the market moves."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    EXTREME = "extreme"


class Directive(Record, frozen=True):
    """The director's answer. `thesis` has at most 600 characters."""

    action: Action
    confidence: float
    thesis: str
    invalidation_price: float | None = None


class Signal(Record, frozen=True):
    """The quant's answer."""

    confirmed: bool
    score: float
    volatility: Volatility
    reason: str
    support: float | None = None
    resistance: float | None = None


class Verdict(Record, frozen=True):
    """The risk agent's answer; `size_fraction` is of what the limits allow, 0..1."""

    approved: bool
    size_fraction: float
    reason: str
    stop_loss: float | None = None
    take_profit: float | None = None


class ExecutionStyle(StrEnum):
    """Whether to wait at our side of the spread or to take the other."""

    PASSIVE = "passive"
    MARKETABLE = "marketable"


class ExecutionPlan(Record, frozen=True):
    """The execution agent's answer; code turns it into an order."""

    style: ExecutionStyle
    limit_offset_bps: float


class Call(Record, frozen=True):
    """One question to an analyst and what came back, word for word.

    `latency_ms` and `cost_usd` stand outside a decision's canonical form. `error` is one of the
    `AnalystError` codes.
    """

    role: Role
    attempt: int
    model: str
    prompt_digest: str
    raw: str
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0
    error: str | None = None


class Outcome(StrEnum):
    """How a run ended."""

    HELD = "held"
    ALREADY_IN_POSITION = "already_in_position"
    QUANT_REJECTED = "quant_rejected"
    RISK_REJECTED = "risk_rejected"
    INVALID = "invalid"
    ABSTAINED = "abstained"
    AWAITING_APPROVAL = "awaiting_approval"
    REFUSED = "refused"
    EXPIRED = "expired"
    ORDERED = "ordered"


class Check(Record, frozen=True):
    """One limit held against one order: the value found and the limit it met."""

    code: str
    passed: bool
    value: str = ""
    limit: str = ""


class Decision(Record, frozen=True):
    """One run of the graph, immutable; later checks, orders and fills are rows that point at it.

    `reason_code` says why it ended there (`CONFIDENCE_BELOW_FLOOR`, `ANALYST_TIMEOUT`, ...);
    `checks` are the graph's own preview, not the gateway's verdict.
    """

    id: str
    symbol: str
    window_digest: str
    analyst: str
    outcome: Outcome
    reason_code: str
    as_of: str
    graph_version: str
    ts_start: str = ""
    ts_end: str = ""
    directive: Directive | None = None
    signal: Signal | None = None
    verdict: Verdict | None = None
    plan: ExecutionPlan | None = None
    request: OrderRequest | None = None
    checks: tuple[Check, ...] = ()
    calls: tuple[Call, ...] = ()


def canonical_decision(decision: Decision) -> dict[str, Any]:
    """Return the plain decision without what differs between runs: the form replay compares."""
    body: dict[str, Any] = plain(decision)
    for name in ("ts_start", "ts_end"):
        del body[name]
    for call in body["calls"]:
        del call["latency_ms"]
        del call["cost_usd"]
    return body


def decision_id(*, account: str, strategy: str, symbol: str, as_of: str, attempt: int) -> str:
    """Name a decision by what it is about: never random, never the wall clock. 24 hex digits."""
    text = "\x1f".join((account, strategy, symbol, as_of, str(attempt)))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """What an analyst is asked: a role, the whole window, and what was said before it."""

    role: Role
    window: Any
    directive: Directive | None = None
    signal: Signal | None = None
    verdict: Verdict | None = None
    intent: Intent | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What an analyst said: the plain answer (not yet validated by a role) and its calls."""

    content: dict[str, Any]
    calls: tuple[Call, ...]
