"""The kill switch works when the bot does not: stopped, hung or gone, its entries are cancelled.

The oracle is the exchange's own record; the bot is a real process that a signal stops.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from api.settings import known_variables
from journal.database import JournalConfig
from journal.reads.reader import Reader

ROOT = Path(__file__).parents[2]
STARTING_S = 90.0
PASSIVE = {"style": "passive", "limit_offset_bps": -45.0}
PAIR = "BTC/USD"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture
def settings_of(open_house):
    """Settings of a bot whose entries rest for long, on a port that is known."""

    def settings(house, **changes):
        given = {"ENTRY_TTL_S": 600, "DEADMAN_S": 0, "TRADING_SYMBOLS": PAIR, "PORT": free_port()}
        return house.settings(**(given | changes))

    return settings


async def halt(settings, *arguments, may_fail=False):
    """Run `autohedge halt --json` with the bot's settings; return its exit code and answer.

    With `may_fail`, what it says on its way out instead.
    """
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    given = {name: str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "api.cli", "halt", "--json", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **given, "PYTHONPATH": str(ROOT)},
        cwd=Path(settings["DATABASE_URL"].removeprefix("sqlite:///")).parent,
    )
    async with asyncio.timeout(STARTING_S):
        out, err = await process.communicate()
    if may_fail:
        return process.returncode, err.decode()
    assert out, err.decode()
    return process.returncode, json.loads(out)


def entries(house, *statuses):
    return [
        order
        for order in house.orders()
        if "-entry-" in order["client_order_id"] and order["status"] in statuses
    ]


def posts(house):
    return [
        post
        for post in house.exchange.venue.record.requests("POST", "/v2/orders")
        if "-entry-" in post.body["client_order_id"]
    ]


async def with_resting_entry(house, until):
    """Let the model want one passive entry, and wait until it rests."""
    house.model.answers["execution_plan"] = PASSIVE
    house.model.wants[PAIR] = "buy"
    return await until(lambda: entries(house, "new"), what="an entry rests at the venue")


async def status(settings):
    url = f"http://127.0.0.1:{settings['PORT']}/status"
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        return (await client.get(url)).json()


async def test_a_running_bot_is_halted_over_http(open_house, until, settings_of, child):
    """The usual way: the bot does it, says how soon, and the command tells it by order."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings):
            (resting,) = await with_resting_entry(house, until)
            code, answer = await halt(settings)
            assert (code, answer["via"]) == (0, "the bot's HTTP")
            assert [each["client_order_id"] for each in answer["orders"]] == [
                resting["client_order_id"]
            ]
            assert answer["answered_in_s"] > 0
            assert not entries(house, "new")
            assert (await status(settings))["trading_code"] == "OPERATOR"


async def test_a_stopped_process_is_halted_from_outside(open_house, until, settings_of, child):
    """SIGSTOP: HTTP hangs, the journal is held. When it wakes it is halted and enters nothing."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            (resting,) = await with_resting_entry(house, until)
            os.kill(bot.pid, signal.SIGSTOP)
            code, answer = await halt(settings, "--reason", "it hangs")
            assert (code, answer["via"]) == (0, "this process"), answer
            assert resting["client_order_id"] in [e["client_order_id"] for e in answer["orders"]]
            assert not entries(house, "new")
            sent = len(posts(house))
            os.kill(bot.pid, signal.SIGCONT)

            async def is_halted():
                now = await status(settings)
                return now["trading"] == "halted" and now["trading_code"] == "OPERATOR"

            await until(is_halted, what="the bot knows that it is halted")
            mark = Path(settings["DATABASE_URL"].removeprefix("sqlite:///") + ".halt")
            await until(lambda: not mark.exists(), what="the halt is journaled")
            bars = house.exchange.venue.clock.now_ns() + 4_000_000_000
            await until(lambda: house.exchange.venue.clock.now_ns() > bars, what="four bars")
            assert len(posts(house)) == sent
        async with Reader(JournalConfig(url=settings["DATABASE_URL"])) as reader:
            state = await reader.states.trading()
            actions = (await reader.states.operator_actions()).items
        assert (state.state, state.code) == ("halted", "OPERATOR")
        assert any(row.action == "halt" and row.reason == "it hangs" for row in actions)


async def test_a_bot_that_is_gone_stays_halted_at_its_next_start(
    open_house, until, settings_of, child
):
    """`kill -9`, then a halt: the journal is free, and the next start serves but does not trade."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            await with_resting_entry(house, until)
            bot.kill()
            await bot.wait()
            code, answer = await halt(settings)
            assert (code, answer["via"], answer["journal"]) == (0, "this process", "written")
            assert not entries(house, "new")
            sent = len(posts(house))
        async with child(settings):
            now = await status(settings)
            assert (now["session"], now["trading_code"]) == ("stopped", "OPERATOR")
            assert len(posts(house)) == sent


async def test_flatten_from_outside_closes_what_a_hung_bot_holds(
    open_house, until, settings_of, child
):
    """The stop is cancelled, the position is sold, and the venue says flat."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            house.model.wants[PAIR] = "buy"
            await until(lambda: house.resting_stop(PAIR), what="it is held and protected")
            house.model.wants[PAIR] = "hold"
            os.kill(bot.pid, signal.SIGSTOP)
            code, answer = await halt(settings, "--flatten")
            assert (code, answer["left"]) == (0, []), answer
            assert house.held(PAIR) <= Decimal("0.0001")
            assert {"stop", "flatten"} <= {each["leg"] for each in answer["orders"]}
            assert house.resting_stop(PAIR) is None


async def test_protection_stays_unless_it_is_named(open_house, until, settings_of, child):
    """A halt leaves the stop where it rests; --cancel-protective takes it, and says so."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            house.model.wants[PAIR] = "buy"
            stop = await until(lambda: house.resting_stop(PAIR), what="it is protected")
            house.model.wants[PAIR] = "hold"
            os.kill(bot.pid, signal.SIGSTOP)
            code, answer = await halt(settings)
            assert code == 0, answer
            assert house.resting_stop(PAIR)["id"] == stop["id"]
            code, answer = await halt(settings, "--cancel-protective")
            assert code == 0, answer
            assert house.resting_stop(PAIR) is None
            assert [each["leg"] for each in answer["orders"]] == ["stop"]


async def test_a_halt_without_keys_still_binds_the_bot_that_wakes(
    open_house, until, settings_of, child
):
    """A shell without the bot's keys can cancel nothing; it left the halted bot to trade on."""
    async with open_house() as house:
        settings = settings_of(house)
        async with child(settings) as bot:
            os.kill(bot.pid, signal.SIGSTOP)
            keyless = settings | {"APCA_API_KEY_ID": "", "APCA_API_SECRET_KEY": ""}
            code, said = await halt(keyless, may_fail=True)
            assert code == 2
            assert "APCA_API_KEY_ID" in said
            assert "binds the bot when it wakes" in said
            os.kill(bot.pid, signal.SIGCONT)

            async def is_halted():
                return (await status(settings))["trading"] == "halted"

            await until(is_halted, what="the bot knows that it is halted")


async def test_a_wrong_setting_does_not_keep_a_halt_from_working(
    open_house, until, settings_of, child
):
    """A kill switch reads what it needs: a typo in the model's settings used to block it."""
    async with open_house() as house:
        settings = settings_of(house)
        broken = settings | {"LLM_TIMEOUT_S": "soon", "MAX_DRAWDOWN": "7", "ANALYST": "llm"}
        folder = Path(settings["DATABASE_URL"].removeprefix("sqlite:///")).parent
        async with child(settings) as bot:
            (resting,) = await with_resting_entry(house, until)
            os.kill(bot.pid, signal.SIGSTOP)
            code, answer = await halt(broken)
            assert (code, answer["via"]) == (0, "this process"), answer
            assert resting["client_order_id"] in [e["client_order_id"] for e in answer["orders"]]
            assert not entries(house, "new")
            told = " ".join(answer["wrong"])
            assert "LLM_TIMEOUT_S is 'soon'" in told
            assert "MAX_DRAWDOWN is '7'" in told
            (folder / ".env").write_text("LLM_MODL=gpt-5\nPROMPTS_DIR=nowhere\nno setting\n")
            code, answer = await halt(broken)
            assert code == 1, "a line of .env might have named another venue"
            assert "LLM_MODL in .env is no setting" in " ".join(answer["wrong"])
            os.kill(bot.pid, signal.SIGCONT)


async def test_a_venue_that_is_away_is_three_and_the_halt_still_stands(open_house, settings_of):
    """Nothing can be cancelled; what can be done is done: the next start is halted."""
    async with open_house() as house:
        settings = settings_of(house, APCA_API_BASE_URL=f"http://127.0.0.1:{free_port()}")
        code, answer = await halt(settings)
        assert code == 3, answer
        assert answer["fault"]
        async with Reader(JournalConfig(url=settings["DATABASE_URL"])) as reader:
            state = await reader.states.trading()
        assert (state.state, state.code) == ("halted", "OPERATOR")
