"""The market runs while anyone needs it, and what it says reaches the right ears."""

import asyncio

from domain.errors import FeedRefused
from engine.clock import LiveClock
from engine.watching.market import MarketEars, MarketWatch


class Feed:
    """A feed that notes its life, or is refused."""

    def __init__(self, error=None):
        self.lives = 0
        self.is_running = asyncio.Event()
        self.error = error

    async def run(self, _sink):
        self.lives += 1
        self.is_running.set()
        if self.error is not None:
            raise self.error
        try:
            await asyncio.Event().wait()
        finally:
            self.is_running.clear()


class Bars:
    """A bar clock that counts."""

    def __init__(self):
        self.looks = 0
        self.looked = asyncio.Event()

    def next_close_ns(self):
        return 0

    def close_due(self, _now_ns):
        self.looks += 1
        self.looked.set()


async def watched(*feeds):
    bars, said = Bars(), []
    watch = MarketWatch(
        feeds, None, bars, clock=LiveClock(), notify=lambda code, line: said.append((code, line))
    )
    return watch, bars, said, asyncio.create_task(watch.run())


async def end(task):
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def settled(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - the condition spans several parts
            await asyncio.sleep(0.001)


async def test_feeds_run_while_one_of_two_needs_them():
    """The session ends; a position is still open: the guard keeps the market in sight."""
    feed = Feed()
    watch, _, _, task = await watched(feed)
    watch.want("session")
    await settled(feed.is_running.is_set)
    watch.want("guard")
    watch.release("session")
    await asyncio.sleep(0)
    assert feed.is_running.is_set()
    watch.release("guard")
    await settled(lambda: not feed.is_running.is_set())
    watch.want("session")
    await settled(lambda: feed.lives == 2)
    await end(task)
    assert not feed.is_running.is_set()


async def test_a_refused_feed_is_told_and_the_others_go_on():
    """The news plan is missing: prices still come."""
    refused = Feed(FeedRefused("no plan for news.", remedy="Buy one."))
    feed = Feed()
    watch, bars, said, task = await watched(refused, feed)
    watch.want("session")
    await settled(lambda: said and feed.is_running.is_set() and bars.looks > 1)
    assert said == [("FEED_REFUSED", "no plan for news. Buy one.")]
    await end(task)


def test_ears_pass_bands_to_their_owner():
    """A band of the exits never wakes a decision, nor the other way round."""
    woken, decided = [], []

    class Wakes:
        def band_left(self, symbol, owner, mid):
            decided.append((symbol, owner, mid))

    ears = MarketEars(lambda _kind, _body: None)
    ears.wake_exits = woken.append
    ears.wakes = Wakes()
    ears.band_left("AAPL", "exits", 1.0)
    ears.band_left("AAPL", "wake", 2.0)
    assert woken == ["AAPL"]
    assert decided == [("AAPL", "wake", 2.0)]


def test_ears_know_whether_every_link_is_up():
    """One symbol down is a feed that is not up."""
    ears = MarketEars(lambda _kind, _body: None)
    ears.link_changed(["AAPL", "MSFT"], is_up=False, reason="cut")
    ears.link_changed(["AAPL"], is_up=True, reason="")
    assert not ears.is_up
    ears.link_changed(["MSFT"], is_up=True, reason="")
    assert ears.is_up
