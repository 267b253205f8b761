"""What a person looks at is what the bot does: candles, limits, vitals, funnel, replay, reduce."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from api.app import create_app
from api.security import SecurityConfig
from domain.indicators import NAMES
from engine.control import UnknownSymbol

SYMBOL = "AAPL"


def asking(process):
    app = create_app(
        process.bot, security=SecurityConfig(), bus=process.bus, registry=process.registry
    )
    transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000")


async def bought(house, until):
    """Let the agents buy once, and wait until the position has its stop."""
    house.model.wants[SYMBOL] = "buy"
    await until(lambda: house.resting_stop(SYMBOL), what="a position with its stop")
    house.model.wants[SYMBOL] = "hold"


async def test_figures_are_of_what_is_held_asked_and_sent(open_house, until):
    """A trade fills the limits it uses, the funnel it passed, and the vitals of who was asked."""
    async with open_house() as house, house.bot() as process, asking(process) as http:
        await bought(house, until)
        limits = {
            (each["setting"], each["symbol"]): each
            for each in (await http.get("/limits")).json()["items"]
        }
        held = limits["MAX_POSITION_FRACTION", SYMBOL]
        assert 0 < Decimal(held["used"]) <= 100
        assert held["share"] == pytest.approx(
            float(Decimal(held["used"]) / Decimal(held["limit"])), rel=0.01
        )
        whole = limits["MAX_EXPOSURE_FRACTION", None]
        assert Decimal(whole["used"]) == pytest.approx(Decimal(held["used"]), rel=Decimal("0.01"))
        assert Decimal(limits["MAX_ORDERS_PER_MINUTE", None]["used"]) >= 2
        vitals = (await http.get("/vitals")).json()
        director = vitals["model"][0]
        assert (director["role"], director["errors"]) == ("director", {})
        assert director["calls"] > 0
        assert director["latency"]["p50_ms"] > 0
        assert vitals["journal"]["commit_ms"] > 0
        assert vitals["venue"]["latency"]["count"] > 0
        assert all(link["is_up"] and link["losses"] == 0 for link in vitals["links"])
        assert vitals["budget"]["tokens"] > 0
        funnel = (await http.get("/funnel")).json()
        assert funnel["due"] >= funnel["started"] >= sum(funnel["by_outcome"].values()) > 0
        assert (funnel["ordered"], funnel["filled"]) == (1, 1)
        none = (await http.get(f"/funnel?since={vitals['since'][:19]}Z&symbol=BTC/USD")).json()
        assert (none["due"], none["ordered"]) == (None, 0)


async def test_candles_carry_their_indicators_and_only_traded_symbols_have_any(open_house):
    """As many values as bars; the newest ones are what the agents are shown, as near as an eye."""
    async with open_house() as house, house.bot() as process, asking(process) as http:
        shown = (await http.get("/bars/btc/usd?limit=40")).json()
        assert (shown["symbol"], len(shown["bars"])) == ("BTC/USD", 40)
        assert set(shown["indicators"]) == set(NAMES)
        assert {len(values) for values in shown["indicators"].values()} == {40}
        assert shown["indicators"]["sma_50"][-1] is not None
        seen = process.bot.bars("BTC/USD", limit=20)
        mean = sum(bar.c for bar in seen.bars) / 20
        assert seen.indicators["sma_20"][-1] == pytest.approx(mean)
        assert (await http.get("/bars/MSFT")).status_code == 404
        with pytest.raises(UnknownSymbol, match="MSFT is not traded here"):
            process.bot.bars("MSFT", limit=1)


async def test_a_decision_is_replayed_over_http_to_the_byte_and_orders_nothing(open_house, until):
    """The record answers, or the rules do; the venue and the journal hear nothing of it."""
    async with open_house() as house, house.bot() as process, asking(process) as http:
        await bought(house, until)
        made = (await http.get("/decisions?outcome=ordered")).json()["items"][0]
        await process.bot.stop(actor="test")
        orders, seq = len(house.orders()), await process.bot.reader().last_seq()
        again = (await http.get(f"/decisions/{made['id']}/replay")).json()
        assert (again["is_same"], again["differences"]) == (True, [])
        rules = (await http.get(f"/decisions/{made['id']}/replay?analyst=rules")).json()
        assert rules["decision"]["analyst"] == "rules"
        assert rules["is_same"] == (rules["differences"] == [])
        assert len(house.orders()) == orders
        assert await process.bot.reader().last_seq() == seq
        missing = await http.get("/decisions/nothing/replay")
        assert (missing.status_code, missing.json()["code"]) == (404, "DECISION_NOT_FOUND")
        assert (await http.get(f"/decisions/{made['id']}/replay?analyst=me")).status_code == 422


async def test_reduce_lets_the_agents_close_and_nothing_open(open_house, until):
    """It is on record, it never raises what is lower, and a resume ends it."""
    async with open_house() as house, house.bot() as process, asking(process) as http:
        await bought(house, until)
        status = (await http.post("/reduce", json={"reason": "earnings"})).json()
        assert (status["trading"], status["trading_reason"]) == ("reducing", "earnings")
        house.model.wants |= {SYMBOL: "sell", "BTC/USD": "buy"}
        await until(lambda: house.held(SYMBOL) == 0, what="the agents close")
        assert not [o for o in house.orders() if o["symbol"] in {"BTC/USD", "BTCUSD"}]
        (action, *_) = (await http.get("/actions")).json()["items"]
        assert (action["action"], action["reason"]) == ("reduce", "earnings")
        await http.post("/resume", json={"code": "OPERATOR"})
        assert process.bot.status().trading == "active"
        await http.post("/halt")
        refused = await http.post("/reduce")
        assert (refused.status_code, refused.json()["code"]) == (409, "HALTED_ALREADY")
        assert process.bot.status().trading == "halted"
