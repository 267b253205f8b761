"""The rolling store: what a message changes, who is called, and what bad data cannot do."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.market import (
    AssetClass,
    NewsItem,
    Quote,
    StatusChanged,
    Trade,
    TradeCanceled,
    TradeCorrected,
)
from domain.records import canonical
from engine.clock import ManualClock
from feeds.calendar import AlwaysOpenCalendar, TradingCalendar
from feeds.gaps import Backfill
from feeds.store import RollingStore, StoreConfig
from feeds.store.checks import to_message

S = 1_000_000_000


def run(store, clock, noon, second):
    """Let time pass to so many seconds after noon, and close what is due."""
    clock._now = noon + round(second * S)
    store.close_due(clock.now_ns())


def fill(store, clock, noon, market, n_bars, start=0):
    """Trade once in each minute and let its bar close."""
    for minute in range(start, start + n_bars):
        clock._now = noon + minute * 60 * S
        price = 100 + 5 * math.sin(minute / 9) + minute % 3
        store.apply([market.trade(minute * 60 + 5, price), market.quote(minute * 60 + 6)])
        run(store, clock, noon, minute * 60 + 61)


def test_a_view_shows_the_last_quote_print_and_bars(store, clock, noon, aapl):
    fill(store, clock, noon, aapl, 2)
    clock._now = noon + 121 * S
    store.apply([aapl.trade(120.5, 104.0, 7.0), aapl.quote(120.6, 103.0, 105.0)])
    view = store.view("AAPL")
    assert (view.quote.bid, view.quote.ask, view.quote.ts_recv) == (103.0, 105.0, noon + 121 * S)
    assert (view.last_trade.price, view.last_trade.size) == (104.0, 7.0)
    assert [row.t[14:19] for row in view.bars] == ["00:00", "01:00"]
    assert (view.forming_bar.o, view.forming_bar.v) == (104.0, 7.0)
    assert (view.asset_class, view.interval_s, view.n_closed) == (AssetClass.STOCK, 60, 2)
    assert view.last_recv_ns == clock.monotonic_ns()


def test_a_symbol_that_nothing_was_heard_of_is_shown_empty(store):
    view = store.view("BTC/USD")
    assert (
        view.quote is view.last_trade is view.forming_bar is view.last_recv_ns is view.atr is None
    )
    assert not view.is_warm
    assert not any(view.indicators.values())


def test_a_window_keeps_the_last_bars_and_the_indicators_see_them_all(new_store, clock, noon, aapl):
    store = new_store(window_bars=10, warmup_bars=20)
    fill(store, clock, noon, aapl, 80)
    view = store.view("AAPL")
    assert (len(view.bars), view.n_closed, view.n_bars_seen) == (10, 80, 80)
    assert view.is_warm
    assert view.atr == view.indicators["atr_14"] > 0


def test_rows_of_a_view_are_plain_market_data(store, clock, noon, aapl):
    fill(store, clock, noon, aapl, 1)
    row = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:", b"", canonical(store.view("AAPL").bars))
    assert row == b'[["00:00.000000000Z",100.0,100.0,100.0,100.0,10.0,1,100.0]]'


def test_bars_close_in_order_and_are_called_once(store, clock, noon, aapl, ears):
    fill(store, clock, noon, aapl, 3)
    store.apply([aapl.bar(2)])
    run(store, clock, noon, 400)
    assert ears.bars() == [("AAPL", 0), ("AAPL", 60), ("AAPL", 120)]


def test_the_venues_bar_closes_ours_early_and_its_update_is_not_called(
    store, clock, noon, aapl, ears
):
    store.apply([aapl.trade(5)])
    clock._now = noon + 60 * S + S // 5
    store.apply([aapl.bar(0, close=100.0)])
    assert ears.bars() == [("AAPL", 0)]
    run(store, clock, noon, 61)
    store.apply([aapl.bar(0, close=100.5)])
    assert ears.bars() == [("AAPL", 0)]
    assert store.view("AAPL").bars[-1].c == 100.5


def test_a_revised_bar_leaves_the_indicators_as_if_it_had_been_right(new_store, noon, aapl):
    right, wrong = (ManualClock(noon), ManualClock(noon))
    stores = new_store(on=right), new_store(on=wrong)
    for store, clock, price in zip(stores, (right, wrong), (101.0, 500.0), strict=True):
        fill(store, clock, noon, aapl, 70)
        store.apply([aapl.trade(70 * 60 + 1, price, trade_id=9)])
        run(store, clock, noon, 71 * 60 + 1)
    stores[1].apply([TradeCorrected("AAPL", noon, 9, 500.0, 10.0, 9, 101.0, 10.0)])
    assert stores[0].snapshot_bytes("AAPL") == stores[1].snapshot_bytes("AAPL")


def test_a_canceled_last_print_gives_way_to_the_one_before(store, noon, aapl):
    store.apply([aapl.trade(1, 100.0), aapl.trade(2, 500.0, trade_id=9)])
    store.apply([TradeCanceled("AAPL", noon, 9, 500.0, 10.0)])
    assert store.view("AAPL").last_trade.price == 100.0


def test_a_late_print_older_than_the_last_does_not_become_the_last(store, clock, noon, aapl):
    clock._now = noon + 10 * S
    store.apply([aapl.trade(5, 105.0), aapl.trade(3, 103.0)])
    assert store.view("AAPL").last_trade.price == 105.0
    assert store.view("AAPL").forming_bar.c == 105.0


def test_odd_lots_do_not_make_the_last_price(store, clock, noon, aapl):
    clock._now = noon + 10 * S
    store.apply([aapl.trade(1, 100.0), aapl.trade(2, 500.0, conditions=("@", "I"))])
    view = store.view("AAPL")
    assert view.last_trade.price == 100.0
    assert (view.forming_bar.h, view.forming_bar.v) == (100.0, 20.0)


def test_quotes_never_make_a_stock_candle(store, clock, noon, aapl, ears):
    store.apply([aapl.quote(1), aapl.quote(2)])
    run(store, clock, noon, 200)
    assert store.view("AAPL").bars == ()
    assert ears.bars() == []


def test_crypto_without_a_print_closes_at_the_quotes_middle(store, clock, noon, btc, ears):
    store.apply([btc.quote(1, 99.0, 101.0)])
    run(store, clock, noon, 61)
    clock._now = noon + 70 * S
    store.apply([btc.quote(65, 101.0, 103.0)])
    run(store, clock, noon, 121)
    run(store, clock, noon, 181)
    assert [row.c for row in store.view("BTC/USD").bars] == [102.0, 102.0]
    assert ears.bars()[0] == ("BTC/USD", 60)


BAD_QUOTES = {
    "quote_crossed": {"bid": 101.0, "ask": 100.0},
    "quote_one_sided": {"bid": 0.0},
    "quote_invalid": {"bid": -1.0},
    "quote_invalid ": {"ask": math.nan},
    "quote_invalid  ": {"ask": math.inf},
}


@pytest.mark.parametrize("reason", BAD_QUOTES)
def test_a_quote_that_cannot_be_is_counted_and_leaves_the_last_one(
    store, clock, noon, aapl, reason
):
    clock._now = noon + 10 * S
    store.apply([aapl.quote(1), aapl.quote(2, **BAD_QUOTES[reason])])
    assert store.view("AAPL").quote.ts_event == noon + 1 * S
    assert store.counts() == {reason.strip(): 1}


def test_messages_out_of_order_ahead_of_time_or_of_strangers_are_counted(
    store, clock, noon, aapl, btc
):
    clock._now = noon + 10 * S
    stranger = type(aapl)("ZZZ")
    store.apply([aapl.quote(5), aapl.quote(4), btc.quote(71), btc.trade(71), stranger.trade(1)])
    store.apply([stranger.quote(1), aapl.bar(100)])
    assert store.counts() == {"quote_out_of_order": 1, "time_ahead": 3, "symbol_unknown": 2}
    assert store.view("BTC/USD").quote is None


@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -5.0])
def test_a_print_at_no_price_is_counted_and_makes_nothing(store, clock, noon, aapl, price):
    clock._now = noon + 10 * S
    store.apply([aapl.trade(1, 100.0), aapl.trade(2, price), aapl.trade(3, 101.0)])
    view = store.view("AAPL")
    assert (view.last_trade.price, view.forming_bar.n) == (101.0, 2)
    assert store.counts() == {"trade_invalid": 1}


def test_a_bar_that_cannot_be_is_counted(store, aapl):
    bar = aapl.bar(-1)
    for change in ({"low": 105.0}, {"high": math.nan}, {"volume": -1.0}, {"open": 0.0}):
        store.apply([replace(bar, **change)])
    assert store.counts() == {"bar_invalid": 4}
    assert store.view("AAPL").n_closed == 0


anything = st.floats(width=32) | st.sampled_from([0.0, -1.0, math.nan, math.inf, 99.0, 101.0])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("qt"), st.floats(-1e4, 1e4), anything, anything)))
def test_no_numbers_at_all_can_raise_or_crack_the_picture(rows):
    clock = ManualClock(1_790_000_000 * S)
    store = RollingStore(
        StoreConfig(symbols=("AAPL", "BTC/USD"), interval_s=5),
        listener=Deaf(),
        clock=clock,
        calendar=AlwaysOpenCalendar(),
    )
    for kind, second, one, other in rows:
        event = (
            MARKET.quote(second, one, other) if kind == "q" else MARKET.trade(second, one, other)
        )
        store.apply([event])
        clock._now += S
        store.close_due(clock.now_ns())
    view = store.view("AAPL")
    assert view.quote is None or 0 < view.quote.bid <= view.quote.ask < math.inf
    assert all(0 < row.l <= min(row.o, row.c) <= max(row.o, row.c) <= row.h for row in view.bars)
    store.snapshot_bytes("AAPL")


class Deaf:
    def __getattr__(self, name):
        return lambda *args, **kwargs: None


class MARKET:
    @staticmethod
    def quote(second, bid, ask):
        return Quote("AAPL", bid, 1.0, ask, 1.0, 1_790_000_000 * S + int(second * S), 0)

    @staticmethod
    def trade(second, price, size):
        return Trade("AAPL", price, size, 1_790_000_000 * S + int(second * S), 0, 1)


# -- bands


def test_a_band_is_left_once_and_names_its_owner(store, clock, noon, aapl, ears):
    clock._now = noon + 10 * S
    store.set_band("AAPL", "exits", 95.0, 105.0)
    store.set_band("AAPL", "wakes", 99.0, 101.0)
    store.apply(
        [aapl.quote(1, 99.5, 100.5), aapl.quote(2, 101.0, 103.0), aapl.quote(3, 101.0, 103.0)]
    )
    assert ears.heard == [("band", "AAPL", "wakes", 102.0)]
    store.apply([aapl.quote(4, 106.0, 107.0), aapl.quote(5, 90.0, 91.0)])
    assert ears.heard[1:] == [("band", "AAPL", "exits", 106.5)]


def test_the_edges_of_a_band_lie_inside_it(store, clock, noon, aapl, ears):
    clock._now = noon + 10 * S
    store.set_band("AAPL", "exits", 99.0, 101.0)
    store.apply([aapl.quote(1, 98.0, 100.0), aapl.quote(2, 100.0, 102.0)])
    assert ears.heard == []


def test_a_new_band_replaces_the_owners_old_one_and_an_unbounded_one_disarms(
    store, clock, noon, aapl, ears
):
    clock._now = noon + 10 * S
    store.set_band("AAPL", "exits", 99.0, 101.0)
    store.set_band("AAPL", "exits", 50.0, 150.0)
    store.apply([aapl.quote(1, 120.0, 121.0)])
    store.set_band("AAPL", "exits", -math.inf, math.inf)
    store.apply([aapl.quote(2, 220.0, 221.0)])
    assert ears.heard == []


def test_a_band_set_where_the_price_is_not_is_left_by_the_next_quote(
    store, clock, noon, aapl, ears
):
    clock._now = noon + 10 * S
    store.apply([aapl.quote(1)])
    store.set_band("AAPL", "exits", 200.0, math.inf)
    assert ears.heard == []
    store.apply([aapl.quote(2)])
    assert ears.heard == [("band", "AAPL", "exits", 100.0)]


def test_a_band_may_be_set_again_from_within_the_call(new_store, clock, noon, aapl):
    calls = []

    class Trailing(Deaf):
        def band_left(self, symbol, owner, mid):
            calls.append(mid)
            store.set_band(symbol, owner, mid - 1, mid + 1)

    store = new_store(told=Trailing())
    clock._now = noon + 10 * S
    store.set_band("AAPL", "exits", 99.0, 101.0)
    store.apply([aapl.quote(i, 100.0 + 2 * i, 100.0 + 2 * i) for i in range(1, 4)])
    assert calls == [102.0, 104.0, 106.0]


def test_a_band_of_no_numbers_is_refused(store):
    with pytest.raises(ValueError, match="not a number"):
        store.set_band("AAPL", "exits", math.nan, 1.0)


# -- statuses, news, links


def test_a_halt_is_called_once_and_shown_until_it_ends(store, noon, ears):
    halt = StatusChanged("AAPL", noon, is_halted=True, code="H", reason="T12")
    store.apply([halt, halt])
    assert store.view("AAPL").is_halted
    store.apply([StatusChanged("AAPL", noon, is_halted=False, code="T")])
    assert not store.view("AAPL").is_halted
    assert ears.heard == [("halt", "AAPL", True, "T12"), ("halt", "AAPL", False, "T")]


def article(noon, number, headline, symbols=("AAPL",), second=0):
    return NewsItem(str(number), noon + second * S, headline, "summary", "wire", symbols)


def test_news_is_kept_newest_first_and_told_once(store, noon, ears):
    store.apply([article(noon, 1, "First"), article(noon, 2, "Second", second=5)])
    store.apply([article(noon, 1, "First"), article(noon, 3, "FIRST!", second=9)])
    assert [row.headline for row in store.view("AAPL").news] == ["Second", "First"]
    assert [call[1] for call in ears.heard] == ["First", "Second"]


def test_news_spells_crypto_without_a_slash_and_is_understood(store, noon, ears):
    store.apply([article(noon, 1, "Coins", ("BTCUSD", "XYZ"))])
    assert [row.headline for row in store.view("BTC/USD").news] == ["Coins"]
    assert len(ears.heard) == 1


def test_news_of_strangers_is_nobodys(store, noon, ears):
    store.apply([article(noon, 1, "Pears", ("PEAR",))])
    assert ears.heard == []
    assert not store.counts()


def test_news_of_the_past_is_shown_but_nobody_is_called(store, noon, ears):
    store.seed_news([article(noon, 1, "Old")])
    assert [row.headline for row in store.view("AAPL").news] == ["Old"]
    assert ears.heard == []


def test_a_lost_link_stops_closing_and_a_restored_one_goes_on(store, clock, noon, aapl, ears):
    store.apply([aapl.trade(5)])
    store.link_lost(["AAPL", "ZZZ"], "cut")
    store.link_lost(["AAPL"], "still cut")
    run(store, clock, noon, 61)
    assert store.view("AAPL").is_stale
    assert store.view("AAPL").n_closed == 0
    store.link_restored(["AAPL"])
    store.link_restored(["AAPL"])
    assert store.view("AAPL").n_closed == 1
    assert ears.heard == [("link", ("AAPL",), False, "cut"), ("link", ("AAPL",), True, "")]


# -- sessions and settings


def test_stocks_trade_regular_hours_only_and_crypto_always(new_store, clock, noon, aapl, btc):
    calendar = TradingCalendar([(noon, noon + 120 * S)])
    store = new_store(calendar=calendar)
    for market in (aapl, btc):
        clock._now = noon - 50 * S
        store.apply([market.trade(-55)])
        run(store, clock, noon, 1)
        store.apply([market.trade(1)])
        clock._now = noon + 130 * S
        store.apply([market.trade(125)])
    run(store, clock, noon, 400)
    assert store.view("AAPL").n_closed == 1
    assert store.counts()["outside_session"] == 2
    assert store.view("BTC/USD").n_closed >= 3


@pytest.mark.parametrize("interval_s", [1, 5, 60, 300])
def test_the_next_close_lies_a_second_after_the_next_edge(new_store, clock, noon, interval_s):
    store = new_store(interval_s=interval_s)
    for offset in (0, 1, S // 2, S, 3 * S + 1):
        clock._now = noon + offset
        edge = store.next_close_ns() - S
        assert edge % (interval_s * S) == 0
        assert 0 < store.next_close_ns() - clock.now_ns() <= interval_s * S


def test_seeded_history_is_silent_and_warms_the_indicators(store, clock, noon, aapl, ears):
    bars = tuple(aapl.bar(minute, close=100.0 + minute % 2) for minute in range(-70, 0))
    store.link_lost(["AAPL"], "start")
    clock._now = noon + 2 * S
    trades = tuple(to_message(aapl.trade(1, 100.5)) for _ in range(1))
    store.seed(Backfill(symbol="AAPL", since_ns=noon, minute_bars=bars, trades=trades))
    store.link_restored(["AAPL"])
    view = store.view("AAPL")
    assert (view.n_closed, view.n_bars_seen, view.forming_bar.c) == (70, 70, 100.5)
    assert ears.bars() == []
    run(store, clock, noon, 61)
    assert ears.bars() == [("AAPL", 0)]


def test_frames_and_records_take_the_same_path(new_store, clock, noon, aapl):
    clock._now = noon + 60 * S
    events = [
        event
        for i in range(1, 50)
        for event in (aapl.trade(i, 100 + i % 7, conditions=("@",)), aapl.quote(i + 0.5))
    ]
    by_record, by_frame = new_store(), new_store()
    by_record.apply(events)
    by_frame.apply_frame([to_message(event) for event in events])
    assert by_record.snapshot_bytes("AAPL") == by_frame.snapshot_bytes("AAPL")
