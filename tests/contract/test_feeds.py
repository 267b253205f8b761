"""Every feed tells a store the same market, and a cut leaves no trace in it.

The live feeds read the local exchange over its real sockets and its real REST; the tape plays what
one of them recorded.
"""

import asyncio
from contextlib import asynccontextmanager

import pytest

from engine.clock import LiveClock, ScaledClock
from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.server import ExchangeServer
from exchange.streams.endpoints import StreamLimits
from exchange.streams.faults import Close, StreamFaults
from feeds.alpaca import AlpacaFeed, AlpacaFeedConfig, Channel, Codec
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore, StoreConfig
from feeds.tape import TapeFeed, TapeRecorder

S = 1_000_000_000
SYMBOLS = {Channel.STOCKS: ("AAPL", "NVDA"), Channel.CRYPTO: ("BTC/USD", "ETH/USD")}


class Deaf:
    """A listener with nothing to do."""

    def bar_closed(self, bar):
        """Hear nothing."""

    def band_left(self, symbol, owner, mid):
        """Hear nothing."""

    def news_arrived(self, item):
        """Hear nothing."""

    def halt_changed(self, symbol, *, is_halted, reason):
        """Hear nothing."""

    def link_changed(self, symbols, *, is_up, reason):
        """Hear nothing."""


class Scissors(StreamFaults):
    """Cut one link, and keep the way back shut for a while."""

    def __init__(self):
        self.victim = None
        self.last = 0
        self.is_shut = False

    def refuse_handshake(self, _path):
        return 503 if self.is_shut else None

    async def before_send(self, link, frame):
        self.last = max(self.last, link.number)
        if link.number == self.victim:
            self.victim, self.is_shut = None, True
            return (Close(None),)
        return (frame,)


@pytest.fixture
def scissors():
    return Scissors()


@pytest.fixture
def speed():
    """Venue seconds a wall second."""
    return 20.0


@pytest.fixture
async def exchange(scissors, speed):
    config = ExchangeConfig(
        symbols=(
            seeded_stock("AAPL", 228.0, prints_per_s=1.5),
            seeded_stock("NVDA", 176.0, prints_per_s=0.2),
            seeded_crypto("BTC/USD", 86_000.0, prints_per_s=0.5),
            seeded_crypto("ETH/USD", 2_800.0, prints_per_s=0.1),
        ),
        seed=11,
        speed=speed,
        limits=StreamLimits(symbols=None, connections=5),
        data_requests_per_minute=10_000,
    )
    async with ExchangeServer(config, stream_faults=scissors) as server:
        yield server


def feed_config(exchange, of, **changes):
    fields = {
        "channel": of,
        "symbols": SYMBOLS[of],
        "key": exchange.key,
        "secret": exchange.secret,
        "stream_url": exchange.stream_url,
        "data_url": exchange.rest_url,
        "retry_first_s": 0.05,
        "retry_most_s": 0.1,
        "settle_s": 0.05,
    }
    return AlpacaFeedConfig(**(fields | changes))


async def eventually(condition, timeout=60.0):
    """Poll until a condition holds; the deadline fails the test."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - what is waited for is on the other side
            await asyncio.sleep(0.002)


@asynccontextmanager
async def running(*works):
    """Run tasks for the length of the block."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Watcher:
    """A store behind a live feed of its own, its bars closed by the clock."""

    def __init__(self, exchange, clock, channel, *, interval_s, codec):
        self.channel = channel
        self.clock = clock
        self.store = RollingStore(
            StoreConfig(symbols=SYMBOLS[channel], interval_s=interval_s, min_indicator_bars=100),
            listener=Deaf(),
            clock=clock,
            calendar=AlwaysOpenCalendar(),
        )
        config = feed_config(exchange, channel, interval_s=interval_s, codec=codec)
        self.notices = []
        self.feed = AlpacaFeed(config, clock, report=self.notices.append)

    async def run(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(self.feed.run(self.store))
            group.create_task(self._close_bars())

    async def _close_bars(self):
        while True:
            await asyncio.sleep(0.005)
            self.store.close_due(self.clock.now_ns())

    async def comes_up(self):
        await eventually(lambda: self.is_up)

    @property
    def is_up(self):
        """Tell whether every symbol has its history and no gap."""
        views = [self.store.view(symbol) for symbol in SYMBOLS[self.channel]]
        return all(view.n_closed >= 100 and not view.is_stale for view in views)

    def n_closed(self):
        return self.store.view(SYMBOLS[self.channel][0]).n_closed

    def depths(self):
        """Return where each history begins and how many bars it has."""
        views = [self.store.view(symbol) for symbol in SYMBOLS[self.channel]]
        series = [self.store._books[view.symbol].series.bars() for view in views]
        return [
            (bars[0].ts_event, view.n_bars_seen, view.n_closed)
            for bars, view in zip(series, views, strict=True)
        ]

    def picture(self):
        return tuple(self.store.snapshot_bytes(symbol) for symbol in SYMBOLS[self.channel])


@asynccontextmanager
async def equal_watchers(exchange, clock, channel, **config):
    """Start two stores that begin with the very same history.

    Where a bar closes between their two questions for it, they begin again.
    """
    for _attempt in range(20):
        one, other = (Watcher(exchange, clock, channel, **config) for _ in range(2))
        async with running(one.run(), other.run()):
            await one.comes_up()
            await other.comes_up()
            has_begun = one.depths() == other.depths()
            if has_begun:
                yield one, other
        for watcher in (one, other):
            await watcher.feed.aclose()
        if has_begun:
            return
    pytest.fail("two stores never began with one history")


@pytest.mark.parametrize("channel", [Channel.STOCKS, Channel.CRYPTO])
@pytest.mark.parametrize(
    ("interval_s", "codec", "speed"), [(60, Codec.MSGPACK, 20.0), (5, Codec.JSON, 4.0)]
)
async def test_after_a_cut_the_store_equals_one_that_saw_none(
    exchange, scissors, speed, channel, interval_s, codec
):
    """To the byte: bars, forming bar, quote, last print and indicators, again and again."""
    clock = ScaledClock(exchange.venue.clock.now_ns, speed=speed)
    pair = equal_watchers(exchange, clock, channel, interval_s=interval_s, codec=codec)
    async with pair as (one, other):
        scissors.victim = scissors.last
        await eventually(lambda: scissors.is_shut)
        await eventually(lambda: one.is_up is not other.is_up)
        whole, cut = (one, other) if one.is_up else (other, one)
        closed = whole.n_closed()
        await eventually(lambda: whole.n_closed() >= closed + 2)
        assert not cut.is_up
        scissors.is_shut = False
        await eventually(lambda: cut.is_up)
        seen = set()

        def is_equal_again():
            if whole.picture() == cut.picture():
                seen.add(whole.picture())
            return len(seen) >= 5

        await eventually(is_equal_again)
    view = cut.store.view(SYMBOLS[channel][0])
    assert view.n_bars_seen >= 100
    assert view.atr is not None


class Heard:
    """A sink that knows records only."""

    def __init__(self):
        self.events = []

    def apply(self, events):
        self.events += events

    def link_lost(self, symbols, reason):
        """Hear nothing."""

    def link_restored(self, symbols):
        """Hear nothing."""


def without_receive_time(event):
    return str(event).split(", ts_recv")[0]


@pytest.mark.parametrize("codec", list(Codec))
async def test_a_tape_plays_what_the_live_feed_heard(exchange, tmp_path, codec):
    clock, live, played = LiveClock(), Heard(), Heard()
    path = tmp_path / "live.tape.zst"
    async with TapeRecorder(path, source="test", licence="none", clock=clock) as recorder:
        config = feed_config(exchange, Channel.STOCKS, codec=codec)
        feed = AlpacaFeed(config, clock, recorder=recorder)
        async with running(feed.run(live)):
            await eventually(lambda: len(live.events) > 200)
        await feed.aclose()
    await TapeFeed(path, clock, speed=None).run(played)
    assert len(played.events) == len(live.events) > 200
    assert list(map(without_receive_time, played.events)) == list(
        map(without_receive_time, live.events)
    )


@pytest.mark.parametrize("channel", [Channel.STOCKS, Channel.CRYPTO])
async def test_codecs_tell_the_same_market(exchange, channel):
    """Two feeds side by side, one of each codec, hear the same records."""
    heard = {codec: Heard() for codec in Codec}
    feeds = {
        codec: AlpacaFeed(feed_config(exchange, channel, codec=codec), LiveClock())
        for codec in Codec
    }
    async with running(*(feeds[codec].run(heard[codec]) for codec in Codec)):
        await eventually(lambda: all(len(sink.events) > 150 for sink in heard.values()))
    told = [list(map(without_receive_time, sink.events)) for sink in heard.values()]
    start = max(told[0].index(told[1][0]) if told[1][0] in told[0] else 0, 0)
    other = told[1].index(told[0][start])
    length = min(len(told[0]) - start, len(told[1]) - other)
    assert length > 100
    assert told[0][start : start + length] == told[1][other : other + length]
    for feed in feeds.values():
        await feed.aclose()


class Ears(Deaf):
    """A listener that writes headlines down."""

    def __init__(self):
        self.headlines = []

    def news_arrived(self, item):
        self.headlines.append(item.id)


@pytest.mark.parametrize("speed", [300.0])
async def test_news_of_the_past_is_there_and_news_of_a_gap_is_told(exchange, scissors, speed):
    """A price feed's bars do not wait for it, and its loss makes nothing stale."""
    ears, clock = Ears(), ScaledClock(exchange.venue.clock.now_ns, speed=speed)
    symbols = SYMBOLS[Channel.STOCKS]
    store = RollingStore(
        StoreConfig(symbols=symbols), listener=ears, clock=clock, calendar=AlwaysOpenCalendar()
    )
    config = feed_config(exchange, Channel.STOCKS, channel=Channel.NEWS)
    feed = AlpacaFeed(config, clock)

    def shelf():
        return {row.id for symbol in symbols for row in store.view(symbol).news}

    async with running(feed.run(store)):
        await eventually(lambda: shelf() - set(ears.headlines))
        past = shelf() - set(ears.headlines)
        await eventually(lambda: ears.headlines)
        scissors.victim = scissors.last
        await eventually(lambda: scissors.is_shut)
        before, n_told = shelf(), len(ears.headlines)
        await asyncio.sleep(0.3)
        assert len(ears.headlines) == n_told
        scissors.is_shut = False
        await eventually(lambda: shelf() - before)
    assert past
    assert set(ears.headlines) >= shelf() - before
    assert len(ears.headlines) == len(set(ears.headlines))
    assert not any(store.view(symbol).is_stale for symbol in symbols)
    await feed.aclose()


async def test_what_history_refuses_stays_stale_and_is_told(exchange):
    """Without its past a symbol must not trade; the stream itself may be well."""
    clock = LiveClock()
    watcher = Watcher(exchange, clock, Channel.STOCKS, interval_s=60, codec=Codec.MSGPACK)
    config = feed_config(exchange, Channel.STOCKS, data_url=exchange.rest_url + "/wrong")
    notices = []
    feed = AlpacaFeed(config, clock, report=notices.append)
    async with running(feed.run(watcher.store)):
        await eventually(lambda: notices)
        await eventually(lambda: watcher.store.view("AAPL").quote)
    assert notices[0].code == "HISTORY_QUESTION_REFUSED"
    assert all(watcher.store.view(symbol).is_stale for symbol in SYMBOLS[Channel.STOCKS])
    await feed.aclose()
    await watcher.feed.aclose()
