"""The bot that is soaked: a process of its own on the venue's scaled time, which counts itself."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil

from api.assembly import Process, running
from api.assembly.mapping import plan_of
from api.proving.child import is_ready, write_to
from api.proving.house import until
from api.settings import Config
from broker.alpaca import AlpacaBroker, AlpacaBrokerConfig
from domain.records import Record, parse_ns
from engine.clock import LiveClock, ScaledClock
from engine.orders.protection.exits import KEEPERS

READY_S = 240.0
SETTLE_S = 20.0
FLAT_S = 60.0
LIFE_S = 3600.0
_MB = 1024 * 1024


class Held(Record, frozen=True):
    """What the process holds now; `decisions` and `trading` tell that it is not idle."""

    resident_mb: float
    tasks: int
    handles: int
    decisions: int = 0
    trading: str = ""


def soak(settings: Mapping[str, Any], pipe: Connection, log: Path, speed: float) -> None:
    """Run a bot through start, life and stop as the campaign says; then end.

    It answers each word with a `Held`: "stop" after the session ended, anything else at once. The
    last one comes by itself when everything of the bot is closed.
    """
    write_to(log)
    asyncio.run(_soak(settings, pipe, speed))


async def _soak(settings: Mapping[str, Any], pipe: Connection, speed: float) -> None:
    plan = plan_of(Config.for_demo(settings, {}), mode="paper", is_always_open=True)
    clock = ScaledClock.from_origin(await _venue_ns(plan.broker), speed=speed)
    async with running(plan, clock=clock) as process:
        async with _session(process):
            pass
        pipe.send(held(process))
        async with _session(process):
            pipe.send(held(process))
            while await _word(pipe) != "stop":
                pipe.send(held(process))
            await process.bot.flatten(actor="campaign", reason="the campaign says stop")
            await until(lambda: _is_flat(process), FLAT_S, what="nothing is held")
        await asyncio.sleep(SETTLE_S / speed)
        pipe.send(held(process))
    pipe.send(held(None))


def _is_flat(process: Process) -> bool:
    """Tell whether the guard has nothing left to watch: then only its own tasks are there."""
    status = process.bot.status()
    return status.positions_open == 0 and status.orders_working == 0


@asynccontextmanager
async def _session(process: Process) -> AsyncIterator[None]:
    """Start the session, wait until it trades, and stop it at the end."""
    await process.bot.start(actor="campaign")
    await until(lambda: is_ready(process), READY_S, what="every symbol is ready to trade")
    yield
    await process.bot.stop(actor="campaign", reason="the campaign says stop")


def held(process: Process | None) -> Held:
    """Count what this process holds, garbage collected first.

    Tasks are counted without the guard's keepers: it has one of each symbol that was ever held, and
    keeps it, so their number tells how much was traded.
    """
    gc.collect()
    me = psutil.Process()
    status = None if process is None else process.bot.status()
    return Held(
        resident_mb=me.memory_info().rss / _MB,
        tasks=sum(not task.get_name().startswith(KEEPERS) for task in asyncio.all_tasks()),
        handles=me.num_fds(),
        decisions=0 if status is None else status.decisions,
        trading="" if status is None else f"{status.trading} {status.trading_code}",
    )


async def _venue_ns(config: AlpacaBrokerConfig) -> int:
    """Ask the venue what time it is: it runs faster than the wall."""
    broker = AlpacaBroker(config, LiveClock())
    try:
        return parse_ns((await broker.clock()).timestamp)
    finally:
        await broker.aclose()


async def _word(pipe: Connection) -> str:
    """Wait for the campaign's next word; without a campaign there is nothing to live for."""
    await until(pipe.poll, LIFE_S, what="the campaign says something")
    word: str = pipe.recv()
    return word
