"""alpaca-py's own trading clients, unchanged, are the oracle of the trading half."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
import uvicorn
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AssetClass,
    AssetExchange,
    OrderClass,
    OrderSide,
    OrderStatus,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
    TradeEvent,
)
from alpaca.trading.models import AccountConfiguration
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)
from alpaca.trading.stream import TradingStream
from fastapi import FastAPI
from pydantic import ValidationError
from websockets.asyncio.server import serve

from exchange.faults import Answer, Faults
from exchange.matching.knobs import FillSize
from exchange.rest.trading import trading_router
from exchange.updates import OrderStream

BUY = {"symbol": "AAPL", "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}
SELL = BUY | {"side": OrderSide.SELL}
EXITS = {
    "take_profit": TakeProfitRequest(limit_price=110),
    "stop_loss": StopLossRequest(stop_price=95),
}
DEADLINE_S = 60.0


class RestServer(uvicorn.Server):
    """A uvicorn server inside a test, which keeps its own signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def rest_of(market) -> AsyncIterator[str]:
    app = FastAPI()
    app.include_router(trading_router(market.venue))
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none")
    server = RestServer(config)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
        server.should_exit = True
        await serving


class Client:
    """Call alpaca-py in a thread, since it blocks; its every answer meets the official schema."""

    def __init__(self, url, validate, **options):
        self.alpaca = TradingClient("key", "secret", url_override=url, **options)
        self.alpaca._session.hooks["response"].append(
            lambda response, *_, **__: validate(
                "trading",
                response.request.method,
                urlsplit(response.request.url).path,
                response.status_code,
                response.json() if response.content else None,
            )
        )

    def __getattr__(self, name):
        method = getattr(self.alpaca, name)

        async def call(*args, **kwargs):
            return await asyncio.wait_for(asyncio.to_thread(method, *args, **kwargs), DEADLINE_S)

        return call


@pytest_asyncio.fixture
async def url(market):
    async with rest_of(market) as url:
        yield url


@pytest_asyncio.fixture
async def client(url, validate):
    client = Client(url, validate)
    yield client
    client.alpaca._session.close()


async def refused(call):
    with pytest.raises(APIError) as caught:
        await call
    return caught.value


async def test_the_account_parses(client):
    account = await client.get_account()
    assert (account.buying_power, account.multiplier) == ("400000", "4")
    assert account.status.value == "ACTIVE"


async def test_the_configurations_round_trip(client):
    before = await client.get_account_configurations()
    assert isinstance(before, AccountConfiguration)
    before.no_shorting = True
    after = await client.set_account_configurations(before)
    assert after.no_shorting is True


async def test_assets_parse_as_lists_and_one_by_one(client):
    shares = await client.get_all_assets()
    assert {asset.asset_class for asset in shares} == {AssetClass.US_EQUITY}
    pairs = await client.get_all_assets(GetAssetsRequest(asset_class=AssetClass.CRYPTO))
    assert pairs[0].exchange is AssetExchange.CRYPTO
    one = await client.get_asset("BTC/USD")
    assert (one.symbol, one.min_trade_increment) == ("BTC/USD", 1e-9)
    assert (await client.get_asset(one.id)).symbol == "BTC/USD"


async def test_a_list_without_the_deprecated_field_breaks_the_typed_client_alone(
    market, url, client, validate
):
    class Modern(Faults):
        async def after_request(self, request, answer):
            kept = [
                {k: v for k, v in each.items() if k != "easy_to_borrow"} for each in answer.body
            ]
            return Answer(status=200, body=kept)

    market.venue.faults = Modern()
    with pytest.raises(ValidationError, match="easy_to_borrow"):
        await client.get_all_assets()
    raw = Client(url, validate, raw_data=True)
    assert len(await raw.get_all_assets()) == 5
    raw.alpaca._session.close()


ORDERS = [
    (MarketOrderRequest(qty=10, **BUY), OrderStatus.FILLED),
    (MarketOrderRequest(notional=100.5, **BUY), OrderStatus.FILLED),
    (MarketOrderRequest(qty=0.25, **BUY), OrderStatus.FILLED),
    (LimitOrderRequest(qty=10, limit_price=90.5, **BUY), OrderStatus.NEW),
    (LimitOrderRequest(qty=1, limit_price=90, extended_hours=True, **BUY), OrderStatus.NEW),
    (StopOrderRequest(qty=10, stop_price=110, **BUY), OrderStatus.NEW),
    (StopLimitOrderRequest(qty=10, stop_price=110, limit_price=111, **BUY), OrderStatus.NEW),
    (TrailingStopOrderRequest(qty=10, trail_percent=2.5, **BUY), OrderStatus.NEW),
    (TrailingStopOrderRequest(qty=10, trail_price=1, **BUY), OrderStatus.NEW),
    (
        MarketOrderRequest(qty=1, **(BUY | {"time_in_force": TimeInForce.IOC})),
        OrderStatus.FILLED,
    ),
    (
        LimitOrderRequest(qty=1, limit_price=90, **(BUY | {"time_in_force": TimeInForce.FOK})),
        OrderStatus.CANCELED,
    ),
    (
        LimitOrderRequest(
            symbol="BTC/USD",
            qty=0.01,
            limit_price=60000.5,
            side=OrderSide.BUY,
            time_in_force=TimeInForce.GTC,
        ),
        OrderStatus.FILLED,
    ),
]


@pytest.mark.parametrize(("request_", "status"), ORDERS)
async def test_every_kind_of_simple_order_is_taken(client, request_, status):
    order = await client.submit_order(request_)
    assert order.status is OrderStatus.PENDING_NEW
    assert (await client.get_order_by_id(order.id)).status is status
    again = await client.get_order_by_client_id(order.client_order_id)
    assert again.id == order.id


async def test_a_bracket_has_its_legs(client):
    order = await client.submit_order(
        MarketOrderRequest(qty=10, order_class=OrderClass.BRACKET, **EXITS, **BUY)
    )
    assert [leg.status for leg in order.legs] == [OrderStatus.HELD, OrderStatus.HELD]
    nested = await client.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert [leg.status for leg in nested.legs] == [OrderStatus.NEW, OrderStatus.HELD]


async def test_an_oto_and_an_oco_are_taken(client):
    oto = await client.submit_order(
        MarketOrderRequest(qty=10, order_class=OrderClass.OTO, stop_loss=EXITS["stop_loss"], **BUY)
    )
    await client.cancel_order_by_id(oto.legs[0].id)
    oco = await client.submit_order(
        LimitOrderRequest(qty=10, order_class=OrderClass.OCO, **EXITS, **SELL)
    )
    assert (float(oco.limit_price), len(oco.legs)) == (110.0, 1)


async def test_orders_are_listed_by_the_clients_filter(client):
    bracket = await client.submit_order(
        LimitOrderRequest(qty=10, limit_price=99, order_class=OrderClass.BRACKET, **EXITS, **BUY)
    )
    await client.submit_order(MarketOrderRequest(qty=1, **(BUY | {"symbol": "PENY"})))
    everything = GetOrdersRequest(
        status=QueryOrderStatus.ALL,
        nested=True,
        symbols=["AAPL", "MSFT"],
        side=OrderSide.BUY,
        after=datetime.fromisoformat("2026-10-08T00:00:00+00:00"),
        until=datetime.fromisoformat("2026-10-09T00:00:00+00:00"),
        limit=10,
    )
    (found,) = await client.get_orders(everything)
    assert (found.id, len(found.legs)) == (bracket.id, 2)
    flat = await client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN))
    assert len(flat) == 3


async def test_an_order_is_replaced_and_cancelled(client):
    order = await client.submit_order(LimitOrderRequest(qty=10, limit_price=90, **BUY))
    new = await client.replace_order_by_id(order.id, ReplaceOrderRequest(limit_price=91, qty=5))
    assert (new.replaces, float(new.limit_price), float(new.qty)) == (order.id, 91.0, 5.0)
    assert (await client.get_order_by_id(order.id)).status is OrderStatus.REPLACED
    assert await client.cancel_order_by_id(new.id) is None
    assert await client.cancel_orders() == []
    other = await client.submit_order(LimitOrderRequest(qty=1, limit_price=90, **BUY))
    (cancelled,) = await client.cancel_orders()
    assert (cancelled.id, cancelled.status) == (other.id, 200)


async def test_positions_are_read_and_closed(client):
    await client.submit_order(MarketOrderRequest(qty=10, **BUY))
    await client.submit_order(
        MarketOrderRequest(
            symbol="BTC/USD", notional=500, side=OrderSide.BUY, time_in_force=TimeInForce.GTC
        )
    )
    held = {position.symbol: position for position in await client.get_all_positions()}
    assert held["AAPL"].side is PositionSide.LONG
    assert held["BTCUSD"].asset_class is AssetClass.CRYPTO
    assert (await client.get_open_position("BTCUSD")).qty == held["BTCUSD"].qty
    assert (await refused(client.get_open_position("BTC/USD"))).status_code == 404
    part = await client.close_position("AAPL", ClosePositionRequest(qty="4"))
    assert (part.side, float(part.qty)) == (OrderSide.SELL, 4.0)
    closed = await client.close_all_positions(cancel_orders=True)
    assert {each.status for each in closed} == {200}
    assert await client.get_all_positions() == []


async def test_clock_and_calendar_parse(client):
    clock = await client.get_clock()
    assert clock.is_open is True
    assert clock.timestamp == datetime.fromisoformat("2026-10-08T10:00:00-04:00")
    days = await client.get_calendar(
        GetCalendarRequest(start=date(2026, 11, 26), end=date(2026, 11, 30))
    )
    assert [(day.date, day.close) for day in days] == [
        (date(2026, 11, 27), datetime(2026, 11, 27, 13, 0)),  # noqa: DTZ001 -- as alpaca-py does
        (date(2026, 11, 30), datetime(2026, 11, 30, 16, 0)),  # noqa: DTZ001
    ]


async def test_activities_come_by_the_clients_plain_get(client):
    await client.submit_order(MarketOrderRequest(qty=3, **BUY))
    (fill,) = await client.get("/account/activities", {"activity_types": "FILL", "page_size": 100})
    assert (fill["symbol"], fill["qty"], fill["side"]) == ("AAPL", "3", "buy")


async def test_refusals_arrive_as_the_clients_errors(client):
    first = MarketOrderRequest(qty=1, client_order_id="mine", **BUY)
    await client.submit_order(first)
    twice = await refused(client.submit_order(first))
    assert (twice.status_code, twice.message) == (422, "client_order_id must be unique")
    too_much = await refused(client.submit_order(MarketOrderRequest(qty=9999, **BUY)))
    assert (too_much.status_code, too_much.code) == (403, 40310000)
    unknown = await refused(
        client.submit_order(MarketOrderRequest(qty=1, **(BUY | {"symbol": "ZZZZ"})))
    )
    assert (unknown.status_code, unknown.message) == (422, 'asset "ZZZZ" not found')


async def test_a_wrong_key_is_an_error_without_a_code(url, validate):
    stranger = Client(url, validate)
    stranger.alpaca._session.headers.clear()
    stranger.alpaca._api_key = "someone"
    error = await refused(stranger.get_account())
    assert error.status_code == 403
    with pytest.raises(KeyError):
        _ = error.code
    stranger.alpaca._session.close()


async def test_the_clients_own_retry_of_a_lost_answer_makes_no_second_order(market, url):
    class LostOnce(Faults):
        lost = False

        async def after_request(self, request, answer):
            if request.method != "POST" or self.lost:
                return answer
            self.lost = True
            return Answer(status=504, body={"message": "backend request timeout"})

    market.venue.faults = LostOnce()
    impatient = TradingClient("key", "secret", url_override=url)
    impatient._retry_wait = 0
    order = MarketOrderRequest(qty=1, client_order_id="mine", **BUY)
    error = await refused(asyncio.to_thread(impatient.submit_order, order))
    impatient._session.close()
    assert (error.status_code, error.message) == (422, "client_order_id must be unique")
    assert [post.status for post in market.venue.record.requests("POST")] == [504, 422]
    assert market.venue.position("AAPL")["qty"] == "1"


class Heard:
    """Collect what alpaca-py's stream hands to its handler."""

    def __init__(self):
        self.updates = []
        self._changed = asyncio.Event()

    async def hear(self, update):
        self.updates.append(update)
        self._changed.set()

    async def count(self, wanted):
        async with asyncio.timeout(DEADLINE_S):
            while len(self.updates) < wanted:
                self._changed.clear()
                await self._changed.wait()
        return [(update.event, update.order.type.value) for update in self.updates]


@contextlib.asynccontextmanager
async def listening(market, heard):
    """Run alpaca-py's stream in this loop, from its subscription on."""
    stream = OrderStream(market.venue)
    async with serve(stream.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        client = TradingStream("key", "secret", url_override=f"ws://127.0.0.1:{port}/stream")
        client.subscribe_trade_updates(heard.hear)
        task = asyncio.create_task(client._run_forever())
        try:
            await until(lambda: stream.listeners == 1)
            yield stream, server
        finally:
            await client.stop_ws()
            if client._ws:
                await client._ws.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(is_so):
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 -- the other side is a client without an event
            await asyncio.sleep(0.01)


async def test_the_trading_stream_hears_a_market_order(market):
    heard = Heard()
    async with listening(market, heard):
        market.order("buy", 3)
        assert await heard.count(2) == [(TradeEvent.NEW, "market"), (TradeEvent.FILL, "market")]
    fill = heard.updates[-1]
    assert (fill.price, fill.qty, fill.position_qty) == (100.0, 3.0, 3.0)
    assert fill.order.status is OrderStatus.FILLED


async def test_the_trading_stream_hears_a_brackets_whole_life(market):
    heard = Heard()
    async with listening(market, heard):
        exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 95}}
        market.order("buy", 3, order_class="bracket", **exits)
        market.quote("AAPL", 94.0, 94.1)
        market.trade("AAPL", 94.5)
        assert await heard.count(7) == [
            (TradeEvent.NEW, "market"),
            (TradeEvent.FILL, "market"),
            (TradeEvent.NEW, "limit"),
            ("held", "stop"),
            (TradeEvent.CANCELED, "limit"),
            (TradeEvent.NEW, "stop"),
            (TradeEvent.FILL, "stop"),
        ]


async def test_the_trading_stream_hears_every_other_event_the_venue_sends(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    heard = Heard()
    async with listening(market, heard):
        market.quote("AAPL", 99.98, 100.0, size=4)
        market.limit("buy", 10, 100)
        order = market.limit("buy", 1, 90)
        market.venue.replace(order["id"], {"limit_price": 91})
        market.venue.cancel_all()
        market.limit("buy", 1, 90)
        market.wait(hours=7)
        events = await heard.count(9)
    assert [event for event, _ in events] == [
        TradeEvent.NEW,
        TradeEvent.PARTIAL_FILL,
        TradeEvent.NEW,
        TradeEvent.REPLACED,
        TradeEvent.NEW,
        TradeEvent.CANCELED,
        TradeEvent.CANCELED,
        TradeEvent.NEW,
        TradeEvent.EXPIRED,
    ]


async def test_what_happens_while_the_stream_is_cut_is_lost_and_found_over_rest(market):
    heard = Heard()
    async with listening(market, heard) as (stream, server):
        for connection in list(server.connections):
            connection.transport.abort()
        await until(lambda: stream.listeners == 0)
        missed = market.order("buy", 1)
        await until(lambda: stream.listeners == 1)
        market.order("sell", 1)
        await heard.count(2)
    assert {update.order.side for update in heard.updates} == {OrderSide.SELL}
    assert market.status(missed) == "filled"
