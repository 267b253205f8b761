"""Say how an engine decides and acts: plain records, mapped from settings once."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from domain.account import FeeSchedule
from domain.limits import Limits
from domain.market import Floors
from engine.guard import GuardConfig
from engine.orders.delivery.seams import GatewayConfig
from engine.orders.looks import ReconcilerConfig
from engine.orders.protection.seams import ExitsConfig
from graph.approval.checkpoints import CheckpointsConfig


@dataclass(frozen=True, kw_only=True)
class ApprovalPlan:
    """Which entries wait for a person (`above` dollars; none: all), how long, and where."""

    above: Decimal | None
    ttl_s: float
    checkpoints: CheckpointsConfig


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """How the engine decides and acts; seconds of event time but for `decision_deadline_s`."""

    symbols: tuple[str, ...]
    mode: str
    strategy: str
    feed: str
    interval_s: int
    history_limit: int
    warmup_min: int
    limits: Limits
    floors: Floors
    slots: int
    queue_size: int
    cooldown_s: float
    wake_move_atr: float
    decision_deadline_s: float
    near_exit_atr: float = 0.5
    adopt_positions: bool = False
    autostart: bool = False
    exits: ExitsConfig = field(default_factory=ExitsConfig)
    guard: GuardConfig = field(default_factory=GuardConfig)
    looks: ReconcilerConfig = field(default_factory=ReconcilerConfig)
    gateway: GatewayConfig = field(default_factory=GatewayConfig)
    fees: FeeSchedule = field(default_factory=FeeSchedule)
    approval: ApprovalPlan | None = None
