"""Put the engine together: the one place where concrete parts meet.

Read from top to bottom it is the order in which a process comes up: what the journal remembers,
the venue's rules, memory, hands, eyes, the deciding half, and the face that people ask.
"""

from __future__ import annotations

from dataclasses import dataclass

from domain.records import format_ns
from engine.approving.approvals import Approvals
from engine.bot import Bot, BotConfig, Gauges, Parts, Sources
from engine.building.accounts import make_accounts, make_windows
from engine.building.deciding import make_deciding
from engine.building.hands import make_hands
from engine.building.outside import Outside
from engine.building.parts import EngineParts
from engine.building.plan import EnginePlan
from engine.guard import Guard
from engine.metrics import CountsCollector, Metrics, StatusCollector
from engine.metrics.standing import MoneyCollector, VitalsCollector, WatchersCollector
from engine.orders.book import OrderBook
from engine.session import Session
from engine.trading import TradingGate
from engine.watching.market import MarketWatch


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The assembled engine: the guard to run and the face to ask.

    `session` and `gate` are for who plays a market: there is no person whose word would start it.
    """

    bot: Bot
    guard: Guard
    session: Session
    gate: TradingGate
    approvals: Approvals
    book: OrderBook
    metrics: Metrics


def build_engine(plan: EnginePlan, outside: Outside) -> Engine:
    """Wire every part; nothing runs yet."""
    parts = EngineParts(plan, outside)
    make_accounts(parts)
    make_windows(parts)
    make_hands(parts)
    _make_guard(parts)
    make_deciding(parts)
    _take_up(parts)
    return Engine(
        bot=_make_bot(parts),
        guard=parts.guard,
        session=parts.session,
        gate=parts.gate,
        approvals=parts.approvals,
        book=parts.book,
        metrics=parts.metrics,
    )


def _make_guard(parts: EngineParts) -> None:
    """Make what watches the market and what must never end."""
    outside = parts.outside
    parts.watch = MarketWatch(
        outside.feeds,
        outside.sink,
        None if parts.plan.guard.is_played else outside.store,
        clock=outside.clock,
        notify=parts.notices.add,
    )
    parts.guard = Guard(
        parts.plan.guard,
        gateway=parts.gateway,
        exits=parts.exits,
        reconciler=parts.reconciler,
        book=parts.book,
        equity=parts.lowering.equity,
        watch=parts.watch,
        venue=outside.venue,
        quote=parts.quote,
        clock=outside.clock,
        also=parts.lowering.works,
    )


def _take_up(parts: EngineParts) -> None:
    """Put back what the journal remembers, before anything runs."""
    remembered = parts.outside.remembered
    parts.exits.is_suspended = remembered.is_suspended
    parts.book.restore(remembered.orders)
    for order in remembered.orders:
        parts.exits.watch(order.symbol)
    for held in remembered.held:
        parts.exits.restore(held.opening, list(held.orders), held.attempts)


def _make_bot(parts: EngineParts) -> Bot:
    made = _make_parts(parts)
    bot = Bot(made, Gauges(made, _sources(parts)))
    _show_figures(parts, bot)
    return bot


def _sources(parts: EngineParts) -> Sources:
    """Say where the gauges are read beside the bot's own parts."""
    return Sources(
        since=format_ns(parts.outside.clock.now_ns()),
        limits=parts.plan.limits,
        pulse=parts.pulse,
        sent_last_minute=parts.windows.sent_last_minute,
        readings=parts.outside.readings,
    )


def _make_parts(parts: EngineParts) -> Parts:
    plan, outside = parts.plan, parts.outside
    return Parts(
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
        ledger=parts.ledger,
        instrument=parts.instrument,
        find_order=parts.book.get,
        exits=parts.exits,
        flatten=parts.flatten,
        reconciler=parts.reconciler,
        ownership=parts.ownership,
        equity=parts.lowering.equity,
        gate=parts.gate,
        mark=outside.mark,
        sweeper=parts.sweeper,
        guard=parts.guard,
        session=parts.session,
        dispatcher=parts.dispatcher,
        limiter=outside.limiter,
        runs=parts.runs,
        approvals=parts.approvals,
        notices=parts.notices,
        skew_ns=outside.venue.skew_ns,
    )


def _show_figures(parts: EngineParts, bot: Bot) -> None:
    """Let the metrics read how things stand."""
    outside = parts.outside
    for collector in (
        StatusCollector(bot.status, outside.limiter),
        MoneyCollector(bot.account, bot.positions),
        VitalsCollector(bot.vitals, bot.limits),
        WatchersCollector(outside.bus),
        CountsCollector("dispatcher_events", lambda: parts.dispatcher.counts),
        CountsCollector("feed_rejects", outside.store.counts),
    ):
        outside.registry.register(collector)
