"""Calendars: the venue's sessions, and markets that never close."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError
from domain.market import AssetClass, SessionPhase
from feeds.calendar import AlwaysOpenCalendar, TradingCalendar

STOCK, CRYPTO = AssetClass.STOCK, AssetClass.CRYPTO
CALENDAR = TradingCalendar([(100, 200), (300, 400)])


@pytest.mark.parametrize(
    ("ts", "phase", "bounds"),
    [
        (0, SessionPhase.CLOSED, (100, 200)),
        (100, SessionPhase.OPEN, (100, 200)),
        (199, SessionPhase.OPEN, (100, 200)),
        (200, SessionPhase.CLOSED, (300, 400)),
        (399, SessionPhase.OPEN, (300, 400)),
        (400, SessionPhase.CLOSED, None),
    ],
)
def test_sessions_hold_their_open_and_not_their_close(ts, phase, bounds):
    assert CALENDAR.phase(STOCK, ts) is phase
    assert CALENDAR.session_bounds(STOCK, ts) == bounds


def test_crypto_always_trades():
    assert CALENDAR.phase(CRYPTO, 250) is SessionPhase.ALWAYS
    assert CALENDAR.session_bounds(CRYPTO, 250) is None


def test_a_market_that_never_closes_has_no_bounds():
    calendar = AlwaysOpenCalendar()
    assert calendar.phase(STOCK, 5) is SessionPhase.ALWAYS
    assert calendar.session_bounds(STOCK, 5) is None


def test_sessions_come_as_texts_in_any_order_and_twice():
    calendar = TradingCalendar.from_texts(
        [
            ("2026-03-03T09:30:00-05:00", "2026-03-03T16:00:00-05:00"),
            ("2026-03-02T14:30:00Z", "2026-03-02T21:00:00Z"),
            ("2026-03-02T14:30:00Z", "2026-03-02T21:00:00Z"),
        ]
    )
    opens, closes = calendar.session_bounds(STOCK, 0)
    assert closes - opens == 6.5 * 3_600 * 10**9


@pytest.mark.parametrize("sessions", [[(5, 5)], [(9, 5)], [(1, 5), (4, 8)]])
def test_sessions_that_cannot_be_are_refused(sessions):
    with pytest.raises(ConfigError, match="ends early or overlaps"):
        TradingCalendar(sessions)


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=2), st.integers(-10, 10**6 + 10))
def test_open_means_inside_the_bounds_that_are_told(edges, ts):
    edges = sorted(edges)[: len(edges) // 2 * 2]
    calendar = TradingCalendar(zip(edges[::2], edges[1::2], strict=True))
    bounds = calendar.session_bounds(STOCK, ts)
    is_open = calendar.phase(STOCK, ts) is SessionPhase.OPEN
    assert is_open == any(a <= ts < b for a, b in zip(edges[::2], edges[1::2], strict=True))
    assert bounds is None or bounds[1] > ts
    assert is_open == (bounds is not None and bounds[0] <= ts)
