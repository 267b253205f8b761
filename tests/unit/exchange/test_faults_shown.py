"""Every kind of fault, over the real socket: what a client sees of it, and that it then ends."""

import asyncio
import contextlib
import json
import time
from datetime import datetime

import httpx
import pytest
from alpaca.trading.client import TradingClient
from pydantic import ValidationError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.faults import Fault, FaultKind, Where
from exchange.server import ExchangeServer

KEYS = {"APCA-API-KEY-ID": "LOCALKEY", "APCA-API-SECRET-KEY": "local-secret"}
IEX, CRYPTO, ORDERS = "/v2/iex", "/v1beta3/crypto/us", "/stream"
SHORT = 0.2
LONG_ENOUGH = 2.0
"""For what must still be so when a busy machine gets to look."""
SHOWN = {}


def shows(*kinds):
    """Say which kinds a function shows; it is called once for each."""

    def keep(show):
        SHOWN.update(dict.fromkeys(kinds, show))
        return show

    return keep


class Socket:
    """A websocket client that knows only the wire."""

    def __init__(self, socket):
        self.socket = socket
        self.unread = []

    async def frame(self, within_s=60.0):
        async with asyncio.timeout(within_s):
            return json.loads(await self.socket.recv())

    async def ask(self, **message):
        await self.socket.send(json.dumps(message))
        return await self.frame()

    async def until(self, wanted, within_s=60.0):
        """Return the first message that fits, whatever frame of market data it is in."""
        async with asyncio.timeout(within_s):
            while True:
                self.unread = self.unread or await self.frame(within_s)
                while self.unread:
                    if wanted(message := self.unread.pop(0)):
                        return message

    async def all(self, within_s):
        """Read until nothing comes for so long, or the link ends."""
        while True:
            await self.frame(within_s)

    async def closed(self):
        with pytest.raises(ConnectionClosed) as closed:
            await self.all(within_s=10)
        return closed.value


class Scene:
    """An exchange with an empty plan, and clients of it."""

    def __init__(self, server, http):
        self.server, self.http, self.plan = server, http, server.plan

    def arm(self, kind, *, nth=1, times=1, seconds=None, **where):
        self.plan.add(Fault(kind=kind, nth=nth, times=times, seconds=seconds, where=Where(**where)))

    async def order(self, **fields):
        body = {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "day"}
        body |= {"qty": "1", "limit_price": "1.00", "client_order_id": "ah-d1-entry-1"}
        return await self.http.post("/v2/orders", json=body | fields)

    async def market_order(self, **fields):
        return await self.order(type="market", limit_price=None, **fields)

    async def get(self, path, **query):
        return await self.http.get(path, params=query)

    async def found(self, client_order_id="ah-d1-entry-1"):
        """Tell whether the venue has the order, by its own book."""
        orders = (await self.get("/v2/orders", status="all")).json()
        return client_order_id in [order["client_order_id"] for order in orders]

    @contextlib.asynccontextmanager
    async def link(self, path=IEX, **options):
        url = self.server.stream_url + path
        async with connect(url, close_timeout=0.1, **options) as socket:
            yield Socket(socket)

    @contextlib.asynccontextmanager
    async def listening(self, path=IEX, symbol="AAPL", **options):
        """A link that gets everything of a symbol."""
        async with self.link(path, **options) as link:
            await link.frame()
            await link.ask(action="auth", key="LOCALKEY", secret="local-secret")
            channels = ("trades", "quotes", "bars", "updatedBars")
            channels += () if path == CRYPTO else ("statuses",)
            await link.ask(action="subscribe", **{name: [symbol] for name in channels})
            yield link

    @contextlib.asynccontextmanager
    async def orders(self):
        """A link that gets order events."""
        async with self.link(ORDERS) as link:
            data = {"key_id": "LOCALKEY", "secret_key": "local-secret"}
            await link.ask(action="authenticate", data=data)
            await link.ask(action="listen", data={"streams": ["trade_updates"]})
            yield link

    async def events(self, link, count):
        """Return so many order events as (event, client order id)."""
        got = [(await link.frame())["data"] for _ in range(count)]
        return [(each["event"], each["order"]["client_order_id"]) for each in got]


@contextlib.asynccontextmanager
async def scene(speed=1.0):
    config = ExchangeConfig(
        symbols=(
            seeded_stock("AAPL", 190.0, has_surprises=False, prints_per_s=20.0),
            seeded_crypto("BTC/USD", 60_000.0, has_surprises=False),
        ),
        history_minutes=30,
        speed=speed,
    )
    async with (
        ExchangeServer(config) as server,
        httpx.AsyncClient(base_url=server.rest_url, headers=KEYS, timeout=60) as http,
    ):
        yield Scene(server, http)


@pytest.mark.parametrize("kind", FaultKind)
async def test_a_client_sees_the_fault_and_the_record_names_it(kind):
    """A kind that no function shows fails here."""
    async with scene(speed=60.0 if kind is FaultKind.LATE_TRADE else 1.0) as s:
        await SHOWN[kind](s, kind)
        assert kind in [strike.kind for strike in s.plan.strikes]


@shows(FaultKind.LINK_CLOSED, FaultKind.LINK_CLOSED_1011, FaultKind.LINK_ABORTED)
async def link_ends(s, kind):
    codes = {FaultKind.LINK_CLOSED: 1001, FaultKind.LINK_CLOSED_1011: 1011}
    for link in (s.listening(), s.orders()):
        async with link as client:
            s.arm(kind)
            await s.market_order(client_order_id=None)
            close = (await client.closed()).rcvd
            assert (close.code if close else None) == codes.get(kind)
    async with s.listening() as again:
        await again.until(lambda m: m["T"] == "q")


@shows(FaultKind.LINK_MUTE)
async def link_is_mute(s, kind):
    async with s.listening() as link:
        s.arm(kind, seconds=60, stream="iex")
        with pytest.raises(TimeoutError):
            await link.all(within_s=1.0)
        await (await link.socket.ping())
        s.plan.clear()
        await link.until(lambda m: m["T"] == "q")


@shows(FaultKind.LINK_SLOW)
async def link_is_slow(s, kind):
    async with s.orders() as link:
        s.arm(kind, seconds=SHORT, stream="trade_updates")
        loop = asyncio.get_running_loop()
        await s.order()
        asked_s = loop.time()
        await link.frame()
        assert loop.time() - asked_s >= SHORT / 2


@shows(FaultKind.LINK_FROZEN)
async def link_is_frozen(s, kind):
    async with s.listening(ping_interval=SHORT, ping_timeout=1.0) as link:
        s.arm(kind, seconds=30)
        assert "ping timeout" in (await link.closed()).sent.reason


@shows(FaultKind.FRAME_LOST, FaultKind.FRAME_TWICE)
async def frame_is_lost_or_doubled(s, kind):
    async with s.orders() as link:
        s.arm(kind, stream="trade_updates")
        await s.order()
        await s.order(client_order_id="second")
        first = [] if kind is FaultKind.FRAME_LOST else ["ah-d1-entry-1"] * 2
        wanted = [("new", name) for name in [*first, "second"]]
        assert await s.events(link, len(wanted)) == wanted


@shows(FaultKind.FRAME_GARBLED)
async def frame_is_garbled(s, kind):
    async with s.orders() as link:
        s.arm(kind)
        await s.order()
        with pytest.raises(json.JSONDecodeError):
            await link.frame()
        await s.order(client_order_id="second")
        assert await s.events(link, 1) == [("new", "second")]


@shows(FaultKind.STREAM_402, FaultKind.STREAM_404, FaultKind.STREAM_406, FaultKind.STREAM_409)
async def keys_are_refused(s, kind):
    keys = {"action": "auth", "key": "LOCALKEY", "secret": "local-secret"}
    async with s.link() as link:
        s.arm(kind, stream="iex")
        await link.frame()
        (told,) = await link.ask(**keys)
        assert (told["T"], told["code"]) == ("error", int(kind[-3:]))
        if kind in (FaultKind.STREAM_404, FaultKind.STREAM_409):
            assert (await link.closed()).rcvd.code == 1008
        else:
            assert (await link.ask(**keys))[0]["msg"] == "authenticated"
    async with s.link(ORDERS) as link:
        s.arm(kind, stream="trade_updates")
        told = await link.ask(**keys)
        if kind is FaultKind.STREAM_402:
            assert told["data"]["status"] == "unauthorized"
        else:
            assert "error_message" in told["data"]


@shows(FaultKind.STREAM_405, FaultKind.STREAM_500)
async def subscription_is_refused(s, kind):
    async with s.listening() as link:
        s.arm(kind)
        await link.socket.send(json.dumps({"action": "subscribe", "trades": ["MSFT"]}))
        assert (await link.until(lambda m: m["T"] == "error"))["code"] == int(kind[-3:])
        await link.until(lambda m: m["T"] == "q")


@shows(FaultKind.STREAM_407)
async def client_is_called_slow(s, kind):
    async with s.listening() as link:
        s.arm(kind)
        assert (await link.until(lambda m: m["T"] == "error"))["msg"] == "slow client"
        assert (await link.closed()).rcvd.code == 1008


@shows(FaultKind.HANDSHAKE_429)
async def upgrade_is_refused(s, kind):
    s.arm(kind, stream="trade_updates")
    with pytest.raises(InvalidStatus) as refused:
        async with s.link(ORDERS):
            pass
    assert refused.value.response.status_code == 429
    async with s.orders():
        pass


@shows(FaultKind.EVENT_TWICE, FaultKind.EVENT_LOST, FaultKind.EVENT_LATE, FaultKind.EVENTS_SWAPPED)
async def events_come_otherwise(s, kind):
    new, fill = ("new", "ah-d1-entry-1"), ("fill", "ah-d1-entry-1")
    wanted = {
        FaultKind.EVENT_TWICE: [new, new, fill],
        FaultKind.EVENT_LOST: [fill],
        FaultKind.EVENT_LATE: [fill, new],
        FaultKind.EVENTS_SWAPPED: [fill, new],
    }[kind]
    async with s.orders() as link:
        s.arm(kind, seconds=SHORT, event="new", leg="entry")
        await s.market_order()
        assert await s.events(link, len(wanted)) == wanted
        s.arm(FaultKind.EVENTS_SWAPPED, seconds=SHORT)
        await s.order(client_order_id="alone")
        assert await s.events(link, 1) == [("new", "alone")], "held, but not for ever"


@shows(FaultKind.EVENT_UNKNOWN)
async def event_is_unknown(s, kind):
    async with s.orders() as link:
        s.arm(kind)
        await s.order()
        told = (await link.frame())["data"]
        assert told["event"] == told["order"]["status"] == "under_venue_review"


@shows(FaultKind.EVENT_FIRST)
async def events_come_before_the_answer(s, kind):
    async with s.orders() as link, asyncio.TaskGroup() as tasks:
        s.arm(kind, seconds=30)
        posting = tasks.create_task(s.market_order())
        assert [event for event, _ in await s.events(link, 2)] == ["new", "fill"]
        assert not posting.done()
        s.plan.clear()
    assert posting.result().status_code == 200


@shows(FaultKind.REQUEST_RESET, FaultKind.REQUEST_HANGS)
async def request_is_lost(s, kind):
    s.arm(kind, seconds=SHORT, leg="entry", method="POST")
    with pytest.raises(httpx.ReadError):
        await s.order()
    assert not await s.found()
    assert [(r.status, r.faults) for r in s.server.venue.record.requests("POST")] == [(0, (kind,))]


@shows(FaultKind.REQUEST_SLOW)
async def request_is_slow(s, kind):
    s.arm(kind, seconds=SHORT)
    loop = asyncio.get_running_loop()
    asked_s = loop.time()
    assert (await s.get("/v2/account")).status_code == 200
    assert loop.time() - asked_s >= SHORT / 2
    assert s.server.venue.record.requests()[0].faults == (kind,)


@shows(FaultKind.REQUEST_429)
async def request_is_too_many(s, kind):
    for path in ("/v2/account", "/v2/stocks/quotes/latest?symbols=AAPL"):
        s.arm(kind, seconds=2)
        answer = await s.http.get(path)
        assert (answer.status_code, answer.headers["X-RateLimit-Remaining"]) == (429, "0")
        assert answer.headers["Retry-After"] == "2"
        assert int(answer.headers["X-RateLimit-Reset"]) > time.time()
        assert (await s.http.get(path)).status_code == 200


@shows(FaultKind.REQUEST_500, FaultKind.REQUEST_HTML)
async def request_fails(s, kind):
    s.arm(kind, method="POST", path="/v2/orders", side="buy", symbol="AAPL")
    answer = await s.order()
    kinds = {
        FaultKind.REQUEST_500: (500, "application/json"),
        FaultKind.REQUEST_HTML: (502, "text/html"),
    }
    status, media = kinds[kind]
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (status, media)
    assert not await s.found()


@shows(FaultKind.ANSWER_504, FaultKind.ANSWER_500)
async def answer_is_an_error_after_the_effect(s, kind):
    s.arm(kind, leg="entry", method="POST")
    assert (await s.order()).status_code == int(kind[-3:])
    assert await s.found()


@shows(FaultKind.ANSWER_RESET, FaultKind.ANSWER_HANGS)
async def answer_is_lost_after_the_effect(s, kind):
    s.arm(kind, seconds=SHORT, leg="entry", method="POST")
    with pytest.raises(httpx.ReadError):
        await s.order()
    assert await s.found()
    data = "/v2/stocks/quotes/latest"
    s.arm(kind, seconds=SHORT, path=data)
    with pytest.raises(httpx.ReadError):
        await s.get(data, symbols="AAPL")


@shows(FaultKind.LOOKUP_LATE)
async def lookup_misses_for_a_while(s, kind):
    s.arm(kind, seconds=60)
    await s.order()
    asked = {"client_order_id": "ah-d1-entry-1"}
    miss = await s.get("/v2/orders:by_client_order_id", **asked)
    assert (miss.status_code, miss.json()["code"]) == (404, 40410000)
    assert miss.json()["message"] == "order not found for ah-d1-entry-1"
    s.plan.clear()
    assert (await s.get("/v2/orders:by_client_order_id", **asked)).status_code == 200


@shows(FaultKind.UNKNOWN_ENUM)
async def words_are_unknown(s, kind):
    await s.order()
    for path, name in (("/v2/orders", "status"), ("/v2/assets", "exchange")):
        s.arm(kind, path=path, symbol="AAPL")
        told = {each["symbol"]: each[name] for each in (await s.get(path)).json()}
        assert told.pop("AAPL") == "under_venue_review"
        assert "under_venue_review" not in told.values()
    s.arm(kind, path="/v2/account")
    assert (await s.get("/v2/account")).json()["status"] == "under_venue_review"


@shows(FaultKind.NO_EASY_TO_BORROW)
async def easy_to_borrow_is_missing(s, kind):
    s.arm(kind)
    client = TradingClient(s.server.key, s.server.secret, url_override=s.server.rest_url)
    with pytest.raises(ValidationError, match="easy_to_borrow"):
        await asyncio.to_thread(client.get_all_assets)
    assert await asyncio.to_thread(client.get_all_assets)


@shows(FaultKind.PDT_FIELDS)
async def day_trader_fields_appear(s, kind):
    assert "daytrade_count" not in (await s.get("/v2/account")).json()
    s.arm(kind, times=None)
    assert (await s.get("/v2/account")).json()["daytrade_count"] == 0


@shows(FaultKind.POSITION_GONE)
async def position_vanishes(s, kind):
    await s.market_order()
    await s.market_order(symbol="BTC/USD", time_in_force="gtc", client_order_id=None)
    s.arm(kind, times=2, symbol="BTC/USD")
    assert [p["symbol"] for p in (await s.get("/v2/positions")).json()] == ["AAPL"]
    assert (await s.get("/v2/positions/AAPL")).status_code == 200
    assert (await s.get("/v2/positions/BTCUSD")).status_code == 404
    assert len((await s.get("/v2/positions")).json()) == 2


@shows(FaultKind.ZERO_BASIS)
async def basis_is_zero(s, kind):
    await s.market_order()
    s.arm(kind, symbol="AAPL")
    (told,) = (await s.get("/v2/positions")).json()
    assert (told["avg_entry_price"], told["cost_basis"], told["qty"]) == ("0", "0", "1")


@shows(FaultKind.SYMBOL_SPELLING)
async def pairs_are_spelled_otherwise(s, kind):
    s.arm(kind, times=None)
    async with s.orders() as link:
        pair = {"symbol": "BTC/USD", "time_in_force": "gtc"}
        assert (await s.market_order(**pair)).json()["symbol"] == "BTCUSD"
        assert (await link.frame())["data"]["order"]["symbol"] == "BTCUSD"
    assert [p["symbol"] for p in (await s.get("/v2/positions")).json()] == ["BTC/USD"]


@shows(FaultKind.CLOCK_SKEW)
async def clock_is_ahead(s, kind):
    async with s.listening() as link:
        s.arm(kind, seconds=3600, times=None)
        told = await s.get("/v2/clock")
        now_s = s.server.venue.clock.now_ns() / 1e9
        assert datetime.fromisoformat(told.json()["timestamp"]).timestamp() > now_s + 3000
        await link.until(
            lambda m: m["T"] == "q" and datetime.fromisoformat(m["t"]).timestamp() > now_s + 3000
        )


@shows(FaultKind.LATE_TRADE)
async def print_is_late_and_its_bar_updated(s, kind):
    async with s.listening() as link:
        s.arm(kind, times=None)
        bar = await link.until(lambda m: m["T"] == "b")
        late = await link.until(lambda m: m["T"] == "t" and m["t"][:16] == bar["t"][:16])
        update = await link.until(lambda m: m["T"] == "u")
        assert update["t"] == bar["t"]
        assert late["p"] == update["h"] > bar["h"]
        assert update["v"] == bar["v"] + late["s"]


@shows(FaultKind.CORRECTION, FaultKind.TRADE_CANCELED)
async def print_is_amended(s, kind):
    async with s.listening() as link:
        s.arm(kind, symbol="AAPL")
        wanted, name = {FaultKind.CORRECTION: ("c", "oi")}.get(kind, ("x", "i"))
        seen = []
        amended = await link.until(lambda m: seen.append(m.get("i")) or m["T"] == wanted)
        assert amended[name] in seen[:-1]


@shows(FaultKind.HALT)
async def symbol_is_halted_and_resumes(s, kind):
    async with s.listening() as link:
        s.arm(kind, symbol="AAPL", seconds=LONG_ENOUGH)
        assert (await link.until(lambda m: m["T"] == "s"))["sc"] == "H"
        assert s.server.venue.is_halted("AAPL")
        assert (await link.until(lambda m: m["T"] == "s"))["sc"] == "T"
        assert not s.server.venue.is_halted("AAPL")


@shows(FaultKind.CROSSED_QUOTE, FaultKind.ZERO_QUOTE)
async def quote_is_wrong(s, kind):
    is_wrong = {
        FaultKind.CROSSED_QUOTE: lambda m: m["bp"] > m["ap"] > 0,
        FaultKind.ZERO_QUOTE: lambda m: m["bp"] == m["ap"] == 0,
    }[kind]
    async with s.listening(CRYPTO, "BTC/USD") as link:
        s.arm(kind, symbol="BTCUSD", channel="quotes")
        await link.until(lambda m: m["T"] == "q" and is_wrong(m))
        await link.until(lambda m: m["T"] == "q" and not is_wrong(m))
