"""Times as text, and the decimals that strangers may write."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.decode import time_text
from domain.account import Account, Position
from domain.market import Instrument
from domain.orders import Fill, OrderEvent, OrderReport, OrderRequest
from domain.records import NS_PER_S, Record, format_ns, is_readable, parse_ns
from domain.risk import Facts

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_NS = -62_135_596_800 * NS_PER_S
LAST_NS = 253_402_300_800 * NS_PER_S - 1
TIMES = st.integers(FIRST_NS, LAST_NS)


def by_datetime(ts_ns):
    """Write a time by the standard library's calendar, which knows no nanoseconds."""
    microseconds, rest = divmod(ts_ns, 1_000)
    moment = EPOCH + timedelta(microseconds=microseconds)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}{rest:03d}Z"


@given(TIMES)
@example(FIRST_NS)
@example(LAST_NS)
@example(-1)
@example(0)
@example(951_782_400 * NS_PER_S)
@example(-2_203_977_600 * NS_PER_S)
def test_a_time_is_written_as_the_calendar_has_it(ts_ns):
    """Before 1970, in the year 9999, on the leap day of 2000 and on the one that 1900 had not."""
    text = format_ns(ts_ns)
    assert text == by_datetime(ts_ns)
    assert parse_ns(text) == ts_ns


@given(TIMES, TIMES)
def test_texts_sort_like_times(one, other):
    """The years before 1000 are written with all four digits: they were not, and sorted last."""
    assert (format_ns(one) < format_ns(other)) is (one < other)


@given(
    st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),  # noqa: DTZ001 - the offset is added
    st.integers(0, 999_999_999),
    st.integers(-23 * 60 - 59, 23 * 60 + 59),
)
def test_a_time_of_any_zone_is_read(moment, fraction, offset_min):
    """With the offset that it was written with, to the nanosecond."""
    moment = moment.replace(microsecond=0)
    hours, minutes = divmod(abs(offset_min), 60)
    zone = f"{'-' if offset_min < 0 else '+'}{hours:02d}:{minutes:02d}"
    utc = moment.replace(tzinfo=UTC) - timedelta(minutes=offset_min)
    expected = (utc - EPOCH) // timedelta(seconds=1) * NS_PER_S + fraction
    assert parse_ns(f"{moment.isoformat()}.{fraction:09d}{zone}") == expected


@pytest.mark.parametrize(
    "text", ["", "2026-02-29T00:00:00Z", "2026-01-01T00:00:00", "0000-01-01T00:00:00Z"]
)
def test_what_is_no_time_is_refused_each_time_it_is_read(text):
    """What was read is remembered, what failed is not: the second answer is the first."""
    for _ in range(2):
        with pytest.raises(ValueError, match=r"."):
            parse_ns(text)


@pytest.mark.parametrize("ts_ns", [FIRST_NS - 1, LAST_NS + 1, 10**30, -(10**30), 10**400])
def test_a_time_beyond_the_years_is_a_wrong_value(ts_ns):
    """Overflow errors came out of it for a while, and nobody who reads the wire catches those."""
    with pytest.raises(ValueError, match="beyond the years"):
        format_ns(ts_ns)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_venues_time_of_no_year_is_a_message_that_cannot_be_read(text):
    """It has to fail as everything else does that the order stream drops."""
    with pytest.raises(ValueError, match="beyond the years"):
        time_text(text)


def test_a_time_out_of_a_column_is_written_too():
    """Series keep their times as columns of int64."""
    assert format_ns(np.int64(5) * NS_PER_S) == "1970-01-01T00:00:05.000000000Z"


class Mixed(Record, frozen=True):
    """A decimal alone, in two unions, where anything may stand, and none at all."""

    plain: Decimal
    maybe: Decimal | None
    either: str | Decimal
    anything: Any
    word: str


KINDS = (Account, Position, Instrument, Fill, OrderEvent, OrderReport, OrderRequest, Facts, Mixed)
PLACES = [
    (kind, name)
    for kind in KINDS
    for name, told in kind.__annotations__.items()
    if "Decimal" in told or told == "Any"
]


def filled(kind, **changes):
    """Make a record of ones: nothing is checked when it is made by hand."""
    return kind(**(dict.fromkeys(kind.__struct_fields__, Decimal(1)) | changes))


@pytest.mark.parametrize("number", ["NaN", "sNaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize(("kind", "name"), PLACES)
def test_a_number_that_is_none_is_found_wherever_a_decimal_may_stand(kind, name, number):
    """Which fields those are is asked once a kind of record, and no kind may be misread."""
    assert is_readable(filled(kind))
    assert not is_readable(filled(kind, **{name: Decimal(number)}))


def test_what_is_no_decimal_is_left_alone():
    """Nothing, and words, are as readable as they are elsewhere."""
    assert is_readable(filled(Mixed, maybe=None, either="NaN", anything=["NaN"], word="Infinity"))
    assert {kind for kind, _ in PLACES} == set(KINDS)
