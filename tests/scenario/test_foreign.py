"""What is not ours on the account: counted, shown, and never touched."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest
from rich.console import Console

from api.app import create_app
from api.cli.main import Exit, run
from api.cli.running.serving import say_what_is_left
from api.security import SecurityConfig
from domain.errors import ConfigError
from exchange.config import seeded_stock


def sold_by_another(house):
    """Let another program on the account hold SPY under a stop that is named like ours."""
    venue = house.exchange.venue
    venue.submit(
        {"symbol": "SPY", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
    )
    return venue.submit(
        {
            "symbol": "SPY",
            "qty": 1,
            "side": "sell",
            "type": "stop",
            "stop_price": 10,
            "time_in_force": "gtc",
            "client_order_id": f"ah-{'a' * 24}-stop-1",
        }
    )


@asynccontextmanager
async def shared_account(open_house):
    """Run a bot for AAPL alone on an account where SPY is another program's matter."""
    calm = {"has_surprises": False, "volatility_bps": 4.0}
    listed = (seeded_stock("AAPL", 228.0, **calm), seeded_stock("SPY", 665.0, **calm))
    async with open_house(*listed) as house:
        await wait_for_quote(house, "SPY")
        stop = sold_by_another(house)
        settings = {"TRADING_MODE": "stocks", "TRADING_SYMBOLS": "AAPL"}
        async with house.up(**settings) as process:
            yield house, process, stop


async def wait_for_quote(house, symbol):
    async with asyncio.timeout(60):
        while house.exchange.venue.quote(symbol) is None:  # noqa: ASYNC110 - the market's own time
            await asyncio.sleep(0.02)


def at_venue(house, order):
    """Return the order as the venue has it."""
    return house.exchange.venue.order(order["id"])


async def test_an_order_named_like_ours_in_a_symbol_of_others_survives_everything(open_house):
    """Two bots on one account: cancel-all and flatten of one took the other's stop down."""
    async with shared_account(open_house) as (house, process, stop):
        await process.bot.start(actor="test")
        await process.bot.cancel_all(actor="test", protective=True)
        await process.bot.flatten(actor="test", account_wide=True)
        assert at_venue(house, stop)["status"] in {"new", "accepted"}
        assert house.held("SPY") == 1


async def test_a_foreign_position_is_shown_by_every_page(open_house):
    """One holding outside TRADING_SYMBOLS made positions, report and flatten answer 500."""
    async with shared_account(open_house) as (_, process, _stop):
        (position,) = process.bot.positions()
        assert (position.symbol, position.is_ours, position.protected_by) == ("SPY", False, "none")
        app = create_app(
            process.bot, security=SecurityConfig(), bus=process.bus, registry=process.registry
        )
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path in ("/status", "/positions", "/account", "/orders", "/report", "/metrics"):
                answer = await client.get(path)
                assert answer.status_code == 200, (path, answer.text)
            flat = await client.post("/flatten")
            assert flat.status_code == 200, flat.text
        say_what_is_left(process, Console(quiet=True))


def test_a_failure_inside_a_task_group_is_still_one_line(capsys):
    """The process lives in a task group, which wraps whatever it raises."""

    def command():
        raise ExceptionGroup("tasks", [ExceptionGroup("inner", [ConfigError("no", code="X")])])

    assert run(command) == Exit.SETTINGS
    assert capsys.readouterr().err.strip() == "X: no"


def test_a_failure_of_ours_beside_a_bug_is_not_hidden():
    """A bug keeps its traceback."""

    def command():
        raise ExceptionGroup("tasks", [ConfigError("no"), ZeroDivisionError()])

    with pytest.raises(ExceptionGroup):
        run(command)
