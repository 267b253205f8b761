"""The series of closed bars: bounded, in order, and mended anywhere."""

from hypothesis import given
from hypothesis import strategies as st

from domain.market import Bar
from feeds.store.series import BarSeries


def bar(start, close=100.0):
    return Bar("AAPL", 60, start * 60 * 10**9, close, close, close, close, 1.0, 1, close)


def test_appending_keeps_the_last_bars_and_forgets_the_rest():
    series = BarSeries(10)
    for start in range(100):
        series.append(bar(start))
        assert len(series) == min(start + 1, 10)
    assert [kept.ts_event for kept in series.bars()] == [bar(n).ts_event for n in range(90, 100)]


def test_rows_follow_a_mended_bar():
    series = BarSeries(10)
    for start in range(5):
        series.append(bar(start))
    assert [row.c for row in series.rows(3)] == [100.0] * 3
    assert series.put(bar(3, 105.0)) == 0
    assert [row.c for row in series.rows(3)] == [100.0, 105.0, 100.0]
    assert series.remove(bar(3)) == -1
    assert series.remove(bar(3)) == 0
    assert len(series.rows(99)) == 4


def test_rows_are_made_once():
    series = BarSeries(10)
    for start in range(5):
        series.append(bar(start))
    first = series.rows(5)
    series.append(bar(5))
    assert all(a is b for a, b in zip(first[1:], series.rows(5), strict=False))


def test_an_empty_series_has_empty_columns():
    assert [len(column) for column in BarSeries(5).arrays()] == [0, 0, 0, 0]
    assert BarSeries(5).last is None


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(1, 1e6), st.booleans())))
def test_a_series_is_a_sorted_map_of_starts(changes):
    series, model = BarSeries(100), {}
    n_bars = 0
    for start, close, is_removal in changes:
        if is_removal:
            n_bars += series.remove(bar(start))
            model.pop(start, None)
        else:
            n_bars += series.put(bar(start, close))
            model[start] = close
        assert n_bars == len(series) == len(model)
        assert [row.c for row in series.rows(99)] == [model[key] for key in sorted(model)]
    assert series.count_from(bar(10).ts_event) == sum(key >= 10 for key in model)
    assert series.arrays().close.tolist() == [model[key] for key in sorted(model)]
