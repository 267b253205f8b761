"""The dead-man: when the engine stops beating, working entries go, protection stays, and it ends.

Bots and dead-men are real processes; the oracle is the exchange's own record.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from journal.database import JournalConfig
from journal.reads.reader import Reader

ROOT = Path(__file__).parents[2]
PASSIVE = {"style": "passive", "limit_offset_bps": -45.0}
PAIR, STOCK = "BTC/USD", "AAPL"


def dead_man_of(pid):
    """Return the process beside a bot, or none."""
    for each in psutil.Process(pid).children():
        with suppress(psutil.NoSuchProcess):  # a killed one is a zombie for a moment
            if "api.deadman" in each.cmdline():
                return each
    return None


def entries(house, *statuses):
    return [
        order
        for order in house.orders()
        if "-entry-" in order["client_order_id"] and order["status"] in statuses
    ]


def settings_of(house, **changes):
    return house.settings(**({"ENTRY_TTL_S": 600, "DEADMAN_S": 2} | changes))


def log_of(settings):
    path = Path(settings["DATABASE_URL"].removeprefix("sqlite:///") + ".deadman.log")
    return path.read_text() if path.exists() else ""


async def held_and_resting(house, until):
    """Hold the pair with its stop at the venue, and let an entry of the stock rest."""
    house.model.wants[PAIR] = "buy"
    stop = await until(lambda: house.resting_stop(PAIR), what="the pair is protected")
    house.model.wants[PAIR] = "hold"
    house.model.answers["execution_plan"] = PASSIVE
    house.model.wants[STOCK] = "buy"
    await until(lambda: entries(house, "new"), what="an entry rests at the venue")
    return stop


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_entries_go_and_protection_stays(open_house, until, how, child):
    """A killed engine closes the pipe, a stopped one is silent; either way the stop still rests."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            stop = await held_and_resting(house, until)
            watcher = await until(lambda: dead_man_of(bot.pid), what="a dead-man watches")
            os.kill(bot.pid, how)
            await until(lambda: not entries(house, "new"), what="the entry is cancelled")
            assert entries(house, "canceled")
            assert house.resting_stop(PAIR)["id"] == stop["id"]
            assert house.held(PAIR) > Decimal(0)
            await until(lambda: _is_gone(watcher), what="the dead-man ends after acting")
            assert "cancelled 1 entries" in log_of(settings)


async def test_the_next_start_finds_what_the_dead_man_did(open_house, until, child):
    """Reconciliation reads the cancel from the venue; nothing is lost or sent again."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as first:
            await held_and_resting(house, until)
            first.kill()
            await until(lambda: not entries(house, "new"), what="the entry is cancelled")
        house.model.wants[STOCK] = "hold"
        (canceled,) = entries(house, "canceled")
        journal = JournalConfig(url=settings["DATABASE_URL"])
        async with child(settings), Reader(journal) as reader:

            async def is_known():
                order = await reader.orders.find(canceled["client_order_id"])
                return order.state.value == "canceled"

            await until(is_known, what="the journal says canceled")


async def test_an_orderly_stop_ends_the_dead_man_without_a_word(open_house, until, child):
    """SIGTERM: the bot cancels its entries itself, and says what protects each position."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            await held_and_resting(house, until)
            watcher = await until(lambda: dead_man_of(bot.pid))
            bot.send_signal(signal.SIGTERM)
            async with asyncio.timeout(60):
                assert await bot.wait() == 0
            assert _is_gone(watcher)
            assert not entries(house, "new")
            assert house.resting_stop(PAIR) is not None
            assert log_of(settings) == ""


async def test_a_dead_man_that_dies_is_replaced(open_house, until, child):
    """The out-of-memory killer takes the child: another watches."""
    async with open_house() as house, child(settings_of(house)) as bot:
        first = await until(lambda: dead_man_of(bot.pid))
        first.kill()
        second = await until(
            lambda: (found := dead_man_of(bot.pid)) and found.pid != first.pid and found,
            30,
            what="another dead-man",
        )
        assert not _is_gone(second)


async def test_none_watches_where_none_is_wanted(open_house, until, child):
    """DEADMAN_S=0 is off."""
    async with open_house() as house, child(settings_of(house, DEADMAN_S=0)) as bot:
        assert dead_man_of(bot.pid) is None


async def test_its_secret_is_neither_in_its_arguments_nor_in_its_environment(
    open_house, until, child
):
    """What `ps` shows to others holds no key."""
    async with open_house() as house, child(settings_of(house)) as bot:
        watcher = await until(lambda: dead_man_of(bot.pid))
        seen = f"{watcher.cmdline()} {watcher.environ()}"
        assert house.exchange.secret not in seen
        assert watcher.memory_info().rss < 64 * 1024**2


def test_it_loads_neither_the_agents_nor_the_brokers_library():
    """Small by what it imports: a figure of megabytes alone would drift."""
    code = (
        "import sys, api.deadman; "
        "print([n for n in ('alpaca','pandas','numpy','pydantic','langgraph','langchain_core',"
        "'sqlalchemy','fastapi','requests','httpx','asyncio.sslproto') if n in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert found.stdout.strip() == "[]"


def _is_gone(process):
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
