"""Watch mode: the live market on one side, a simulated venue on the other, and no order leaves.

The venue's keys are used to read alone: instruments, calendar, clock and market data. Each run is
one made-up account, flat at its start, so each run has a journal of its own: in a shared one the
next start would look for positions that ended with the process, and profit would be added up over
accounts that never met.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from api.assembly.mapping import plan_of
from api.assembly.plan import Plan
from api.settings import Config
from domain.bars import PrintKind, print_kind
from domain.errors import ConfigError
from domain.market import Instrument, MarketEvent, NewsItem, Quote, StatusChanged, Trade
from domain.ports import Clock
from domain.records import NS_PER_S
from exchange.matching.knobs import Knobs
from exchange.simulated import SimulatedBroker, SimulatedConfig
from feeds.alpaca.events import to_event
from feeds.alpaca.wire import WireMessage
from feeds.gaps import Backfill
from feeds.store import RollingStore

WATCH = "watch"
_FILE = "sqlite:///"


def watch_plan(config: Config, clock: Clock, *, is_always_open: bool = False) -> Plan:
    """Return what to build; raises `ConfigError` for a journal that is no file."""
    plan = plan_of(config, mode=WATCH, is_always_open=is_always_open)
    url = _journal_of_run(plan.journal.url, clock.now_ns())
    journal = msgspec.structs.replace(plan.journal, url=url)
    return replace(plan, journal=journal, is_simulated=True)


def simulate(
    plan: Plan, instruments: Iterable[Instrument], store: RollingStore, clock: Clock
) -> tuple[SimulatedBroker, WatchedStore]:
    """Return the broker of a watch, and the sink that shows it what the feeds see.

    The seed is the time of the start: ids of orders and executions differ from run to run.
    """
    config = SimulatedConfig(
        instruments=tuple(instruments),
        knobs=Knobs(seed=clock.now_ns()),
        is_always_open=plan.is_always_open,
    )
    broker = SimulatedBroker(config, clock)
    return broker, WatchedStore(store, broker, clock)


class WatchedStore:
    """A sink that hands all to the rolling store, and what moves a venue to the simulated one.

    The store comes first, so that an order which fills meets memory as it was when it filled.
    """

    def __init__(self, store: RollingStore, broker: SimulatedBroker, clock: Clock) -> None:
        self._store = store
        self._broker = broker
        self._clock = clock

    def apply_frame(self, messages: Sequence[WireMessage]) -> None:
        """Take one decoded frame, in order."""
        self._store.apply_frame(messages)
        self._show_messages(messages)

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Take records of the market."""
        self._store.apply(events)
        for event in events:
            self._show(event)

    def seed(self, backfill: Backfill) -> None:
        """Take a symbol's history; its last print and its quote are the market as it stands."""
        self._store.seed(backfill)
        self._show_messages(backfill.trades[-1:])
        if backfill.quote is not None:
            self._show_messages((backfill.quote,))

    def seed_news(self, items: Iterable[NewsItem]) -> None:
        """Take articles of the past."""
        self._store.seed_news(items)

    def link_lost(self, symbols: Sequence[str], reason: str) -> None:
        """Mark symbols stale; nothing fills at prices that nobody sees."""
        self._store.link_lost(symbols, reason)
        self._broker.go_dark(symbols)

    def link_restored(self, symbols: Sequence[str]) -> None:
        """Mark symbols fresh again."""
        self._store.link_restored(symbols)

    def _show_messages(self, messages: Iterable[WireMessage]) -> None:
        now_ns = self._clock.now_ns()
        for message in messages:
            try:
                event = to_event(message, now_ns)
            except ValueError:
                continue  # a time that is none: the store has counted it
            if event is not None:
                self._show(event)

    def _show(self, event: MarketEvent) -> None:
        """Show quotes, halts, and prints whose conditions let them set the last price."""
        match event:
            case Quote(symbol, bid, bid_size, ask, ask_size, ts_event):
                self._broker.on_quote(symbol, bid, bid_size, ask, ask_size, ts_event)
            case Trade(symbol, price, size, ts_event):
                if print_kind(event.conditions, event.tape) is PrintKind.FULL:
                    self._broker.on_trade(symbol, price, size, ts_event)
            case StatusChanged(symbol, is_halted=is_halted):
                self._broker.set_status(symbol, is_halted=is_halted)
            case _:
                pass


def _journal_of_run(url: str, now_ns: int) -> str:
    """Name a file beside the journal's own, after the moment at which the run starts."""
    if not url.startswith(_FILE):
        raise ConfigError(
            "--watch writes a journal of its own for each run, and DATABASE_URL is no SQLite file.",
            remedy="Set DATABASE_URL=sqlite:///var/autohedge.sqlite3 for watching.",
        )
    path = Path(url.removeprefix(_FILE))
    started = datetime.fromtimestamp(now_ns / NS_PER_S, UTC)
    return f"{_FILE}{path.with_stem(f'{path.stem}-watch-{started:%Y%m%dT%H%M%S.%fZ}')}"
