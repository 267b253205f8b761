"""alpaca-py's own clients, unchanged, are the oracle of the market data half."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
import zstandard
from alpaca.common.enums import Sort
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.historical.news import NewsClient
from alpaca.data.live import CryptoDataStream, NewsDataStream, StockDataStream
from alpaca.data.models import Bar, News, Orderbook, Quote, Trade, TradingStatus
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestBarRequest,
    CryptoLatestOrderbookRequest,
    CryptoLatestQuoteRequest,
    CryptoLatestTradeRequest,
    CryptoQuoteRequest,
    CryptoSnapshotRequest,
    CryptoTradesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockSnapshotRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock, shipped_tape, tape_symbols
from exchange.server import ExchangeServer

ORIGIN_NS = 1_790_000_000_000_000_000
ORIGIN = datetime.fromtimestamp(1_790_000_000, UTC)


def exchange(*symbols, speed=1.0, seed=7, **options):
    listed = symbols or (
        seeded_stock("AAPL", 190.0),
        seeded_stock("MSFT", 400.0),
        seeded_crypto("BTC/USD", 60_000.0),
    )
    options = {"data_requests_per_minute": 10_000, **options}
    return ExchangeServer(
        ExchangeConfig(symbols=listed, origin_ns=ORIGIN_NS, speed=speed, seed=seed, **options)
    )


@contextlib.asynccontextmanager
async def running(stream):
    """Run alpaca-py's stream in this loop; its close may hang, so it is cut short."""
    stream._websocket_params |= {"close_timeout": 0.1}
    task = asyncio.create_task(stream._run_forever())
    try:
        yield
    finally:
        await stream.stop_ws()
        if stream._ws:
            await stream._ws.close()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class Heard(list):
    """Collect what a stream's handlers get, and wait for enough of it."""

    async def __call__(self, message):
        self.append(message)

    async def until(self, is_enough, within_s=60.0):
        async with asyncio.timeout(within_s):
            while not is_enough(self):  # noqa: ASYNC110 -- the client has no event to wait on
                await asyncio.sleep(0.01)
        return list(self)


def handler(heard):
    """alpaca-py insists on a coroutine function."""

    async def handle(message):
        heard.append(message)

    return handle


def stream_of(kind, server, path, **options):
    url = server.stream_url + path
    return kind(server.key, server.secret, url_override=url, **options)


@pytest.mark.parametrize("path", ["/v2/iex", "/v2/sip"])
async def test_stock_stream_hears_trades_quotes_and_minute_updated_and_daily_bars(path):
    heard = {name: Heard() for name in ("trades", "quotes", "bars", "updated_bars", "daily_bars")}
    async with exchange(speed=300.0, history_minutes=30) as server:
        stream = stream_of(StockDataStream, server, path)
        for name, list_of in heard.items():
            getattr(stream, f"subscribe_{name}")(handler(list_of), "AAPL", "MSFT")
        async with running(stream):
            await heard["daily_bars"].until(lambda got: len(got) >= 4)
            await heard["updated_bars"].until(len)
            trades = await heard["trades"].until(len)
            quotes, bars = list(heard["quotes"]), list(heard["bars"])
    assert {type(m) for m in trades} == {Trade}
    assert {type(m) for m in quotes} == {Quote}
    assert {type(m) for m in bars + heard["daily_bars"]} == {Bar}
    assert {m.symbol for m in trades} == {"AAPL", "MSFT"}
    assert all(m.timestamp.second == 0 and m.trade_count > 0 and m.vwap > 0 for m in bars)
    assert all(q.bid_price < q.ask_price for q in quotes)
    assert all(t.timestamp >= ORIGIN - timedelta(seconds=10) for t in trades)
    assert all(t.conditions and t.tape == "C" and t.exchange == "V" for t in trades)


async def test_stock_stream_hears_the_raw_messages_too():
    heard = Heard()
    async with exchange() as server:
        stream = stream_of(StockDataStream, server, "/v2/iex", raw_data=True)
        stream.subscribe_quotes(handler(heard), "*")
        async with running(stream):
            message = (await heard.until(len))[0]
    assert message["T"] == "q"
    assert message["t"].to_unix_nano() > ORIGIN_NS


async def test_crypto_stream_hears_trades_quotes_bars_and_order_books():
    heard = {name: Heard() for name in ("trades", "quotes", "bars", "orderbooks", "daily_bars")}
    async with exchange(speed=60.0, history_minutes=30) as server:
        stream = stream_of(CryptoDataStream, server, "/v1beta3/crypto/us")
        for name, list_of in heard.items():
            getattr(stream, f"subscribe_{name}")(handler(list_of), "BTC/USD")
        async with running(stream):
            await heard["daily_bars"].until(lambda got: len(got) >= 2)
            books = await heard["orderbooks"].until(lambda got: len(got) >= 3)
            await heard["trades"].until(len)
    kinds = {"trades": Trade, "quotes": Quote, "bars": Bar, "orderbooks": Orderbook}
    for name, kind in kinds.items():
        assert {type(m) for m in heard[name]} == {kind}
    assert [book.reset for book in books[:3]] == [True, False, False]
    assert len(books[0].bids) == 10
    assert heard["daily_bars"][0].timestamp.hour == 0
    assert any(t.size != int(t.size) for t in heard["trades"])


async def test_news_stream_hears_articles_of_a_symbol_and_of_all():
    every, apple = Heard(), Heard()
    async with exchange(speed=600.0, history_minutes=30) as server:
        stream = stream_of(NewsDataStream, server, "/v1beta1/news")
        stream.subscribe_news(handler(every), "*")
        stream.subscribe_news(handler(apple), "AAPL")
        async with running(stream):
            await apple.until(len)
            await every.until(len)
    assert {type(m) for m in every + apple} == {News}
    assert {tuple(m.symbols) for m in apple} == {("AAPL",)}
    assert ("AAPL",) not in {tuple(m.symbols) for m in every}
    assert all(m.source == "seeded-market" and m.headline and m.content for m in every)


def frame_of(second, **message):
    at = datetime.fromtimestamp(1_500_000_000 + second, UTC).isoformat().replace("+00:00", "Z")
    told = {"S": "AAPL", "z": "C", "t": at, **message}
    return {"r": (1_500_000_000 + second) * 1_000_000_000, "c": "stocks", "f": [told]}


async def test_stock_stream_hears_halts_cancels_and_corrections(tmp_path):
    trade = {"T": "t", "x": "V", "p": 190.0, "s": 100, "c": ["@"]}
    halt = {"T": "s", "sc": "H", "sm": "Halted", "rc": "T12", "rm": "For information requested"}
    cancel = {"T": "x", "i": 1, "x": "V", "p": 190.0, "s": 100, "a": "C"}
    fix = {"op": 190.0, "os": 100, "oc": ["@"], "ci": 3, "cp": 191.0, "cs": 50, "cc": ["@"]}
    frames = [
        *(frame_of(n, **trade, i=n) for n in range(10)),
        frame_of(10, **cancel),
        frame_of(11, T="c", x="V", oi=2, **fix),
        frame_of(12, **halt),
        frame_of(13, **halt | {"sc": "T"}),
        frame_of(20, **trade, i=20),
    ]
    path = tmp_path / "t"
    header = {"tape": 1, "source": "made", "licence": "none", "origin_ns": 0}
    path.write_bytes(
        zstandard.compress(b"\n".join(json.dumps(f).encode() for f in [header, *frames]))
    )
    heard = {name: Heard() for name in ("trades", "statuses", "cancels", "corrections")}
    async with exchange(*tape_symbols(path, start_minutes=8 / 60), speed=4.0) as server:
        stream = stream_of(StockDataStream, server, "/v2/iex")
        stream.subscribe_trades(handler(heard["trades"]), "AAPL")
        stream.subscribe_trading_statuses(handler(heard["statuses"]), "AAPL")
        stream.register_trade_cancels(handler(heard["cancels"]))
        stream.register_trade_corrections(handler(heard["corrections"]))
        async with running(stream):
            await heard["statuses"].until(lambda got: len(got) >= 2)
            client = StockHistoricalDataClient(
                server.key, server.secret, raw_data=True, url_override=server.rest_url
            )
            request = StockTradesRequest(
                symbol_or_symbols="AAPL", start=ORIGIN - timedelta(minutes=1)
            )
            raw = await asyncio.to_thread(client.get_stock_trades, request)
    assert [m.status_code for m in heard["statuses"][:2]] == ["H", "T"]
    assert isinstance(heard["statuses"][0], TradingStatus)
    assert (heard["cancels"][0].id, heard["cancels"][0].action) == (1, "C")
    corrected = heard["corrections"][0]
    assert (corrected.original_id, corrected.corrected_id, corrected.corrected_price) == (
        2,
        3,
        191.0,
    )
    updates = {t["i"]: t["u"] for t in raw["AAPL"] if "u" in t}
    assert updates == {1: "canceled", 2: "incorrect", 3: "corrected"}


async def test_unsubscribing_and_subscribing_again_while_running():
    heard = Heard()
    async with exchange() as server:
        stream = stream_of(StockDataStream, server, "/v2/iex")
        stream.subscribe_quotes(handler(heard), "AAPL")
        async with running(stream):
            await heard.until(len)
            await asyncio.to_thread(stream.unsubscribe_quotes, "AAPL")
            await asyncio.to_thread(stream.subscribe_quotes, handler(heard), "MSFT")
            await heard.until(lambda got: any(m.symbol == "MSFT" for m in got))


async def test_the_streams_bars_are_those_of_rest_a_minute_later():
    heard = Heard()
    async with exchange(speed=60.0, history_minutes=30) as server:
        stream = stream_of(StockDataStream, server, "/v2/sip")
        stream.subscribe_bars(handler(heard), "AAPL")
        stream.subscribe_updated_bars(handler(heard), "AAPL")
        async with running(stream):
            got = await heard.until(lambda got: len({m.timestamp for m in got}) >= 4)
        client = StockHistoricalDataClient(server.key, server.secret, url_override=server.rest_url)
        live = {m.timestamp: m for m in got}
        wanted = sorted(live)[:-2]
        request = StockBarsRequest(
            symbol_or_symbols="AAPL", timeframe=TimeFrame.Minute, start=wanted[0], end=wanted[-1]
        )
        rest = (await asyncio.to_thread(client.get_stock_bars, request))["AAPL"]
    assert [bar.timestamp for bar in rest] == wanted
    for bar in rest:
        assert bar == live[bar.timestamp]


async def test_rest_trades_up_to_now_and_the_stream_from_now_leave_no_gap():
    """What a bot does at its start: subscribe, then back-fill, then join by trade id."""
    heard = Heard()
    async with exchange() as server:
        stream = stream_of(StockDataStream, server, "/v2/iex")
        stream.subscribe_trades(handler(heard), "AAPL")
        client = StockHistoricalDataClient(server.key, server.secret, url_override=server.rest_url)
        async with running(stream):
            await heard.until(len)

            def trades():
                request = StockTradesRequest(
                    symbol_or_symbols="AAPL", start=ORIGIN - timedelta(minutes=5), feed=DataFeed.IEX
                )
                return client.get_stock_trades(request)["AAPL"]

            first = await asyncio.to_thread(trades)
            known = len(heard)
            await heard.until(lambda got: len(got) >= known + 3)
            live = list(heard)  # more may be heard while REST answers
            later = await asyncio.to_thread(trades)
    joined = {t.id for t in first} | {t.id for t in live}
    assert {t.id for t in later} >= {t.id for t in live}
    assert {t.id for t in later if t.timestamp <= live[-1].timestamp} <= joined


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    """One exchange for all that only read over REST."""
    async with exchange() as opened:
        yield opened


in_module_loop = pytest.mark.asyncio(loop_scope="module")


def asking(kind, server, method, request):
    client = kind(server.key, server.secret, url_override=server.rest_url)
    return asyncio.to_thread(getattr(client, method), request)


@in_module_loop
async def test_stock_history_gives_300_bars_and_more_of_several_symbols(server):
    request = StockBarsRequest(
        symbol_or_symbols=["AAPL", "MSFT"],
        timeframe=TimeFrame.Minute,
        start=ORIGIN - timedelta(hours=8),
        adjustment=Adjustment.ALL,
        feed=DataFeed.IEX,
    )
    bars = await asking(StockHistoricalDataClient, server, "get_stock_bars", request)
    for symbol in ("AAPL", "MSFT"):
        times = [bar.timestamp for bar in bars[symbol]]
        assert len(times) >= 300
        assert times == sorted(times)
        assert ORIGIN - times[-1] <= timedelta(minutes=3)


@in_module_loop
async def test_a_limit_below_the_pages_is_kept_and_newest_come_first_on_request(server):
    request = StockBarsRequest(
        symbol_or_symbols="AAPL",
        timeframe=TimeFrame(5, TimeFrameUnit.Minute),
        start=ORIGIN - timedelta(hours=5),
        limit=7,
        sort=Sort.DESC,
    )
    bars = (await asking(StockHistoricalDataClient, server, "get_stock_bars", request))["AAPL"]
    times = [bar.timestamp for bar in bars]
    assert len(times) == 7
    assert times == sorted(times, reverse=True)
    assert {t.minute % 5 for t in times} == {0}


@pytest.mark.parametrize(
    "frame",
    [
        TimeFrame.Hour,
        TimeFrame.Day,
        TimeFrame.Week,
        TimeFrame.Month,
        TimeFrame(3, TimeFrameUnit.Month),
    ],
)
@in_module_loop
async def test_longer_bars_come_in_order(server, frame):
    request = StockBarsRequest(
        symbol_or_symbols="AAPL", timeframe=frame, start=ORIGIN - timedelta(days=300)
    )
    bars = (await asking(StockHistoricalDataClient, server, "get_stock_bars", request))["AAPL"]
    times = [bar.timestamp for bar in bars]
    assert len(times) >= 3
    assert times == sorted(set(times))


@in_module_loop
async def test_trades_and_quotes_are_paged_through_to_the_last(server):
    """More than one page of 10,000: alpaca-py follows the tokens."""
    span = {"start": ORIGIN - timedelta(hours=3), "end": ORIGIN}
    trades = StockTradesRequest(symbol_or_symbols="AAPL", **span)
    found = (await asking(StockHistoricalDataClient, server, "get_stock_trades", trades))["AAPL"]
    assert len(found) > 10_000
    times = [t.timestamp for t in found]
    assert times == sorted(times)
    assert len({t.id for t in found}) == len(found)
    quotes = CryptoQuoteRequest(symbol_or_symbols="BTC/USD", start=ORIGIN - timedelta(hours=1))
    found = (await asking(CryptoHistoricalDataClient, server, "get_crypto_quotes", quotes))[
        "BTC/USD"
    ]
    assert len(found) > 10_000


@in_module_loop
async def test_latest_stock_values_and_snapshots(server):
    both = ["AAPL", "MSFT"]
    history = StockHistoricalDataClient
    trade = await asking(
        history, server, "get_stock_latest_trade", StockLatestTradeRequest(symbol_or_symbols=both)
    )
    quote = await asking(
        history, server, "get_stock_latest_quote", StockLatestQuoteRequest(symbol_or_symbols=both)
    )
    bar = await asking(
        history, server, "get_stock_latest_bar", StockLatestBarRequest(symbol_or_symbols=both)
    )
    assert set(trade) == set(quote) == set(bar) == set(both)
    shots = await asking(
        history, server, "get_stock_snapshot", StockSnapshotRequest(symbol_or_symbols=both)
    )
    shot = shots["AAPL"]
    assert shot.daily_bar.high >= shot.minute_bar.high
    assert shot.previous_daily_bar.timestamp < shot.daily_bar.timestamp
    assert shot.latest_quote.bid_price > 0
    assert shot.latest_trade.timestamp >= trade["AAPL"].timestamp


@in_module_loop
async def test_crypto_history_and_latest_values(server):
    history = CryptoHistoricalDataClient
    names = {"symbol_or_symbols": "BTC/USD"}
    bars = CryptoBarsRequest(**names, timeframe=TimeFrame.Minute, start=ORIGIN - timedelta(hours=6))
    assert len((await asking(history, server, "get_crypto_bars", bars))["BTC/USD"]) >= 300
    trades = CryptoTradesRequest(**names, start=ORIGIN - timedelta(minutes=5))
    assert (await asking(history, server, "get_crypto_trades", trades))["BTC/USD"]
    for method, request in (
        ("get_crypto_latest_trade", CryptoLatestTradeRequest(**names)),
        ("get_crypto_latest_quote", CryptoLatestQuoteRequest(**names)),
        ("get_crypto_latest_bar", CryptoLatestBarRequest(**names)),
        ("get_crypto_latest_orderbook", CryptoLatestOrderbookRequest(**names)),
        ("get_crypto_snapshot", CryptoSnapshotRequest(**names)),
    ):
        assert (await asking(history, server, method, request))["BTC/USD"].symbol == "BTC/USD"


@in_module_loop
async def test_crypto_history_needs_no_keys(server):
    client = CryptoHistoricalDataClient(url_override=server.rest_url)
    request = CryptoLatestQuoteRequest(symbol_or_symbols="BTC/USD")
    assert (await asyncio.to_thread(client.get_crypto_latest_quote, request))[
        "BTC/USD"
    ].bid_price > 0


@in_module_loop
async def test_quotes_of_stocks_come_with_venue_and_conditions(server):
    request = StockQuotesRequest(symbol_or_symbols="AAPL", start=ORIGIN - timedelta(minutes=1))
    quotes = (await asking(StockHistoricalDataClient, server, "get_stock_quotes", request))["AAPL"]
    assert {(q.bid_exchange, q.tape, tuple(q.conditions)) for q in quotes} == {("V", "C", ("R",))}


@in_module_loop
async def test_news_history_is_paged_filtered_and_newest_first(server):
    request = NewsRequest(start=ORIGIN - timedelta(hours=7), limit=200, include_content=True)
    found = (await asking(NewsClient, server, "get_news", request)).data["news"]
    assert len(found) > 50, "more than a page"
    times = [n.created_at for n in found]
    assert times == sorted(times, reverse=True)
    assert len({n.id for n in found}) == len(found)
    assert all(n.content for n in found)
    one = NewsRequest(symbols="BTCUSD", start=ORIGIN - timedelta(hours=7), sort=Sort.ASC)
    found = (await asking(NewsClient, server, "get_news", one)).data["news"]
    assert {tuple(n.symbols) for n in found} == {("BTCUSD",)}
    times = [n.created_at for n in found]
    assert times == sorted(times)


async def test_the_shipped_tape_plays_real_ticks_with_its_past():
    heard, quotes = Heard(), Heard()
    async with exchange(shipped_tape(), speed=60.0) as server:
        stream = stream_of(StockDataStream, server, "/v2/iex")
        stream.subscribe_trades(handler(heard), "ES")
        stream.subscribe_quotes(handler(quotes), "ES")
        async with running(stream):
            live = await heard.until(lambda got: len(got) > 50)
        request = StockBarsRequest(
            symbol_or_symbols="ES",
            timeframe=TimeFrame.Minute,
            start=ORIGIN - timedelta(hours=5),
            end=ORIGIN,
        )
        bars = (await asking(StockHistoricalDataClient, server, "get_stock_bars", request))["ES"]
    assert len(bars) >= 250
    assert all(1_600 < t.price < 1_700 and t.price * 4 % 1 == 0 for t in live)
    assert live[0].timestamp >= ORIGIN
    assert abs(live[0].price - bars[-1].close) < 2
    assert {q.bid_exchange for q in quotes} == {"SYN"}


async def test_two_exchanges_of_one_seed_send_the_same_history():
    async with exchange() as first, exchange() as second, exchange(seed=8) as other:
        request = StockTradesRequest(
            symbol_or_symbols="AAPL", start=ORIGIN - timedelta(minutes=30), end=ORIGIN
        )
        answers = [
            await asking(StockHistoricalDataClient, one, "get_stock_trades", request)
            for one in (first, second, other)
        ]
    assert answers[0] == answers[1] != answers[2]
