"""Say what a process is to be made of: plain records, mapped from settings once."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from broker.alpaca import AlpacaBrokerConfig
from domain.limits import Limits
from domain.market import Floors
from engine.deciding.budget import BudgetConfig
from engine.orders.protection.seams import ExitsConfig
from feeds.alpaca.config import AlpacaFeedConfig
from graph.analysts.model.endpoint import EndpointConfig
from graph.approval.checkpoints import CheckpointsConfig
from journal.database import JournalConfig, address_of


@dataclass(frozen=True, kw_only=True)
class AnalystPlan:
    """Who answers: `rules`, `llm` or `local`. `endpoint` is for `llm`, `cache` for `local`."""

    kind: str
    why: str
    endpoint: EndpointConfig | None = None
    cache: Path = Path(".cache")
    budget: BudgetConfig = field(default_factory=BudgetConfig)


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
    adopt_positions: bool = False
    autostart: bool = False
    exits: ExitsConfig = field(default_factory=ExitsConfig)
    approval: ApprovalPlan | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything one process needs to be built."""

    engine: EnginePlan
    analyst: AnalystPlan
    broker: AlpacaBrokerConfig
    feeds: tuple[AlpacaFeedConfig, ...]
    journal: JournalConfig
    is_always_open: bool = False
    """The venue never closes (the demo's): its calendar is not asked for."""
    is_simulated: bool = False
    """Orders meet a simulated venue (watch mode); the broker is only read from."""
    deadman_s: float = 0.0
    """Seconds of the engine's silence after which the dead-man acts; 0 is none."""

    def beside_journal(self, suffix: str) -> Path:
        """Return the path of a file that belongs to this bot's journal."""
        return address_of(self.journal.url).beside(suffix)

    @property
    def mark_path(self) -> Path:
        """Return where a halt waits that was ordered while the bot did not answer."""
        return self.beside_journal(".halt")
