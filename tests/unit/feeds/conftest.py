"""What the feeds' tests share: a market written by hand, a store, and someone who listens."""

import pytest

from domain.market import Bar, Quote, Trade
from engine.clock import ManualClock
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore, StoreConfig

S = 1_000_000_000
NOON = 1_790_000_000 * S - (1_790_000_000 * S) % (3_600 * S)


class Ears:
    """Write down every call of the store, in order."""

    def __init__(self):
        self.heard = []

    def bar_closed(self, bar):
        self.heard.append(("bar", bar.symbol, (bar.ts_event - NOON) // S))

    def band_left(self, symbol, owner, mid):
        self.heard.append(("band", symbol, owner, mid))

    def news_arrived(self, item):
        self.heard.append(("news", item.headline))

    def halt_changed(self, symbol, *, is_halted, reason):
        self.heard.append(("halt", symbol, is_halted, reason))

    def link_changed(self, symbols, *, is_up, reason):
        self.heard.append(("link", tuple(symbols), is_up, reason))

    def bars(self):
        return [call[1:] for call in self.heard if call[0] == "bar"]


class Market:
    """Say what happens at so many seconds after noon."""

    def __init__(self, symbol="AAPL"):
        self.symbol = symbol

    def quote(self, second, bid=99.0, ask=101.0):
        return Quote(self.symbol, bid, 10.0, ask, 20.0, NOON + round(second * S), 0)

    def trade(self, second, price=100.0, size=10.0, *, trade_id=None, conditions=()):
        ts = NOON + round(second * S)
        trade_id = round(second * 1_000) if trade_id is None else trade_id
        return Trade(self.symbol, price, size, ts, 0, trade_id, conditions=conditions)

    def bar(self, minute, close=100.0, volume=50.0):
        start = NOON + minute * 60 * S
        return Bar(self.symbol, 60, start, 99.0, 101.0, 98.0, close, volume, 3, 99.5)


@pytest.fixture
def noon():
    return NOON


@pytest.fixture
def clock():
    return ManualClock(NOON)


@pytest.fixture
def ears():
    return Ears()


@pytest.fixture
def aapl():
    return Market()


@pytest.fixture
def btc():
    return Market("BTC/USD")


@pytest.fixture
def new_store(ears, clock):
    """Make a store of two symbols on the manual clock, told by `ears`."""

    def make(*, calendar=None, on=clock, told=ears, **config):
        config = {"symbols": ("AAPL", "BTC/USD"), "min_indicator_bars": 60} | config
        return RollingStore(
            StoreConfig(**config),
            listener=told,
            clock=on,
            calendar=calendar or AlwaysOpenCalendar(),
        )

    return make


@pytest.fixture
def store(new_store):
    return new_store()
