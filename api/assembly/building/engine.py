"""Put the engine together: the one place where concrete parts meet.

Read from top to bottom it is the order in which a process comes up: what the journal remembers,
the venue's rules, memory, hands, eyes, the deciding half, and the face that people ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from api.assembly.building.approving import build_approvals
from api.assembly.building.lowering import Lowering, LoweringSeams
from api.assembly.building.standing import EngineStanding
from api.assembly.opening import Outside
from api.assembly.plan import EnginePlan
from domain.account import Ledger, Position
from domain.limits import TradingState
from domain.market import Instrument, Quote, Window
from domain.orders import Fill, Leg, Order, OrderRequest
from domain.records import plain
from domain.risk import Denied
from engine.approving.approvals import APPROVAL_PENDING, Approvals
from engine.bot import Bot, BotConfig, Notices, Parts
from engine.deciding.dispatcher import Dispatcher, DispatcherConfig, DispatcherPorts, DropReason
from engine.deciding.limiter import Ticket
from engine.deciding.runs import Runs
from engine.deciding.windows import WindowConfig, Windows
from engine.guard import Guard, GuardConfig
from engine.killswitch.sweep import Sweeper
from engine.metrics import CountsCollector, Metrics, StatusCollector
from engine.orders.book import OrderBook
from engine.orders.delivery.seams import GatewaySeams
from engine.orders.flatten import Flatten, FlattenSeams
from engine.orders.gateway import Gateway
from engine.orders.looks import ReconcilerSeams, Trigger
from engine.orders.ownership import Ownership, OwnershipConfig
from engine.orders.protection.exits import Exits
from engine.orders.protection.seams import Seams
from engine.orders.protection.watching.bare import Cause
from engine.orders.reconcile import Reconciler
from engine.session import Session
from engine.trading import TradingGate
from engine.watching.market import MarketWatch
from engine.watching.quotes import FreshQuotes
from graph.analysts.model.conversation import template_digests


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The assembled engine: the guard to run and the face to ask."""

    bot: Bot
    guard: Guard
    approvals: Approvals
    book: OrderBook


def build_engine(plan: EnginePlan, outside: Outside) -> Engine:
    """Wire every part; nothing runs yet."""
    return _Builder(plan, outside).build()


class _Builder:
    """Hold the parts while they are wired; each method makes one group of them."""

    def __init__(self, plan: EnginePlan, outside: Outside) -> None:
        self._plan = plan
        self._outside = outside
        self._publish = outside.bus.publish
        self._metrics = Metrics(outside.registry)
        self._notices = Notices(outside.journal, self._publish, outside.clock)
        self._gate = TradingGate(
            outside.journal,
            self._publish,
            outside.remembered.standing,
            mark=outside.mark,
            spool=outside.journal.spool,
        )
        self._ledger = Ledger(plan.symbols)
        self._book = OrderBook(self._ledger, outside.journal, outside.clock, self._sent)
        self._standing = EngineStanding(outside, self._gate)

    def build(self) -> Engine:
        self._make_accounts()
        self._make_windows()
        self._make_hands()
        self._make_guard()
        self._make_deciding()
        self._take_up()
        return Engine(
            bot=self._make_bot(), guard=self._guard, approvals=self._approvals, book=self._book
        )

    def _make_accounts(self) -> None:
        plan, outside = self._plan, self._outside
        self._ownership = Ownership(
            OwnershipConfig(symbols=frozenset(plan.symbols), adopt_positions=plan.adopt_positions),
            ledger=self._ledger,
            clock=outside.clock,
            owned=outside.remembered.owned,
            reducing=outside.remembered.reducing,
        )
        self._reconciler = Reconciler(
            ReconcilerSeams(
                broker=outside.broker,
                book=self._book,
                journal=outside.journal,
                ownership=self._ownership,
                clock=outside.clock,
                recall=outside.journal.reader.orders.find,
                adopted=self._adopted,
                alert=self._alert,
                halt=lambda code, line: self._lowering.alarm.lower(TradingState.HALTED, code, line),
                mark=outside.remembered.mark,
                since=outside.remembered.since,
                at=outside.at,
            )
        )
        self._lowering = Lowering(
            plan,
            outside,
            LoweringSeams(
                gate=self._gate,
                ledger=self._ledger,
                cancel_entries=lambda reason: self._gateway.cancel_entries(reason),  # noqa: PLW0108
                tell=self._tripped,
            ),
        )
        self._equity = self._lowering.equity
        self._standing.ownership = self._ownership
        self._standing.reconciler = self._reconciler
        self._standing.equity = self._equity

    def _make_windows(self) -> None:
        plan, outside = self._plan, self._outside
        self._windows = Windows(
            WindowConfig(
                account=outside.account_id,
                strategy=plan.strategy,
                symbols=plan.symbols,
                interval_s=plan.interval_s,
                feed=plan.feed,
                limits=plan.limits,
                floors=plan.floors,
                prompts=template_digests(),
            ),
            view=outside.store.view,
            ledger=self._ledger,
            instrument=self._instrument,
            plan=lambda symbol: self._exits.plan(symbol),  # noqa: PLW0108 - made later
            standing=self._standing,
            calendar=outside.calendar,
            clock=outside.clock,
        )

    def _make_hands(self) -> None:
        plan, outside = self._plan, self._outside
        self._fresh = FreshQuotes(
            ask=outside.ask_quote,
            view=outside.store.view,
            sink=outside.sink,
            limits=plan.limits,
            clock=outside.clock,
        )
        self._gateway = Gateway(
            GatewaySeams(
                broker=outside.broker,
                book=self._book,
                journal=outside.journal,
                facts=self._windows.facts,
                limits=lambda: plan.limits,
                clock=outside.clock,
                spool=outside.journal.spool,
                at=outside.at,
            )
        )
        self._sweeper = Sweeper(
            self._gateway,
            working=self._book.working,
            ended=self._book.ended,
            measured=self._metrics.swept,
        )
        self._exits = Exits(
            plan.exits,
            Seams(
                gateway=self._gateway,
                clock=outside.clock,
                calendar=outside.calendar,
                position=self._ledger.position,
                working=self._book.working,
                quote=self._quote,
                is_halted=lambda symbol: outside.store.view(symbol).is_halted,
                atr=lambda entry: self._windows.facts(entry).atr,
                set_band=outside.store.set_band,
                instrument=self._instrument,
                refresh=self._reconciler.refresh,
                measured=self._protected,
                alert=self._alert,
                is_managed=self._ownership.is_managed,
                renew=self._fresh.renew,
                look=lambda: self._reconciler.reconcile(Trigger.RETRY),
            ),
        )
        self._flatten = Flatten(
            FlattenSeams(
                exits=self._exits,
                ledger=self._ledger,
                quote=self._quote,
                instrument=self._instrument,
                is_ours=self._is_ours,
                is_managed=self._ownership.is_managed,
                cancel_entries=lambda: self._sweeper.entries("flatten"),
                ended=self._book.ended,
                refresh=self._reconciler.refresh,
                start=self._start_apart,
                calendar=outside.calendar,
                journal=outside.journal,
                clock=outside.clock,
                alert=self._alert,
            )
        )
        self._book.listen(self._exits.on_change)
        self._book.listen(self._on_change)
        self._book.listen(self._lowering.order_changed)
        outside.ears.wake_exits = self._exits.wake
        outside.ears.notify = self._notices.add

    def _make_guard(self) -> None:
        outside = self._outside
        self._watch = MarketWatch(
            outside.feeds,
            outside.sink,
            outside.store,
            clock=outside.clock,
            notify=self._notices.add,
        )
        self._guard = Guard(
            GuardConfig(),
            gateway=self._gateway,
            exits=self._exits,
            reconciler=self._reconciler,
            book=self._book,
            equity=self._equity,
            watch=self._watch,
            venue=outside.venue,
            quote=self._quote,
            clock=outside.clock,
            also=self._lowering.works,
        )

    def _make_deciding(self) -> None:
        plan, outside = self._plan, self._outside
        self._limiter = outside.limiter
        self._approvals = build_approvals(
            plan,
            outside,
            approved=self._windows.approved,
            enter=self._enter,
            start=self._guard.start,
            alert=self._alert,
        )
        self._runs = Runs(
            compose=self._compose,
            desk=outside.desk,
            journal=outside.journal,
            enter=self._enter,
            close=self._close,
            publish=self._publish,
            decided=self._metrics.decision_finished,
            ask=self._approvals.ask,
            start=self._guard.start,
            deadline_s=plan.decision_deadline_s - 1.0,
        )
        self._dispatcher = Dispatcher(
            DispatcherConfig(
                symbols=plan.symbols,
                cooldown_s=plan.cooldown_s,
                wake_move_atr=plan.wake_move_atr,
                decision_deadline_s=plan.decision_deadline_s,
            ),
            DispatcherPorts(
                run=self._runs.run,
                is_warm=lambda symbol: outside.store.view(symbol).is_warm,
                has_position=lambda symbol: self._ledger.quantity(symbol) != 0,
                entries_possible=self._entries_possible,
                mid_and_atr=self._mid_and_atr,
                exit_levels=self._exit_levels,
                set_band=outside.store.set_band,
                on_drop=self._on_drop,
                on_failure=self._on_failure,
            ),
            limiter=self._limiter,
            clock=outside.clock,
        )
        self._session = Session(
            watch=self._watch,
            ears=outside.ears,
            dispatcher=self._dispatcher,
            prepare=self._guard.is_ready.wait,
            cancel_entries=lambda: self._gateway.cancel_entries("stop"),
            journal=outside.journal,
            publish=self._publish,
            alert=self._notices.add,
            clock=outside.clock,
        )

    def _make_bot(self) -> Bot:
        plan, outside = self._plan, self._outside
        bot = Bot(
            Parts(
                config=BotConfig(
                    mode=plan.mode,
                    analyst=outside.desk.analyst,
                    feed=plan.feed,
                    symbols=plan.symbols,
                    labels={name: rules.name for name, rules in outside.instruments.items()},
                ),
                broker=outside.broker,
                journal=outside.journal,
                is_journal_up=lambda: outside.journal.is_up,
                reader=outside.journal.reader,
                clock=outside.clock,
                calendar=outside.calendar,
                store=outside.store,
                ears=outside.ears,
                ledger=self._ledger,
                instrument=self._instrument,
                find_order=self._book.get,
                exits=self._exits,
                flatten=self._flatten,
                reconciler=self._reconciler,
                ownership=self._ownership,
                equity=self._equity,
                gate=self._gate,
                mark=outside.mark,
                sweeper=self._sweeper,
                guard=self._guard,
                session=self._session,
                dispatcher=self._dispatcher,
                limiter=self._limiter,
                runs=self._runs,
                approvals=self._approvals,
                notices=self._notices,
                skew_ns=outside.venue.skew_ns,
            )
        )
        outside.registry.register(StatusCollector(bot.status, self._limiter))
        self._count(
            "dispatcher_events", "What the dispatcher heard.", lambda: self._dispatcher.counts
        )
        self._count("feed_rejects", "Messages refused or mended.", outside.store.counts)
        return bot

    def _count(self, name: str, text: str, read: Callable[[], Mapping[str, int]]) -> None:
        collector = CountsCollector(name, text, label="kind", read=read)
        self._outside.registry.register(collector)

    def _take_up(self) -> None:
        """Put back what the journal remembers, before anything runs."""
        remembered = self._outside.remembered
        self._exits.is_suspended = remembered.is_suspended
        self._book.restore(remembered.orders)
        for order in remembered.orders:
            self._exits.watch(order.symbol)
        for held in remembered.held:
            self._exits.restore(held.opening, list(held.orders), held.attempts)

    def _compose(self, symbol: str, reason: str) -> Window | str:
        """Return the window of a symbol, or why there is none: its last entry still waits."""
        if self._approvals.is_waiting(symbol) and self._ledger.quantity(symbol) == 0:
            return APPROVAL_PENDING
        return self._windows.compose(symbol, reason=reason)

    async def _enter(self, request: OrderRequest) -> Order | Denied:
        await self._reconciler.before_entry(self._plan.limits.account_max_age_s)
        await self._fresh.renew(request.symbol)
        result = await self._gateway.submit(request)
        if isinstance(result, Denied):
            self._metrics.order_denied(result.code.value)
        return result

    async def _close(self, request: OrderRequest) -> Order | Denied:
        await self._fresh.renew(request.symbol)
        return await self._exits.close(request)

    def _start_apart(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        return self._guard.start(work, name) if self._guard.is_running else None

    def _sent(self, kind: str, body: dict[str, Any]) -> None:
        """Copy an event to the watchers; count the orders that were handed to the venue."""
        if kind == "order_submitted":
            self._windows.note_sent()
        self._lowering.order_told(kind, body)
        self._outside.bus.publish(kind, body)

    def _instrument(self, symbol: str) -> Instrument:
        return self._outside.instruments[symbol]

    def _is_ours(self, symbol: str) -> bool:
        return self._ownership.is_managed(symbol) and not self._ownership.is_foreign(symbol)

    def _quote(self, symbol: str) -> Quote | None:
        """Return the latest quote; none for a symbol that the store does not keep."""
        return self._outside.store.view(symbol).quote if symbol in self._plan.symbols else None

    def _tripped(self, code: str, line: str) -> None:
        """Show a trip that is on disk already."""
        self._metrics.alert_raised(code)
        self._notices.show(code, line)

    def _alert(self, code: str, message: str, symbol: str) -> None:
        self._metrics.alert_raised(code)
        self._lowering.alerted(code)
        self._notices.add(code, message, symbol or None)

    def _protected(self, _symbol: str, seconds: float, cause: Cause) -> None:
        self._metrics.position_protected(unprotected_s=seconds, cause=cause)

    def _on_change(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        if fill is not None:
            self._metrics.fill_received(fill)
            self._dispatcher.levels_changed(after.symbol)
        if not after.is_working and (before is None or before.is_working):
            self._metrics.order_ended(after.state)

    def _adopted(self, position: Position, origin: str) -> None:
        """Protect a position taken over at the first start."""
        self._exits.adopt(position, origin)

    def _entries_possible(self, symbol: str) -> bool:
        """Tell whether a run of a flat symbol could lead to an order at all."""
        working = self._book.working(symbol)
        has_entry = any(order.request.leg is Leg.ENTRY for order in working)
        is_busy = has_entry or self._approvals.is_waiting(symbol)
        return not is_busy and self._standing.entries_possible(symbol)

    def _mid_and_atr(self, symbol: str) -> tuple[float, float] | None:
        view = self._outside.store.view(symbol)
        if view.quote is None or view.atr is None:
            return None
        return view.quote.mid, view.atr

    def _exit_levels(self, symbol: str) -> tuple[float | None, float | None]:
        plan = self._exits.plan(symbol)
        if plan is None:
            return None, None
        return float(plan.stop), None if plan.target is None else float(plan.target)

    def _on_drop(self, ticket: Ticket, reason: DropReason) -> None:
        self._publish("ticket_dropped", {**plain(ticket), "dropped_for": reason.value})

    def _on_failure(self, ticket: Ticket, error: Exception) -> None:
        code = str(getattr(error, "code", "RUN_FAILED"))
        message = f"The run of {ticket.symbol} failed: {repr(error)[:300]}"
        self._alert(code, str(getattr(error, "line", message)), ticket.symbol)
