"""Open everything that the engine is built upon, in the order in which each needs the last."""

from __future__ import annotations

from contextlib import AsyncExitStack

from prometheus_client import CollectorRegistry

from api.assembly.opening.analyst import (
    loading,
    open_analyst,
    open_waiting,
    spent_today,
)
from api.assembly.opening.market import open_feed, quote_asker, store_config
from api.assembly.opening.readings import readings_of
from api.assembly.opening.traces import open_trace
from api.assembly.opening.venue import calendar_of, patiently, rules_of
from api.assembly.plan import Plan
from api.assembly.watch import simulate
from broker.alpaca import AlpacaBroker
from domain.ports import Broker, Clock, MarketSink
from engine.building import Outside
from engine.bus import Bus
from engine.clock import LiveClock
from engine.deciding.budget import ModelBudget
from engine.deciding.limiter import Limiter
from engine.killswitch.mark import HaltMark
from engine.restart import remember
from engine.watching.market import MarketEars
from feeds.store import RollingStore
from graph.desk import Desk
from journal.sql import SqlJournal


async def open_outside(plan: Plan, clock: Clock, stack: AsyncExitStack) -> Outside:
    """Open everything that reaches out; what was opened is closed when a later one fails."""
    wall, registry = LiveClock(), CollectorRegistry()
    bus = Bus()
    await stack.enter_async_context(loading(plan.analyst))
    journal = await stack.enter_async_context(SqlJournal(plan.journal, clock))
    alpaca = AlpacaBroker(plan.broker, clock)
    stack.push_async_callback(alpaca.aclose)
    instruments = await rules_of(alpaca, plan.engine.symbols)
    calendar, venue = calendar_of(plan, alpaca, clock)
    await patiently(venue.look)
    ears = MarketEars(bus.publish)
    store = RollingStore(store_config(plan.engine), listener=ears, clock=clock, calendar=calendar)
    broker: Broker = alpaca
    sink: MarketSink = store
    if plan.is_simulated:
        broker, sink = simulate(plan, instruments.values(), store, clock)
        stack.push_async_callback(broker.aclose)
    account = await patiently(broker.account)
    limiter = Limiter(slots=plan.engine.slots, queue_size=plan.engine.queue_size, clock=wall)
    reader = journal.reader
    budget = ModelBudget(
        plan.analyst.budget,
        clock=wall,
        on_pause=limiter.pause,
        spent_today_usd=await spent_today(reader, wall),
    )
    trace = await open_trace(plan.watchers.traces_url, stack)
    feeds = [open_feed(config, clock, calendar, ears, stack) for config in plan.feeds]
    return Outside(
        readings=readings_of(budget, journal, alpaca),
        broker=broker,
        journal=journal,
        feeds=feeds,
        ask_quote=quote_asker(plan, feeds),
        store=store,
        sink=sink,
        ears=ears,
        calendar=calendar,
        desk=Desk(
            trace.traced(await open_analyst(plan.analyst, budget, stack)),
            wall,
            waiting=await open_waiting(plan.engine.approval, stack),
            told=plan.analyst.told,
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
        trace=trace,
    )
