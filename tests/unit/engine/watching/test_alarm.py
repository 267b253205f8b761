"""A trip binds at once, is told when it is on disk, and takes working entries with it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from domain.errors import JournalError
from domain.limits import TradingState
from engine.trading import Standing, TradingGate
from engine.watching.alarm import Alarm

ACTIVE = Standing(state=TradingState.ACTIVE, code="RESUMED", reason="", actor="ann")


class Disk:
    """A journal whose commits a test lets through, or fails."""

    def __init__(self):
        self.entries = []
        self.may_commit = asyncio.Event()
        self.is_down = False

    async def append(self, *entries):
        await self.may_commit.wait()
        if self.is_down:
            raise JournalError("the disk is full")
        self.entries += entries
        return len(self.entries)

    def trace(self, *entries):
        self.entries += entries


class Rung:
    """An alarm over a gate, and what it did."""

    def __init__(self):
        self.disk = Disk()
        self.gate = TradingGate(self.disk, lambda *_: None, ACTIVE)
        self.told = asyncio.Queue()
        self.cancelled = asyncio.Event()
        self.alarm = Alarm(
            self.gate,
            cancel_entries=self._cancel,
            tell=lambda code, line: self.told.put_nowait((code, line)),
        )

    async def _cancel(self, _reason):
        self.cancelled.set()

    def trip(self, state=TradingState.REDUCING, code="DRAWDOWN_REACHED"):
        self.alarm.lower(state, code, "a fall")


@pytest.fixture
async def rung():
    """An alarm that is not running yet."""
    return Rung()


@asynccontextmanager
async def running(rung):
    """Run the alarm for the block; each wait in it has a deadline."""
    task = asyncio.create_task(rung.alarm.run())
    async with asyncio.timeout(60):
        yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_state_is_lower_before_anything_waits(rung):
    """The very next order must meet it, with the alarm's task not even run."""
    rung.trip()
    assert rung.gate.state is TradingState.REDUCING


async def test_nobody_is_told_before_the_disk_has_it(rung):
    """What a watcher has seen must survive a `kill -9`; entries are cancelled meanwhile."""
    async with running(rung):
        rung.trip()
        await rung.cancelled.wait()
        assert rung.told.empty()
        rung.disk.may_commit.set()
        assert await rung.told.get() == ("DRAWDOWN_REACHED", "a fall")
        assert [entry.kind for entry in rung.disk.entries] == ["trading_state", "alert"]


async def test_a_person_is_told_even_when_no_disk_takes_it(rung):
    """The state holds while the process lives; silence would help nobody."""
    rung.disk.is_down = True
    rung.disk.may_commit.set()
    async with running(rung):
        rung.trip()
        assert await rung.told.get() == ("DRAWDOWN_REACHED", "a fall")
        assert rung.gate.state is TradingState.REDUCING


async def test_what_stands_as_low_already_is_told_once(rung):
    """A limit that stays passed is looked at every second."""
    rung.disk.may_commit.set()
    async with running(rung):
        for _ in range(3):
            rung.trip()
        await rung.told.get()
        rung.trip(TradingState.HALTED, "ONE_WAY_FILLS")
        assert (await rung.told.get())[0] == "ONE_WAY_FILLS"
        assert rung.told.empty()
    assert rung.gate.standing.under.code == "DRAWDOWN_REACHED"
