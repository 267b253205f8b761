"""The order stream against a real websocket server that misbehaves as the venue was seen to."""

import asyncio
import json
from contextlib import aclosing, asynccontextmanager
from decimal import Decimal

import msgspec
import pytest
from websockets.asyncio.server import serve
from websockets.datastructures import Headers
from websockets.http11 import Response

from broker.updates import KINDS, UpdatesConfig, UpdatesLine, event_of, events_of
from domain.orders import OrderEventKind, OrderState
from domain.ports import LinkDown, LinkUp
from engine.clock import LiveClock

NOW = "2026-10-08T14:30:00.000000000Z"

ORDER = {
    "id": "904837e3-3b76-47ec-b432-046db621571b",
    "client_order_id": "ah-0123-entry-1",
    "symbol": "AAPL",
    "asset_class": "us_equity",
    "qty": "10",
    "filled_qty": "4",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "status": "partially_filled",
    "legs": None,
}
FILL = {
    "event": "partial_fill",
    "execution_id": "x1",
    "timestamp": "2026-10-08T14:30:00.5Z",
    "price": "105.8988475",
    "qty": "3",
    "position_qty": "-4",
    "order": ORDER,
}


def update(data):
    return json.dumps({"stream": "trade_updates", "data": data}).encode()


class StreamVenue:
    """Play one behaviour a connection, the last one for all further ones."""

    def __init__(self):
        self.plays = []
        self.heard = []
        self.upgrades = 0
        self.codecs = []
        self.upgrade_answer = None
        self.url = ""

    async def greet(self, socket, *, status="authorized"):
        self.heard.append(json.loads(await socket.recv()))
        await socket.send(
            json.dumps(
                {"stream": "authorization", "data": {"status": status, "action": "authenticate"}}
            ).encode()
        )
        self.heard.append(json.loads(await socket.recv()))
        await socket.send(
            json.dumps({"stream": "listening", "data": {"streams": ["trade_updates"]}}).encode()
        )

    async def handle(self, socket):
        play = self.plays.pop(0) if len(self.plays) > 1 else self.plays[0]
        await play(self, socket)

    def upgrade(self, _connection, request):
        self.upgrades += 1
        self.codecs.append(request.headers.get("Content-Type"))
        answer, self.upgrade_answer = self.upgrade_answer, None
        return answer


@asynccontextmanager
async def stream_venue(*plays):
    venue = StreamVenue()
    venue.plays = list(plays)
    async with serve(venue.handle, "127.0.0.1", 0, process_request=venue.upgrade) as server:
        port = server.sockets[0].getsockname()[1]
        venue.url = f"ws://127.0.0.1:{port}/stream"
        yield venue


@asynccontextmanager
async def following(venue, **settings):
    """Follow with quick back-offs; yields a function that reads the next update in time."""
    settings = {"backoff_s": 0.01, "backoff_max_s": 0.02, "refused_backoff_s": 0.02} | settings
    config = UpdatesConfig(key="K", secret="S", url=venue.url, deadline_s=2, **settings)
    line = UpdatesLine(config, LiveClock())
    async with aclosing(line.updates()) as updates:

        async def next_update():
            async with asyncio.timeout(60):
                return await anext(updates)

        next_update.line = line
        yield next_update
    await line.aclose()


def stays(*frames):
    async def play(venue, socket):
        await venue.greet(socket)
        for frame in frames:
            await socket.send(frame)
        await socket.wait_closed()

    return play


def leaves(*frames, code=1011):
    async def play(venue, socket):
        await venue.greet(socket)
        for frame in frames:
            await socket.send(frame)
        await socket.close(code)

    return play


async def test_the_stream_is_up_only_when_the_venue_lets_us_listen():
    """Authenticate, listen, and the acknowledgement of both; then the first event."""
    async with stream_venue(stays(update(FILL))) as venue, following(venue) as following_update:
        assert await following_update() == LinkUp()
        event = await following_update()
    assert venue.heard[0]["data"] == {"key_id": "K", "secret_key": "S"}
    assert venue.heard[1] == {"action": "listen", "data": {"streams": ["trade_updates"]}}
    assert event.kind is OrderEventKind.PARTIALLY_FILLED


@pytest.mark.parametrize("wrap", ["binary", "text", "msgpack"])
async def test_events_are_read_from_every_kind_of_frame(wrap):
    """Paper sends JSON in binary frames; text and msgpack are read as well."""
    frame = update(FILL)
    if wrap == "text":
        frame = frame.decode()
    if wrap == "msgpack":
        frame = msgspec.msgpack.encode(msgspec.json.decode(frame))
    async with stream_venue(stays(frame)) as venue:
        async with following(venue, is_msgpack=wrap == "msgpack") as following_update:
            await following_update()
            event = await following_update()
        assert venue.codecs == [f"application/{'msgpack' if wrap == 'msgpack' else 'json'}"]
    assert (event.fill_quantity, event.report.filled_quantity) == (Decimal(3), Decimal(4))


async def test_a_lost_link_is_told_and_comes_back_by_itself():
    """Nothing is replayed: whoever reads must know of both ends of the gap."""
    async with (
        stream_venue(leaves(update(FILL)), stays(update(FILL))) as venue,
        following(venue) as following_update,
    ):
        seen = [await following_update() for _ in range(5)]
    assert [type(update).__name__ for update in seen] == [
        "LinkUp",
        "OrderEvent",
        "LinkDown",
        "LinkUp",
        "OrderEvent",
    ]


async def test_an_unreadable_event_asks_for_a_reconciliation_and_the_link_stays():
    """It may have been a fill: the reader is told to look, and the next event still arrives."""
    broken = {**FILL, "order": {**ORDER, "filled_qty": "NaN"}}
    async with (
        stream_venue(stays(update(broken), b"\xc1garbage", update(FILL))) as venue,
        following(venue) as following_update,
    ):
        seen = [await following_update() for _ in range(4)]
    assert [type(update).__name__ for update in seen] == [
        "LinkUp",
        "LinkUp",
        "LinkUp",
        "OrderEvent",
    ]
    assert venue.upgrades == 1


async def test_events_and_words_we_do_not_know_do_not_stop_the_stream():
    """Alpaca adds events; the order beside an unknown one tells where it stands."""
    strange = {**FILL, "event": "teleported", "order": {**ORDER, "status": "in_orbit"}}
    other = json.dumps({"stream": "weather", "data": {"sun": True}})
    async with (
        stream_venue(stays(other, update(strange))) as venue,
        following(venue) as following_update,
    ):
        await following_update()
        event = await following_update()
    assert event.kind is OrderEventKind.REPORTED
    assert event.report.state is OrderState.UNKNOWN


async def test_a_refused_key_is_one_line_and_a_long_pause():
    """A wrong key does not mend itself: no storm of attempts, one line for the operator."""

    async def refuse(venue, socket):
        await venue.greet(socket, status="unauthorized")

    async with (
        stream_venue(refuse) as venue,
        following(venue, refused_backoff_s=3600) as following_update,
    ):
        down = await following_update()
        assert isinstance(down, LinkDown)
        assert "key" in down.reason
        waiting = asyncio.create_task(following_update())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        await following_update.line.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert venue.upgrades == 1


async def test_a_429_on_the_upgrade_is_answered_by_a_long_pause():
    """A storm of reconnections is what the venue punishes with 429."""
    async with stream_venue(stays()) as venue:
        venue.upgrade_answer = Response(429, "Too Many Requests", Headers(), b"slow down")
        async with following(venue, refused_backoff_s=3600) as following_update:
            down = await following_update()
            assert "429" in down.reason
            waiting = asyncio.create_task(following_update())
            done, _ = await asyncio.wait({waiting}, timeout=0.2)
            assert not done
            await following_update.line.aclose()
            with pytest.raises(StopAsyncIteration):
                await waiting
        assert venue.upgrades == 1


async def test_the_same_failure_is_told_once():
    """A venue that is away for an hour is one line, not one line an attempt."""
    async with stream_venue(stays()) as venue:
        url = venue.url
    gone = StreamVenue()
    gone.url = url
    async with following(gone) as following_update:
        assert isinstance(await following_update(), LinkDown)
        waiting = asyncio.create_task(following_update())
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        await following_update.line.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting


async def test_closing_ends_the_iterator_while_it_listens():
    """A stopped bot leaves no socket and no task behind."""
    async with stream_venue(stays()) as venue, following(venue) as following_update:
        await following_update()
        waiting = asyncio.create_task(following_update())
        await asyncio.sleep(0)
        await following_update.line.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting


def test_a_fill_tells_this_execution_beside_and_the_total_inside():
    """Partial fills reported as totals and booked as increments were real damage elsewhere."""
    event = event_of(FILL, NOW)
    assert (event.fill_quantity, event.fill_price) == (Decimal(3), Decimal("105.8988475"))
    assert event.report.filled_quantity == Decimal(4)
    assert event.position_quantity == Decimal(-4)
    assert event.execution_id == "x1"
    assert event.ts_event == "2026-10-08T14:30:00.500000000Z"


def test_an_event_without_a_time_gets_one():
    """The order's own, else ours."""
    bare = {**FILL, "timestamp": None}
    assert event_of(bare, NOW).ts_event == NOW


@pytest.mark.parametrize("raw", [None, [], {}, {"event": "fill"}, {**FILL, "qty": "many"}])
def test_what_is_no_event_is_refused(raw):
    """The decoder raises one class whatever it is fed."""
    with pytest.raises(ValueError):
        event_of(raw, NOW)


def test_every_event_of_the_venue_that_ends_an_order_has_its_kind():
    """A missing row here would leave an order working for ever."""
    ends = {"fill", "canceled", "expired", "rejected", "replaced"}
    assert ends <= KINDS.keys()


def test_a_frame_nested_without_end_is_unreadable():
    """It once raised `RecursionError`, which ended the order stream and the process with it."""
    for frame in (b"[" * 5_000, b"\x91" * 5_000):
        with pytest.raises(ValueError, match="deep"):
            events_of(frame, "2026-03-02T15:04:06Z")
