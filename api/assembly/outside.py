"""Hold what the engine is built upon, and answer what its windows ask of the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from prometheus_client import CollectorRegistry

from domain.limits import TradingState
from domain.market import Instrument, Quote, asset_class_of
from domain.ports import Broker, Calendar, Clock, Feed, MarketSink
from engine.bus import Bus
from engine.deciding.limiter import Limiter
from engine.killswitch.mark import HaltMark
from engine.orders.delivery.points import Point, nowhere
from engine.orders.ownership import Ownership
from engine.orders.reconcile import Reconciler
from engine.restart import Remembered
from engine.trading import TradingGate
from engine.watching.equity import EquityWatch
from engine.watching.market import MarketEars
from engine.watching.venue import VenueWatch
from feeds.store import RollingStore
from graph.desk import Desk
from journal.sql import SqlJournal


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What the engine is built upon: everything that reaches out of the process."""

    broker: Broker
    journal: SqlJournal
    feeds: Sequence[Feed]
    ask_quote: Callable[[str], Awaitable[Quote | None]]
    store: RollingStore
    sink: MarketSink
    ears: MarketEars
    calendar: Calendar
    desk: Desk
    limiter: Limiter
    clock: Clock
    wall: Clock
    bus: Bus
    registry: CollectorRegistry
    instruments: dict[str, Instrument]
    remembered: Remembered
    venue: VenueWatch
    account_id: str
    mark: HaltMark
    at: Callable[[Point], None] = nowhere


class EngineStanding:
    """Answer the windows' questions about the engine (`engine.deciding.windows.Standing`)."""

    def __init__(self, outside: Outside, gate: TradingGate) -> None:
        self._outside = outside
        self._gate = gate
        self.ownership: Ownership
        self.reconciler: Reconciler
        self.equity: EquityWatch

    def trading_state(self) -> TradingState:
        """Return the trading state."""
        return self._gate.state

    def entries_possible(self, symbol: str) -> bool:
        """Tell whether a run of a flat symbol could lead to an order at all."""
        outside = self._outside
        phase = outside.calendar.phase(asset_class_of(symbol), outside.clock.now_ns())
        view = outside.store.view(symbol)
        return (
            self.trading_state() is TradingState.ACTIVE
            and self.is_reconciled()
            and self.is_journal_up()
            and not self.is_reducing(symbol)
            and not self.is_foreign(symbol)
            and phase != "closed"
            and not view.is_stale
            and not view.is_halted
        )

    def is_reducing(self, symbol: str) -> bool:
        """Tell whether somebody else traded the symbol."""
        return self.ownership.is_reducing(symbol)

    def is_foreign(self, symbol: str) -> bool:
        """Tell whether a position that is not ours stands in the symbol."""
        return self.ownership.is_foreign(symbol)

    def is_reconciled(self) -> bool:
        """Tell whether the last look at the venue agreed."""
        return self.reconciler.is_clean

    def is_journal_up(self) -> bool:
        """Tell whether the journal takes entries."""
        return self._outside.journal.is_up

    def skew_ns(self) -> int | None:
        """Return our clock less the venue's."""
        return self._outside.venue.skew_ns()

    def day_pnl(self) -> Decimal | None:
        """Return equity now less equity at the day's start."""
        return self.equity.day_pnl

    def peak_equity(self) -> Decimal | None:
        """Return the highest equity journaled."""
        return self.equity.peak
