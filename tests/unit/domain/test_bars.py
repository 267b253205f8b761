"""Candles: what a set of prints, the venue's bars and the clock make of each other."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.bars import NO_CHANGE, Candles, ChangeKind, Print, PrintKind, print_kind
from domain.market import Bar, TradeCanceled, TradeCorrected

S = 1_000_000_000
NOON = 1_790_000_000 * S - (1_790_000_000 * S) % (3_600 * S)
FULL, VOLUME, NOTHING = PrintKind.FULL, PrintKind.VOLUME, PrintKind.NOTHING


def at(seconds, price=100.0, size=10.0, *, trade_id=None, kind=FULL):
    ts = NOON + round(seconds * S)
    return Print(ts, trade_id if trade_id is not None else ts % 10**12, price, size, kind)


def minute_bar(minute, close=100.0, volume=50.0, *, interval_s=60):
    start = NOON + minute * 60 * S
    return Bar("AAPL", interval_s, start, 99.0, 101.0, 98.0, close, volume, 3, 99.5)


def closed(changes):
    return [change.bar for change in changes]


def feed(candles, items):
    for item in items:
        candles.add(item)
    return candles


def naive_bars(items, interval_s):
    """Group a set of prints and fold each group exactly: the definition, without any state."""
    step = interval_s * S
    groups = {}
    for item in {(item.ts, item.trade_id): item for item in reversed(items)}.values():
        groups.setdefault(item.ts - item.ts % step, []).append(item)
    bars = {}
    for start, group in sorted(groups.items()):
        priced = sorted(item for item in group if item.kind is FULL)
        counted = [item for item in group if item.kind is not NOTHING]
        if priced:
            prices = [item.price for item in priced]
            volume = float(sum(Fraction(item.size) for item in counted))
            dollars = float(sum(Fraction(item.price * item.size) for item in priced))
            priced_volume = float(sum(Fraction(item.size) for item in priced))
            bars[start] = Bar(
                "AAPL", interval_s, start, prices[0], max(prices), min(prices), prices[-1],
                volume, len(counted), dollars / priced_volume,
            )  # fmt: skip
    return list(bars.values())


prices = st.floats(0.01, 1e5, allow_nan=False)
sizes = st.floats(1e-6, 1e6, allow_nan=False)
print_lists = st.lists(
    st.builds(
        Print,
        st.integers(NOON, NOON + 200 * S),
        st.integers(0, 50),
        prices,
        sizes,
        st.sampled_from([FULL, FULL, FULL, VOLUME, NOTHING]),
    ),
    max_size=60,
    unique_by=lambda item: (item.ts, item.trade_id),
)


@given(print_lists, st.sampled_from([1, 5, 7, 60]))
def test_the_aggregator_equals_the_definition_on_any_set_of_prints(items, interval_s):
    candles = feed(Candles("AAPL", interval_s), items)
    bars = closed(candles.close_due(NOON + 10**6 * S))
    assert bars == naive_bars(items, interval_s)


@given(print_lists, st.randoms(use_true_random=False))
def test_the_order_of_arrival_never_shows_in_a_bar(items, random):
    shuffled = list(items)
    random.shuffle(shuffled)
    first, second = (
        feed(Candles("AAPL", 60), order).close_due(NOON + 10**6 * S) for order in (items, shuffled)
    )
    assert first == second


@given(print_lists, st.integers(0, 260))
def test_prints_on_either_side_of_a_closing_make_the_same_bars(items, cut_s):
    """Late prints revise what the clock closed; nothing is lost and nothing counted twice."""
    items = sorted(items)
    candles = Candles("AAPL", 60)
    final = {}
    cut = NOON + cut_s * S
    for change in [
        *feed(candles, items[::2]).settle(),
        *candles.close_due(cut),
        *feed(candles, items[1::2]).settle(),
        *candles.close_due(NOON + 10**6 * S),
    ]:
        final[change.bar.ts_event] = change.bar
    assert [final[start] for start in sorted(final)] == naive_bars(items, 60)


@given(print_lists)
def test_every_counted_share_is_in_exactly_one_bar(items):
    bars = closed(feed(Candles("AAPL", 5), items).close_due(NOON + 10**6 * S))
    starts = {bar.ts_event for bar in bars}
    inside = [item for item in items if item.ts - item.ts % (5 * S) in starts]
    counted = [item for item in inside if item.kind is not NOTHING]
    assert sum(bar.trade_count for bar in bars) == len(counted)


@given(print_lists, st.data())
def test_a_back_fill_heals_any_hole_in_the_stream(items, data):
    """Whatever part of the prints the stream lost, REST brings all of them and no bar shows it."""
    kept = data.draw(st.lists(st.sampled_from(items), unique=True) if items else st.just([]))
    whole = feed(Candles("AAPL", 5), items)
    holed = feed(Candles("AAPL", 5), kept)
    holed.fill([], items, NOON)
    assert holed.close_due(NOON + 10**6 * S) == whole.close_due(NOON + 10**6 * S)


def test_a_bar_closes_one_second_after_its_edge_and_not_before():
    candles = feed(Candles("AAPL", 60), [at(3)])
    assert not candles.close_due(NOON + 61 * S - 1)
    changes = candles.close_due(NOON + 61 * S)
    assert [change.kind for change in changes] == [ChangeKind.CLOSED]
    assert changes[0].bar.ts_event == NOON


def test_a_stock_makes_no_bar_without_a_trade():
    candles = feed(Candles("AAPL", 60), [at(3), at(200)])
    bars = closed(candles.close_due(NOON + 400 * S))
    assert [bar.ts_event for bar in bars] == [NOON, NOON + 180 * S]


def test_crypto_fills_silence_with_flagged_bars_at_the_middle_of_the_quotes():
    candles = feed(Candles("BTC/USD", 1, has_quiet_bars=True), [at(0.5, 10.0)])
    candles.close_due(NOON + 2 * S)
    candles.note_mid(NOON + 1 * S, 11.0)
    candles.note_mid(NOON + 2 * S, 12.0)
    bars = closed(candles.close_due(NOON + 4 * S, (NOON + 3 * S, 13.0)))
    assert [(bar.open, bar.close, bar.volume) for bar in bars] == [(11.0, 11.0, 0), (12.0, 12.0, 0)]
    assert all(bar.is_quote_mid for bar in bars)


def test_a_quote_of_before_a_cut_does_not_pass_for_one_of_after_it():
    """It is noted behind the back-fill's, when the first quote after the cut crosses an edge.

    A quiet bar then stood at the price of before the cut for good.
    """
    candles = Candles("ETH/USD", 5, has_quiet_bars=True)
    candles.note_mid(1 * S, 100.0)
    candles.close_due(6 * S)
    candles.fill_mids([(9 * S, 103.0), (12 * S, 104.0)])
    candles.note_mid(7 * S, 101.0)
    changes = candles.close_due(16 * S)
    assert [change.bar.close for change in changes] == [103.0, 104.0]


@pytest.mark.parametrize("has_print", [True, False])
def test_a_back_fill_brings_the_update_that_a_cut_swallowed(has_print):
    """A bar that came after the cut is fresher than the back-fill's and stays."""
    candles = feed(Candles("AAPL", 60), [at(3), at(63)] if has_print else [])
    candles.venue_bar(minute_bar(0))
    candles.mark_cut()
    candles.venue_bar(minute_bar(1, close=100.7))
    rest = [minute_bar(0, close=100.5), minute_bar(1, close=100.1)]
    changes = candles.fill(rest, [], NOON)
    assert closed(changes) == [minute_bar(0, close=100.5)]


def test_a_long_back_fill_arrives_whole_though_the_venue_closed_a_bar_before_it():
    """The stream's first bar may come while history is still under way."""
    candles = Candles("AAPL", 60)
    candles.venue_bar(minute_bar(0))
    changes = candles.fill([minute_bar(minute) for minute in range(-250, 0)], [], NOON)
    assert len(changes) == 250
    assert len(candles.pieces) < 10


def test_a_long_silence_of_crypto_is_bounded():
    candles = feed(Candles("BTC/USD", 1, has_quiet_bars=True), [at(0.5, 10.0)])
    candles.close_due(NOON + 2 * S)
    bars = closed(candles.close_due(NOON + 10**6 * S, (NOON + 1, 13.0)))
    assert len(bars) <= 1_024


def test_the_venues_bar_replaces_ours_and_closes_at_once():
    candles = feed(Candles("AAPL", 60), [at(3), at(61)])
    changes = candles.venue_bar(minute_bar(0))
    assert changes == [(minute_bar(0), ChangeKind.CLOSED)]
    assert candles.close_due(NOON + 61 * S) == NO_CHANGE


def test_an_updated_bar_revises_the_closed_one():
    candles = feed(Candles("AAPL", 60), [at(3)])
    candles.venue_bar(minute_bar(0))
    candles.venue_bar(minute_bar(0, close=100.5))
    assert candles.settle() == [(minute_bar(0, close=100.5), ChangeKind.REVISED)]
    candles.venue_bar(minute_bar(0, close=100.5))
    assert not candles.settle()


def test_a_late_print_does_not_move_a_bar_that_the_venue_has_made():
    candles = feed(Candles("AAPL", 60), [at(3)])
    candles.venue_bar(minute_bar(0))
    assert not feed(candles, [at(59, 500.0)]).settle()


def test_below_a_minute_the_venues_bars_are_left_out():
    candles = feed(Candles("AAPL", 5), [at(3)])
    assert candles.venue_bar(minute_bar(0)) == NO_CHANGE
    assert closed(candles.close_due(NOON + 6 * S))[0].close == 100.0


def test_five_minutes_are_made_of_the_venues_minutes_and_our_prints():
    candles = Candles("AAPL", 300)
    for minute in range(4):
        candles.venue_bar(minute_bar(minute, close=100.0 + minute))
    feed(candles, [at(250, 110.0, 50.0)])
    assert candles.forming().high == 110.0
    (bar,) = closed(candles.close_due(NOON + 301 * S))
    assert (bar.open, bar.high, bar.low, bar.close) == (99.0, 110.0, 98.0, 110.0)
    assert (bar.volume, bar.trade_count) == (250.0, 13)
    assert bar.vwap == pytest.approx((4 * 50 * 99.5 + 50 * 110) / 250)


def test_the_venues_last_minute_closes_five_minutes():
    candles = Candles("AAPL", 300)
    for minute in range(4):
        assert candles.venue_bar(minute_bar(minute)) == NO_CHANGE
    assert [change.kind for change in candles.venue_bar(minute_bar(4))] == [ChangeKind.CLOSED]


def test_a_whole_bar_of_another_source_is_taken_as_it_is():
    candles = Candles("AAPL", 300)
    bar = minute_bar(0, interval_s=300)
    assert candles.venue_bar(bar) == [(bar, ChangeKind.CLOSED)]
    assert candles.venue_bar(bar) == NO_CHANGE


def test_a_venue_bar_closes_what_is_open_before_it():
    """The minute before had prints and no bar of the venue's: it is not skipped."""
    candles = feed(Candles("AAPL", 60), [at(3)])
    changes = candles.venue_bar(minute_bar(1))
    assert [change.bar.ts_event for change in changes] == [NOON, NOON + 60 * S]


def test_a_venue_bar_outside_the_session_makes_no_candle():
    candles = Candles("AAPL", 60, sessions=lambda _ts: (NOON, NOON + 60 * S))
    assert not candles.venue_bar(minute_bar(-1))
    assert candles.venue_bar(minute_bar(0))


def test_memory_does_not_grow_with_bars_alone():
    candles = Candles("AAPL", 60)
    for minute in range(5_000):
        candles.venue_bar(minute_bar(minute))
    assert len(candles._shown) < 2_000


def test_canceled_prints_leave_the_bar():
    candles = feed(Candles("AAPL", 60), [at(1, 100.0), at(2, 500.0, trade_id=7), at(3, 101.0)])
    candles.close_due(NOON + 61 * S)
    candles.cancel(TradeCanceled("AAPL", NOON, 7, 500.0, 10.0))
    (change,) = candles.settle()
    assert change.kind is ChangeKind.REVISED
    assert (change.bar.high, change.bar.trade_count, change.bar.volume) == (101.0, 2, 20.0)


def test_a_bar_whose_only_print_is_canceled_is_removed():
    candles = feed(Candles("AAPL", 60), [at(1, trade_id=7)])
    candles.close_due(NOON + 61 * S)
    candles.cancel(TradeCanceled("AAPL", NOON, 7, 100.0, 10.0))
    (change,) = candles.settle()
    assert change.kind is ChangeKind.REMOVED


def test_a_corrected_print_takes_the_place_of_the_original():
    candles = feed(Candles("AAPL", 60), [at(1, 100.0), at(2, 500.0, trade_id=7)])
    candles.close_due(NOON + 61 * S)
    fix = TradeCorrected("AAPL", NOON + 90 * S, 7, 500.0, 10.0, 8, 100.5, 12.0)
    candles.correct(fix)
    (change,) = candles.settle()
    assert (change.bar.close, change.bar.high, change.bar.volume) == (100.5, 100.5, 22.0)


def test_a_correction_undoes_a_venue_bar_that_agreed_with_our_prints():
    candles = feed(Candles("AAPL", 60), [at(1, 100.0, 10.0), at(2, 500.0, 10.0, trade_id=7)])
    candles.venue_bar(Bar("AAPL", 60, NOON, 100.0, 500.0, 100.0, 500.0, 20.0, 2, 300.0))
    candles.cancel(TradeCanceled("AAPL", NOON, 7, 500.0, 10.0))
    (change,) = candles.settle()
    assert (change.bar.high, change.bar.volume) == (100.0, 10.0)


def test_a_correction_that_we_cannot_rebuild_is_left_to_the_venue_and_counted():
    candles = feed(Candles("AAPL", 60), [at(2, 500.0, trade_id=7)])
    candles.venue_bar(minute_bar(0))
    candles.cancel(TradeCanceled("AAPL", NOON, 7, 500.0, 10.0))
    assert not candles.settle()
    assert candles.rejects["correction_left_to_venue"] == 1


def test_a_correction_of_an_unknown_print_is_counted():
    candles = feed(Candles("AAPL", 60), [at(1)])
    candles.cancel(TradeCanceled("AAPL", NOON, 7, 1.0, 1.0))
    assert not candles.settle()
    assert candles.rejects["correction_unmatched"] == 1


def test_a_print_that_comes_twice_counts_once():
    candles = feed(Candles("AAPL", 60), [at(1), at(2), at(1), at(2), at(2)])
    assert candles.forming().trade_count == 2
    assert candles.rejects["duplicate"] == 3


@given(print_lists)
def test_the_newest_print_is_the_last_by_time_and_id(items):
    candles = feed(Candles("AAPL", 5), items)
    priced = [item for item in items if item.kind is FULL]
    assert candles.newest_print() == max(priced, default=None)


def test_the_newest_print_outlives_its_piece():
    candles = feed(Candles("AAPL", 1), [at(1)])
    for second in range(2, 700):
        candles.add(at(second, kind=VOLUME))
        candles.close_due(NOON + second * S)
    assert NOON + 1 * S not in candles.pieces
    assert candles.newest_print() == at(1)


def test_a_print_into_a_closed_bar_revises_it_even_without_a_newer_one():
    candles = feed(Candles("AAPL", 60), [at(3)])
    candles.close_due(NOON + 61 * S)
    assert candles.current.fence_s == 0
    (change,) = feed(candles, [at(4, 105.0)]).settle()
    assert (change.kind, change.bar.high) == (ChangeKind.REVISED, 105.0)


@pytest.mark.parametrize(("price", "size"), [(-1.0, 1.0), (0.0, 1.0), (1.0, float("nan")),
                                             (float("inf"), 1.0), (1.0, 0.0)])  # fmt: skip
def test_a_print_that_is_no_price_is_counted_and_leaves_no_mark(price, size):
    candles = feed(Candles("AAPL", 60), [at(1), at(2, price, size), at(3)])
    assert candles.forming().trade_count == 2
    assert candles.rejects["trade_invalid"] == 1


def test_a_print_far_behind_the_clock_is_counted_and_dropped():
    candles = feed(Candles("AAPL", 60), [at(1)])
    candles.close_due(NOON + 1_000 * S)
    assert not feed(candles, [at(65)]).settle()
    assert candles.rejects["late_beyond_repair"] == 1
    changes = feed(candles, [at(700)]).settle()
    assert [change.kind for change in changes] == [ChangeKind.REVISED]


def test_prints_outside_the_session_make_no_candle():
    sessions = [(NOON, NOON + 120 * S), (NOON + 600 * S, NOON + 720 * S)]

    def bounds(ts):
        return next((s for s in sessions if ts < s[1]), None)

    candles = feed(Candles("AAPL", 60, sessions=bounds), map(at, (-1, 1, 119, 121, 599, 601, 721)))
    bars = closed(candles.close_due(NOON + 900 * S))
    assert [bar.ts_event for bar in bars] == [NOON, NOON + 60 * S, NOON + 600 * S]
    assert candles.rejects["outside_session"] == 4


def test_an_odd_lot_alone_makes_no_bar_and_beside_others_adds_volume_only():
    alone = feed(Candles("AAPL", 60), [at(1, kind=VOLUME)])
    assert not alone.close_due(NOON + 61 * S)
    beside = feed(Candles("AAPL", 60), [at(1, 999.0, 5.0, kind=VOLUME), at(2, 100.0, 10.0)])
    (bar,) = closed(beside.close_due(NOON + 61 * S))
    assert (bar.high, bar.volume, bar.trade_count, bar.vwap) == (100.0, 15.0, 2, 100.0)


def test_a_burst_of_late_prints_settles_at_once():
    """A slow minute must not cost a fold a print, or a burst would never be caught up with."""
    candles = feed(Candles("AAPL", 60), [at(3)])
    candles.close_due(NOON + 61 * S)
    feed(candles, [at(4 + i / 1_000, 100.0 + i % 5) for i in range(5_000)])
    (change,) = candles.settle()
    assert (change.bar.trade_count, change.bar.high) == (5_001, 104.0)
    assert not candles.settle()


def test_a_flood_is_folded_into_sums_and_stays_bounded():
    items = [at(i / 1_000, 100.0 + i % 7, 1.0) for i in range(50_000)]
    candles = feed(Candles("AAPL", 60), items)
    kept = sum(piece.size for piece in candles.pieces.values())
    assert kept < 20_000
    (bar,) = closed(candles.close_due(NOON + 61 * S))
    assert (bar.trade_count, bar.volume, bar.high) == (50_000, 50_000.0, 106.0)


def test_floods_of_many_minutes_keep_few_prints():
    candles = Candles("AAPL", 60)
    for minute in range(5):
        feed(candles, [at(60 * minute + i / 100, trade_id=i) for i in range(5_000)])
    assert sum(piece.size for piece in candles.pieces.values()) <= 8_192 + 5_000
    bars = closed(candles.close_due(NOON + 600 * S))
    assert [bar.trade_count for bar in bars] == [5_000] * 5


def test_memory_does_not_grow_with_the_day():
    candles = Candles("AAPL", 1)
    for second in range(2_000):
        candles.add(at(second))
        candles.close_due(NOON + second * S)
    assert len(candles.pieces) < 700


@pytest.mark.parametrize(
    ("conditions", "tape", "kind"),
    [
        ((), "", FULL),
        (("@",), "C", FULL),
        ((" ",), "A", FULL),
        (("@", "I"), "C", VOLUME),
        (("@", "T"), "C", FULL),
        (("B",), "A", VOLUME),
        (("B",), "C", FULL),
        (("@", "W"), "C", VOLUME),
        (("@", "Z", "M"), "C", NOTHING),
        (("9",), "B", NOTHING),
        (("@", "?"), "C", VOLUME),
    ],
)
def test_the_strictest_condition_decides_what_a_print_may_change(conditions, tape, kind):
    assert print_kind(conditions, tape) is kind


def test_prints_of_no_kind_change_nothing():
    candles = Candles("AAPL", 60)
    candles.add(at(1, kind=NOTHING))
    assert candles.forming() is None
