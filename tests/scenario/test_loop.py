"""One trade, from the tick to the profit, on each road an order can take."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.decisions import Role
from domain.orders import Leg, OrderState
from engine.control import ProtectedBy

ROADS = [
    pytest.param("AAPL", {}, "simple", id="stock-fraction"),
    pytest.param("AAPL", {"MAX_ORDER_AMOUNT": 1000}, "bracket", id="stock-whole-shares"),
    pytest.param("BTC/USD", {}, "simple", id="crypto"),
]


async def bought(house, process, until, symbol):
    """Have the model buy, and wait until the venue holds a position with a stop at rest."""
    house.model.wants[symbol] = "buy"
    await until(lambda: house.held(symbol) > 0, what="the venue holds a position")
    stop = await until(lambda: house.resting_stop(symbol), what="a stop rests at the venue")
    (seen,) = await until(
        lambda: [
            view for view in process.bot.positions() if view.protected_by is ProtectedBy.VENUE
        ],
        3,
        what="the bot shows the venue's protection",
    )
    return stop, seen


async def sold(house, process, until, symbol):
    """Have the model sell, and wait until venue and bot are flat and no stop is left."""
    house.model.wants[symbol] = "sell"
    await until(lambda: house.held(symbol) == 0, what="the venue is flat")
    house.model.wants[symbol] = "hold"
    await until(lambda: not process.bot.positions(), what="the bot is flat")
    await until(lambda: house.resting_stop(symbol) is None, what="no stop is left")


@pytest.mark.parametrize(("symbol", "settings", "order_class"), ROADS)
async def test_a_trade_goes_from_tick_to_profit(open_house, until, symbol, settings, order_class):
    """The model buys, the stop rests at the venue, the model sells, and the report adds it up.

    A pair's fees too, in coins on the way in and in dollars on the way out: the venue posts them at
    the day's end, and profit cannot wait for that.
    """
    async with open_house() as house, house.bot(**settings) as process:
        reader = process.bot.reader()
        cash = Decimal(house.exchange.venue.account()["cash"])
        stop, seen = await bought(house, process, until, symbol)
        held = house.held(symbol)
        assert (seen.symbol, seen.quantity, seen.is_ours) == (symbol, held, True)
        assert (Decimal(stop["stop_price"]), Decimal(stop["qty"])) == (seen.stop_price, held)

        (entry,) = [order for order in house.orders() if "-entry-" in order["client_order_id"]]
        assert (entry["order_class"] or "simple") == order_class
        decision_id = entry["client_order_id"].split("-")[1]

        async def is_journaled():
            story = await reader.decisions.story(decision_id)
            return story if _entry(story).order.state is OrderState.FILLED else None

        story = await until(is_journaled, what="the journal knows of the fill")
        assert story.decision.symbol == symbol
        assert [call.role for call in story.decision.calls] == list(Role)
        assert {call.prompt_digest for call in story.decision.calls} == set(story.prompts)
        assert story.window["decision_id"] == decision_id
        assert story.gates[0].authorized
        filled = sum(row.fill.quantity for row in _entry(story).fills)
        assert filled == Decimal(entry["filled_qty"])

        await sold(house, process, until, symbol)

        async def is_added_up():
            report = await reader.report()
            return report if [row.quantity for row in report.symbols] == [0] else None

        report = await until(is_added_up, what="the report is flat")
        gained = Decimal(house.exchange.venue.account()["cash"]) - cash
        assert report.realized != 0
        assert abs(report.realized - report.fees - gained) < Decimal("0.02")
        assert (report.fees > Decimal("0.3")) == (symbol == "BTC/USD")
        assert (await reader.verify_chain()).is_sound


def _entry(story):
    return next(row for row in story.orders if row.order.request.leg is Leg.ENTRY)
