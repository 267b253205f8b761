"""A bot in a process of its own, and the end of it that a campaign holds.

They talk over a pipe: the campaign arms a point of an order's way, and hears when the bot stands
there. The bot then waits to be killed, so that nothing of it runs on, or works on while the killer
waits a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from api.assembly import Process, running
from api.assembly.mapping import plan_of
from api.proving.house import until
from api.settings import Config
from domain.limits import TradingState
from domain.records import Record
from engine.orders.delivery.points import Point

STRIKE_S = 60.0
START_S = 60.0


class Arm(Record, frozen=True):
    """Strike when the bot comes to `point` for the `nth` time; `is_held` keeps it there."""

    point: Point
    nth: int
    is_held: bool


class Up(Record, frozen=True):
    """The bot could trade; what stands against entries, in all or in some symbols."""

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
    """Run a bot until it is killed, or until the campaign's end of the pipe closes."""
    write_to(log)
    trap = Trap(pipe)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_live(settings, pipe, trap))


def write_to(log: Path) -> None:
    """Send what the bot prints to a file: the campaign's terminal shows a progress bar."""
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
        await until(lambda: is_ready(process), START_S, what="every symbol is ready to trade")
        pipe.send(_up(process))

        def hear() -> None:
            try:
                trap.arm(pipe.recv())
            except EOFError:
                loop.remove_reader(pipe.fileno())
                task.cancel()

        loop.add_reader(pipe.fileno(), hear)
        await asyncio.Event().wait()


def is_ready(process: Process) -> bool:
    """Tell whether an order could be sent for every symbol now."""
    status = process.bot.status()
    return status.is_reconciled and all(symbol.is_warm for symbol in status.symbols)


def _up(process: Process) -> Up:
    status = process.bot.status()
    is_active = status.trading is TradingState.ACTIVE
    return Up(
        trading="" if is_active else f"{status.trading} for {status.trading_code}",
        reducing=tuple(each.symbol for each in status.symbols if each.is_reducing),
    )


class Child:
    """The campaign's end of one bot.

    `is_fresh` starts an interpreter that must import everything, as a person's would; else the
    child is forked from one that has.
    """

    def __init__(self, process: Any, pipe: Connection, log: Path) -> None:
        self._process = process
        self._pipe = pipe
        self._log = log

    @classmethod
    async def start(
        cls, settings: Mapping[str, Any], log: Path, *, is_fresh: bool = False
    ) -> tuple[Child, Up]:
        """Start a bot and wait until it trades."""
        context: Any = multiprocessing.get_context("spawn" if is_fresh else "forkserver")
        if not is_fresh:
            context.set_forkserver_preload([__name__])
        ours, theirs = context.Pipe()
        process = context.Process(target=live, args=(settings, theirs, log), daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        child = cls(process, ours, log)
        try:
            return child, await child._hear(START_S, "the bot is up")
        except BaseException:
            process.kill()
            raise

    @property
    def pid(self) -> int:
        """Return the bot's process id."""
        pid: int = self._process.pid
        return pid

    def arm(self, armed: Arm) -> None:
        """Choose the point to strike at."""
        self._pipe.send(armed)

    async def struck(self) -> Point:
        """Wait until the bot stands at the point."""
        point: Point = await self._hear(STRIKE_S, "the bot comes to the point")
        return point

    async def kill(self) -> None:
        """`kill -9`, and see it gone."""
        self._process.kill()
        await self.end()

    async def end(self) -> None:
        """Let the bot go: without the campaign it ends by itself."""
        self._pipe.close()
        await asyncio.to_thread(self._process.join, START_S)
        self._process.close()

    async def _hear(self, deadline_s: float, what: str) -> Any:
        try:
            await until(self._pipe.poll, deadline_s, what=what)
            return self._pipe.recv()
        except (AssertionError, EOFError) as error:
            tail = self._log.read_text(errors="replace")[-2000:]
            raise AssertionError(f"{error or what}; the bot's last words: {tail}") from None
