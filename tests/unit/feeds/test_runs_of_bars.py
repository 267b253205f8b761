"""Bars that are told together: shown as if each had been told, and nobody is called."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.bars import Candles
from domain.market import Bar
from engine.clock import ManualClock
from feeds.calendar import TradingCalendar

S = 1_000_000_000
DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60
WHICH = [("BTC/USD", MINUTE_S), ("BTC/USD", HOUR_S), ("AAPL", HOUR_S), ("AAPL", DAY_S)]


def row(noon, interval_s, first, n, symbol="BTC/USD"):
    """So many bars one behind the other; prices differ, and two in seven stand still."""
    made = []
    for at in range(first, first + n):
        close = 100.0 + at % 7 // 2
        start = noon + at * interval_s * S
        made.append(
            Bar(symbol, interval_s, start, 100.0, close + 1, 99.0, close, 5.0 + at % 3, 0, 0.0)
        )
    return made


def end(bar):
    return bar.ts_event + bar.interval_s * S


class Pair:
    """Two stores: one is told each bar as it ends, the other runs of them, later."""

    def __init__(self, new_store, ears, noon, **config):
        self.ears = ears
        self.clocks = ManualClock(noon), ManualClock(noon)
        chosen = {"min_indicator_bars": 60, "is_seldom_read": True} | config
        self.single, self.run = (new_store(on=clock, **chosen) for clock in self.clocks)

    def each(self, bars):
        """Tell bars to both, as they end."""
        for bar in bars:
            for store, clock in zip((self.single, self.run), self.clocks, strict=True):
                clock._now = max(clock.now_ns(), end(bar))
                store.apply((bar,))

    def together(self, bars, late_s=0):
        """Tell them singly to one, and as a run to the other, a while after the last has ended."""
        self.ears.heard.clear()
        for bar in bars:
            self.clocks[0]._now = max(self.clocks[0].now_ns(), end(bar))
            self.single.apply((bar,))
        self.ears.heard.clear()
        self.clocks[1]._now = self.clocks[0].now_ns() + late_s * S
        self.run.apply_run(bars[0].symbol, bars, self.clocks[0].now_ns())
        assert self.ears.heard == []
        self.clocks[0]._now = self.clocks[1].now_ns()

    def check(self, symbol):
        """Hold what both show against each other."""
        single, run = self.single, self.run
        assert run.snapshot_bytes(symbol) == single.snapshot_bytes(symbol)
        assert run.view(symbol) == single.view(symbol)
        assert run.counts() == single.counts()


@pytest.fixture
def pair(new_store, ears, noon):
    """Make a pair of stores of one interval."""

    def make(interval_s, **config):
        return Pair(new_store, ears, noon, interval_s=interval_s, **config)

    return make


@pytest.mark.parametrize(("symbol", "interval_s"), WHICH)
@given(lengths=st.lists(st.integers(1, 120), min_size=1, max_size=6), data=st.data())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_runs_are_shown_as_bars_told_singly(pair, noon, symbol, interval_s, lengths, data):
    """Before indicators and after, read between or not, at once or late, with a gap or none."""
    stores, at = pair(interval_s), 0
    for n in lengths:
        at += data.draw(st.sampled_from((0, 0, 0, 3)))
        stores.together(row(noon, interval_s, at, n, symbol), data.draw(st.integers(0, 50)))
        at += n
        if data.draw(st.booleans()):
            stores.check(symbol)
    stores.check(symbol)


def test_a_run_that_follows_without_a_gap_is_taken_at_once(noon):
    """Otherwise nothing is, and each bar is taken for itself."""
    candles = Candles("BTC/USD", HOUR_S, has_quiet_bars=True)
    first, *rest = row(noon, HOUR_S, 0, 9)
    assert not candles.venue_run([first]), "it follows nothing"
    candles.venue_bar(first)
    assert candles.venue_run(rest)
    assert candles.closed_until == end(rest[-1])
    for wrong in (
        row(noon, HOUR_S, 10, 3),
        row(noon, HOUR_S, 8, 3),
        row(noon, HOUR_S, 9, 1) + row(noon, HOUR_S, 11, 2),
        [replace(bar, interval_s=MINUTE_S) for bar in row(noon, HOUR_S, 9, 3)],
    ):
        assert not candles.venue_run(wrong)
        assert candles.closed_until == end(rest[-1])


def test_bars_after_a_gap_are_taken_one_by_one(pair, noon):
    """A pair's quiet hours have bars of their own between."""
    stores = pair(HOUR_S)
    stores.each(row(noon, HOUR_S, 0, 70))
    stores.together(row(noon, HOUR_S, 75, 20))
    stores.check("BTC/USD")


def test_minutes_of_shares_are_taken_one_by_one(pair, noon):
    """Each is held against its session: those before the open and behind the close are none."""
    calendar = TradingCalendar([(noon + 10 * 60 * S, noon + 80 * 60 * S)])
    stores = pair(MINUTE_S, calendar=calendar)
    stores.each(row(noon, MINUTE_S, 0, 30, "AAPL"))
    stores.together(row(noon, MINUTE_S, 30, 70, "AAPL"))
    stores.check("AAPL")
    assert stores.run.view("AAPL").n_closed == 70


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_bars_of_which_prints_are_known_are_taken_one_by_one(pair, noon, aapl, btc, symbol):
    """The venue's bar takes the place of what was made of the prints."""
    stores, prints = pair(MINUTE_S), {"AAPL": aapl, "BTC/USD": btc}[symbol]
    stores.each(row(noon, MINUTE_S, 0, 70, symbol))
    for store in (stores.single, stores.run):
        store.apply([prints.trade(70 * 60 + 5, 103.0)])
    stores.together(row(noon, MINUTE_S, 70, 5, symbol))
    stores.check(symbol)
    for store in (stores.single, stores.run):
        store.apply([prints.trade(70 * 60 + 30, 150.0)])
    stores.check(symbol)


def test_older_bars_than_the_last_revise_what_is_shown(pair, noon):
    """And nobody hears of them either."""
    stores = pair(HOUR_S)
    stores.each(row(noon, HOUR_S, 0, 70))
    stores.together([replace(bar, close=99.5) for bar in row(noon, HOUR_S, 65, 3)])
    stores.check("BTC/USD")
    assert stores.run.view("BTC/USD").bars[-3].c == 99.5


def test_a_store_that_is_read_at_every_bar_takes_them_one_by_one(pair, noon):
    """Its indicators see each."""
    stores = pair(HOUR_S, is_seldom_read=False)
    stores.each(row(noon, HOUR_S, 0, 3))
    stores.together(row(noon, HOUR_S, 3, 300))
    stores.check("BTC/USD")


def test_a_print_that_comes_late_meets_a_bar_of_a_run_as_any_other(pair, noon, btc):
    """The bars that may still be repaired are known to be the venue's."""
    stores = pair(MINUTE_S)
    stores.each(row(noon, MINUTE_S, 0, 1))
    stores.together(row(noon, MINUTE_S, 1, 90))
    for second in (90 * 60 + 30, 87 * 60 + 5, 80 * 60):
        for store in (stores.single, stores.run):
            store.apply([btc.trade(second, 150.0)])
    stores.check("BTC/USD")
    assert sum(stores.run.counts().values()) > 0
