"""The market data API over HTTP: every answer against the official schema, and the refusals."""

import base64
import contextlib

import httpx
import pytest
import pytest_asyncio

from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.data.pages import page
from exchange.data.query import Span
from exchange.faults import Answer, Faults
from exchange.market.records import TopOfBook
from exchange.market.stamps import from_rfc3339
from exchange.server import ExchangeServer
from exchange.streams.endpoints import StreamLimits

ORIGIN_NS = 1_790_000_000_000_000_000
KEYS = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
SINCE = "start=2026-09-21T13:50:00Z"
UNTIL = "end=2026-09-21T14:00:00Z"

pytestmark = pytest.mark.asyncio(loop_scope="module")


@contextlib.asynccontextmanager
async def asking(**options):
    """An exchange of its own and a client of it."""
    async with (
        exchange(**options) as server,
        httpx.AsyncClient(base_url=server.rest_url, headers=KEYS, timeout=60) as http,
    ):
        yield server, http


def exchange(**options):
    faults = options.pop("faults", None)
    config = ExchangeConfig(
        symbols=(
            seeded_stock("AAPL", 190.0),
            seeded_stock("MSFT", 400.0),
            seeded_crypto("BTC/USD", 60_000.0),
        ),
        **{
            "origin_ns": ORIGIN_NS,
            "key": "K",
            "secret": "S",
            "data_requests_per_minute": 100_000,
            "history_minutes": 60,
            **options,
        },
    )
    return ExchangeServer(config, faults=faults)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with exchange() as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def http(server):
    async with httpx.AsyncClient(base_url=server.rest_url, headers=KEYS, timeout=60) as client:
        yield client


async def json_of(http, path):
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    "path",
    [
        f"/v2/stocks/bars?symbols=AAPL,MSFT&timeframe=1Min&{SINCE}",
        "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2026-01-01",
        f"/v2/stocks/trades?symbols=AAPL&{SINCE}&feed=sip",
        f"/v2/stocks/quotes?symbols=AAPL&{SINCE}&feed=iex",
        f"/v2/stocks/AAPL/bars?timeframe=5Min&{SINCE}",
        f"/v2/stocks/AAPL/trades?{SINCE}",
        f"/v2/stocks/AAPL/quotes?{SINCE}",
        "/v2/stocks/bars/latest?symbols=AAPL,MSFT",
        "/v2/stocks/trades/latest?symbols=AAPL,MSFT&feed=delayed_sip",
        "/v2/stocks/quotes/latest?symbols=AAPL,MSFT&feed=iex",
        "/v2/stocks/AAPL/bars/latest",
        "/v2/stocks/AAPL/trades/latest",
        "/v2/stocks/AAPL/quotes/latest",
        "/v2/stocks/snapshots?symbols=AAPL,MSFT",
        "/v2/stocks/AAPL/snapshot",
        f"/v1beta3/crypto/us/bars?symbols=BTC/USD&timeframe=1Hour&{SINCE}",
        f"/v1beta3/crypto/us/trades?symbols=BTC%2FUSD&{SINCE}",
        f"/v1beta3/crypto/us/quotes?symbols=BTC/USD&{SINCE}",
        "/v1beta3/crypto/us/latest/bars?symbols=BTC/USD",
        "/v1beta3/crypto/us/latest/trades?symbols=BTC/USD",
        "/v1beta3/crypto/us/latest/quotes?symbols=BTC/USD",
        "/v1beta3/crypto/us/latest/orderbooks?symbols=BTC/USD",
        "/v1beta3/crypto/us/snapshots?symbols=BTC/USD",
        "/v1beta1/news?include_content=true",
        "/v1beta1/news?symbols=AAPL,BTCUSD&include_content=true&limit=50&sort=asc",
    ],
)
async def test_answers_keep_to_the_official_schema_and_are_not_empty(http, validate, path):
    body = await json_of(http, path)
    validate("market-data", "GET", path, 200, body)
    told = next(value for key, value in body.items() if key not in ("symbol", "next_page_token"))
    assert told


async def test_news_comes_without_content_unless_it_is_asked_for(http):
    """The official file wants content of at least one character; its clients want an empty one."""
    for article in (await json_of(http, "/v1beta1/news"))["news"]:
        assert article["content"] == ""
        assert article["images"] == []


async def test_a_symbol_that_nobody_lists_has_no_entry(http):
    body = await json_of(http, f"/v2/stocks/bars?symbols=AAPL,ZZZZ&timeframe=1Min&{SINCE}")
    assert set(body["bars"]) == {"AAPL"}
    assert await json_of(http, "/v2/stocks/snapshots?symbols=ZZZZ") == {}
    body = await json_of(http, f"/v2/stocks/bars?symbols=BTC/USD&timeframe=1Min&{SINCE}")
    assert body == {"bars": {}, "next_page_token": None}


async def pages(http, path):
    """Follow the tokens; return the pages."""
    found, token = [], ""
    while True:
        body = await json_of(http, f"{path}&page_token={token}" if token else path)
        found.append(body)
        token = body["next_page_token"]
        if not token:
            return found
        token = token.replace("=", "%3D")


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    ("kind", "extra", "limit"),
    [("bars", "&timeframe=1Min", 7), ("trades", "", 997), ("quotes", "", 1500)],
)
async def test_pages_count_points_across_symbols_and_join_without_gap_or_double(
    http, kind, extra, limit, sort
):
    base = f"/v2/stocks/{kind}?symbols=MSFT,AAPL&{SINCE}&{UNTIL}&sort={sort}{extra}"
    (whole,) = await pages(http, f"{base}&limit=10000")
    cut = await pages(http, f"{base}&limit={limit}")
    sizes = [sum(map(len, page[kind].values())) for page in cut]
    assert set(sizes[:-1]) == {limit}
    assert 0 < sizes[-1] <= limit
    for symbol in ("AAPL", "MSFT"):
        joined = [point for page in cut for point in page[kind].get(symbol, [])]
        assert joined == whole[kind][symbol]
        times = [from_rfc3339(point["t"]) for point in joined]
        assert times == sorted(times, reverse=sort == "desc")
    order = [symbol for page in cut for symbol in page[kind]]
    assert order == sorted(order), "symbol by symbol, then by time"


async def test_points_of_one_moment_are_not_lost_between_pages():
    """A page may end between two points of the same nanosecond."""
    points = [TopOfBook("A", ts, ts, float(n), 1, 2, 1) for n, ts in enumerate([5, 5, 5, 6, 6, 7])]

    def read(_symbol, start, end):
        return iter([p for p in points if start <= p.ts_event <= end])

    for limit in (1, 2, 4, 5):
        found, token = [], None
        for _ in range(10):
            span = Span(
                symbols=("A",), start_ns=0, end_ns=9, limit=limit, newest_first=False, token=token
            )
            got, token = await page(span, "Q", read)
            found += got.get("A", [])
            if token is None:
                break
        assert found == points


async def test_the_token_is_base64_of_symbol_kind_and_time(http):
    path = f"/v2/stocks/bars?symbols=AAPL&timeframe=1Min&{SINCE}&limit=1"
    token = (await json_of(http, path))["next_page_token"]
    assert base64.b64decode(token).decode().startswith("AAPL|M|2026-09-21T13:50:00Z")


async def test_times_are_closed_at_both_ends(http):
    span = "start=2026-09-21T14:00:00Z&end=2026-09-21T14:02:00Z"
    bars = (await json_of(http, f"/v2/stocks/bars?symbols=AAPL&timeframe=1Min&{span}"))["bars"][
        "AAPL"
    ]
    assert [b["t"][11:16] for b in bars] == ["14:00", "14:01", "14:02"]


async def test_times_may_come_with_an_offset_escaped_or_not(http):
    base = "/v2/stocks/bars?symbols=AAPL&timeframe=1Min&limit=1&start=2026-09-21T14:00:00"
    for offset in ("%2B00:00", "+00:00", "Z", ".000000001Z"):
        assert (await json_of(http, base + offset))["bars"]["AAPL"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v2/stocks/bars?timeframe=1Min", "symbols is required"),
        ("/v2/stocks/bars?symbols=AAPL", "timeframe is required"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=61Min", "invalid timeframe: 61Min"),
        ("/v2/stocks/bars?symbols=a!&timeframe=1Min", "invalid symbol: a!"),
        ("/v2/stocks/trades?symbols=AAPL&start=soon", "invalid start: soon"),
        (
            "/v2/stocks/trades?symbols=AAPL&limit=10001",
            "invalid limit: 10001, it must be between 1 and 10000",
        ),
        (
            "/v2/stocks/trades?symbols=AAPL&limit=x",
            "invalid limit: x, it must be between 1 and 10000",
        ),
        ("/v2/stocks/trades?symbols=AAPL&sort=up", "invalid sort: up"),
        ("/v2/stocks/trades?symbols=AAPL&feed=moon", "invalid feed: moon"),
        ("/v2/stocks/bars?symbols=AAPL&timeframe=1Min&adjustment=x", "invalid adjustment: x"),
        ("/v2/stocks/trades?symbols=AAPL&page_token=x", "invalid page_token: x"),
        (
            "/v2/stocks/trades?symbols=AAPL&page_token=QUFQTHxRfDIwMjYtMDktMjFUMTM6NTA6MDBafDE%3D",
            "invalid page_token: QUFQTHxRfDIwMjYtMDktMjFUMTM6NTA6MDBafDE=",
        ),
        ("/v1beta3/crypto/us/trades?symbols=BTCUSD", "invalid symbol: BTCUSD"),
        ("/v1beta3/crypto/eu-1/trades?symbols=BTC/USD", "invalid location: eu-1"),
        ("/v1beta1/news?limit=51", "invalid limit: 51, it must be between 1 and 50"),
        ("/v1beta1/news?include_content=maybe", "invalid include_content: maybe"),
    ],
)
async def test_nonsense_is_refused_with_a_message(http, validate, path, message):
    answer = await http.get(path)
    assert (answer.status_code, answer.json()) == (400, {"message": message})
    validate("market-data", "GET", path, 400, answer.json())


async def test_stocks_and_news_need_keys_and_crypto_does_not(server):
    async with httpx.AsyncClient(base_url=server.rest_url) as http:
        answer = await http.get("/v2/stocks/trades/latest?symbols=AAPL")
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})
        wrong = {**KEYS, "APCA-API-SECRET-KEY": "X"}
        answer = await http.get("/v1beta1/news", headers=wrong)
        assert (answer.status_code, answer.json()) == (403, {"message": "forbidden."})
        answer = await http.get("/v1beta3/crypto/us/latest/trades?symbols=BTC/USD")
        assert answer.status_code == 200
        answer = await http.get("/v1beta1/news", headers={"Authorization": "Bearer S"})
        assert answer.status_code == 200
        answer = await http.get("/v1beta1/news", auth=("K", "S"))
        assert answer.status_code == 200


async def test_a_plan_without_the_consolidated_feed_may_not_see_its_last_quarter_hour():
    async with asking(limits=StreamLimits(feeds=frozenset({"iex"}))) as (_, http):
        answer = await http.get(f"/v2/stocks/trades?symbols=AAPL&feed=sip&{SINCE}")
        assert answer.status_code == 403
        words = "subscription does not permit querying recent SIP data"
        assert answer.json() == {"code": 42210000, "message": words}
        early = "end=2026-09-21T13:55:00Z"
        answer = await http.get(f"/v2/stocks/trades?symbols=AAPL&feed=sip&{SINCE}&{early}")
        assert answer.status_code == 200
        answer = await http.get(f"/v2/stocks/trades?symbols=AAPL&{SINCE}")
        assert answer.status_code == 200


async def test_answers_tell_the_budget_and_past_it_429():
    async with asking(data_requests_per_minute=2) as (_, http):
        path = "/v2/stocks/trades/latest?symbols=AAPL"
        answers = [await http.get(path) for _ in range(4)]
    refused = [a for a in answers if a.status_code == 429]
    assert answers[0].status_code == 200
    assert answers[0].headers["X-RateLimit-Limit"] == "2"
    assert answers[0].headers["X-Request-ID"]
    # The window is a minute of the wall clock, so a new one may begin in between.
    assert refused
    assert refused[0].json() == {"message": "too many requests."}
    assert refused[0].headers["X-RateLimit-Remaining"] == "0"


async def test_an_unknown_route_and_a_wrong_method_answer_with_a_message(http):
    answer = await http.get("/v9/nothing")
    assert (answer.status_code, answer.json()) == (404, {"message": "endpoint not found."})
    answer = await http.post("/v2/stocks/bars")
    assert (answer.status_code, answer.json()) == (405, {"message": "method not allowed."})


async def test_a_single_symbol_without_data_is_refused_by_latest(http):
    answer = await http.get("/v2/stocks/ZZZZ/trades/latest")
    assert answer.status_code == 400


class Page(Faults):
    """Answer news with a proxy's error page, and lose the answer of trades."""

    async def before_request(self, request):
        if request.path.endswith("/news"):
            return Answer(status=502, body=b"<html>bad gateway</html>", media_type="text/html")
        return None

    async def after_request(self, request, answer):
        if request.path.endswith("/trades/latest"):
            return Answer(status=504, body={"message": "timeout"})
        return answer


async def test_the_fault_seam_holds_for_market_data_too_and_requests_are_on_record():
    async with asking(faults=Page()) as (server, http):
        news = await http.get("/v1beta1/news")
        assert (news.status_code, news.text) == (502, "<html>bad gateway</html>")
        assert (await http.get("/v2/stocks/trades/latest?symbols=AAPL")).status_code == 504
        assert (await http.get("/v2/stocks/quotes/latest?symbols=AAPL")).status_code == 200
        paths = [(r.path, r.status) for r in server.venue.record.requests("GET")]
    assert paths == [
        ("/v1beta1/news", 502),
        ("/v2/stocks/trades/latest", 504),
        ("/v2/stocks/quotes/latest", 200),
    ]
