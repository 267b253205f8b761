"""Watch mode: the market is the venue's, every order is ours alone, and the venue hears of none."""

from __future__ import annotations

from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import pytest

from api.app import create_app
from api.assembly import running
from api.assembly.watch import watch_plan
from api.security import SecurityConfig
from api.settings import Config
from domain.errors import ConfigError
from engine.clock import LiveClock
from engine.control import ProtectedBy


@asynccontextmanager
async def watching(house):
    """Run a bot in watch mode, started and warm."""
    config = Config.for_demo(house.settings(), {})
    async with running(watch_plan(config, LiveClock(), is_always_open=True)) as process:
        await process.bot.start(actor="test")
        await house.warm(process)
        yield process


async def ask(process, path):
    """Ask the process over its HTTP interface."""
    app = create_app(
        process.bot, security=SecurityConfig(), bus=process.bus, registry=process.registry
    )
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000") as client:
        return (await client.get(path)).raise_for_status().json()


def held(process):
    """What the bot holds, by symbol."""
    return {view.symbol: view for view in process.bot.positions() if view.quantity}


def assert_untouched(venue):
    """Hold that the venue was read from, and that nothing was ever asked of it but answers."""
    asked = venue.record.requests()
    assert asked
    assert {request.method for request in asked} == {"GET"}
    assert venue.record.events() == []
    assert venue.orders() == []
    assert Decimal(venue.account()["cash"]) == venue.knobs.cash


async def test_a_watch_trades_and_the_venue_never_hears_of_an_order(open_house, until):
    """Both classes are bought at the live quote, protected and sold again, all in this process."""
    async with open_house() as house:
        venue = house.exchange.venue
        async with watching(house) as process:
            assert (await ask(process, "/status"))["mode"] == "watch"
            house.model.wants |= {"AAPL": "buy", "BTC/USD": "buy"}
            await until(
                lambda: [
                    view
                    for view in held(process).values()
                    if view.protected_by is ProtectedBy.VENUE
                ][1:],
                what="both are held, each under a resting stop",
            )
            house.model.wants.clear()
            for symbol, view in held(process).items():
                assert float(view.average_price) == pytest.approx(venue.quote(symbol).ask, rel=0.01)
            assert len(await ask(process, "/orders")) > 0
            assert_untouched(venue)
            await process.bot.flatten(actor="test", reason="the watch ends")
            await until(lambda: not held(process), what="flat")
        assert_untouched(venue)


async def test_each_watch_is_an_account_and_a_journal_of_its_own(open_house, until):
    """What one held is gone with it: the next neither looks for it nor adds up its profit."""
    async with open_house() as house:
        async with watching(house) as process:
            house.model.wants["BTC/USD"] = "buy"
            await until(lambda: held(process), what="the pair is held")
            house.model.wants.clear()
            first = process.bot.account().account.account_id
        async with watching(house) as process:
            assert held(process) == {}
            assert process.bot.account().account.account_id != first
            assert process.bot.status().trading == "active"
        assert not house.journal.exists()
        assert len(list(house.journal.parent.glob("journal-watch-*.sqlite3"))) == 2
        assert_untouched(house.exchange.venue)


async def test_a_watch_wants_a_file_for_its_journal(open_house):
    """A server's database holds one journal, and a watch starts a fresh one each time."""
    async with open_house() as house:
        settings = house.settings(DATABASE_URL="postgresql://user:password@127.0.0.1/autohedge")
        with pytest.raises(ConfigError, match="SQLite"):
            watch_plan(Config.for_demo(settings, {}), LiveClock())
