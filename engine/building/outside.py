"""Name what an engine is built upon: everything that reaches out of the process, or stands for it.

`api.assembly` fills it from the world, `backtest.run` from history.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from prometheus_client import CollectorRegistry

from domain.market import Instrument, Quote
from domain.ports import Broker, Calendar, Clock, Entry, Feed, Journal, MarketSink
from engine.approving.seams import WaitingDesk
from engine.bus import Bus
from engine.deciding.limiter import Limiter
from engine.deciding.runs import Desk
from engine.figures import Readings
from engine.killswitch.mark import HaltMark
from engine.orders.delivery.points import Point, nowhere
from engine.restart import Remembered
from engine.tracing import Trace, Untraced
from engine.watching.market import MarketEars
from engine.watching.venue import VenueWatch
from feeds.store import RollingStore


class EngineJournal(Journal, Protocol):
    """What the engine needs of a journal beside writing: to read it, and to know that it works."""

    @property
    def is_up(self) -> bool:
        """Tell whether the last commit went through."""
        ...

    @property
    def reader(self) -> Any:
        """Return the journal's reads (`journal.reads.reader.Reader`)."""
        ...

    def spool(self, *entries: Entry) -> None:
        """Keep entries while the journal is down, for protect and flatten alone."""
        ...

    async def close_approval(
        self, decision_id: str, status: str, *, actor: str, reason: str = ""
    ) -> bool:
        """Move an approval from pending to `status`; false when someone else was first."""
        ...


class EngineDesk(Desk, WaitingDesk, Protocol):
    """The one caller of the graph (`graph.desk.Desk`), or what stands in its place."""

    @property
    def analyst(self) -> str:
        """Return the analyst's name, as decisions record it."""
        ...

    @property
    def prompts(self) -> dict[str, str]:
        """Return the digest of each role's prompt and schema: what a window keeps."""
        ...


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What the engine is built upon: everything that reaches out of the process."""

    broker: Broker
    journal: EngineJournal
    feeds: Sequence[Feed]
    ask_quote: Callable[[str], Awaitable[Quote | None]]
    store: RollingStore
    sink: MarketSink
    ears: MarketEars
    calendar: Calendar
    desk: EngineDesk
    limiter: Limiter
    clock: Clock
    wall: Clock
    bus: Bus
    registry: CollectorRegistry
    instruments: dict[str, Instrument]
    remembered: Remembered
    venue: VenueWatch
    account_id: str
    mark: HaltMark | None
    at: Callable[[Point], None] = nowhere
    readings: Readings = field(default_factory=Readings)
    trace: Trace = field(default_factory=Untraced)
