"""A difference that stays: halted for, shown, and repaired by a person's word, never by a trade."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

from api.settings import known_variables
from domain.limits import TradingState
from engine.clock import ScaledClock
from exchange.faults import Answer, Faults

ROOT = Path(__file__).parents[2]
COMMAND_S = 90.0
SPEED = 4.0


class Liar(Faults):
    """Have the venue tell other figures than its own, once told to."""

    def __init__(self):
        self.more_shares = 0
        self.less_cash = 0

    async def after_request(self, request, answer):
        if request.method != "GET" or answer.status != 200:
            return answer
        if request.path == "/v2/positions" and self.more_shares:
            body = [
                {**row, "qty": str(Decimal(row["qty"]) + self.more_shares)} for row in answer.body
            ]
            return Answer(status=200, body=body)
        if request.path == "/v2/account" and self.less_cash:
            cash = str(Decimal(answer.body["cash"]) - self.less_cash)
            return Answer(status=200, body={**answer.body, "cash": cash})
        return answer


async def command(settings, *arguments):
    """Run `autohedge reconcile` with the bot's settings; return exit code, output and errors."""
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    given = {name: str(value) for name, value in settings.items()}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "api.cli", "reconcile", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**kept, **given, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
        cwd=Path(settings["DATABASE_URL"].removeprefix("sqlite:///")).parent,
    )
    async with asyncio.timeout(COMMAND_S):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


async def bought(house, until):
    """Hold AAPL under a stop, and want no more."""
    house.model.wants["AAPL"] = "buy"
    await until(lambda: house.resting_stop("AAPL"), what="a stop rests at the venue")
    house.model.wants["AAPL"] = "hold"


@asynccontextmanager
async def quick(open_house, liar):
    """Let the venue's time and the bot's run four times as fast: its lag is ten seconds of it."""
    async with open_house(faults=liar, speed=SPEED) as house:
        clock = ScaledClock(house.exchange.venue.clock.now_ns, speed=SPEED)
        async with house.bot(clock=clock, MAX_SKEW_S=30, ENTRY_TTL_S=120) as process:
            yield house, process


async def test_a_position_that_stays_unexplained_halts_until_a_person_accepts_it(open_house, until):
    """Two shares out of nothing: one line names both counts, and no order is sent to mend it."""
    liar = Liar()
    async with quick(open_house, liar) as (house, process):
        bot = process.bot
        await bought(house, until)
        held, posts = house.held("AAPL"), len(house.orders())
        liar.more_shares = 2
        found = await bot.reconcile(actor="test")
        (difference,) = [each for each in found.differences if not each.is_settled]
        assert (difference.code, difference.symbol) == ("POSITION_DIFFERS", "AAPL")
        assert (difference.ours, difference.venue) == (held, held + 2)
        await until(lambda: bot.status().trading is TradingState.HALTED, what="halted")
        status = bot.status()
        assert status.trading_code == "POSITION_DIFFERS"
        for told in (str(held), str(held + 2), "AAPL", "autohedge reconcile"):
            assert told in status.trading_reason
        assert any(notice.code == "POSITION_DIFFERS" for notice in status.notices)
        assert house.resting_stop("AAPL") is not None

        repaired = await bot.reconcile(actor="test", repair=True)
        assert repaired.clean
        assert bot.status().trading is TradingState.HALTED
        await bot.resume(actor="test", code="POSITION_DIFFERS")
        assert bot.status().trading is TradingState.ACTIVE
        entries = [order for order in house.orders() if "-entry-" in order["client_order_id"]]
        assert len(entries) == 1
        assert len(house.orders()) >= posts


async def test_the_command_shows_and_repairs_without_a_running_bot(open_house, until):
    """Fifty dollars went while nobody watched: shown with 1, accepted with a yes, then 0."""
    liar = Liar()
    async with open_house(faults=liar) as house:
        settings = house.settings(PORT=free_port())
        async with house.bot():
            await bought(house, until)
        liar.less_cash = 50
        posts = len(house.orders())
        code, out, err = await command(settings, "--repair")
        assert (code, out) == (2, "")
        assert "--yes" in err.splitlines()[-1]
        code, out, err = await command(settings)
        assert (code, "CASH_DIFFERS" in out, err) == (1, True, "")
        code, out, err = await command(settings, "--json", "--repair", "--yes")
        answer = json.loads(out)
        assert (code, err, answer["via"]) == (0, "", "this process")
        (repaired,) = answer["repaired"]
        assert repaired["code"] == "CASH_DIFFERS"
        assert Decimal(repaired["ours"]) - Decimal(repaired["venue"]) == 50
        code, out, err = await command(settings)
        assert (code, "agree" in out) == (0, True), (out, err)
        assert len(house.orders()) == posts


async def test_beside_a_running_bot_the_command_asks_the_bot(open_house, child):
    """Two processes with books of one journal would contradict each other."""
    async with open_house() as house:
        settings = house.settings(PORT=free_port(), DEADMAN_S=0)
        async with child(settings):
            code, out, err = await command(settings, "--json")
            answer = json.loads(out)
            assert (code, err) == (0, "")
            assert answer["is_clean"]
            assert answer["via"] == f"the paper bot at http://127.0.0.1:{settings['PORT']}"


async def test_what_listens_and_is_no_bot_is_refused_in_one_line(open_house):
    """The exchange's own port stands where the bot's should."""
    async with open_house() as house:
        port = house.exchange.rest_url.rpartition(":")[2]
        code, out, err = await command(house.settings(PORT=port))
        assert (code, out) == (1, "")
        assert "is no bot" in err
        assert len(err.strip().splitlines()) == 1


async def test_stops_that_a_person_took_down_stay_down_over_a_restart(open_house, until):
    """Cancel-all with protection was forgotten by the next process, which put the stops back."""
    async with open_house() as house:
        async with house.bot() as process:
            house.model.wants["AAPL"] = "buy"
            await until(lambda: house.resting_stop("AAPL"), what="a stop rests at the venue")
            house.model.wants["AAPL"] = "hold"
            await process.bot.cancel_all(actor="test", protective=True)
            await until(lambda: house.resting_stop("AAPL") is None, what="no stop rests")
        async with house.up() as process:
            first = await process.bot.reconcile(actor="test")
            assert first.clean
            assert house.held("AAPL") > 0
            assert house.resting_stop("AAPL") is None
            code = process.bot.status().trading_code
            await process.bot.resume(actor="test", code=code)
            await until(lambda: house.resting_stop("AAPL"), what="the stop is back")
