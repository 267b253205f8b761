"""The stream protocol on the wire, read by the libraries of strangers: json and msgpack."""

import asyncio
import base64
import contextlib
import json

import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.server import ExchangeServer
from exchange.streams.endpoints import StreamLimits
from exchange.streams.faults import Close, StreamFaults

ORIGIN_NS = 1_790_000_000_000_000_000
CONNECTED = [{"T": "success", "msg": "connected"}]
AUTHENTICATED = [{"T": "success", "msg": "authenticated"}]


def error(code, text):
    return [{"T": "error", "code": code, "msg": text}]


def exchange(*, faults=None, speed=1.0, **limits):
    config = ExchangeConfig(
        symbols=(
            seeded_stock("AAPL", 190.0),
            seeded_stock("MSFT", 400.0),
            seeded_crypto("BTC/USD", 60_000.0),
        ),
        origin_ns=ORIGIN_NS,
        speed=speed,
        key="K",
        secret="S",
        limits=StreamLimits(**limits),
    )
    return ExchangeServer(config, stream_faults=faults)


async def eventually(is_so, *, within_s=60.0):
    """Wait until something is so; fail when it does not become so in time."""
    async with asyncio.timeout(within_s):
        while not is_so():  # noqa: ASYNC110 -- the server has no event for a test to wait on
            await asyncio.sleep(0.01)


class Client:
    """A client that knows only the wire: one codec, no model of any message."""

    def __init__(self, socket, *, packed):
        self.socket = socket
        self.packed = packed

    async def send(self, message, **options):
        await self.socket.send(
            msgpack.packb(message) if self.packed else json.dumps(message), **options
        )

    async def frame(self):
        async with asyncio.timeout(60):
            raw = await self.socket.recv()
        if self.packed:
            assert isinstance(raw, bytes)
            return msgpack.unpackb(raw)
        assert isinstance(raw, str)
        return json.loads(raw)

    async def until(self, wanted):
        """Return the next message that fits, whatever frame it is in."""
        while True:
            for message in await self.frame():
                if wanted(message):
                    return message

    async def control(self, message):
        """Send a message and return the next frame that carries no data."""
        await self.send(message)
        while True:
            frame = await self.frame()
            if frame[0]["T"] in ("success", "error", "subscription"):
                return frame


@contextlib.asynccontextmanager
async def client(server, path="/v2/iex", *, packed=False, headers=None, auth=True, **options):
    kind = {"Content-Type": "application/msgpack"} if packed else {}
    options = {"close_timeout": 0.1, "additional_headers": {**kind, **(headers or {})}, **options}
    async with connect(server.stream_url + path, **options) as socket:
        opened = Client(socket, packed=packed)
        assert await opened.frame() == CONNECTED
        if auth:
            keys = {"action": "auth", "key": "K", "secret": "S"}
            assert await opened.control(keys) == AUTHENTICATED
        yield opened


@pytest.mark.parametrize("packed", [False, True])
async def test_a_subscription_is_acknowledged_whole_and_grows_and_shrinks(packed):
    async with exchange() as server, client(server, packed=packed) as c:
        names = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
        nothing = {name: [] for name in names}
        asked = {"action": "subscribe", "trades": ["AAPL"], "quotes": ["AMD"], "bars": ["*"]}
        first = {"trades": ["AAPL"], "quotes": ["AMD"], "bars": ["*"]}
        follow = {"corrections": ["AAPL"], "cancelErrors": ["AAPL"]}
        assert await c.control(asked) == [{"T": "subscription", **nothing, **first, **follow}]
        more = {"action": "subscribe", "trades": ["MSFT", "AAPL"], "statuses": ["*"]}
        ack = (await c.control(more))[0]
        assert (ack["trades"], ack["quotes"], ack["statuses"]) == (["AAPL", "MSFT"], ["AMD"], ["*"])
        less = {"action": "unsubscribe", "trades": ["AAPL"], "bars": ["*"]}
        ack = (await c.control(less))[0]
        assert (ack["trades"], ack["corrections"], ack["bars"]) == (["MSFT"], ["MSFT"], [])


@pytest.mark.parametrize(
    ("path", "channels"),
    [
        (
            "/v1beta3/crypto/us",
            {"trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars"},
        ),
        ("/v1beta2/crypto", {"trades", "quotes", "orderbooks", "bars", "updatedBars", "dailyBars"}),
        ("/v1beta1/news", {"news"}),
        ("/v2/test", {"trades", "quotes", "bars"}),
    ],
)
async def test_each_endpoint_acknowledges_its_own_channels(path, channels):
    async with exchange() as server, client(server, path) as c:
        name = "news" if "news" in path else "trades"
        ack = (await c.control({"action": "subscribe", name: ["*"]}))[0]
        assert set(ack) == {"T", *channels}
        assert ack[name] == ["*"]


async def test_imbalances_are_acknowledged_once_used():
    async with exchange() as server, client(server) as c:
        ack = (await c.control({"action": "subscribe", "imbalances": ["AAPL"]}))[0]
        assert ack["imbalances"] == ["AAPL"]


@pytest.mark.parametrize("packed", [False, True])
async def test_messages_put_type_first_and_symbol_second_and_stamp_by_codec(packed):
    async with exchange() as server, client(server, packed=packed) as c:
        await c.control({"action": "subscribe", "trades": ["*"], "quotes": ["*"]})
        for kind, keys in (("q", "T S bx bp bs ax ap as c z t"), ("t", "T S i x p s c z t")):
            message = await c.until(lambda m, kind=kind: m["T"] == kind)
            assert list(message) == keys.split()
            if packed:
                assert isinstance(message["t"], msgpack.Timestamp)
                assert message["t"].to_unix_nano() > ORIGIN_NS
            else:
                assert message["t"].startswith("2026-09-21T14:13:")
                assert message["t"].endswith("Z")
            sizes = [message[k] for k in ("s", "bs", "as") if k in message]
            assert all(type(size) is int for size in sizes)


async def test_the_undocumented_receipt_time_is_there_when_it_is_wanted():
    async with exchange(received_key=True) as server, client(server, packed=True) as c:
        await c.control({"action": "subscribe", "trades": ["*"], "quotes": ["*"]})
        quote = await c.until(lambda m: m["T"] == "q")
        assert quote["r"].to_unix_nano() >= quote["t"].to_unix_nano()


async def test_crypto_messages_have_their_own_fields():
    async with exchange() as server, client(server, "/v1beta3/crypto/us", packed=True) as c:
        await c.control({"action": "subscribe", "trades": ["BTC/USD"], "quotes": ["BTC/USD"]})
        quote = await c.until(lambda m: m["T"] == "q")
        assert list(quote) == ["T", "S", "bp", "bs", "ap", "as", "t"]
        trade = await c.until(lambda m: m["T"] == "t")
        assert list(trade) == ["T", "S", "i", "p", "s", "tks", "t"]
        assert trade["tks"] in "BS"
        assert trade["i"] > 1 << 60


async def test_an_order_book_begins_in_full_and_its_deltas_add_up_to_the_quote():
    async with exchange() as server, client(server, "/v1beta3/crypto/us") as c:
        asked = {"action": "subscribe", "orderbooks": ["BTC/USD"], "quotes": ["BTC/USD"]}
        await c.control(asked)
        first = await c.until(lambda m: m["T"] == "o")
        assert first["r"] is True
        sides = {side: {row["p"]: row["s"] for row in first[side]} for side in "ab"}
        quotes = 0
        while quotes < 5:
            for message in await c.frame():
                if message["T"] == "o":
                    assert "r" not in message
                    for side in "ab":
                        sides[side] |= {row["p"]: row["s"] for row in message[side]}
                else:
                    quotes += 1
                    quote = message
        while True:  # the delta of the last quote comes right after it, in this frame or the next
            best = [
                pick(p for p, s in sides[side].items() if s)
                for pick, side in ((max, "b"), (min, "a"))
            ]
            if best == [quote["bp"], quote["ap"]]:
                break
            for message in await c.frame():
                for side in "ab" if message["T"] == "o" else "":
                    sides[side] |= {row["p"]: row["s"] for row in message[side]}
                quote = message if message["T"] == "q" else quote


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        ("no json", error(400, "invalid syntax")),
        ([1, 2], error(400, "invalid syntax")),
        ({"action": "dance"}, error(400, "invalid syntax")),
        ({"action": "subscribe"}, error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": ["a b"]}, error(400, "invalid syntax")),
        ({"action": "subscribe", "trades": "AAPL"}, error(400, "invalid syntax")),
        ({"action": "subscribe", "ticks": ["AAPL"]}, error(400, "invalid syntax")),
        (
            {"action": "subscribe", "news": ["AAPL"]},
            error(410, "invalid subscribe action for this feed"),
        ),
        ({"action": "auth", "key": "K", "secret": "S"}, error(403, "already authenticated")),
    ],
)
async def test_a_bad_message_gets_its_error_and_the_connection_stays(message, answer):
    async with exchange() as server, client(server) as c:
        assert await c.control(message) == answer
        assert (await c.control({"action": "subscribe", "bars": ["AAPL"]}))[0]["bars"] == ["AAPL"]


async def test_keys_are_needed_and_checked_and_may_be_tried_again():
    async with exchange() as server, client(server, auth=False) as c:
        asked = {"action": "subscribe", "trades": ["AAPL"]}
        assert await c.control(asked) == error(401, "not authenticated")
        wrong = {"action": "auth", "key": "K", "secret": "X"}
        assert await c.control(wrong) == error(402, "auth failed")
        assert await c.control({"action": "auth", "key": "K"}) == error(400, "invalid syntax")
        token = {"action": "auth", "key": "oauth", "secret": "S"}
        assert await c.control(token) == AUTHENTICATED


@pytest.mark.parametrize(
    "headers",
    [
        {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"},
        {"Authorization": "Basic " + base64.b64encode(b"K:S").decode()},
        {"Authorization": "Bearer S"},
    ],
)
async def test_keys_in_the_handshakes_headers_authenticate_at_once(headers):
    async with exchange() as server, client(server, headers=headers, auth=False) as c:
        assert await c.frame() == AUTHENTICATED
        assert (await c.control({"action": "subscribe", "bars": ["*"]}))[0]["bars"] == ["*"]


async def test_wrong_keys_in_headers_are_told():
    headers = {"Authorization": "Basic !"}
    async with exchange() as server, client(server, headers=headers, auth=False) as c:
        assert await c.frame() == error(402, "auth failed")


async def test_who_does_not_authenticate_in_time_is_told_and_cut_off():
    async with exchange(auth_timeout_s=0.1) as server, client(server, auth=False) as c:
        assert await c.frame() == error(404, "auth timeout")
        with pytest.raises(ConnectionClosed):
            await c.frame()


async def test_the_time_to_authenticate_does_not_run_on_afterwards():
    async with exchange(auth_timeout_s=0.3) as server, client(server) as c:
        await c.control({"action": "subscribe", "quotes": ["*"]})
        for _ in range(3):
            await c.until(lambda m: m["T"] == "q")
        async with asyncio.timeout(60):
            while server.venue.clock.now_ns() < ORIGIN_NS + 700_000_000:
                await c.frame()


async def test_a_second_connection_to_an_endpoint_is_refused_until_the_first_leaves():
    keys = {"action": "auth", "key": "K", "secret": "S"}
    async with exchange() as server:
        async with client(server, auth=False) as second:
            async with client(server), client(server, "/v2/sip"):
                assert await second.control(keys) == error(406, "connection limit exceeded")
            async with asyncio.timeout(60):
                while (await second.control(keys)) != AUTHENTICATED:
                    pass
        async with (
            client(server, "/v1beta3/crypto/us"),
            client(server, "/v1beta2/crypto", auth=False) as c,
        ):
            assert await c.control(keys) == error(406, "connection limit exceeded")


async def test_the_symbol_limit_counts_trades_and_quotes_and_changes_nothing_when_hit():
    async with exchange(symbols=3) as server, client(server) as c:
        await c.control({"action": "subscribe", "trades": ["A", "B"], "bars": ["C", "D", "E"]})
        over = {"action": "subscribe", "quotes": ["A", "B"]}
        assert await c.control(over) == error(405, "symbol limit exceeded")
        ack = (await c.control({"action": "subscribe", "quotes": ["A"]}))[0]
        assert (ack["trades"], ack["quotes"]) == (["A", "B"], ["A"])


async def test_a_feed_outside_the_plan_is_refused_and_closed():
    async with exchange(feeds=frozenset({"iex"})) as server:
        async with client(server, "/v2/sip", auth=False) as c:
            keys = {"action": "auth", "key": "K", "secret": "S"}
            assert await c.control(keys) == error(409, "insufficient subscription")
            with pytest.raises(ConnectionClosed):
                await c.frame()
        async with client(server, "/v2/iex"):
            pass


async def test_an_unknown_path_is_no_websocket():
    async with exchange() as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.stream_url + "/v2/nothing")
        assert refused.value.response.status_code == 404


async def test_a_client_that_does_not_read_is_cut_off():
    """The kernel's buffers fill first: hence many messages, and a client that takes none."""
    flood = exchange(speed=3_000.0, outbox_messages=500, compression=False)
    async with flood as server, client(server, max_queue=1) as c:
        await c.send({"action": "subscribe", "trades": ["*"], "quotes": ["*"]})
        await eventually(lambda: server.hub.wants("quotes"))
        await eventually(lambda: not server.hub.wants("quotes"))


async def test_a_slow_client_is_told_why_when_it_still_can_be():
    """One batch larger than its bound, while nothing else waits: code 407, then the close."""
    async with exchange(speed=6_000.0, outbox_messages=3) as server, client(server) as c:
        await c.send({"action": "subscribe", "trades": ["*"], "quotes": ["*"]})
        assert await c.until(lambda m: m["T"] == "error") == error(407, "slow client")[0]
        with pytest.raises(ConnectionClosed):
            await c.frame()


async def test_a_message_in_fragments_is_one_message():
    async with exchange() as server, client(server, packed=True) as c:
        raw = msgpack.packb({"action": "subscribe", "bars": ["AAPL"]})
        await c.socket.send([raw[:5], raw[5:9], raw[9:], b""])
        assert (await c.frame())[0]["bars"] == ["AAPL"]


async def test_json_is_understood_in_binary_frames_and_on_a_msgpack_connection():
    async with exchange() as server, client(server, packed=True) as c:
        await c.socket.send(json.dumps({"action": "subscribe", "bars": ["AAPL"]}).encode())
        assert (await c.frame())[0]["bars"] == ["AAPL"]


@pytest.mark.parametrize("size", [1, 7])
async def test_a_frame_has_at_most_the_set_number_of_messages_of_mixed_kinds(size):
    async with exchange(speed=120.0, messages_per_frame=size) as server, client(server) as c:
        await c.control({"action": "subscribe", "trades": ["*"], "quotes": ["*"]})
        frames = [await c.frame() for _ in range(40)]
        lengths = [len(frame) for frame in frames]
        assert max(lengths) == size
        if size > 1:
            assert any(len({m["T"] for m in frame}) == 2 for frame in frames)
            assert any(len({m["S"] for m in frame}) == 2 for frame in frames)


@pytest.mark.parametrize(("offered", "used"), [(True, True), (False, False)])
async def test_compression_is_offered_or_not(offered, used):
    async with exchange(compression=offered) as server, client(server) as c:
        names = [extension.name for extension in c.socket.protocol.extensions]
        assert (names == ["permessage-deflate"]) is used
        await c.control({"action": "subscribe", "quotes": ["*"]})
        assert (await c.until(lambda m: m["T"] == "q"))["S"] in ("AAPL", "MSFT")


async def test_the_test_stream_always_trades_its_alpaca():
    async with exchange(speed=60.0) as server, client(server, "/v2/test", packed=True) as c:
        await c.control({"action": "subscribe", "quotes": ["FAKEPACA"], "bars": ["FAKEPACA"]})
        for kind in ("q", "b"):
            assert (await c.until(lambda m, kind=kind: m["T"] == kind))["S"] == "FAKEPACA"


async def test_the_delayed_feed_tells_what_happened_a_quarter_of_an_hour_ago():
    async with exchange() as server, client(server, "/v2/delayed_sip", packed=True) as c:
        await c.control({"action": "subscribe", "quotes": ["AAPL"]})
        told = (await c.until(lambda m: m["T"] == "q"))["t"].to_unix_nano()
        assert 14.9 * 60 < (server.venue.clock.now_ns() - told) / 1e9 < 15.3 * 60


async def test_subscribers_of_the_same_get_the_same_frames_in_either_codec():
    async with exchange() as server:
        asked = {"action": "subscribe", "trades": ["*"]}
        async with client(server) as text, client(server, "/v2/sip", packed=True) as packed:
            await text.control(asked)
            await packed.control(asked)
            one = await packed.until(lambda m: m["T"] == "t")
            same = await text.until(
                lambda m: m["T"] == "t" and m["i"] == one["i"] and m["S"] == one["S"]
            )
            assert {**same, "t": 0} == {**one, "t": 0}


async def test_equal_subscriptions_share_their_frames_encoded_once():
    async with exchange(connections=2) as server, client(server) as one, client(server) as two:
        await one.control({"action": "subscribe", "quotes": ["AAPL", "MSFT"]})
        await two.control({"action": "subscribe", "quotes": ["MSFT"]})
        await two.control({"action": "subscribe", "quotes": ["AAPL"]})
        since = len(server.frames)
        for _ in range(3):
            await one.frame()
            await two.frame()
        sent = list(server.frames)[since:]
        by_link = [[f.data for f in sent if f.link == link and f.way == "out"] for link in (1, 2)]
        shared = [data for data in by_link[0] if any(data is other for other in by_link[1])]
        assert len(shared) >= 2


async def test_what_is_unsubscribed_comes_no_more():
    async with exchange(speed=60.0) as server, client(server) as c:
        await c.control({"action": "subscribe", "quotes": ["AAPL", "MSFT"]})
        await c.until(lambda m: m["S"] == "AAPL")
        await c.control({"action": "unsubscribe", "quotes": ["AAPL"]})
        after = [m["S"] for _ in range(20) for m in await c.frame()]
        assert set(after) == {"MSFT"}


async def test_every_frame_is_on_record_and_no_secret_is():
    async with exchange() as server, client(server) as c:
        await c.control({"action": "subscribe", "trades": ["AAPL"]})
        kept = list(server.frames)
        assert [f.way for f in kept[:5]] == ["out", "in", "out", "in", "out"]
        assert json.loads(kept[0].data) == CONNECTED
        assert json.loads(kept[3].data)["trades"] == ["AAPL"]
        assert {f.endpoint for f in kept} == {"iex"}
        assert not any(b'"S"' in f.data for f in kept if f.way == "in")


class Plan(StreamFaults):
    """Refuse the first handshake, double the second data frame, then cut the line."""

    def __init__(self):
        self.refused = 0
        self.frames = 0

    def refuse_handshake(self, path):
        self.refused += 1
        return 429 if self.refused == 1 else None

    async def before_send(self, link, frame):
        if b'"T":"q"' not in frame.data:
            return (frame,)
        self.frames += 1
        return {1: (frame,), 2: (frame, frame), 3: (), 4: (Close(1011),)}[self.frames]


async def test_a_fault_plan_can_refuse_double_drop_and_close():
    plan = Plan()
    async with exchange(faults=plan) as server:
        with pytest.raises(InvalidStatus) as refused:
            await connect(server.stream_url + "/v2/iex")
        assert refused.value.response.status_code == 429
        async with client(server) as c:
            await c.control({"action": "subscribe", "quotes": ["*"]})
            first, second, doubled = [await c.frame() for _ in range(3)]
            assert second == doubled != first
            with pytest.raises(ConnectionClosed) as closed:
                await c.frame()
            assert closed.value.rcvd.code == 1011
