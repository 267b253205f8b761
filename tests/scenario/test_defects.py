"""What published code of such systems does wrong, told again as stories that must end well."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from domain.decisions import Outcome
from exchange.faults import Answer, Faults

REFUSED = {
    "approved": False,
    "size_fraction": 1.0,
    "stop_loss": None,
    "take_profit": None,
    "reason": "approved? No: not approved.",
}


async def outcomes(process, symbol):
    """The journaled outcomes of a symbol's runs, newest first."""
    page = await process.bot.reader().decisions.page(symbol=symbol, limit=100)
    return [row.outcome for row in page.items]


async def test_a_refusal_that_speaks_of_approval_is_a_refusal(open_house, until):
    """`{"approved": false}` with the word in its reason: no order, and the reason is journaled."""
    async with open_house() as house, house.bot() as process:
        house.model.answers["verdict"] = REFUSED
        house.model.wants["AAPL"] = "buy"

        async def is_rejected():
            return Outcome.RISK_REJECTED in await outcomes(process, "AAPL")

        await until(is_rejected)
        assert not house.orders()


async def test_a_sell_of_what_we_do_not_hold_is_never_a_buy(open_house, until):
    """The director's sell while flat ends before the quant, for shares and pairs alike."""
    async with open_house() as house, house.bot() as process:
        house.model.wants |= {"AAPL": "sell", "BTC/USD": "sell"}

        async def is_decided():
            return all([await outcomes(process, name) for name in house.symbols])

        await until(is_decided)
        await until(lambda: process.bot.status().decisions >= 6)
        assert {schema for _, schema in house.model.asked} == {"directive"}
        assert not house.orders()


async def test_a_cool_down_is_time_and_not_a_count_of_events(open_house, until):
    """However many quotes and bars arrive, a symbol has one run within its cool-down."""
    async with open_house() as house, house.bot(COOLDOWN_S=600) as process:
        await until(lambda: process.bot.status().decisions >= 2)
        bars = [symbol.bars for symbol in process.bot.status().symbols]
        await until(lambda: process.bot.status().symbols[0].bars >= bars[0] + 3)
        asked = [symbol for symbol, _ in house.model.asked]
        assert sorted(asked) == sorted(house.symbols)


class LostAnswers(Faults):
    """Take the first entry, and answer it with a proxy's error: the client cannot know."""

    def __init__(self):
        self.lost = []

    async def after_request(self, request, answer):
        is_post = (request.method, request.path) == ("POST", "/v2/orders")
        if is_post and not self.lost and "-entry-" in request.body["client_order_id"]:
            self.lost.append(request.body["client_order_id"])
            return Answer(status=504, body=b"<html>gateway</html>", media_type="text/html")
        return answer


async def test_an_order_whose_answer_was_lost_is_looked_up_and_not_sent_again(open_house, until):
    """The venue took the order, the answer never came: one order, one position, one stop."""
    faults = LostAnswers()
    async with open_house(faults=faults) as house, house.bot() as process:
        house.model.wants["BTC/USD"] = "buy"
        await until(lambda: faults.lost)
        await until(lambda: house.resting_stop("BTC/USD"), what="the position is protected")
        posts = house.exchange.venue.record.requests("POST", "/v2/orders")
        entries = [p.body["client_order_id"] for p in posts if "-entry-" in str(p.body)]
        assert entries == faults.lost
        stop = house.resting_stop("BTC/USD")
        assert Decimal(stop["qty"]) == house.held("BTC/USD")
        assert process.bot.status().positions_open == 1


async def test_the_pair_that_is_held_is_known_by_both_its_spellings(open_house, until):
    """The venue says `BTCUSD`, the settings say `BTC/USD`: it is not bought a second time."""
    async with open_house() as house:
        async with house.bot() as process:
            house.model.wants["BTC/USD"] = "buy"
            await until(lambda: house.resting_stop("BTC/USD"))
            held = house.held("BTC/USD")
        async with house.bot() as process:

            async def is_known():
                return (await outcomes(process, "BTC/USD"))[:1] == [Outcome.ALREADY_IN_POSITION]

            await until(is_known)
            assert house.held("BTC/USD") == held
            assert [view.symbol for view in process.bot.positions()] == ["BTC/USD"]
            by_decision = defaultdict(set)
            for order in house.orders():
                if "-entry-" in order["client_order_id"]:
                    by_decision[order["symbol"]].add(order["client_order_id"])
            assert [len(ids) for ids in by_decision.values()] == [1]


async def test_a_stop_is_reached_without_a_model(open_house, until):
    """The model endpoint is dumb and the session stopped: the venue's stop still ends the trade."""
    async with open_house() as house, house.bot(STOP_DEFAULT_ATR=1) as process:
        house.model.wants["BTC/USD"] = "buy"
        await until(lambda: house.resting_stop("BTC/USD") or house.held("BTC/USD"))
        house.model.wants["BTC/USD"] = "hold"
        house.model.raw["directive"] = "out of order"
        await process.bot.stop(actor="test")
        await until(lambda: house.held("BTC/USD") == 0, what="stop or target ended it")
        await until(lambda: not process.bot.positions())
        assert house.resting_stop("BTC/USD") is None
