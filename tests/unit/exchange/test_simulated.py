"""The simulated broker: the market it is shown is the only one it trades on."""

import asyncio
from decimal import Decimal

import pytest

from domain.account import Ledger, Position
from domain.errors import ConfigError, OrderRejected, OutcomeUnknown
from domain.market import AssetClass, Instrument
from domain.orders import (
    Leg,
    Order,
    OrderEvent,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from domain.ports import LinkDown, LinkUp
from domain.records import NS_PER_S, parse_ns
from domain.risk import Facts, Limits, authorize
from engine.clock import ManualClock
from exchange.matching.knobs import Knobs
from exchange.simulated import SimulatedBroker, SimulatedConfig
from exchange.simulated.decode import listing_of

NOON = parse_ns("2026-10-07T16:00:00Z")
AAPL = Instrument(
    symbol="AAPL",
    asset_class=AssetClass.STOCK,
    tick=Decimal("0.01"),
    lot=Decimal(1),
    min_notional=Decimal(1),
    shortable=True,
    name="Apple",
)
PAIR = Instrument(
    symbol="BTC/USD",
    asset_class=AssetClass.CRYPTO,
    tick=Decimal("0.5"),
    lot=Decimal("0.0001"),
    min_notional=Decimal(10),
    fractionable=True,
    min_quantity=Decimal("0.001"),
)


class Bench:
    """A broker on a clock that stands still until a test moves it."""

    def __init__(self, **changes):
        self.clock = ManualClock(NOON)
        config = {"instruments": (AAPL, PAIR), "knobs": Knobs(partial_rate=0.0)} | changes
        self.broker = SimulatedBroker(SimulatedConfig(**config), self.clock)

    def quote(self, bid, ask, *, symbol="AAPL", at=0):
        """Show a quote, `at` seconds from now."""
        ts_ns = self.clock.now_ns() + int(at * NS_PER_S)
        self.broker.on_quote(symbol, bid, 100.0, ask, 100.0, ts_ns)

    def print(self, price, *, at=0):
        """Show a print of the share, `at` seconds from now."""
        self.broker.on_trade("AAPL", price, 10.0, self.clock.now_ns() + int(at * NS_PER_S))

    def order(self, name, **changes):
        """Authorize an exit-shaped order as if enough were held."""
        fields = {
            "decision_id": name,
            "leg": Leg.FLATTEN,
            "symbol": "AAPL",
            "side": Side.BUY,
            "quantity": Decimal(2),
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "reference_price": Decimal(101),
            "limit_price": Decimal(101),
            "valid_until": "2099-01-01T00:00:00Z",
            "client_order_id": f"ah-{name}-flatten-1",
        } | changes
        ledger = Ledger([fields["symbol"]])
        held = Decimal(-1000) * fields["side"].sign
        position = Position(
            symbol=fields["symbol"], quantity=held, average_price=Decimal(100), available=held
        )
        ledger.correct(None, [position], 0)
        rules = PAIR if fields["symbol"] == "BTC/USD" else AAPL
        return authorize(OrderRequest(**fields), Facts(instrument=rules), Limits(), ledger)

    async def send(self, name, **changes):
        """Submit an order."""
        return await self.broker.submit(self.order(name, **changes))

    async def state(self, name):
        """Return where an order stands."""
        return (await self.broker.find(f"ah-{name}-flatten-1")).state


async def test_a_resting_limit_fills_when_the_quote_comes_to_it():
    """At its own price: it was there first."""
    bench = Bench()
    bench.quote(102.0, 102.1)
    await bench.send("a")
    assert await bench.state("a") is OrderState.ACCEPTED
    bench.quote(100.8, 100.9, at=1)
    report = await bench.broker.find("ah-a-flatten-1")
    assert (report.state, report.average_price) == (OrderState.FILLED, Decimal(101))


async def test_a_stop_of_shares_wakes_on_a_print_and_fills_at_the_quote():
    """Quotes alone never trigger it: so the venue says, and so the simulation keeps it."""
    bench = Bench()
    bench.quote(100.0, 100.1)
    await bench.send("buy")
    stop = {"side": Side.SELL, "order_type": OrderType.STOP, "limit_price": None}
    await bench.send("stop", **stop, stop_price=Decimal(99))
    bench.quote(98.5, 98.6, at=1)
    assert await bench.state("stop") is OrderState.ACCEPTED
    bench.print(98.9, at=2)
    assert await bench.state("stop") is OrderState.FILLED
    assert list(await bench.broker.positions()) == []


@pytest.mark.parametrize(
    ("bid", "ask", "at"),
    [(99.0, 99.1, -5), (101.5, 100.5, 1)],
    ids=["older than the last", "crossed"],
)
async def test_a_quote_that_is_late_or_crossed_fills_nothing(bid, ask, at):
    """What the rolling store would not believe, the simulation does not trade on."""
    bench = Bench()
    bench.quote(102.0, 102.1)
    await bench.send("a")
    bench.quote(bid, ask, at=at)
    assert await bench.state("a") is OrderState.ACCEPTED


async def test_a_late_print_triggers_nothing():
    """A price of the past is not the last price."""
    bench = Bench()
    bench.quote(100.0, 100.1)
    bench.print(100.0)
    await bench.send("buy")
    stop = {"side": Side.SELL, "order_type": OrderType.STOP, "limit_price": None}
    await bench.send("stop", **stop, stop_price=Decimal(99))
    bench.print(98.0, at=-3)
    assert await bench.state("stop") is OrderState.ACCEPTED


async def test_a_quote_from_the_future_does_not_move_the_venues_time():
    """A day order lives until its own clock says that the day is over."""
    bench = Bench()
    bench.quote(102.0, 102.1)
    await bench.send("a", time_in_force=TimeInForce.DAY)
    bench.quote(102.0, 102.1, at=86_400)
    assert await bench.state("a") is OrderState.ACCEPTED
    await bench.clock.advance(86_400)
    assert await bench.state("a") is OrderState.EXPIRED


async def test_nothing_fills_while_nobody_sees_the_market():
    """A lost link forgets the quote: a stale price is no price."""
    bench = Bench()
    bench.quote(100.0, 100.1)
    bench.broker.go_dark(["AAPL", "NOT LISTED"])
    await bench.send("a")
    assert await bench.state("a") is OrderState.ACCEPTED
    bench.quote(100.0, 100.1, at=1)
    assert await bench.state("a") is OrderState.FILLED


async def test_orders_wait_while_their_market_is_halted():
    """And meet the first quote after it."""
    bench = Bench()
    bench.quote(100.0, 100.1)
    bench.broker.set_status("AAPL", is_halted=True)
    await bench.send("a")
    bench.quote(100.0, 100.1, at=1)
    assert await bench.state("a") is OrderState.ACCEPTED
    bench.broker.set_status("AAPL", is_halted=False)
    bench.quote(100.0, 100.1, at=2)
    assert await bench.state("a") is OrderState.FILLED


async def test_events_that_nobody_reads_become_one_lost_link():
    """Dropped events are told, so that the reader reconciles and nothing stays unseen."""
    bench = Bench(queue_size=3)
    updates = bench.broker.updates()
    assert await anext(updates) == LinkUp()
    for n in range(4):
        await bench.send(f"n{n}", limit_price=Decimal(90))
    seen = [await anext(updates) for _ in range(3)]
    assert [type(update) for update in seen] == [LinkDown, LinkUp, OrderEvent]
    assert seen[2].client_order_id == "ah-n3-flatten-1"
    assert "3" in seen[0].reason
    await updates.aclose()


async def test_two_readers_hear_the_same_and_a_closed_broker_none():
    """Each reader has its own queue; after the end there is nothing to hear."""
    bench = Bench()
    bench.quote(100.0, 100.1)
    one, two = bench.broker.updates(), bench.broker.updates()
    assert await anext(one) == await anext(two) == LinkUp()
    await bench.send("a")
    assert await anext(one) == await anext(two)
    await bench.broker.aclose()
    async with asyncio.timeout(60):
        assert [update async for update in bench.broker.updates()] == []


def test_a_listing_keeps_the_real_venues_increments():
    """Orders are refused here for what they would be refused for there."""
    pair, stock = listing_of(PAIR), listing_of(AAPL)
    assert (pair.price_increment, pair.lot, pair.min_order_size) == (
        PAIR.tick,
        PAIR.lot,
        PAIR.min_quantity,
    )
    assert (stock.fractionable, stock.shortable, stock.name) == (False, True, "Apple")
    assert (pair.compact, pair.marginable, pair.shortable) == ("BTCUSD", False, False)


async def test_a_refusal_carries_the_venues_words_and_status():
    """Nobody holds the coin, so it cannot be sold."""
    bench = Bench()
    bench.quote(86_000.0, 86_001.0, symbol="BTC/USD")
    coin = {"symbol": "BTC/USD", "side": Side.SELL, "quantity": Decimal("0.5")}
    with pytest.raises(OrderRejected) as rejected:
        await bench.send("a", **coin, limit_price=Decimal(86_000), reference_price=Decimal(86_000))
    assert rejected.value.status == 403
    assert "insufficient balance" in rejected.value.reason


async def test_an_order_without_the_venues_id_cannot_be_cancelled_yet():
    """As at any venue: its fate is not known."""
    bench = Bench()
    with pytest.raises(OutcomeUnknown):
        await bench.broker.cancel(
            Order(request=bench.order("a").request, state=OrderState.SUBMITTING)
        )


async def test_what_is_not_simulated_is_no_instrument_and_moves_nothing():
    """Quotes of other symbols pass by."""
    bench = Bench()
    bench.quote(1.0, 2.0, symbol="ZZZZ")
    bench.broker.on_trade("ZZZZ", 1.0, 1.0, NOON)
    bench.broker.set_status("ZZZZ", is_halted=True)
    with pytest.raises(ConfigError):
        await bench.broker.instrument("ZZZZ")


async def test_stocks_keep_new_yorks_hours_unless_told_otherwise():
    """The day after Thanksgiving ends at one; a demo's market never does."""
    days = ("2026-11-26", "2026-11-27")
    assert await Bench().broker.sessions(*days) == [
        ("2026-11-27T14:30:00.000000000Z", "2026-11-27T18:00:00.000000000Z")
    ]
    assert len(await Bench(is_always_open=True).broker.sessions(*days)) == 2


async def test_what_nobody_reads_is_not_kept():
    """Each event is a whole order: a run of ten years kept 20,000 of them."""
    bench = Bench()
    for n in range(150):
        bench.quote(100.0, 100.1, at=n)
        await bench.send(f"n{n}")
    assert len(bench.broker.venue.record) == 100
    assert await bench.state("n0") is OrderState.FILLED
