"""Name what the gateway acts on and how patient it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from domain.orders import Leg, OrderRequest
from domain.ports import Broker, Clock, Journal
from domain.records import Record
from domain.risk import Facts, Limits
from engine.orders.book import OrderBook
from engine.orders.delivery.lookup import LookupConfig
from engine.orders.delivery.points import Point, nowhere


class GatewayConfig(Record, frozen=True):
    """How patient the gateway is, in wall seconds: these are deadlines of network and disk.

    `write_ahead_s` is how long protection waits for the journal before it takes the spool.
    A cancel is confirmed after `confirm_s`, then asked again, doubling to `confirm_longest_s`. An
    entry without a stop of its own that says nothing for `second_look_s` is looked up; none: never.
    """

    deadline_s: float = 15.0
    write_ahead_s: float = 0.3
    retry_s: float = 0.25
    retry_longest_s: float = 5.0
    max_entry_tries: int = 5
    confirm_s: float = 0.5
    confirm_longest_s: float = 30.0
    second_look_s: float | None = 0.5
    lookup: LookupConfig = LookupConfig()


@dataclass(frozen=True, kw_only=True)
class GatewaySeams:
    """What the gateway acts on: venue, memory, disk, facts and limits, time."""

    broker: Broker
    book: OrderBook
    journal: Journal
    facts: Callable[[OrderRequest], Facts]
    """Everything fresh about the order's symbol; synchronous, called inside the one step."""
    limits: Callable[[], Limits]
    clock: Clock
    spool: Callable[..., None] | None = None
    """Sync entries beside the journal while it is down (`SqlJournal.spool`); `JournalError`."""
    counted: Callable[[], None] = lambda: None
    """Count an order against the rate limit, in the very step that let it pass."""
    at: Callable[[Point], None] = nowhere
    answered: Callable[[Leg, float], None] = lambda _leg, _seconds: None
    """Hear how long the venue took to answer an order, or to fail to; in wall seconds."""
