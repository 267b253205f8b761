"""What makes things safer waits for no disk."""

import asyncio
from types import SimpleNamespace

import pytest

from engine.bot.face import Bot
from engine.killswitch.sweep import Sweep


class HangingDisk:
    """A journal whose commit does not come until it is let go."""

    def __init__(self):
        self.released = asyncio.Event()
        self.asked = []

    async def append(self, entry):
        self.asked.append(entry.ref)
        await self.released.wait()
        return len(self.asked)


class Hands:
    """What closes and cancels, remembering what it was asked."""

    def __init__(self):
        self.acted = asyncio.Event()
        self.is_suspended = False

    async def all(self, **_):
        self.acted.set()
        return True

    async def everything(self, control):
        self.acted.set()
        return Sweep(control=control, answered_in_s=0.0, orders=())

    async def reject_all(self, **_):
        return 0


@pytest.fixture
def disk():
    return HangingDisk()


@pytest.fixture
def hands():
    return Hands()


@pytest.fixture
def bot(disk, hands):
    nothing = SimpleNamespace(positions={})
    gate = SimpleNamespace(lower=lambda *_, **__: None)
    parts = SimpleNamespace(
        journal=disk,
        gate=gate,
        flatten=hands,
        sweeper=hands,
        exits=hands,
        approvals=hands,
        ledger=nothing,
    )
    return Bot(parts, SimpleNamespace())


CONTROLS = {
    "flatten": lambda bot: bot.flatten(actor="ann"),
    "cancel-all protective": lambda bot: bot.cancel_all(actor="ann", protective=True),
}


@pytest.mark.parametrize("control", CONTROLS.values(), ids=CONTROLS)
async def test_a_disk_that_hangs_keeps_no_exit_waiting(control, bot, disk, hands):
    """Both waited for their own entry's commit, ten seconds long, before the first order went."""
    asked = asyncio.create_task(control(bot))
    async with asyncio.timeout(60):
        await hands.acted.wait()
    assert not asked.done()
    assert disk.asked
    disk.released.set()
    async with asyncio.timeout(60):
        await asked
