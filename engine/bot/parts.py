"""Name what the bot is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from domain.account import Ledger
from domain.market import Instrument
from domain.orders import Order
from domain.ports import Broker, Calendar, Clock, Journal
from domain.records import Record
from engine.approving.approvals import Approvals
from engine.bot.notices import Notices
from engine.deciding.dispatcher import Dispatcher
from engine.deciding.limiter import Limiter
from engine.deciding.runs import Runs
from engine.guard import Guard
from engine.killswitch.mark import HaltMark
from engine.killswitch.sweep import Sweeper
from engine.orders.flatten import Flatten
from engine.orders.ownership import Ownership
from engine.orders.protection.exits import Exits
from engine.orders.reconcile import Reconciler
from engine.session import Session
from engine.trading import TradingGate
from engine.watching.equity import EquityWatch
from engine.watching.market import MarketEars
from feeds.store import RollingStore


class BotConfig(Record, frozen=True):
    """What the bot is called and what it trades. `labels` say what each symbol's data is."""

    mode: str
    analyst: str
    feed: str
    symbols: tuple[str, ...]
    labels: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything the bot is made of, built in one place (`api.assembly`)."""

    config: BotConfig
    broker: Broker
    journal: Journal
    is_journal_up: Callable[[], bool]
    reader: Any
    clock: Clock
    calendar: Calendar
    store: RollingStore
    ears: MarketEars
    ledger: Ledger
    instrument: Callable[[str], Instrument]
    find_order: Callable[[str], Order | None]
    exits: Exits
    flatten: Flatten
    reconciler: Reconciler
    ownership: Ownership
    equity: EquityWatch
    gate: TradingGate
    mark: HaltMark | None
    sweeper: Sweeper
    guard: Guard
    session: Session
    dispatcher: Dispatcher
    limiter: Limiter
    runs: Runs
    approvals: Approvals
    notices: Notices
    skew_ns: Callable[[], int | None]
