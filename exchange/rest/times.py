"""`/v2/clock` and `/v2/calendar`: the venue's time and sessions, in New York's."""

from datetime import date, timedelta
from typing import Any

from exchange.errors import bad_input
from exchange.faults import Answer
from exchange.matching.sessions import Session, Sessions, in_new_york
from exchange.rest.gate import Action, Call
from exchange.venue import Venue

_YEAR = timedelta(days=365)
# As far as the venue's own calendar reaches.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2099, 12, 31)


def actions(venue: Venue) -> dict[tuple[str, str], Action]:
    """Return the actions by method and path."""
    return {
        ("GET", "/v2/clock"): lambda _: Answer(status=200, body=clock_body(venue)),
        ("GET", "/v2/calendar"): lambda call: _calendar(venue, call),
    }


def clock_body(venue: Venue) -> dict[str, Any]:
    """Render the clock; its offset is New York's, not UTC."""
    now_ns, sessions = venue.clock.now_ns(), venue.sessions
    return {
        "timestamp": eastern(now_ns),
        "is_open": sessions.is_open(now_ns),
        "next_open": eastern(sessions.opening_after(now_ns).open_ns),
        "next_close": eastern(sessions.ending_after(now_ns).close_ns),
    }


def eastern(ns: int) -> str:
    """Render an instant in New York's time with its offset, nanoseconds when there are any."""
    moment = in_new_york(ns)
    fraction = f".{ns % 1_000_000_000:09d}".rstrip("0") if ns % 1_000_000_000 else ""
    offset = moment.strftime("%z")
    return f"{moment:%Y-%m-%dT%H:%M:%S}{fraction}{offset[:3]}:{offset[3:]}"


def _calendar(venue: Venue, call: Call) -> Answer:
    today = in_new_york(venue.clock.now_ns()).date()
    start = call.query.day("start") or today - _YEAR
    end = call.query.day("end") or today + _YEAR
    if not _FIRST_DAY <= start <= end <= _LAST_DAY:
        raise bad_input("start and end must be in order, between 1970 and 2099")
    days = venue.sessions.between(start, end)
    return Answer(status=200, body=[_day(venue.sessions, session) for session in days])


def _day(sessions: Sessions, session: Session) -> dict[str, str]:
    """Render one trading day; one that ends at midnight is said to end a minute before it."""
    opens = in_new_york(session.open_ns)
    closes, last = _last_minute(session.close_ns), _last_minute(session.last_ns)
    first = opens if session.first_ns == session.open_ns else opens.replace(hour=4, minute=0)
    settles = sessions.ending_after(session.close_ns).day
    return {
        "date": session.day.isoformat(),
        "open": f"{opens:%H:%M}",
        "close": f"{closes:%H:%M}",
        "session_open": f"{first:%H%M}",
        "session_close": f"{last:%H%M}",
        "settlement_date": settles.isoformat(),
    }


def _last_minute(ns: int) -> Any:
    moment = in_new_york(ns)
    return moment if (moment.hour, moment.minute) != (0, 0) else moment - timedelta(minutes=1)
