"""Trading that lowers itself: real losses at the exchange, what still goes, and the way back."""

from __future__ import annotations

import os
import signal

import pytest

from domain.limits import TradingState, Trip
from domain.ports import EntryKind
from engine.control import ControlRefused
from engine.trading import STOPPED
from exchange.faults import Answer, Faults
from journal.database import JournalConfig
from journal.reads.reader import Reader

STOCK, PAIR = "AAPL", "BTC/USD"

LOSSES = {"MAX_CONSECUTIVE_LOSSES": 1}
"""One round trip in coins: at a quarter of a percent a side it always loses."""


async def holding(house, until, symbol):
    """Have the model buy until the venue holds a position with its stop at rest."""
    house.model.wants[symbol] = "buy"
    await until(lambda: house.held(symbol) > 0, what=f"the venue holds {symbol}")
    await until(lambda: house.resting_stop(symbol), what=f"a stop rests under {symbol}")
    house.model.wants[symbol] = "hold"


async def lose(house, until):
    """Buy coins and sell them: the fees alone are the loss."""
    await holding(house, until, PAIR)
    house.model.wants[PAIR] = "sell"
    await until(lambda: house.held(PAIR) == 0, what="the coins are sold")
    house.model.wants[PAIR] = "hold"


async def lowered(process, until, trip):
    """Wait until trading is lowered for this reason and the line has been told."""
    await until(lambda: process.bot.status().trading_code == trip, what=f"trading says {trip}")
    await until(lambda: lines(process, trip), what="the operator is told")


def lines(process, code):
    return [notice.message for notice in process.bot.status().notices if notice.code == code]


def entries(house, symbol):
    name = symbol.replace("/", "")
    return [
        order
        for order in house.orders()
        if "-entry-" in order["client_order_id"] and order["symbol"].replace("/", "") == name
    ]


async def denied(process, until, symbol):
    """Ask for a run by hand, which any state allows, and return the code its order met."""
    reader = process.bot.reader()
    await process.bot.decide(symbol, actor="test")

    async def code():
        page = await reader.decisions.page(symbol=symbol)
        codes = [row.denial_code for row in page.items if row.denial_code]
        return codes[0] if codes else None

    return await until(code, what=f"the order in {symbol} is denied")


async def test_losses_lower_trading_exits_still_go_and_only_a_person_raises_it(open_house, until):
    """The whole way: a losing trade, no entries, a close, a restart, two answers to `/resume`."""
    async with open_house() as house:
        async with house.bot(**LOSSES) as process:
            await holding(house, until, STOCK)
            await lose(house, until)
            await lowered(process, until, Trip.CONSECUTIVE_LOSSES)
            (line,) = lines(process, Trip.CONSECUTIVE_LOSSES)
            assert "1 closed trades lost in a row (MAX_CONSECUTIVE_LOSSES is 1)" in line
            assert process.registry.get_sample_value(
                "autohedge_alerts_total", {"code": "CONSECUTIVE_LOSSES"}
            )
            house.model.wants[PAIR] = "buy"
            assert await denied(process, until, PAIR) == "REDUCE_ONLY"
            house.model.wants[PAIR] = "hold"
            house.model.wants[STOCK] = "sell"
            await until(lambda: house.held(STOCK) == 0, what="an exit still goes")
        assert len(entries(house, PAIR)) == 1
        async with house.up(**LOSSES) as process:
            status = process.bot.status()
            assert (status.trading, status.trading_code) == (TradingState.HALTED, STOPPED)
            await process.bot.start(actor="ann")
            await lowered_again(process)
            with pytest.raises(ControlRefused, match="CONSECUTIVE_LOSSES"):
                await process.bot.resume(actor="ann", code="DAILY_LOSS_REACHED")
            assert process.bot.status().trading is TradingState.REDUCING
            await process.bot.resume(actor="ann", code="CONSECUTIVE_LOSSES", reason="seen")
            assert process.bot.status().trading is TradingState.ACTIVE
            await house.warm(process)
            await holding(house, until, PAIR)


async def lowered_again(process):
    """The stop is taken back by the start; what stood under it is not."""
    status = process.bot.status()
    assert (status.trading, status.trading_code) == (TradingState.REDUCING, "CONSECUTIVE_LOSSES")


async def test_a_loss_of_the_day_is_measured_on_equity_and_resumed_from_there(open_house, until):
    """A dollar of a hundred thousand is too much here; the person grants another."""
    limits = {"MAX_DAILY_LOSS": 0.000_002}
    async with open_house() as house, house.bot(**limits) as process:
        await lose(house, until)
        await until(
            lambda: process.bot.status().trading is TradingState.REDUCING,
            60,
            what="two answers of the venue say the same",
        )
        assert process.bot.status().trading_code == Trip.DAILY_LOSS_REACHED
        await process.bot.resume(actor="ann", code="DAILY_LOSS_REACHED", reason="seen")
        assert process.bot.status().trading is TradingState.ACTIVE
        assert process.bot.status().day_pnl == 0


class Refuse(Faults):
    """A venue that turns entries down, by its own words."""

    async def before_request(self, request):
        is_post = (request.method, request.path) == ("POST", "/v2/orders")
        if is_post and "-entry-" in request.body["client_order_id"]:
            return Answer(status=403, body={"code": 40310000, "message": "no, and no again"})
        return None


async def test_rejections_in_a_row_lower_trading(open_house, until):
    """A venue that keeps refusing is not asked for ever."""
    async with (
        open_house(faults=Refuse()) as house,
        house.bot(MAX_CONSECUTIVE_REJECTIONS=2) as process,
    ):
        house.model.wants |= {STOCK: "buy", PAIR: "buy"}
        await lowered(process, until, Trip.CONSECUTIVE_REJECTIONS)
        assert not house.orders()


async def test_entries_that_only_go_one_way_halt_trading(open_house, until):
    """Two buys and no exit between: here that is one too many."""
    async with open_house() as house, house.bot(MAX_ONE_WAY_FILLS=2) as process:
        house.model.wants |= {STOCK: "buy", PAIR: "buy"}
        await lowered(process, until, Trip.ONE_WAY_FILLS)
        assert process.bot.status().trading is TradingState.HALTED
        await until(
            lambda: all(house.resting_stop(symbol) for symbol in (STOCK, PAIR)),
            what="both positions are protected all the same",
        )


async def test_a_trip_survives_a_kill_the_moment_it_is_told(open_house, until, child):
    """What a watcher has seen is on disk: `kill -9` on seeing it takes nothing back."""
    async with open_house() as house:
        settings = house.settings(**LOSSES)
        async with child(settings) as process:
            async with Reader(JournalConfig(url=settings["DATABASE_URL"])) as reader:

                async def is_told():
                    page = await reader.states.page(EntryKind.ALERT)
                    return any(row.body["code"] == Trip.CONSECUTIVE_LOSSES for row in page.items)

                await lose(house, until)
                await until(is_told, what="the alert is in the journal")
            os.kill(process.pid, signal.SIGKILL)
            await process.wait()
        async with house.up(**LOSSES) as process:
            await lowered_again(process)
            with pytest.raises(ControlRefused, match="CONSECUTIVE_LOSSES"):
                await process.bot.start(actor="ann")
