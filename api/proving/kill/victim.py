"""The bot that is killed: a process of its own, which stops at the point the killer drew.

The killer talks over a pipe: it arms a point, and hears when the bot stands there. The bot then
waits to be killed, so that nothing of it runs on, or works on while the killer waits a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from api.assembly import Process, running
from api.assembly.mapping import plan_of
from api.settings import Config
from domain.limits import TradingState
from domain.records import Record
from engine.orders.delivery.points import Point


class Arm(Record, frozen=True):
    """Strike when the bot comes to `point` for the `nth` time; `is_held` keeps it there."""

    point: Point
    nth: int
    is_held: bool


class Up(Record, frozen=True):
    """The bot is up: what it believes to hold, and what stands against entries."""

    trading: str
    reducing: tuple[str, ...]


class Trap:
    """Count the points that the bot passes, and tell the killer at the armed one."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._armed: Arm | None = None
        self._passed = 0

    def arm(self, armed: Arm) -> None:
        """Begin to count."""
        self._armed, self._passed = armed, 0

    def __call__(self, point: Point) -> None:
        """Pass a point, or stand on it."""
        armed = self._armed
        if armed is None or point is not armed.point:
            return
        self._passed += 1
        if self._passed == armed.nth:
            self._pipe.send(point)
            if armed.is_held:
                signal.pause()


def live(settings: Mapping[str, Any], pipe: Connection, log: Path) -> None:
    """Run a bot until it is killed, or until the killer's end of the pipe closes."""
    _write_to(log)
    trap = Trap(pipe)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_live(settings, pipe, trap))


def _write_to(log: Path) -> None:
    """Send what the bot prints to a file: the killer's terminal shows a progress bar."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(file, stream.fileno())


async def _live(settings: Mapping[str, Any], pipe: Connection, trap: Trap) -> None:
    config = Config.for_demo(settings, {})
    plan = plan_of(config, mode="paper", is_always_open=True)
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    async with running(plan, at=trap) as process:
        await process.bot.start(actor="campaign")
        pipe.send(_up(process))

        def hear() -> None:
            try:
                trap.arm(pipe.recv())
            except EOFError:
                loop.remove_reader(pipe.fileno())
                task.cancel()

        loop.add_reader(pipe.fileno(), hear)
        await asyncio.Event().wait()


def _up(process: Process) -> Up:
    status = process.bot.status()
    is_active = status.trading is TradingState.ACTIVE
    return Up(
        trading="" if is_active else f"{status.trading} for {status.trading_code}",
        reducing=tuple(each.symbol for each in status.symbols if each.is_reducing),
    )
