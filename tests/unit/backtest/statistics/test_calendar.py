"""Steps a year come from the calendar: an assumed 365 would raise a Sharpe ratio by a fifth."""

import msgspec
import pytest

from backtest.statistics.calendar import periods_of, sessions_a_year, stock_periods


def test_a_year_of_daily_stocks_has_its_sessions():
    """2012 lost two days to a hurricane."""
    assert sessions_a_year(2012, 2012) == 250
    assert sessions_a_year(2011, 2012) == 251


def test_bars_of_a_minute_fill_the_session():
    assert stock_periods(60, 2012, 2012) == 250 * 390


def test_weeks_count_by_the_year():
    assert stock_periods(7 * 86_400, 2012, 2012) == pytest.approx(52.18, abs=0.01)


def test_crypto_never_rests(spec):
    btc = msgspec.structs.replace(spec, symbols=("BTC/USD",), interval_s=3_600)
    assert periods_of(btc) == 365 * 24


def test_a_run_over_two_years_has_their_mean(spec):
    two = msgspec.structs.replace(spec, start="2011-02-01T00:00:00Z", end="2012-11-01T00:00:00Z")
    assert periods_of(two) == 251
