"""Bring one process up: journal, venue, memory, engine, guard; and down in the other order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import structlog
from prometheus_client import CollectorRegistry

from api.assembly.approving import open_waiting
from api.assembly.engine import Engine, build_engine
from api.assembly.outside import Outside
from api.assembly.plan import AnalystPlan, EnginePlan, Plan
from api.assembly.watch import simulate
from broker.alpaca import AlpacaBroker
from domain.errors import BrokerRefused, ConfigError, RateLimited
from domain.market import Instrument, Quote
from domain.ports import Analyst, Broker, Budget, Calendar, Clock, MarketSink
from engine.bot import Bot
from engine.bus import Bus, publish_quotes
from engine.clock import LiveClock
from engine.deciding.budget import ModelBudget
from engine.deciding.limiter import Limiter
from engine.guard import Guard
from engine.killswitch.mark import HaltMark
from engine.orders.delivery.points import Point, nowhere
from engine.restart import remember
from engine.watching.market import MarketEars
from engine.watching.venue import VenueWatch
from feeds.alpaca.config import AlpacaFeedConfig, Channel, FeedNotice
from feeds.alpaca.feed import AlpacaFeed
from feeds.calendar import AlwaysOpenCalendar, TradingCalendar
from feeds.store import RollingStore, StoreConfig
from graph.analysts.llm import Llm
from graph.analysts.local import open_local
from graph.analysts.rules import Rules
from graph.desk import Desk
from journal.reads.reader import Reader
from journal.reads.report import Span
from journal.sql import SqlJournal

T = TypeVar("T")

log = structlog.get_logger(__name__)

_READY_S = 30.0
_HEED_S = 0.25
_START_PAUSES_S = (0.25, 0.5, 1.0, 2.0)
_START_PAUSE_S = 15.0
_DAY_NS = 86_400_000_000_000


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running bot: its face, its bus, its metrics, and the guard that must not end."""

    bot: Bot
    bus: Bus
    registry: CollectorRegistry
    guard: Guard
    guarding: asyncio.Task[None]
    notify: Callable[[str, str], None]


@asynccontextmanager
async def running(
    plan: Plan, *, clock: Clock | None = None, at: Callable[[Point], None] = nowhere
) -> AsyncIterator[Process]:
    """Bring the bot up and yield it once the venue has said what we hold.

    `at` is called at each step of an order's way out; a proof kills the process there.

    Raises `ConfigError`, `JournalError` or `BrokerError`, each of one line, when it cannot come up.
    A guard that fails ends the caller's task with what it failed with.
    """
    clock = clock or LiveClock()
    async with AsyncExitStack() as stack:
        outside = replace(await _open(plan, clock, stack), at=at)
        engine = build_engine(plan.engine, outside)
        await engine.approvals.take_up()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        guarding = group.create_task(engine.guard.run(), name="guard")
        beside = [group.create_task(_show_quotes(plan, outside), name="quotes")]
        try:
            await _ready(engine)
            beside.append(group.create_task(_heed_halts(engine.bot), name="halts"))
            beside.append(group.create_task(engine.approvals.run(), name="approvals"))
            yield Process(
                bot=engine.bot,
                bus=outside.bus,
                registry=outside.registry,
                guard=engine.guard,
                guarding=guarding,
                notify=outside.ears.notify,
            )
        finally:
            if not guarding.done():
                await engine.bot.stop(actor="autohedge", reason="the process ends")
            for task in beside:
                task.cancel()
            guarding.cancel()


async def _show_quotes(plan: Plan, outside: Outside) -> None:
    """Sample the latest quotes for whoever watches."""

    def latest() -> list[Quote]:
        views = (outside.store.view(symbol) for symbol in plan.engine.symbols)
        return [view.quote for view in views if view.quote is not None]

    await publish_quotes(outside.bus, clock=outside.wall, latest=latest)


async def _heed_halts(bot: Bot) -> None:
    """Take up what a person orders beside us, by wall time: the gate obeys it even before."""
    while True:
        await bot.heed()
        await asyncio.sleep(_HEED_S)


async def _ready(engine: Engine) -> None:
    try:
        async with asyncio.timeout(_READY_S):
            await engine.guard.is_ready.wait()
    except TimeoutError:
        raise ConfigError(
            f"The venue has not said what we hold within {_READY_S:g} s.",
            remedy="Run `autohedge doctor`.",
            code="VENUE_SILENT",
        ) from None


async def _open(plan: Plan, clock: Clock, stack: AsyncExitStack) -> Outside:
    """Open everything that reaches out; what was opened is closed when a later one fails."""
    wall, registry = LiveClock(), CollectorRegistry()
    bus = Bus()
    journal = await stack.enter_async_context(SqlJournal(plan.journal, clock))
    alpaca = AlpacaBroker(plan.broker, clock)
    stack.push_async_callback(alpaca.aclose)
    instruments = await _instruments(alpaca, plan.engine.symbols)
    calendar, venue = _calendar(plan, alpaca, clock)
    await _patiently(venue.look)
    ears = MarketEars(bus.publish)
    store = RollingStore(store_config(plan.engine), listener=ears, clock=clock, calendar=calendar)
    broker: Broker = alpaca
    sink: MarketSink = store
    if plan.is_simulated:
        broker, sink = simulate(plan, instruments.values(), store, clock)
        stack.push_async_callback(broker.aclose)
    account = await _patiently(broker.account)
    limiter = Limiter(slots=plan.engine.slots, queue_size=plan.engine.queue_size, clock=wall)
    reader = journal.reader
    budget = ModelBudget(
        plan.analyst.budget,
        clock=wall,
        on_pause=limiter.pause,
        spent_today_usd=await _spent_today(reader, wall),
    )
    feeds = [_feed(config, clock, calendar, ears, stack) for config in plan.feeds]
    return Outside(
        broker=broker,
        journal=journal,
        feeds=feeds,
        ask_quote=_asker(plan, feeds),
        store=store,
        sink=sink,
        ears=ears,
        calendar=calendar,
        desk=Desk(
            await open_analyst(plan.analyst, budget, stack),
            wall,
            waiting=await open_waiting(plan.engine.approval, stack),
        ),
        limiter=limiter,
        clock=clock,
        wall=wall,
        bus=bus,
        registry=registry,
        instruments=instruments,
        remembered=await remember(
            reader.orders, reader.states, reader.decisions, plan.engine.symbols
        ),
        venue=venue,
        account_id=account.account_id,
        mark=HaltMark(plan.mark_path),
    )


def _asker(plan: Plan, feeds: Sequence[AlpacaFeed]) -> Callable[[str], Awaitable[Quote | None]]:
    """Return how to ask for one latest quote: of the history of the stream that has the symbol."""
    sources = {
        symbol: feed.history
        for config, feed in zip(plan.feeds, feeds, strict=True)
        if config.channel is not Channel.NEWS
        for symbol in config.symbols
    }

    async def ask(symbol: str) -> Quote | None:
        history = sources.get(symbol)
        return None if history is None else await history.latest_quote(symbol)

    return ask


def _calendar(plan: Plan, broker: Broker, clock: Clock) -> tuple[Calendar, VenueWatch]:
    """Return when the venue trades and who keeps asking it."""
    if plan.is_always_open:
        return AlwaysOpenCalendar(), VenueWatch(broker, clock, None)
    calendar = TradingCalendar()
    return calendar, VenueWatch(broker, clock, calendar.replace)


def _feed(
    config: AlpacaFeedConfig,
    clock: Clock,
    calendar: Calendar,
    ears: MarketEars,
    stack: AsyncExitStack,
) -> AlpacaFeed:
    """Make one stream; what it reports is shown to the operator."""

    def report(notice: FeedNotice) -> None:
        ears.notify(notice.code, f"{notice.line} {notice.remedy}".strip())

    feed = AlpacaFeed(config, clock, report=report, calendar=calendar)
    stack.push_async_callback(feed.aclose)
    return feed


def store_config(plan: EnginePlan) -> StoreConfig:
    """Return how much of the market is kept."""
    return StoreConfig(
        symbols=plan.symbols,
        interval_s=plan.interval_s,
        window_bars=plan.history_limit,
        warmup_bars=plan.warmup_min,
    )


async def _instruments(broker: Broker, symbols: Sequence[str]) -> dict[str, Instrument]:
    """Ask for every symbol's rules at once; all unknown ones are named in one line."""
    asked = await asyncio.gather(*(_instrument(broker, symbol) for symbol in symbols))
    found = {each.symbol: each for each in asked if each is not None}
    unknown = [symbol for symbol in symbols if symbol not in found]
    if unknown:
        raise ConfigError(
            f"The venue does not know {', '.join(unknown)}.",
            remedy="Mend TRADING_SYMBOLS; GET /assets lists what can be traded.",
            code="SYMBOL_UNKNOWN",
        )
    return found


async def _instrument(broker: Broker, symbol: str) -> Instrument | None:
    try:
        return await _patiently(partial(broker.instrument, symbol))
    except ConfigError:
        return None


async def _patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again when the venue's rate is used up or its answer is lost.

    After a crash positions need the guard: one failed answer must not keep it down. What the venue
    means (a refused key, an unknown symbol) is raised at once.
    """
    for pause_s in _START_PAUSES_S:
        try:
            return await ask()
        except RateLimited as limited:
            wait_s = min(max(limited.retry_after_s, 1.0), _START_PAUSE_S)
            log.warning("venue_asks_to_wait", seconds=wait_s)
            await asyncio.sleep(wait_s)
        except BrokerRefused as refused:
            if 400 <= refused.status < 500:  # noqa: PLR2004 - HTTP's own word for the asker's fault
                raise
            log.warning("venue_did_not_answer", code=refused.code, seconds=pause_s)
            await asyncio.sleep(pause_s)
    return await ask()


async def _spent_today(reader: Reader, wall: Clock) -> float:
    """Return what the model has cost this UTC day, so that a restart renews no budget."""
    now_ns = wall.now_ns()
    midnight_ns = now_ns - now_ns % _DAY_NS
    return (await reader.report(Span(since_ns=midnight_ns))).model_cost_usd


async def open_analyst(plan: AnalystPlan, budget: Budget, stack: AsyncExitStack) -> Analyst:
    """Make the one that answers, as it was chosen at the start; it never changes."""
    match plan.kind:
        case "rules":
            return Rules()
        case "local":
            local = await open_local(plan.cache)
            stack.push_async_callback(local.aclose)
            return local
        case "llm" if plan.endpoint is not None:
            llm = Llm(plan.endpoint, budget)
            stack.push_async_callback(llm.aclose)
            return llm
        case _:
            raise ConfigError(
                f"ANALYST={plan.kind} cannot be built: no endpoint is configured.",
                remedy="Set OPENAI_API_KEY or LLM_BASE_URL, or ANALYST=rules.",
            )
