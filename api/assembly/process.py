"""Bring one process up: journal, venue, memory, engine, guard; and down in the other order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace

from prometheus_client import CollectorRegistry

from api.assembly.opening import open_outside
from api.assembly.plan import Plan, WatchersPlan
from api.observing.alerting.sending import SendingConfig, alerting
from domain.errors import ConfigError
from domain.market import Quote
from domain.ports import Clock
from engine.bot import Bot
from engine.building import Engine, Outside, build_engine
from engine.bus import Bus, publish_quotes
from engine.clock import LiveClock
from engine.guard import Guard
from engine.metrics.loop import watch_loop
from engine.orders.delivery.points import Point, nowhere

_READY_S = 30.0
_HEED_S = 0.25


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
        outside = replace(await open_outside(plan, clock, stack), at=at)
        engine = build_engine(plan.engine, outside)
        await engine.approvals.take_up()
        await stack.enter_async_context(_alerting(plan.watchers, outside.bus, engine))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        guarding = group.create_task(engine.guard.run(), name="guard")
        beside = [group.create_task(_show_quotes(plan, outside), name="quotes")]
        try:
            await _ready(engine)
            beside.append(group.create_task(_heed_halts(engine.bot), name="halts"))
            lag = watch_loop(engine.metrics.loop_lagged)
            beside.append(group.create_task(lag, name="loop-lag"))
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


def _alerting(plan: WatchersPlan, bus: Bus, engine: Engine) -> AbstractAsyncContextManager[None]:
    """Tell people who are away, where somebody named hooks; apprise is not even imported else."""
    if not plan.alert_urls:
        return nullcontext()
    from api.observing.alerting.hooks import hooks_of  # noqa: PLC0415 - 0.3 s where wanted alone

    config = SendingConfig(every_s=plan.alert_every_s)
    return alerting(bus, hooks_of(plan.alert_urls), engine.metrics.alert_delivered, config)


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
