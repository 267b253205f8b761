"""Say what a process is to be made of: plain records, mapped from settings once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from broker.alpaca import AlpacaBrokerConfig
from engine.building.plan import EnginePlan
from engine.deciding.budget import BudgetConfig
from feeds.alpaca.config import AlpacaFeedConfig
from graph.analysts.model.conversation import BUILT_IN, Told
from graph.analysts.model.endpoint import EndpointConfig
from journal.database import JournalConfig, address_of


@dataclass(frozen=True, kw_only=True)
class AnalystPlan:
    """Who answers: `rules`, `llm`, `local` or a `module:Class`.

    `endpoint` is for `llm`, `cache` for `local`; `told` replaces the built-in prompts of `llm`, by
    role.
    """

    kind: str
    why: str
    endpoint: EndpointConfig | None = None
    cache: Path = Path(".cache")
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    told: Told = field(default_factory=lambda: BUILT_IN)


@dataclass(frozen=True, kw_only=True)
class WatchersPlan:
    """Who looks on: alert hooks (apprise URLs, which hold secrets) and a collector of traces."""

    alert_urls: tuple[str, ...] = field(default=(), repr=False)
    alert_every_s: float = 300.0
    traces_url: str | None = field(default=None, repr=False)


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

    watchers: WatchersPlan = field(default_factory=WatchersPlan)

    def beside_journal(self, suffix: str) -> Path:
        """Return the path of a file that belongs to this bot's journal."""
        return address_of(self.journal.url).beside(suffix)

    @property
    def mark_path(self) -> Path:
        """Return where a halt waits that was ordered while the bot did not answer."""
        return mark_beside(self.journal.url)


def mark_beside(database_url: str) -> Path:
    """Return where a halt waits for the bot of a journal; nothing else of the bot need be known."""
    return address_of(database_url).beside(".halt")
