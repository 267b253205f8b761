"""Answer for the whole bot: what a person may ask of it, and how it stands.

The parts do the work; this is their face (`engine.control.Controls`). Each control is journaled
with its actor before it acts, but for those that only make things safer: these act first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from domain.account import Ledger, Position
from domain.errors import JournalError
from domain.limits import TradingState
from domain.market import AssetClass, Instrument, asset_class_of
from domain.orders import Order
from domain.ports import Broker, Calendar, Clock, Entry, EntryKind, Journal
from domain.records import NS_PER_S, Record, format_ns
from engine.approving.approvals import APPROVAL_PENDING, Approvals
from engine.control import (
    AccountView,
    Approving,
    ControlRefused,
    Notice,
    PositionView,
    ProtectedBy,
    SessionState,
    Status,
    SymbolStatus,
    TicketView,
)
from engine.deciding.dispatcher import Dispatcher
from engine.deciding.limiter import Limiter
from engine.deciding.runs import Runs
from engine.guard import Guard
from engine.killswitch.mark import HaltMark
from engine.killswitch.sweep import Sweeper
from engine.orders.flatten import Flatten
from engine.orders.looks import Reconciliation
from engine.orders.ownership import Ownership
from engine.orders.protection.exits import Exits
from engine.orders.protection.plans import sellable
from engine.orders.reconcile import Reconciler
from engine.restart import RESTORE, SUSPEND
from engine.session import Session
from engine.trading import OPERATOR, STARTABLE, STOPPED, TradingGate
from engine.watching.equity import EquityWatch
from engine.watching.market import MarketEars, Publish
from feeds.store import RollingStore

_NOTICES = 50
MANUAL_TRADE = "MANUAL_TRADE"
"""The code that resumes symbols in which somebody else traded."""


class BotConfig(Record, frozen=True):
    """What the bot is called and what it trades. `labels` say what each symbol's data is."""

    mode: str
    analyst: str
    feed: str
    symbols: tuple[str, ...]
    labels: dict[str, str]


class Notices:
    """Keep the last lines for the operator; each is journaled and shown to watchers."""

    def __init__(self, journal: Journal, publish: Publish, clock: Clock) -> None:
        self._journal = journal
        self._publish = publish
        self._clock = clock
        self._lines: deque[Notice] = deque(maxlen=_NOTICES)

    def add(self, code: str, message: str, symbol: str | None = None) -> None:
        """Raise one line; the same line again within the kept ones is not repeated in a row."""
        body = {"code": code, "message": message, "symbol": symbol}
        if self.show(code, message, symbol):
            self._journal.trace(Entry(kind=EntryKind.ALERT, ref=symbol or code, body=body))

    def show(self, code: str, message: str, symbol: str | None = None) -> bool:
        """Keep and show a line that is journaled elsewhere; false when it is the last one's."""
        last = self._lines[-1] if self._lines else None
        if last is not None and (last.code, last.message, last.symbol) == (code, message, symbol):
            return False
        notice = Notice(
            code=code, message=message, symbol=symbol, ts=format_ns(self._clock.now_ns())
        )
        self._lines.append(notice)
        self._publish("alert_raised", {"code": code, "message": message, "symbol": symbol})
        return True

    @property
    def lines(self) -> tuple[Notice, ...]:
        """Return the kept lines, newest last."""
        return tuple(self._lines)


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
    mark: HaltMark
    sweeper: Sweeper
    guard: Guard
    session: Session
    dispatcher: Dispatcher
    limiter: Limiter
    runs: Runs
    approvals: Approvals
    notices: Notices
    skew_ns: Callable[[], int | None]


class Bot:
    """The face of the engine; implements `engine.control.Controls`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def start(self, *, actor: str, reason: str = "") -> Status:
        """Run the session; raises `ControlRefused` when a person must resume first."""
        parts, standing = self._parts, self._parts.gate.standing
        if standing.state is not TradingState.ACTIVE and standing.code not in STARTABLE:
            raise ControlRefused(
                f"Trading is {standing.state} for {standing.code}: {standing.reason}",
                remedy=f'POST /resume with {{"code": "{standing.code}"}} when it is resolved.',
                code="RESUME_NEEDED",
            )
        await self._note("start", actor, reason)
        await parts.session.start(actor=actor, reason=reason)
        if standing.state is not TradingState.ACTIVE:
            await parts.gate.raise_to_active(code=standing.code, actor=actor, reason=reason)
        await self._restore_protection(actor)
        return self.status()

    async def stop(self, *, actor: str, reason: str = "") -> Status:
        """End the session and cancel working entries; what protects positions stays."""
        parts = self._parts
        if parts.session.state is SessionState.STOPPED:
            return self.status()
        parts.gate.lower(TradingState.HALTED, code=STOPPED, reason=reason or "stop", actor=actor)
        await parts.session.stop(actor=actor, reason=reason)
        await self._note("stop", actor, reason)
        return self.status()

    async def halt(self, *, actor: str, reason: str = "") -> Status:
        """Forbid entries at once and cancel working ones."""
        parts = self._parts
        parts.gate.lower(TradingState.HALTED, code=OPERATOR, reason=reason or "halt", actor=actor)
        await parts.sweeper.entries("halt")
        await self._note("halt", actor, reason)
        return self.status()

    async def resume(self, *, actor: str, code: str, reason: str = "") -> Status:
        """Raise trading to active for the person who names what lowered it."""
        await self._note("resume", actor, reason, {"code": code})
        if code == MANUAL_TRADE:
            for symbol in self._parts.ownership.reducing:
                self._parts.ownership.resume(symbol)
            return self.status()
        await self._parts.gate.raise_to_active(code=code, actor=actor, reason=reason)
        self._parts.flatten.cease()
        await self._restore_protection(actor)
        return self.status()

    async def flatten(
        self, *, actor: str, reason: str = "", account_wide: bool = False
    ) -> Sequence[PositionView]:
        """Halt, cancel, close our positions; returns what is left, which goes on being closed."""
        parts = self._parts
        parts.gate.lower(TradingState.HALTED, code=OPERATOR, reason="flatten", actor=actor)
        await self._note("flatten", actor, reason, {"account_wide": account_wide})
        await parts.flatten.all(actor=actor, account_wide=account_wide)
        await self._reject_waiting(actor)
        left = self.positions()
        return left if account_wide else [position for position in left if position.is_ours]

    async def cancel_all(
        self, *, actor: str, reason: str = "", protective: bool = False
    ) -> Sequence[Order]:
        """Cancel working entries; with `protective` all of ours, which halts."""
        parts = self._parts
        if protective:
            parts.gate.lower(
                TradingState.HALTED, code=OPERATOR, reason="cancel-all protective", actor=actor
            )
            parts.exits.is_suspended = True
            await self._note(SUSPEND, actor, reason)
        sweep = await (parts.sweeper.everything if protective else parts.sweeper.entries)(
            "cancel-all"
        )
        await self._note("cancel_all", actor, reason, {"protective": protective})
        known = (parts.find_order(each.client_order_id) for each in sweep.orders)
        return [order for order in known if order is not None]

    async def heed(self) -> None:
        """Do what a person asked for beside us (`autohedge halt`) while we did not answer."""
        order = self._parts.gate.heed()
        if order is None:
            return
        if order.flatten:
            await self.flatten(
                actor=order.actor, reason=order.reason, account_wide=order.account_wide
            )
        elif order.protective:
            await self.cancel_all(actor=order.actor, reason=order.reason, protective=True)
        else:
            await self.halt(actor=order.actor, reason=order.reason)
        self._parts.notices.add("HALTED_FROM_OUTSIDE", f"{order.actor} halted us: {order.reason}")
        if self._parts.is_journal_up():
            self._parts.mark.clear(order)

    async def reconcile(self, *, actor: str, repair: bool = False) -> Reconciliation:
        """Look until what differs is no lag of the venue's; accept its word when told to."""
        reconciler = self._parts.reconciler
        return await (reconciler.repair(actor) if repair else reconciler.examine())

    async def decide(self, symbol: str, *, actor: str) -> TicketView:
        """Queue a run for a person."""
        if self._parts.approvals.is_waiting(symbol) and not self._parts.ledger.quantity(symbol):
            raise ControlRefused(
                f"An order of {symbol} waits for approval.",
                remedy="POST /approvals/{decision_id}/approve or reject; GET /approvals lists it.",
                code=APPROVAL_PENDING,
            )
        ticket = self._parts.dispatcher.request(symbol, actor=actor)
        await self._note("decide", actor, "", {"symbol": symbol})
        return TicketView(
            id=ticket.id,
            symbol=ticket.symbol,
            reason=ticket.reason.value,
            priority=ticket.priority.word,
            ts=ticket.ts,
        )

    def approvals(self) -> Approving:
        """Return what waits for a person, to be shown and closed."""
        return self._parts.approvals

    def status(self) -> Status:
        """Return the whole at a glance."""
        parts, standing = self._parts, self._parts.gate.standing
        skew_ns = parts.skew_ns()
        return Status(
            session=parts.session.state,
            trading=standing.state,
            trading_code=standing.code,
            trading_reason=standing.reason,
            mode=parts.config.mode,
            analyst=parts.config.analyst,
            feed=parts.config.feed,
            is_reconciled=parts.reconciler.is_clean,
            is_journal_up=parts.is_journal_up(),
            is_order_stream_up=parts.reconciler.is_link_up,
            is_feed_up=parts.ears.is_up,
            started_at=parts.session.started_at,
            slots=parts.limiter.slots,
            slots_busy=parts.limiter.busy,
            tickets_waiting=parts.limiter.waiting,
            decisions=parts.runs.count,
            orders_working=len(self.working_orders()),
            positions_open=len(parts.ledger.positions),
            equity=parts.ledger.equity,
            day_pnl=parts.equity.day_pnl,
            model_cost_usd=Decimal(repr(round(parts.runs.model_cost_usd, 6))),
            clock_skew_s=None if skew_ns is None else skew_ns / NS_PER_S,
            symbols=tuple(self._symbol_status(symbol) for symbol in parts.config.symbols),
            notices=parts.notices.lines,
            approvals_pending=parts.approvals.count,
            last_sweep=parts.sweeper.last,
        )

    def account(self) -> AccountView | None:
        """Return the account with its age and what today brought."""
        parts = self._parts
        account, asked_ns, equity = (
            parts.ledger.account,
            parts.ledger.account_ts_ns,
            parts.ledger.equity,
        )
        if account is None or asked_ns is None or equity is None:
            return None
        peak = parts.equity.peak or equity
        return AccountView(
            account=account,
            age_s=(parts.clock.now_ns() - asked_ns) / NS_PER_S,
            day_pnl=parts.equity.day_pnl or Decimal(0),
            realized_pnl=parts.ledger.realized_pnl,
            exposure=parts.ledger.exposure(),
            reserved=sum(
                (row.charge for row in parts.ledger.reservations.values() if row.is_entry),
                Decimal(0),
            ),
            peak_equity=peak,
            drawdown=max(Decimal(0), (peak - equity) / peak) if peak > 0 else Decimal(0),
        )

    def positions(self) -> Sequence[PositionView]:
        """Return open positions, each with who protects it."""
        return [self._position(symbol) for symbol in self._parts.ledger.positions]

    def working_orders(self) -> Sequence[Order]:
        """Return our orders that may still fill."""
        return list(self._parts.ledger.working_orders)

    async def assets(self, asset_class: AssetClass | None = None) -> Sequence[Instrument]:
        """Return what the venue trades, of the classes this bot trades when none is named."""
        broker, symbols = self._parts.broker, self._parts.config.symbols
        classes = {asset_class} if asset_class else {asset_class_of(symbol) for symbol in symbols}
        lists = [await broker.instruments(each) for each in sorted(classes)]
        return [instrument for found in lists for instrument in found]

    def reader(self) -> Any:
        """Return the journal's reader."""
        return self._parts.reader

    def _position(self, symbol: str) -> PositionView:
        parts, position = self._parts, self._parts.ledger.position(symbol)
        assert position is not None
        plan, price = parts.exits.plan(symbol), position.market_price
        is_ours = parts.ownership.is_managed(symbol) and not parts.ownership.is_foreign(symbol)
        return PositionView(
            symbol=symbol,
            quantity=position.quantity,
            average_price=position.average_price,
            market_price=price,
            market_value=None if price is None else price * position.quantity,
            unrealized_pnl=position.unrealized_pnl,
            is_ours=is_ours,
            protected_by=parts.exits.protected_by(symbol) if is_ours else ProtectedBy.NONE,
            stop_price=None if plan is None else plan.stop,
            target_price=None if plan is None else plan.target,
            opened_at=None if plan is None else plan.opened_at,
            is_dust=self._is_dust(symbol, position),
        )

    def _is_dust(self, symbol: str, position: Position) -> bool:
        """Tell what is too small to close; of others' symbols no rules are known."""
        if not self._parts.ownership.is_managed(symbol):
            return False
        price = position.market_price or Decimal(0)
        return sellable(position.quantity, self._parts.instrument(symbol), price=price) == 0

    def _symbol_status(self, symbol: str) -> SymbolStatus:
        parts = self._parts
        view, now_ns = parts.store.view(symbol), parts.clock.now_ns()
        quote, trade, asset_class = view.quote, view.last_trade, asset_class_of(symbol)
        return SymbolStatus(
            symbol=symbol,
            asset_class=asset_class,
            label=parts.config.labels.get(symbol, ""),
            bars=view.n_closed,
            is_warm=view.is_warm,
            is_stale=view.is_stale,
            is_halted=view.is_halted,
            is_reducing=parts.ownership.is_reducing(symbol),
            session=parts.calendar.phase(asset_class, now_ns).value,
            quote_age_s=None if quote is None else (now_ns - quote.ts_recv) / NS_PER_S,
            bid=None if quote is None else quote.bid,
            ask=None if quote is None else quote.ask,
            last_price=None if trade is None else trade.price,
            last_decision_at=parts.runs.last_at.get(symbol),
        )

    async def _reject_waiting(self, actor: str) -> None:
        """Refuse what waits: whoever wants to be flat wants no entry that was proposed before."""
        try:
            await self._parts.approvals.reject_all(actor=actor, reason="flatten")
        except JournalError as error:
            self._parts.notices.add(error.code, error.line)

    async def _restore_protection(self, actor: str) -> None:
        """Let stops come back that a person had taken down; it is on disk first, as the other was.

        Trading that a person raises must find every position protected, also after a restart.
        """
        if self._parts.exits.is_suspended:
            await self._note(RESTORE, actor, "trading was raised")
            self._parts.exits.is_suspended = False
            self._parts.exits.wake_all()

    async def _note(
        self, action: str, actor: str, reason: str, args: dict[str, Any] | None = None
    ) -> None:
        """Journal what a person did; what makes things safer has happened already by then."""
        body = {"action": action, "actor": actor, "reason": reason, "args": args or {}}
        entry = Entry(kind=EntryKind.OPERATOR_ACTION, ref=action, body=body)
        try:
            await self._parts.journal.append(entry)
        except JournalError as error:
            if action in {"start", "resume", RESTORE, "decide"}:
                raise
            self._parts.notices.add(error.code, error.line)
