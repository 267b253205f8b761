"""Protection in the whole house: with everything else dead, by settings, and through a restart."""

import asyncio
import sqlite3
from decimal import Decimal

from exchange.config import seeded_crypto
from exchange.faults import Fault, FaultKind, FaultPlan, Where

PAIR = "BTC/USD"
CALM = {"has_surprises": False, "volatility_bps": 4.0, "prints_per_s": 6.0, "quotes_per_s": 6.0}
CALM_PAIR = seeded_crypto(PAIR, 86e3, **CALM)


def covers(house):
    """Tell whether the stop at the venue is of the whole position."""
    stop = house.resting_stop(PAIR)
    return stop is not None and Decimal(stop["qty"]) == house.held(PAIR)


async def bought(house, until, process):
    """Wait for a position behind its stop; nothing more is bought."""
    house.model.wants[PAIR] = "buy"
    await until(lambda: house.held(PAIR) > 0, what="a position")
    house.model.wants[PAIR] = "hold"
    await until(lambda: covers(house), what="a stop for all of it")
    await until(process.bot.positions, what="the bot knows its position")


async def test_a_lost_stop_comes_back_with_model_slots_and_journal_dead(open_house, until):
    """No model answers, every slot is taken, journal and spool cannot be written: it is there."""
    async with open_house(CALM_PAIR) as house:
        changes = {"TRADING_SYMBOLS": PAIR, "TRADING_MODE": "crypto", "LLM_MAX_CONCURRENT": 1}
        async with house.bot(**changes) as process:
            await bought(house, until, process)
            answer, stuck = type(house.model).__call__, asyncio.Event()

            async def hang(_model, _scope, _receive, _send):
                await stuck.wait()

            type(house.model).__call__ = hang
            try:
                await until(lambda: process.bot.status().slots_busy == 1, what="no slot free")
                for spool in house.journal.parent.glob("*spool*"):
                    spool.unlink()
                    spool.mkdir()
                lock = sqlite3.connect(house.journal, isolation_level=None)
                lock.execute("BEGIN EXCLUSIVE")
                first = house.resting_stop(PAIR)
                house.exchange.venue.cancel(first["id"])
                await until(
                    lambda: covers(house) and house.resting_stop(PAIR)["id"] != first["id"],
                    10,
                    what="another stop",
                )
                await until(lambda: process.bot.positions()[0].protected_by == "venue")
                lock.close()
            finally:
                stuck.set()
                type(house.model).__call__ = answer


async def test_settings_close_a_position_by_time_and_symbol(open_house, until):
    """MAX_HOLDING of the symbol counts from the first execution, and the operator reads why."""
    async with open_house(CALM_PAIR) as house:
        changes = {
            "TRADING_SYMBOLS": PAIR,
            "TRADING_MODE": "crypto",
            "EXITS_BY_SYMBOL": f"{PAIR}: max_holding=3s stop_loss=2%",
        }
        async with house.bot(**changes) as process:
            await bought(house, until, process)
            (view,) = process.bot.positions()
            assert view.stop_price >= view.average_price * Decimal("0.97")
            await until(lambda: house.held(PAIR) * 86_000 < 10, what="the position is gone")
            codes = {notice.code for notice in process.bot.status().notices}
            assert "HOLDING_TIME_OVER" in codes


async def test_a_trailing_distance_in_ranges_survives_a_restart(open_house, until):
    """The range is read from the window of the decision, which the journal keeps."""
    async with open_house(CALM_PAIR) as house:
        changes = {
            "TRADING_SYMBOLS": PAIR,
            "TRADING_MODE": "crypto",
            "TRAILING_STOP": "50atr",
            "STOP_DEFAULT_ATR": 60,
        }
        async with house.bot(**changes) as process:
            await bought(house, until, process)
            before = process.bot._parts.exits.plan(PAIR)
            assert before.trail is not None
        async with house.up(**changes) as process:
            await until(process.bot.positions, what="the position is known again")
            after = process.bot._parts.exits.plan(PAIR)
            assert after.trail == before.trail
            assert after.opened_at == before.opened_at
            assert after.stop >= before.stop
            await until(lambda: covers(house), what="a stop for all of it")


async def test_a_fill_whose_event_is_lost_is_asked_after(open_house, until):
    """The stream looked well and never told of the fill: it stood bare until the timer came."""
    lost = Fault(kind=FaultKind.EVENT_LOST, where=Where(event="fill", leg="entry"), times=1)
    plan = FaultPlan([lost])
    async with open_house(CALM_PAIR, faults=plan) as house:
        changes = {"TRADING_SYMBOLS": PAIR, "TRADING_MODE": "crypto"}
        async with house.bot(**changes) as process:
            await bought(house, until, process)
    assert [strike.kind for strike in plan.strikes] == [FaultKind.EVENT_LOST]
