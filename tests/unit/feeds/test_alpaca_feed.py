"""The live feed against small real servers: handshake, every refusal, cuts, silence, bad data."""

import asyncio
from contextlib import asynccontextmanager

import msgpack
import msgspec
import pytest
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from domain.errors import ConfigError, FeedRefused, InvariantBroken
from domain.market import AssetClass, SessionPhase
from engine.clock import LiveClock, ManualClock
from feeds.alpaca import AlpacaFeed, AlpacaFeedConfig, Channel, Codec

T0 = msgpack.Timestamp(1_790_000_000, 5)
TRADE = {"T": "t", "S": "AAPL", "i": 7, "x": "V", "p": 100.0, "s": 5, "c": ["@"], "z": "C", "t": T0}
SECRET = "do-not-print-me"


class Venue:
    """A server that speaks the protocol by hand, and fails where it is told to."""

    def __init__(self):
        self.url = ""
        self.hellos = 0
        self.asked = []
        self.auth_codes = []
        self.subscribe_codes = []
        self.upgrade_statuses = []
        self.symbol_limit = None
        self.is_silent = False
        self.live = []

    def frame(self, ws, messages):
        """Write messages in the codec that the connection asked for."""
        if ws.request.headers["Content-Type"] == "application/msgpack":
            return msgpack.packb(messages)
        times = [{k: _text(v) for k, v in m.items()} for m in messages]
        return msgspec.json.encode(times).decode()

    async def say(self, *messages, code=None):
        """Send one frame on the newest connection."""
        frame = [{"T": "error", "code": code, "msg": "words"}] if code else list(messages)
        await self.live[-1].send(self.frame(self.live[-1], frame))

    async def handle(self, ws):
        self.hellos += 1
        try:
            await ws.send(self.frame(ws, [{"T": "success", "msg": "connected"}]))
            while True:
                data = await ws.recv()
                unpack = msgspec.json.decode if isinstance(data, str) else msgpack.unpackb
                question = unpack(data)
                self.asked.append(question)
                if self.is_silent:
                    continue
                answer = self.answer(question, ws)
                await ws.send(self.frame(ws, [answer]))
                if answer.get("code") in (402, 404, 409):
                    return
        except ConnectionClosed:
            pass

    def answer(self, question, ws):
        is_auth = question["action"] == "auth"
        codes = self.auth_codes if is_auth else self.subscribe_codes
        code = codes.pop(0) if codes else None
        n_symbols = len(question.get("quotes", ()))
        if self.symbol_limit is not None and n_symbols + self.n_taken > self.symbol_limit:
            code = 405
        if code:
            return {"T": "error", "code": code, "msg": "words"}
        if is_auth:
            self.n_taken = 0
            return {"T": "success", "msg": "authenticated"}
        self.n_taken += n_symbols
        if "quotes" in question or "news" in question:
            self.live.append(ws)
        return {"T": "subscription", "trades": [], "quotes": [], "bars": []}

    def check(self, connection, _request):
        if self.upgrade_statuses:
            return connection.respond(self.upgrade_statuses.pop(0), "no\n")
        return None

    n_taken = 0


def _text(value):
    return "2026-09-21T14:13:20.000000005Z" if isinstance(value, msgpack.Timestamp) else value


class Heard:
    """A sink that writes everything down."""

    def __init__(self):
        self.events = []
        self.links = []

    def apply(self, events):
        self.events += events

    def link_lost(self, symbols, reason):
        self.links.append(("lost", tuple(symbols)))

    def link_restored(self, symbols):
        self.links.append(("restored", tuple(symbols)))


@pytest.fixture
async def venue():
    venue = Venue()
    async with serve(
        venue.handle, "127.0.0.1", 0, process_request=venue.check, close_timeout=0.2
    ) as server:
        venue.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield venue


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def notices():
    return []


@pytest.fixture
def config(venue):
    """Everything quick; no history."""

    def make(**changes):
        fields = {
            "channel": Channel.STOCKS,
            "symbols": ("AAPL", "MSFT"),
            "key": "K",
            "secret": SECRET,
            "stream_url": venue.url,
            "data_url": "",
            "reply_timeout_s": 2.0,
            "settle_s": 0.0,
            "retry_first_s": 0.01,
            "retry_most_s": 0.05,
            "rate_limited_s": 0.2,
            "auth_retry_s": 0.01,
        }
        return AlpacaFeedConfig(**(fields | changes))

    return make


@asynccontextmanager
async def running(config, sink, notices, **parts):
    """Run a feed for the length of the block; what ends it early is raised."""
    feed = AlpacaFeed(config, parts.pop("clock", LiveClock()), report=notices.append, **parts)
    task = asyncio.create_task(feed.run(sink))
    try:
        yield feed
    finally:
        ended = task.done()
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        await feed.aclose()
        if ended:
            raise result


async def eventually(condition, timeout=60.0):
    """Poll until a condition holds; the deadline fails the test."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - what is waited for is on the other side
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("codec", list(Codec))
async def test_a_feed_authenticates_subscribes_and_hands_frames_over(
    venue, config, heard, notices, codec
):
    """The whole way, in both codecs, to the nanosecond."""
    async with running(config(codec=codec), heard, notices):
        await eventually(lambda: venue.live)
        await venue.say(TRADE, TRADE | {"i": 8})
        await eventually(lambda: len(heard.events) == 2)
    auth, subscription = venue.asked
    assert auth == {"action": "auth", "key": "K", "secret": SECRET}
    channels = ("bars", "updatedBars", "statuses", "trades", "quotes")
    assert subscription == {"action": "subscribe"} | {name: ["AAPL", "MSFT"] for name in channels}
    assert heard.events[0].ts_event == 1_790_000_000 * 10**9 + 5
    assert heard.links[-1] == ("restored", ("AAPL", "MSFT"))
    assert [notice.code for notice in notices] == ["FEED_UP"]


@pytest.mark.parametrize(
    ("stream", "path"),
    [
        ((Channel.STOCKS, "sip"), "/v2/sip"),
        ((Channel.STOCKS, "test"), "/v2/test"),
        ((Channel.CRYPTO, "iex"), "/v1beta3/crypto/us"),
        ((Channel.CRYPTO, "eu-1"), "/v1beta3/crypto/eu-1"),
        ((Channel.NEWS, "iex"), "/v1beta1/news"),
    ],
)
async def test_each_stream_has_its_address_and_its_channels(
    venue, config, heard, notices, stream, path
):
    channel, feed = stream
    async with running(config(channel=channel, feed=feed), heard, notices):
        await eventually(lambda: venue.live)
    assert venue.live[0].request.path == path
    channels = {name for question in venue.asked[1:] for name in question if name != "action"}
    expected = {
        "/v2/sip": {"trades", "quotes", "bars", "updatedBars", "statuses"},
        "/v2/test": {"trades", "quotes", "bars"},
        "/v1beta1/news": {"news"},
    }
    assert channels == expected.get(path, {"trades", "quotes", "bars", "updatedBars"})


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (402, ("FEED_AUTH_FAILED", "APCA_API_KEY_ID")),
        (409, ("FEED_NOT_IN_PLAN", "iex")),
        (411, ("FEED_INSUFFICIENT_SCOPE", "scope")),
    ],
)
async def test_a_final_refusal_ends_the_feed_and_names_the_remedy(
    venue, config, heard, notices, code, told
):
    venue.auth_codes = [code]
    error = await refusal(config(), heard, notices)
    name, remedy = told
    assert error.code == name
    assert remedy in error.line
    assert "\n" not in error.line
    assert venue.hellos == 1


async def refusal(config, sink, notices, kind=FeedRefused):
    """Run a feed that is to be refused for good; return the error."""
    feed = AlpacaFeed(config, LiveClock(), report=notices.append)
    with pytest.raises(kind) as refused:
        await asyncio.wait_for(feed.run(sink), 60)
    return refused.value


async def test_a_refused_symbol_names_the_setting(venue, config, heard, notices):
    venue.subscribe_codes = [400]
    assert "TRADING_SYMBOLS" in (await refusal(config(), heard, notices)).line


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_upgrade_means_the_key(venue, config, heard, notices, status):
    venue.upgrade_statuses = [status]
    assert "APCA_API_KEY_ID" in (await refusal(config(), heard, notices)).line


async def test_a_wrong_path_is_final(venue, config, heard, notices):
    venue.upgrade_statuses = [404]
    error = await refusal(config(feed="nonsense"), heard, notices)
    assert "no stream of the venue" in error.line


async def test_an_address_that_is_none_is_a_setting(config, heard, notices):
    wrong = config(stream_url="https://example.invalid")
    assert "no websocket address" in (await refusal(wrong, heard, notices, ConfigError)).line


async def test_a_taken_connection_asks_again_on_the_same_socket(venue, config, heard, notices):
    venue.auth_codes = [406, 406, 406]
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
    assert venue.hellos == 1
    assert [question["action"] for question in venue.asked[:4]] == ["auth"] * 4
    assert [notice.code for notice in notices].count("FEED_CONNECTION_LIMIT") == 1


async def test_a_connection_that_stays_taken_is_tried_anew_in_the_end(
    venue, config, heard, notices
):
    venue.auth_codes = [406] * 4
    async with running(config(auth_attempts=3), heard, notices):
        await eventually(lambda: venue.live)
    assert venue.hellos == 2


async def test_an_upgrade_refused_for_its_rate_waits_long(venue, config, heard, notices):
    """A storm of reconnects is what earns a 429; the feed must not add to it."""
    venue.upgrade_statuses = [429]
    started = asyncio.get_running_loop().time()
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
    assert asyncio.get_running_loop().time() - started > 0.2
    assert notices[0].code == "FEED_RATE_LIMITED"
    assert notices[0].remedy


@pytest.mark.parametrize(
    ("code", "name"),
    [(500, "FEED_VENUE_ERROR"), (404, "FEED_ERROR_404"), (401, "FEED_ERROR_401")],
)
async def test_an_error_of_the_venue_connects_again(venue, config, heard, notices, code, name):
    venue.auth_codes = [code]
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
    assert venue.hellos == 2
    assert notices[0].code == name


@pytest.mark.parametrize("limit", range(9))
async def test_past_the_symbol_limit_as_many_as_fit_are_served(
    venue, config, heard, notices, limit
):
    """405 leaves the subscription as it was, so the feed asks for what fits, in order."""
    symbols = tuple("ABCDEFGH")
    venue.symbol_limit = limit
    async with running(config(symbols=symbols), heard, notices):
        await eventually(lambda: any(notice.code == "FEED_UP" for notice in notices))
    served = [s for kind, s in heard.links if kind == "restored"]
    assert served == ([symbols[:limit]] if limit else [])
    told = [notice for notice in notices if notice.code == "FEED_SYMBOL_LIMIT"]
    assert len(told) == (limit < 8)
    assert all(", ".join(symbols[limit:]) in notice.line for notice in told)


@pytest.mark.parametrize("code", [1000, 1011, None])
async def test_a_closed_link_is_told_and_connected_again(venue, config, heard, notices, code):
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
        if code is None:
            venue.live[-1].transport.abort()
        else:
            await venue.live[-1].close(code)
        await eventually(lambda: len(venue.live) == 2)
        await venue.say(TRADE)
        await eventually(lambda: heard.events)
    kinds = [kind for kind, _ in heard.links]
    assert kinds[-3:] == ["restored", "lost", "restored"]
    assert "FEED_DISCONNECTED" in [notice.code for notice in notices]


async def test_a_slow_clients_end_is_named(venue, config, heard, notices):
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
        await venue.say(code=407)
        await venue.live[-1].close(1000)
        await eventually(lambda: len(venue.live) == 2)
    assert "FEED_SLOW_CLIENT" in [notice.code for notice in notices]


async def test_an_error_amid_the_stream_is_shown_and_the_stream_goes_on(
    venue, config, heard, notices
):
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
        await venue.say(code=999)
        await venue.say(TRADE)
        await eventually(lambda: heard.events)
    assert "FEED_ERROR_999" in [notice.code for notice in notices]
    assert venue.hellos == 1


async def test_a_server_that_never_answers_is_left(venue, config, heard, notices):
    venue.is_silent = True
    async with running(config(reply_timeout_s=0.1), heard, notices):
        await eventually(lambda: venue.hellos >= 2)
    assert notices[0].code == "FEED_DISCONNECTED"


async def test_a_port_where_nobody_listens_is_tried_again(config, heard, notices):
    async with running(config(stream_url="ws://127.0.0.1:9"), heard, notices):
        await eventually(lambda: len(heard.links) >= 3)
    assert [notice.code for notice in notices] == ["FEED_DISCONNECTED"]


async def test_a_mute_stream_is_cut_in_trading_hours(venue, config, heard, notices):
    async with running(config(mute_s=0.1), heard, notices):
        await eventually(lambda: len(venue.live) >= 2)
    assert "FEED_MUTE" in [notice.code for notice in notices]


class Closed:
    def phase(self, asset_class, _ts_ns):
        assert asset_class is AssetClass.STOCK
        return SessionPhase.CLOSED


async def test_silence_of_a_closed_market_is_no_fault(venue, config, heard, notices):
    async with running(config(mute_s=0.04), heard, notices, calendar=Closed()):
        await eventually(lambda: venue.live)
        await asyncio.sleep(0.3)
    assert venue.hellos == 1


async def test_silence_between_headlines_is_no_fault(venue, config, heard, notices):
    async with running(config(channel=Channel.NEWS, mute_s=0.04), heard, notices):
        await eventually(lambda: venue.live)
        await asyncio.sleep(0.3)
    assert venue.hellos == 1
    assert heard.links == []


async def test_a_message_in_fragments_is_joined(venue, config, heard, notices):
    async with running(config(), heard, notices):
        await eventually(lambda: venue.live)
        frame = msgpack.packb([TRADE])
        await venue.live[-1].send([frame[:10], frame[10:20], frame[20:]])
        await venue.say(TRADE | {"i": 8})
        await eventually(lambda: len(heard.events) == 2)


async def test_bad_frames_are_counted_and_the_link_stays(venue, config, heard, notices):
    async with running(config(), heard, notices) as feed:
        await eventually(lambda: venue.live)
        await venue.live[-1].send(b"\xde\xad")
        await venue.live[-1].send("{not json")
        await venue.say({"T": "t", "S": "AAPL"}, {"T": "new"}, TRADE)
        await eventually(lambda: heard.events)
        assert feed.counts() == {
            "frame_unreadable": 2,
            "message_malformed": 1,
            "kind_unknown": 1,
        }
    assert venue.hellos == 1


async def test_a_frame_too_big_ends_the_link_and_not_the_process(venue, config, heard, notices):
    async with running(config(max_frame_bytes=10_000), heard, notices):
        await eventually(lambda: venue.live)
        await venue.live[-1].send(b"x" * 20_000)
        await eventually(lambda: len(venue.live) == 2)
    assert "1009" in "".join(notice.line for notice in notices)


async def test_a_failure_of_our_own_is_raised_as_it_is(venue, config, notices):
    class Broken(Heard):
        def apply(self, events):
            raise InvariantBroken("the store is upside down")

    loop_says = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: loop_says.append(context))
    feed = AlpacaFeed(config(), LiveClock(), report=notices.append)
    running_feed = asyncio.create_task(feed.run(Broken()))
    await eventually(lambda: venue.live)
    await venue.say(TRADE)
    with pytest.raises(InvariantBroken, match="upside down"):
        await asyncio.wait_for(running_feed, 60)
    assert len(loop_says) == 1


async def test_a_feed_that_was_stopped_runs_again(venue, config, heard, notices):
    feed = AlpacaFeed(config(), LiveClock(), report=notices.append)
    for n_links in (1, 2):
        task = asyncio.create_task(feed.run(heard))
        await eventually(lambda n=n_links: len(venue.live) == n)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert [kind for kind, _ in heard.links][:1] == ["lost"]


async def test_frames_are_recorded_beside_the_decoder_as_they_came(venue, config, heard, notices):
    class Recorder:
        def __init__(self):
            self.frames = []

        def record(self, channel, frame, *, is_text):
            self.frames.append((channel, frame, is_text))

    recorder = Recorder()
    async with running(config(), heard, notices, recorder=recorder, clock=ManualClock()):
        await eventually(lambda: venue.live)
        await venue.say({"T": "unheard of"}, TRADE)
        await eventually(lambda: heard.events)
    assert ("stocks", msgpack.packb([{"T": "unheard of"}, TRADE]), False) in recorder.frames


def test_a_configuration_prints_no_secret(venue):
    config = AlpacaFeedConfig(channel=Channel.STOCKS, symbols=("A",), key="K", secret=SECRET)
    assert SECRET not in repr(config)
