"""Name what a person may ask of the engine and what it answers: the face HTTP and the CLI see.

The engine runs headless. `api/` holds a `Controls` and nothing else of it, and adds no logic.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any, Protocol

from domain.account import Account
from domain.decisions import Check, Directive, Outcome
from domain.errors import AutoHedgeError
from domain.market import AssetClass, Instrument
from domain.orders import Leg, Order, OrderRequest, OrderState
from domain.records import Record
from domain.risk import TradingState
from engine.figures import BarsView, LimitUse, Vitals
from engine.orders.looks import Reconciliation
from journal.reads.approvals import Asked


class SessionState(StrEnum):
    """Whether feeds, dispatcher and runs are alive; orders and exits are the guard's matter."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class ProtectedBy(StrEnum):
    """Who would close a position at its stop."""

    VENUE = "venue"
    ENGINE = "engine"
    NONE = "none"


class ControlRefused(AutoHedgeError):
    """What was asked cannot be done in this state; `code` and `remedy` say why and what can."""

    code = "CONTROL_REFUSED"


class UnknownSymbol(AutoHedgeError):
    """The symbol is not one that this bot trades."""

    code = "SYMBOL_NOT_ALLOWED"


class UnknownApproval(AutoHedgeError):
    """No approval was ever asked for under that name."""

    code = "APPROVAL_NOT_FOUND"


class Notice(Record, frozen=True):
    """One line for the operator: what happened, when, and what to do."""

    code: str
    message: str
    ts: str
    symbol: str | None = None


class SymbolStatus(Record, frozen=True):
    """How one symbol stands. `quote_age_s` is none before the first quote."""

    symbol: str
    asset_class: AssetClass
    label: str
    bars: int
    is_warm: bool
    is_stale: bool
    is_halted: bool
    is_reducing: bool
    session: str
    quote_age_s: float | None
    bid: float | None
    ask: float | None
    last_price: float | None
    last_decision_at: str | None


class SweptOrder(Record, frozen=True):
    """An order that a kill switch cancelled, as it stood right after."""

    client_order_id: str
    symbol: str
    leg: Leg
    state: OrderState
    filled_quantity: Decimal

    @property
    def is_gone(self) -> bool:
        """Tell whether the venue has said that it fills no more."""
        return self.state.is_terminal


class Sweep(Record, frozen=True):
    """What the last halt, cancel-all or flatten did to working orders.

    `answered_in_s` runs from the trigger to the venue's answer to the last cancel; none when there
    was nothing to cancel, or no answer came.
    """

    control: str
    answered_in_s: float | None
    orders: tuple[SweptOrder, ...]


class Status(Record, frozen=True):
    """The whole of the bot at one glance; the body of `/status`, `/start` and `/stop`."""

    session: SessionState
    trading: TradingState
    trading_code: str
    trading_reason: str
    mode: str
    analyst: str
    feed: str
    is_reconciled: bool
    is_journal_up: bool
    is_order_stream_up: bool
    is_feed_up: bool
    started_at: str | None
    slots: int
    slots_busy: int
    tickets_waiting: int
    decisions: int
    orders_working: int
    positions_open: int
    equity: Decimal | None
    day_pnl: Decimal | None
    model_cost_usd: Decimal
    clock_skew_s: float | None
    symbols: tuple[SymbolStatus, ...]
    notices: tuple[Notice, ...]
    approvals_pending: int = 0
    last_sweep: Sweep | None = None


class PositionView(Record, frozen=True):
    """A position with what protects it. `is_ours` is false for foreign holdings."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    market_price: Decimal | None
    market_value: Decimal | None
    unrealized_pnl: Decimal
    is_ours: bool
    protected_by: ProtectedBy
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    opened_at: str | None = None
    is_dust: bool = False


class AccountView(Record, frozen=True):
    """The account as the engine sees it, with its age and what today brought."""

    account: Account
    age_s: float
    day_pnl: Decimal
    realized_pnl: Decimal
    exposure: Decimal
    reserved: Decimal
    peak_equity: Decimal
    drawdown: Decimal


class TicketView(Record, frozen=True):
    """A place in the queue for one run."""

    id: str
    symbol: str
    reason: str
    priority: str
    ts: str


class ApprovalView(Record, frozen=True):
    """An order that waits for a person, or waited, with what it rests on.

    `checks` are the graph's preview; the gateway checks everything again after an approval.
    `seconds_left` is none once it is closed. `actor` and `reason` are of who closed it.
    """

    decision_id: str
    symbol: str
    status: str
    ts: int
    ts_closed: int
    expires_at: str | None
    seconds_left: float | None
    actor: str
    reason: str
    analyst: str
    directive: Directive | None
    request: OrderRequest | None
    checks: tuple[Check, ...]


class ApprovalResult(Record, frozen=True):
    """What closing an approval led to, in one line and in full.

    `order` is as the venue's first answer left it; `denied_code` is the gateway's, whose verdict
    counts after a person's.
    """

    message: str
    outcome: Outcome
    approval: ApprovalView
    order: Order | None = None
    denied_code: str | None = None


class Approving(Protocol):
    """What a person may say about orders that wait; each is journaled with who said it."""

    async def approve(self, decision_id: str, *, actor: str, reason: str = "") -> ApprovalResult:
        """Let an order go to the gateway. Raises `UnknownApproval` or `ControlRefused`."""
        ...

    async def reject(self, decision_id: str, *, actor: str, reason: str = "") -> ApprovalResult:
        """Refuse an order. Raises `UnknownApproval` or `ControlRefused`."""
        ...

    def view(self, asked: Asked) -> ApprovalView:
        """Return an approval as it is shown, with the seconds it has left."""
        ...


class Controls(Protocol):
    """What HTTP and the command line may ask. Every control is journaled with its actor."""

    async def start(self, *, actor: str, reason: str = "") -> Status:
        """Run the session; idempotent. Raises `ControlRefused` naming `/resume` when halted."""
        ...

    async def stop(self, *, actor: str, reason: str = "") -> Status:
        """End the session, cancel working entries, keep protection; idempotent."""
        ...

    async def halt(self, *, actor: str, reason: str = "") -> Status:
        """Forbid entries and cancel working ones; protection stays."""
        ...

    async def reduce(self, *, actor: str, reason: str = "") -> Status:
        """Forbid entries and cancel working ones; the agents may still close.

        Raises `ControlRefused` when trading is halted, which forbids more.
        """
        ...

    async def resume(self, *, actor: str, code: str, reason: str = "") -> Status:
        """Raise trading to active; `code` must be the reason it was lowered for."""
        ...

    async def flatten(
        self, *, actor: str, reason: str = "", account_wide: bool = False
    ) -> Sequence[PositionView]:
        """Halt, cancel, close our positions, verify flat; returns what is left."""
        ...

    async def cancel_all(
        self, *, actor: str, reason: str = "", protective: bool = False
    ) -> Sequence[Order]:
        """Cancel working entries; with `protective` every order of ours, which halts."""
        ...

    async def reconcile(self, *, actor: str, repair: bool = False) -> Reconciliation:
        """Hold our books against the venue's until what differs is no lag of its any more.

        With `repair` the venue's word is accepted and journaled; nothing is ever traded. Raises
        `JournalError`, and `BrokerRefused` when the venue does not answer.
        """
        ...

    async def decide(self, symbol: str, *, actor: str) -> TicketView:
        """Queue an operator's run. Raises `UnknownSymbol` or `ControlRefused`."""
        ...

    def approvals(self) -> Approving:
        """Return what waits for a person, to be shown and closed."""
        ...

    def status(self) -> Status:
        """Return the whole at a glance."""
        ...

    def account(self) -> AccountView | None:
        """Return the account, or none before the venue first answered."""
        ...

    def positions(self) -> Sequence[PositionView]:
        """Return open positions, ours and foreign."""
        ...

    def bars(self, symbol: str, *, limit: int) -> BarsView:
        """Return a symbol's last closed bars with indicators. Raises `UnknownSymbol`."""
        ...

    def limits(self) -> Sequence[LimitUse]:
        """Return how much of each limit that fills up is used."""
        ...

    def vitals(self) -> Vitals:
        """Return how each part does."""
        ...

    def working_orders(self) -> Sequence[Order]:
        """Return our orders that may still fill."""
        ...

    async def assets(self, asset_class: AssetClass | None = None) -> Sequence[Instrument]:
        """Return what the venue trades."""
        ...

    def reader(self) -> Any:
        """Return the journal's reader (`journal.reader`), for lists and stories."""
        ...
