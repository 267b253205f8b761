"""Name the seams: what the engine needs of a feed, a broker, a journal, an analyst, a clock.

The five packages in the middle never import each other; what one needs of another comes in through
these protocols, and tests put the product's own twins behind them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from domain.account import Account, Activity, Position
from domain.decisions import Answer, Brief, Call, Role
from domain.market import (
    AssetClass,
    Bar,
    Instrument,
    MarketEvent,
    NewsItem,
    Quote,
    SessionPhase,
)
from domain.orders import Order, OrderEvent, OrderReport
from domain.records import Record
from domain.risk import AuthorizedOrder


class Clock(Protocol):
    """Tell event time; at other speeds than one it runs with the venue's scaled clock."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds of event time."""
        ...

    def monotonic_ns(self) -> int:
        """Return nanoseconds that never go back, on the same scale: for ages and cool-downs."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait so many seconds of event time."""
        ...


class Calendar(Protocol):
    """Tell when a market trades; crypto always does."""

    def phase(self, asset_class: AssetClass, ts_ns: int) -> SessionPhase:
        """Return whether the market is open at that time."""
        ...

    def session_bounds(self, asset_class: AssetClass, ts_ns: int) -> tuple[int, int] | None:
        """Return open and close (ns) of the session running at or next after that time."""
        ...


class MarketSink(Protocol):
    """Take what a feed sees: the rolling store, a recorder, a test."""

    def apply(self, events: Sequence[MarketEvent]) -> None:
        """Take the events of one frame, in order; never raises for bad market data."""
        ...

    def link_lost(self, symbols: Sequence[str], reason: str) -> None:
        """Mark symbols stale until their gap is filled."""
        ...

    def link_restored(self, symbols: Sequence[str]) -> None:
        """Mark symbols fresh again, after the back-fill."""
        ...


class MarketListener(Protocol):
    """Hear of the few things that matter, called synchronously by the rolling store."""

    def bar_closed(self, bar: Bar) -> None:
        """A candle closed, by the clock or by the venue's bar."""
        ...

    def band_left(self, symbol: str, owner: str, mid: float) -> None:
        """The mid price left the band that `owner` had set; the band is disarmed."""
        ...

    def news_arrived(self, item: NewsItem) -> None:
        """An article named one of our symbols for the first time."""
        ...

    def halt_changed(self, symbol: str, *, is_halted: bool, reason: str) -> None:
        """The market halted or resumed a symbol."""
        ...

    def link_changed(self, symbols: Sequence[str], *, is_up: bool, reason: str) -> None:
        """The feed of these symbols was lost or restored."""
        ...


class Feed(Protocol):
    """See the market until cancelled; reconnects and fills its own gaps."""

    async def run(self, sink: MarketSink) -> None:
        """Feed the sink; raises `FeedRefused` only for what an operator must mend."""
        ...


class QuoteSource(Protocol):
    """Answer for one latest quote over REST when the stream's is too old."""

    async def latest_quote(self, symbol: str) -> Quote | None:
        """Return the venue's latest quote, or none; raises `FeedError`."""
        ...


class VenueTime(Record, frozen=True):
    """The venue's clock as it answered; times RFC 3339."""

    timestamp: str
    is_open: bool
    next_open: str
    next_close: str


class Broker(Protocol):
    """Act at a venue. Only the gateway calls `submit` and `cancel` (a test walks the syntax)."""

    async def submit(self, order: AuthorizedOrder) -> OrderReport:
        """Send once; raises `NotSent`, `RateLimited`, `OrderRejected` or `OutcomeUnknown`."""
        ...

    async def cancel(self, order: Order) -> None:
        """Ask for a cancel; the terminal event comes by stream. Raises as `submit` does."""
        ...

    async def find(self, client_order_id: str) -> OrderReport | None:
        """Look an order up by our own id; none is a miss, not a proof. Raises `BrokerError`."""
        ...

    async def open_orders(self) -> Sequence[OrderReport]:
        """List every working order of the account, brackets with their legs."""
        ...

    async def orders_since(self, since: str) -> Sequence[OrderReport]:
        """List orders of any state submitted after an RFC 3339 time, oldest first."""
        ...

    async def positions(self) -> Sequence[Position]:
        """List every position of the account, in our spelling of symbols."""
        ...

    async def account(self) -> Account:
        """Return the account."""
        ...

    async def activities(self, since: str) -> Sequence[Activity]:
        """List what happened to the account after an RFC 3339 time, oldest first."""
        ...

    async def instrument(self, symbol: str) -> Instrument:
        """Return the symbol's rules; raises `ConfigError` for one the venue does not know."""
        ...

    async def instruments(self, asset_class: AssetClass) -> Sequence[Instrument]:
        """List what the venue trades in one class."""
        ...

    async def clock(self) -> VenueTime:
        """Return the venue's clock."""
        ...

    async def sessions(self, start: str, end: str) -> Sequence[tuple[str, str]]:
        """Return (open, close) of each stock session between two dates, as RFC 3339."""
        ...

    def updates(self) -> AsyncIterator[OrderUpdate]:
        """Yield order events and link changes until closed; reconnects by itself."""
        ...

    async def aclose(self) -> None:
        """Close connections and threads."""
        ...


class LinkUp(Record, frozen=True):
    """The order stream is listening (again): reconcile now, there is no replay."""


class LinkDown(Record, frozen=True):
    """The order stream is gone."""

    reason: str


OrderUpdate = OrderEvent | LinkUp | LinkDown


class EntryKind(StrEnum):
    """What a journal entry is about; the projections are made from these."""

    DECISION = "decision"
    GATE = "gate"
    INTENT = "intent"
    ORDER_EVENT = "order_event"
    FILL = "fill"
    ORIGIN = "origin"
    APPROVAL = "approval"
    OPERATOR_ACTION = "operator_action"
    TRADING_STATE = "trading_state"
    SESSION = "session"
    EQUITY = "equity"
    RECONCILIATION = "reconciliation"
    ALERT = "alert"
    ANCHOR = "anchor"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to remember. `ref` names what it is about (decision, order, symbol).

    Bodies by kind: DECISION {decision, window, prompts: {digest: text}}; GATE {client_order_id,
    decision_id, purpose, authorized, code?, checks}; INTENT {request}; ORDER_EVENT {event, order}
    (the order after the reducer); FILL Fill; ORIGIN {id, kind, symbol, reason, parent?}; APPROVAL
    {decision_id, status, actor, reason, expires_at?}; OPERATOR_ACTION {action, actor, reason,
    args}; TRADING_STATE {state, code, reason, actor, under?} (what stood before a stop or a halt);
    SESSION {state, reason}; EQUITY {equity, cash, day, day_start, peak, transfers, cash_asked,
    known_transfers, losses_in_a_row}; RECONCILIATION {clean, differences}; ALERT {code, message,
    symbol?}.
    """

    kind: EntryKind
    ref: str
    body: dict[str, Any]


class Journal(Protocol):
    """Remember, append-only. Reading is the concrete journal's own, wider interface."""

    async def append(self, *entries: Entry) -> int:
        """Write and wait for the commit (act after commit); returns the last seq.

        Raises `JournalError`; then nothing may be opened.
        """
        ...

    def trace(self, *entries: Entry) -> None:
        """Hand over for the next commit without waiting; never raises, a loss is counted."""
        ...


class Answers(Protocol):
    """Recorded answers of models, for replay."""

    async def recorded(self, decision_id: str, role: Role, attempt: int) -> Call | None:
        """Return the call as it was journaled, or none."""
        ...


class Analyst(Protocol):
    """Answer a role's brief."""

    @property
    def name(self) -> str:
        """Return what decisions record: `rules`, `recorded`, `llm:<model>`."""
        ...

    async def answer(self, brief: Brief) -> Answer:
        """Answer; raises `AnalystError`, whose `calls` attribute keeps what was asked."""
        ...


class Budget(Protocol):
    """Bound what the model may cost: requests and tokens a minute, dollars a day."""

    async def admit(self, *, tokens: int) -> None:
        """Wait for room within the run's deadline; raises `BudgetSpent` when the day's is gone."""
        ...

    def spend(self, *, tokens_in: int, tokens_out: int, cost_usd: float) -> None:
        """Count what one call took."""
        ...

    def pause(self, retry_after_s: float) -> None:
        """Hold every call back: the endpoint asked for it."""
        ...
