"""Every broker keeps these promises, whatever venue stands behind it."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from broker.alpaca import AlpacaBroker, AlpacaBrokerConfig
from domain.account import Ledger, Position
from domain.errors import ConfigError, OrderRejected
from domain.market import AssetClass, Instrument, asset_class_of
from domain.orders import (
    Leg,
    Order,
    OrderClass,
    OrderEvent,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from domain.ports import LinkUp
from domain.pricing import round_price
from domain.records import parse_ns
from domain.risk import Facts, Limits, authorize
from engine.clock import LiveClock, ScaledClock
from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.matching.knobs import Knobs
from exchange.server import ExchangeServer
from exchange.simulated import SimulatedBroker, SimulatedConfig


@dataclass
class Venue:
    """A broker and what a test needs to price orders: the touch of each symbol."""

    broker: Any
    touch: Any
    order: Any = None

    async def price(self, symbol, side, factor):
        """Return a price so many times the touch that this side would take."""
        bid, ask = self.touch(symbol)
        rules = await self.broker.instrument(symbol)
        raw = Decimal(repr(ask if side is Side.BUY else bid)) * Decimal(factor)
        return round_price(raw, rules, "nearest")

    async def authorized(self, name, **changes):
        """Authorize an exit-shaped order as if enough were held: brokers ask no more of it."""
        symbol = changes.get("symbol", "AAPL")
        side = changes.get("side", Side.BUY)
        price = await self.price(symbol, side, changes.pop("factor", "1.01"))
        fields = {
            "decision_id": name,
            "leg": Leg.FLATTEN,
            "symbol": symbol,
            "side": side,
            "quantity": Decimal(2),
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.GTC,
            "reference_price": price,
            "limit_price": price,
            "valid_until": "2099-01-01T00:00:00Z",
            "client_order_id": f"ah-{name}-flatten-1",
        }
        request = OrderRequest(**(fields | changes))
        ledger = Ledger([symbol])
        held = Decimal(-1000) * side.sign
        ledger.correct(
            None,
            [Position(symbol=symbol, quantity=held, average_price=price, available=held)],
            0,
        )
        facts = Facts(instrument=await self.broker.instrument(symbol))
        verdict = authorize(request, facts, Limits(), ledger)
        assert hasattr(verdict, "authorized_at"), verdict
        return verdict

    async def send(self, name, **changes):
        """Submit and return the venue's answer."""
        return await self.broker.submit(await self.authorized(name, **changes))

    async def state(self, name):
        """Return an order's state as a look-up tells it."""
        report = await self.broker.find(f"ah-{name}-flatten-1")
        return report.state

    async def reaches(self, name, state):
        """Wait until the order stands there."""
        async with asyncio.timeout(60):
            while await self.state(name) is not state:  # noqa: ASYNC110 - asked over REST
                await asyncio.sleep(0.01)


@asynccontextmanager
async def alpaca_over_the_local_exchange(*, is_msgpack):
    config = ExchangeConfig(
        symbols=(seeded_stock("AAPL", 228.0), seeded_crypto("BTC/USD", 86_000.0)),
        seed=3,
        knobs=Knobs(partial_rate=0.0, requests_per_minute=100_000),
        history_minutes=30,
    )
    async with ExchangeServer(config) as server:
        broker = AlpacaBroker(
            AlpacaBrokerConfig(
                key=server.key,
                secret=server.secret,
                rest_url=server.rest_url,
                stream_url=f"{server.stream_url}/stream",
                is_msgpack=is_msgpack,
                backoff_s=0.02,
                backoff_max_s=0.05,
                requests_per_minute=100_000,
            ),
            ScaledClock(server.venue.clock.now_ns, speed=1.0),
        )

        def touch(symbol):
            quote = server.venue.quote(symbol)
            return quote.bid, quote.ask

        async with asyncio.timeout(60):
            while not all(map(server.venue.quote, ("AAPL", "BTC/USD"))):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        yield Venue(broker=broker, touch=touch)
        await broker.aclose()


@asynccontextmanager
async def simulated():
    stock = Instrument(
        symbol="AAPL",
        asset_class=AssetClass.STOCK,
        tick=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_notional=Decimal(1),
        fractionable=True,
        shortable=True,
        tradable=True,
    )
    pair = Instrument(
        symbol="BTC/USD",
        asset_class=AssetClass.CRYPTO,
        tick=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_notional=Decimal(10),
        fractionable=True,
        shortable=False,
        tradable=True,
    )
    clock = LiveClock()
    config = SimulatedConfig(
        instruments=(stock, pair), knobs=Knobs(partial_rate=0.0), is_always_open=True
    )
    broker = SimulatedBroker(config, clock)
    quotes = {"AAPL": (227.98, 228.02), "BTC/USD": (85_990.0, 86_010.0)}
    for symbol, (bid, ask) in quotes.items():
        broker.on_quote(symbol, bid, 100.0, ask, 100.0, clock.now_ns())
    yield Venue(broker=broker, touch=quotes.__getitem__)
    await broker.aclose()


BROKERS = {
    "simulated": simulated,
    "alpaca-json": lambda: alpaca_over_the_local_exchange(is_msgpack=False),
    "alpaca-msgpack": lambda: alpaca_over_the_local_exchange(is_msgpack=True),
}


@pytest.fixture(params=BROKERS)
async def venue(request):
    async with BROKERS[request.param]() as made:
        yield made


async def collect(updates, until):
    """Read updates until one satisfies the condition; returns all of them."""
    seen = []
    async with asyncio.timeout(60):
        async for update in updates:
            seen.append(update)
            if until(update):
                return seen
    return seen


def ends(name, state):
    def condition(update):
        is_it = isinstance(update, OrderEvent) and update.client_order_id.startswith(f"ah-{name}-")
        return is_it and update.report.state is state

    return condition


async def test_the_account_has_money_and_is_not_blocked(venue):
    """What every limit is reckoned from."""
    account = await venue.broker.account()
    assert account.equity > 0
    assert account.buying_power > 0
    assert not account.is_blocked


async def test_instruments_come_in_our_spelling_with_their_increments(venue):
    """A symbol found by name is the one in the list."""
    stock, pair = await venue.broker.instrument("AAPL"), await venue.broker.instrument("BTC/USD")
    assert (stock.asset_class, stock.tick) == (AssetClass.STOCK, Decimal("0.01"))
    assert (pair.symbol, pair.asset_class) == ("BTC/USD", AssetClass.CRYPTO)
    assert pair.lot > 0
    for asset_class in AssetClass:
        listed = await venue.broker.instruments(asset_class)
        assert {asset_class_of(each.symbol) for each in listed} == {asset_class}


async def test_a_symbol_nobody_knows_is_a_matter_of_settings(venue):
    """The person at the keyboard mends it."""
    with pytest.raises(ConfigError):
        await venue.broker.instrument("ZZZZ")


async def test_a_marketable_order_fills_and_every_witness_says_so(venue):
    """Stream, look-up and positions tell one story."""
    updates = venue.broker.updates()
    assert await anext(updates) == LinkUp()
    await venue.send("a")
    seen = await collect(updates, ends("a", OrderState.FILLED))
    fills = [update for update in seen if update.fill_quantity]
    assert sum(update.fill_quantity for update in fills) == 2
    assert all(update.execution_id and update.fill_price for update in fills)
    assert fills[-1].position_quantity == 2
    report = await venue.broker.find("ah-a-flatten-1")
    assert (report.state, report.filled_quantity) == (OrderState.FILLED, Decimal(2))
    [position] = await venue.broker.positions()
    assert (position.symbol, position.quantity, position.available) == ("AAPL", 2, 2)
    await updates.aclose()


async def test_a_coin_bought_is_held_in_our_spelling_less_its_fee(venue):
    """Positions say BTCUSD at the venue; fees leave in coin."""
    await venue.send("b", symbol="BTC/USD", quantity=Decimal("0.5"), time_in_force=TimeInForce.IOC)
    await venue.reaches("b", OrderState.FILLED)
    [position] = await venue.broker.positions()
    assert position.symbol == "BTC/USD"
    assert Decimal("0.49") < position.quantity <= Decimal("0.5")


async def test_a_resting_order_is_listed_until_it_is_cancelled(venue):
    """Accepted, listed, cancelled, gone from the list and still to be found."""
    updates = venue.broker.updates()
    await anext(updates)
    report = await venue.send("c", factor="0.9")
    assert report.state is OrderState.ACCEPTED
    assert [each.client_order_id for each in await venue.broker.open_orders()] == ["ah-c-flatten-1"]
    request = (await venue.authorized("c", factor="0.9")).request
    order = Order(request=request, state=OrderState.ACCEPTED, venue_order_id=report.venue_order_id)
    await venue.broker.cancel(order)
    await collect(updates, ends("c", OrderState.CANCELED))
    assert list(await venue.broker.open_orders()) == []
    assert await venue.state("c") is OrderState.CANCELED
    with pytest.raises(OrderRejected):
        await venue.broker.cancel(order)
    await updates.aclose()


async def test_the_same_order_sent_twice_is_one_order(venue):
    """The name settles it: the second sending answers with the first order."""
    first = await venue.send("d", factor="0.9")
    second = await venue.send("d", factor="0.9")
    assert first.venue_order_id == second.venue_order_id
    assert len(await venue.broker.open_orders()) == 1


async def test_what_the_venue_refuses_is_rejected_in_its_words(venue):
    """Selling coins that nobody holds: final, proven, nothing moved."""
    with pytest.raises(OrderRejected) as rejected:
        await venue.send("e", symbol="BTC/USD", side=Side.SELL, factor="0.99")
    assert rejected.value.reason
    assert await venue.broker.find("ah-e-flatten-1") is None
    assert list(await venue.broker.positions()) == []


async def test_an_order_that_never_was_is_a_miss(venue):
    """None, not an error."""
    assert await venue.broker.find("ah-never-flatten-1") is None


async def test_orders_of_any_state_are_listed_by_their_time_oldest_first(venue):
    """What a restart reads to learn what it missed."""
    before = (await venue.broker.clock()).timestamp
    await venue.send("f")
    await venue.send("g", factor="0.9")
    await venue.reaches("f", OrderState.FILLED)
    reports = await venue.broker.orders_since(before)
    assert [each.client_order_id for each in reports] == ["ah-f-flatten-1", "ah-g-flatten-1"]
    assert [each.state for each in reports] == [OrderState.FILLED, OrderState.ACCEPTED]


async def test_a_bracket_comes_with_its_children_under_it(venue):
    """Children have names of the venue's making: only the nesting ties them to ours.

    A look-up after a crash once brought the parent alone, and the legs stayed strangers.
    """
    price = await venue.price("AAPL", Side.BUY, "0.9")
    cents = Decimal("0.01")
    report = await venue.send(
        "h",
        factor="0.9",
        order_class=OrderClass.BRACKET,
        stop_loss=(price * Decimal("0.9")).quantize(cents),
        take_profit=(price * Decimal("1.3")).quantize(cents),
    )
    [listed] = await venue.broker.open_orders()
    found = await venue.broker.find("ah-h-flatten-1")
    for parent in (report, listed, found):
        assert len(parent.legs) == 2
        assert {leg.parent_venue_order_id for leg in parent.legs} == {report.venue_order_id}
        assert {leg.order_type for leg in parent.legs} == {OrderType.LIMIT, OrderType.STOP}


async def test_the_clock_and_the_calendar_are_in_utc(venue):
    """New York's times are read at the border and nowhere else."""
    now = await venue.broker.clock()
    assert now.timestamp.endswith("Z")
    assert parse_ns(now.next_open) > 0
    sessions = await venue.broker.sessions("2026-10-05", "2026-10-09")
    assert len(sessions) == 5
    assert all(parse_ns(start) < parse_ns(end) for start, end in sessions)


async def test_closing_ends_the_updates(venue):
    """Nothing of a broker outlives it."""
    updates = venue.broker.updates()
    assert await anext(updates) == LinkUp()
    waiting = asyncio.create_task(collect(updates, lambda _: False))
    await asyncio.sleep(0)
    await venue.broker.aclose()
    async with asyncio.timeout(60):
        await waiting


async def test_executions_are_in_the_history_with_the_order_they_belong_to(venue):
    """What explains a position or the cash that we cannot explain ourselves."""
    before = (await venue.broker.clock()).timestamp
    report = await venue.send("k", symbol="BTC/USD", quantity=Decimal("0.01"))
    await venue.reaches("k", OrderState.FILLED)
    [done] = await venue.broker.activities(before)
    assert (done.kind, done.symbol, done.side) == ("FILL", "BTC/USD", Side.BUY)
    assert (done.change, done.venue_order_id) == (Decimal("0.01"), report.venue_order_id)
    assert done.cash == -done.price * Decimal("0.01")
    assert parse_ns(done.ts) >= parse_ns(before)
    assert list(await venue.broker.activities(done.ts)) == []
