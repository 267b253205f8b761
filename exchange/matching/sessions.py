"""When the venue trades shares: New York's regular sessions by rule, or always, for the demo.

Source of the rules: NYSE Rule 7.2 (holidays and their observance) and the exchange's published
early closings. Unscheduled closings (mourning, storms) are not in it. Overnight trading follows
Alpaca's 24/5 sessions: from 20:00 New York of the evening before a trading day.
"""

from abc import ABC, abstractmethod
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
NS_PER_S = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
_SATURDAY = 5
_JUNETEENTH_SINCE = 2022
_MIDNIGHT = time(0)


class Session(NamedTuple):
    """One trading day. Extended trading of its date runs from `first_ns` to `last_ns`."""

    day: date
    first_ns: int
    open_ns: int
    close_ns: int
    last_ns: int


def to_ns(moment: datetime) -> int:
    """Return nanoseconds since the epoch, exactly: a float of seconds would lose them."""
    delta = moment - _EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


def in_new_york(ns: int) -> datetime:
    """Return the New York time of an instant, to the microsecond."""
    return (_EPOCH + timedelta(microseconds=ns // 1_000)).astimezone(NEW_YORK)


def at_new_york(day: date, clock: time) -> int:
    """Return the instant of a New York wall clock reading."""
    return to_ns(datetime.combine(day, clock, tzinfo=NEW_YORK))


class Sessions(ABC):
    """Answer when shares trade. Crypto asks nobody: it always trades."""

    @abstractmethod
    def on(self, day: date) -> Session | None:
        """Return the session of a New York date, None when the market is closed that day."""

    def ending_after(self, ns: int) -> Session:
        """Return the session running or next to come: the first whose close lies after `ns`."""
        return self._first(ns, extended=False)

    def trading_day(self, ns: int) -> Session:
        """Return the session whose extended hours run or come next."""
        return self._first(ns, extended=True)

    def opening_after(self, ns: int) -> Session:
        """Return the first session that opens after `ns`."""
        session = self.ending_after(ns)
        return session if session.open_ns > ns else self.ending_after(session.close_ns)

    def is_open(self, ns: int) -> bool:
        """Tell whether the regular session runs."""
        return self.ending_after(ns).open_ns <= ns

    def is_extended(self, ns: int) -> bool:
        """Tell whether a limit order marked for extended hours may trade."""
        return self.trading_day(ns).first_ns <= ns

    def between(self, start: date, end: date) -> list[Session]:
        """Return the sessions of the dates from `start` to `end`, both included."""
        days = (start + timedelta(days=n) for n in range((end - start).days + 1))
        return [session for session in map(self.on, days) if session]

    def _first(self, ns: int, *, extended: bool) -> Session:
        day = in_new_york(ns).date()
        while True:
            session = self.on(day)
            if session and ns < (session.last_ns if extended else session.close_ns):
                return session
            day += _DAY


class RegularSessions(Sessions):
    """New York's regular hours: 09:30 to 16:00, or to 13:00 on the early closings."""

    def on(self, day: date) -> Session | None:
        """Return the regular session of a date."""
        return _regular_session(day)


class AlwaysOpen(Sessions):
    """Every New York date is one session, midnight to midnight, so that a demo always trades."""

    def on(self, day: date) -> Session | None:
        """Return the whole date."""
        return _whole_day(day)


@lru_cache(maxsize=4096)
def _whole_day(day: date) -> Session:
    start, end = at_new_york(day, _MIDNIGHT), at_new_york(day + _DAY, _MIDNIGHT)
    return Session(day, start, start, end, end)


@lru_cache(maxsize=4096)
def _regular_session(day: date) -> Session | None:
    if day.weekday() >= _SATURDAY or day in _holidays(day.year):
        return None
    close = time(13) if _closes_early(day) else time(16)
    return Session(
        day,
        at_new_york(day - _DAY, time(20)),
        at_new_york(day, time(9, 30)),
        at_new_york(day, close),
        at_new_york(day, time(20)),
    )


def _closes_early(day: date) -> bool:
    """Tell the 13:00 closings: before Independence Day, after Thanksgiving, Christmas Eve."""
    thanksgiving = _nth_weekday(day.year, 11, 3, 4)
    return (day.month, day.day) in ((7, 3), (12, 24)) or day == thanksgiving + _DAY


@lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    new_year = date(year, 1, 1)
    days = {
        # A New Year's Day on a Saturday is not observed: the Friday before closes the books.
        new_year if new_year.weekday() == _SATURDAY else _observed(new_year),
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _easter(year) - timedelta(days=2),
        _nth_weekday(year, 6, 0, 1) - timedelta(days=7),  # the last Monday of May
        _observed(date(year, 7, 4)),
        _nth_weekday(year, 9, 0, 1),
        _nth_weekday(year, 11, 3, 4),
        _observed(date(year, 12, 25)),
    }
    if year >= _JUNETEENTH_SINCE:
        days.add(_observed(date(year, 6, 19)))
    return frozenset(days)


def _observed(day: date) -> date:
    """Move a holiday on a Saturday to the Friday before, one on a Sunday to the Monday after."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def _nth_weekday(year: int, month: int, weekday: int, n: int) -> date:
    """Return the n-th weekday (Monday is 0) of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))


def _easter(year: int) -> date:
    """Return Easter Sunday (source: Meeus, Jones and Butcher's Gregorian computus)."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    leaps, century_rest = divmod(century, 4)
    moon_shift = (
        century - (century - (century + 8) // 25 + 1) // 3 + 15 + 19 * golden - leaps
    ) % 30
    quarter, rest = divmod(of_century, 4)
    to_sunday = (32 + 2 * century_rest + 2 * quarter - moon_shift - rest) % 7
    late = (golden + 11 * moon_shift + 22 * to_sunday) // 451
    month, day = divmod(moon_shift + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)
