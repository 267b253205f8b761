"""Holes, splits and strangers under an old name: each told with the row where it happens."""

import numpy as np
import pytest

from backtest.data import load
from backtest.data.checks.gaps import session_days
from backtest.data.remarks import MEANINGS, Odd
from domain.records import NS_PER_S, format_ns, parse_ns

HEAD = "time,open,high,low,close,volume"


def days(first, n, *, leave=()):
    """Name n sessions from a day on, but those to leave out."""
    start = int(np.datetime64(first).astype("datetime64[D]").astype(int))
    found = session_days()[session_days() >= start][:n]
    return [str(np.datetime64(int(day), "D")) for at, day in enumerate(found) if at not in leave]


def rows(times, closes, volumes=None):
    volumes = volumes or [1_000.0] * len(closes)
    return [
        f"{time},{close},{close},{close},{close},{volume}"
        for time, close, volume in zip(times, closes, volumes, strict=True)
    ]


def told(write, lines, code, name="AAPL.csv"):
    _, warnings = load(str(write(HEAD, *lines, name=name)))
    found = [each for each in warnings if each.code == code]
    assert len(found) == 1, [each.line for each in warnings]
    return found[0]


def minutes(first, n, *, step_s=60, leave=()):
    start = parse_ns(first)
    return [
        format_ns(start + at * step_s * NS_PER_S).replace(".000000000", "")
        for at in range(n)
        if at not in leave
    ]


def test_missing_sessions_are_told_with_the_row_before_them(write):
    """July 4th is no session, so only the days that traded count as missing."""
    times = days("2024-06-24", 20, leave=(3, 4, 12))
    warning = told(write, rows(times, [100.0] * len(times)), "GAP")
    assert [(row.row, row.time) for row in warning.rows] == [(4, "2024-06-26"), (11, "2024-07-10")]
    assert "2 sessions missing until 2024-07-01" in warning.rows[0].value
    assert warning.message == "AAPL: 3 sessions without a bar."


def test_a_bar_on_a_holiday_is_told(write):
    times = ["2024-07-02", "2024-07-03", "2024-07-04", "2024-07-05"]
    warning = told(write, rows(times, [100.0] * 4), "NOT_A_SESSION")
    assert [row.time for row in warning.rows] == ["2024-07-04"]


def test_a_coin_trades_at_christmas_and_misses_each_bar(write):
    times = minutes("2023-12-25T00:00:00Z", 60, leave=(10, 11, 30))
    warning = told(write, rows(times, [1.0] * 57), "GAP", name="BTC-USD.csv")
    assert [row.time for row in warning.rows] == ["2023-12-25T00:09:00Z", "2023-12-25T00:29:00Z"]
    assert warning.message == "BTC/USD: 3 bars missing."


def test_a_stock_may_be_quiet_for_minutes_but_not_for_an_hour(write):
    times = minutes("2024-07-02T13:30:00Z", 390, leave=(5, *range(100, 160)))
    warning = told(write, rows(times, [1.0] * len(times)), "HOLE")
    assert [(row.time, row.value) for row in warning.rows] == [
        ("2024-07-02T15:09:00Z", "61 min to the next bar")
    ]


def test_a_missing_session_of_minutes_and_bars_before_the_open_are_told(write):
    """2024-07-03 closed at 13:00 and 2024-07-04 was no session: neither makes a gap of its own."""
    times = [
        *minutes("2024-07-02T13:00:00Z", 60),
        *minutes("2024-07-03T16:30:00Z", 30),
        *minutes("2024-07-08T13:30:00Z", 60),
    ]
    lines = rows(times, [1.0] * len(times))
    outside = told(write, lines, "OUTSIDE_HOURS")
    assert outside.n_rows == 30
    assert outside.rows[0].time == "2024-07-02T13:00:00Z"
    gap = told(write, lines, "GAP")
    assert [row.value for row in gap.rows] == ["1 session missing after it"]


def test_a_bar_of_an_hour_at_midnight_in_new_york_is_told_with_its_time(write):
    times = minutes("2024-07-02T00:00:00Z", 8, step_s=3_600, leave=(5, 6))
    warning = told(write, rows(times, [1.0] * 6), "GAP", name="BTC-USD.csv")
    assert [row.time for row in warning.rows] == ["2024-07-02T04:00:00Z"]


def test_volumes_that_are_all_zero_are_unknown(write):
    warning = told(write, rows(TIMES, [100.0] * 21, [0.0] * 21), "VOLUME_UNKNOWN")
    assert "volumes are unknown" in warning.line


# -- jumps

TIMES = days("2024-01-02", 21)


@pytest.mark.parametrize(
    ("factor", "name"),
    [
        (1 / 2, "2-for-1"),
        (1 / 3, "3-for-1"),
        (2 / 3, "3-for-2"),
        (1 / 4, "4-for-1"),
        (1 / 10, "10-for-1"),
        (2.0, "1-for-2"),
        (3.0, "1-for-3"),
        (10.0, "1-for-10"),
    ],
)
def test_a_split_keeps_the_dollars_that_trade_and_is_told(write, factor, name):
    closes = [100.0] * 10 + [100.0 * factor * 1.01] * 11
    volumes = [1_000.0] * 10 + [1_000.0 / factor] * 11
    warning = told(write, rows(TIMES, closes, volumes), "SPLIT_SUSPECTED")
    assert [row.row for row in warning.rows] == [12]
    assert f"as a {name} split would" in warning.rows[0].value


def test_a_crash_on_ten_times_the_volume_is_no_split(write):
    closes = [100.0] * 10 + [50.0] * 11
    volumes = [1_000.0] * 10 + [20_000.0] * 11
    warning = told(write, rows(TIMES, closes, volumes), "PRICE_JUMP")
    assert [row.row for row in warning.rows] == [12]


def test_a_price_in_cents_for_a_day_is_told_as_a_jump_in_and_out(write):
    closes = [10.0] * 10 + [1_000.0] + [10.0] * 10
    warning = told(write, rows(TIMES, closes), "PRICE_JUMP")
    assert [row.row for row in warning.rows] == [12, 13]


def test_an_ordinary_bad_night_is_nothing_to_tell(write):
    closes = [100.0] * 10 + [80.0] * 11
    _, warnings = load(str(write(HEAD, *rows(TIMES, closes))))
    assert warnings == []


def test_another_company_under_an_old_symbol_is_told_after_the_pause(write):
    times = [*TIMES[:10], *days("2024-06-03", 10)]
    closes = [100.0] * 10 + [7.0] * 10
    volumes = [1e6] * 10 + [1e3] * 10
    warning = told(write, rows(times, closes, volumes), "IDENTITY_SUSPECTED")
    assert [(row.row, row.time) for row in warning.rows] == [(12, "2024-06-03")]
    assert "after 138 days the price is 0.07 times what it was, the volume 0.001 times" in (
        warning.rows[0].value
    )


def test_the_same_company_after_a_pause_is_only_a_gap(write):
    times = [*TIMES[:10], *days("2024-06-03", 10)]
    _, warnings = load(str(write(HEAD, *rows(times, [100.0] * 10 + [120.0] * 10))))
    assert [each.code for each in warnings] == ["GAP"]


def test_every_code_of_a_warning_has_a_meaning():
    """A code without words would leave its reader alone."""
    assert set(MEANINGS) == set(Odd)
