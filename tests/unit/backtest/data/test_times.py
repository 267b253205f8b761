"""What a text means as a time: one instant, or a line that says why not."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.data.reading.times import ISO, _part, market_midnights, read_times
from domain.errors import ConfigError
from domain.records import format_ns, parse_ns


def read(*texts, zone=None):
    return read_times(np.array(texts), zone, lambda at: f"row {at + 2}")


def refused(*texts, zone=None):
    with pytest.raises(ConfigError) as told:
        read(*texts, zone=zone)
    return told.value


@pytest.mark.parametrize(
    ("text", "zone", "instant"),
    [
        ("2024-03-01T14:30:00Z", None, "2024-03-01T14:30:00Z"),
        ("2024-03-01 14:30Z", None, "2024-03-01T14:30:00Z"),
        ("2024-03-01 14:30:00 UTC", None, "2024-03-01T14:30:00Z"),
        ("2024-03-01T09:30:00-05:00", None, "2024-03-01T14:30:00Z"),
        ("2024-03-01T09:30:00.123456789-0500", None, "2024-03-01T14:30:00.123456789Z"),
        ("2024-03-01 09:30:00", "America/New_York", "2024-03-01T14:30:00Z"),
        ("2024-07-01 09:30:00", "America/New_York", "2024-07-01T13:30:00Z"),
        ("1709303400", None, "2024-03-01T14:30:00Z"),
        ("1709303400000", None, "2024-03-01T14:30:00Z"),
        ("1709303400000000", None, "2024-03-01T14:30:00Z"),
        ("1709303400000000000", None, "2024-03-01T14:30:00Z"),
    ],
)
def test_every_known_spelling_is_one_instant(text, zone, instant):
    times = read(text, zone=zone)
    assert times.ts_ns.tolist() == [parse_ns(instant)]
    assert not times.are_dates


@pytest.mark.parametrize("text", ["2024-03-01", "20240301", "2024-03-01 00:00:00"])
def test_a_date_is_a_date_and_needs_no_zone(text):
    times = read(text)
    assert times.are_dates
    assert times.ts_ns.tolist() == [parse_ns("2024-03-01T00:00:00Z")]


def test_a_stocks_day_begins_at_new_yorks_midnight_and_a_coins_at_utcs():
    days = read("2024-01-05", "2024-07-05").ts_ns
    stock = [format_ns(ts)[:16] for ts in market_midnights(days, "AAPL").tolist()]
    assert stock == ["2024-01-05T05:00", "2024-07-05T04:00"]
    assert market_midnights(days, "BTC/USD").tolist() == days.tolist()


def test_a_clock_without_zone_is_refused_and_says_how_to_name_one():
    error = refused("2024-03-01 09:30:00")
    assert error.code == "ZONE_MISSING"
    assert "row 2" in error.line
    assert "--zone" in error.line


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (("2024-03-01T09:30Z", "2024-03-01T09:31"), "row 2 has a zone and row 3 has none"),
        (("2024-03-01T09:30Z", "2024-03-01T09:31+05:30"), "row 2 says Z and row 3 says +05:30"),
        (("2024-03-01T09:30-05:00", "2024-03-02T09:31-08:00"), "row 3 says -08:00"),
    ],
)
def test_mixed_zones_are_refused_by_two_rows(texts, said):
    error = refused(*texts)
    assert error.code == "ZONES_MIXED"
    assert said in error.line


def test_summer_and_winter_time_are_one_zone():
    times = read("2024-03-08T09:30:00-05:00", "2024-03-11T09:30:00-04:00").ts_ns
    assert np.diff(times).tolist() == [(3 * 24 - 1) * 3_600_000_000_000]


def test_a_zone_for_times_that_have_one_is_refused():
    assert refused("2024-03-01T09:30Z", zone="UTC").code == "ZONE_GIVEN_TWICE"


@pytest.mark.parametrize("text", ["2024-11-03 01:30:00", "2024-03-10 02:30:00"])
def test_an_hour_that_a_clock_change_doubles_or_skips_is_refused(text):
    error = refused("2024-01-02 10:00:00", text, zone="America/New_York")
    assert error.code == "TIME_AMBIGUOUS"
    assert f"row 3: {text}" in error.line


@pytest.mark.parametrize("text", ["03/01/2024", "2024-13-01", "9024-01-01", "1.3.2024", ""])
def test_what_is_no_iso_time_is_refused_by_its_row(text):
    """03/01/2024 is the first of March and the third of January: nobody guesses."""
    error = refused("2024-03-01", text)
    assert error.code == "TIME_UNREADABLE"
    assert "row 3" in error.line


def test_epochs_of_two_units_are_refused():
    assert refused("1709303400", "1709303400000").code == "TIME_UNREADABLE"


def test_a_column_that_comes_in_chunks_is_read_whole():
    """A million rows of text come from Arrow in more than one piece."""
    chunks = pa.chunked_array([["2024-03-01T14:30Z"], ["2024-03-01", "2024-03-02"]])
    parts = pc.extract_regex(chunks, pattern=ISO)
    assert _part(parts, 0).tolist() == ["2024-03-01", "2024-03-01", "2024-03-02"]
    assert _part(parts, 2).tolist() == ["Z", "", ""]


INSTANTS = st.integers(31_536_000 * 10**6, 7_258_118_400 * 10**6).map(
    lambda us: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
)
FEW = settings(max_examples=40, deadline=None)


@FEW
@given(st.lists(INSTANTS, min_size=1, max_size=20), st.sampled_from([0, -5 * 60, 330]))
def test_a_time_written_in_any_offset_is_read_back(instants, minutes):
    zone = timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    texts = [(when + zone).strftime("%Y-%m-%dT%H:%M:%S.%f") + offset for when in instants]
    wanted = [
        int((when - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) * 1_000
        for when in instants
    ]
    assert read(*texts).ts_ns.tolist() == wanted


@FEW
@given(st.lists(INSTANTS, min_size=1, max_size=20))
def test_a_local_time_is_read_back_unless_clocks_change_then(instants):
    zone = ZoneInfo("America/New_York")
    local = [when.astimezone(zone) for when in instants]
    texts = [when.strftime("%Y-%m-%dT%H:%M:%S.%f") for when in local]
    try:
        found = read(*texts, zone="America/New_York").ts_ns.tolist()
    except ConfigError as error:
        assert error.code == "TIME_AMBIGUOUS"  # noqa: PT017 - rare, and then this is the point
        return
    written = [f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z" for when in local]
    are_dates = all(text.endswith("T00:00:00.000000") for text in texts)
    assert are_dates or found == [parse_ns(text) for text in written]
