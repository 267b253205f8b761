"""Hold the times of bars against the hours in which their market trades."""

from __future__ import annotations

from enum import StrEnum
from functools import cache

import exchange_calendars
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from backtest.data.reading.bars import DAY_NS, SymbolBars
from backtest.data.reading.times import NEW_YORK
from backtest.data.remarks import DataWarning, Odd, counted, first_rows
from backtest.records import Ints
from domain.market import AssetClass, asset_class_of
from domain.records import NS_PER_S

MINUTE_NS = 60 * NS_PER_S
HOUR_NS = 3_600 * NS_PER_S
QUIET_NS = 30 * MINUTE_NS
"""A stock may print nothing for minutes; half an hour without a bar is worth a word."""
_WEEK_H = 168
_FRIDAY_EVENING_H = 24 + 20
"""Hours since the Thursday that 1970 began with; the currency week ends at 21:00 or 22:00 UTC."""
_MONDAY_MORNING_H = 4 * 24 + 1
_FIRST, _LAST = "1970-01-01", "2031-12-31"


class Hours(StrEnum):
    """When a market trades: New York's sessions, the currency week, or always."""

    XNYS = "XNYS"
    FX = "24/5"
    ALWAYS = "24/7"

    @classmethod
    def of(cls, symbol: str) -> Hours:
        """Return Alpaca's hours for a symbol: always for crypto, else New York's."""
        return cls.ALWAYS if asset_class_of(symbol) is AssetClass.CRYPTO else cls.XNYS


def gaps(bars: SymbolBars, interval_s: int, hours: Hours) -> list[DataWarning]:
    """Warn of missing bars between the first and the last, and of bars while nobody traded."""
    step = interval_s * NS_PER_S
    if hours is not Hours.XNYS:
        return _holes(bars, step, _weekends(bars) if hours is Hours.FX else None)
    if step > DAY_NS:
        return []
    if step == DAY_NS:
        return _days(bars)
    return _sessions(bars, step)


@cache
def session_days() -> Ints:
    """Return New York's session days as days since 1970, from 1970 on (exchange_calendars)."""
    return np.asarray(_calendar().sessions.to_numpy().astype("datetime64[D]").astype(np.int64))


@cache
def session_hours() -> tuple[Ints, Ints]:
    """Return opens and closes of New York's sessions (ns)."""
    calendar = _calendar()
    opens, closes = (
        pd.DatetimeIndex(each).as_unit("ns").asi8 for each in (calendar.opens, calendar.closes)
    )
    return np.asarray(opens), np.asarray(closes)


@cache
def _calendar() -> exchange_calendars.ExchangeCalendar:
    return exchange_calendars.get_calendar("XNYS", start=_FIRST, end=_LAST)


def days_of(ts_ns: Ints) -> Ints:
    """Return each instant's date in New York as days since 1970."""
    index = pd.DatetimeIndex(ts_ns.astype("datetime64[ns]"), tz="UTC").tz_convert(NEW_YORK)
    local = index.tz_localize(None).to_numpy().astype("datetime64[D]")
    return np.asarray(local.astype(np.int64))


def _days(bars: SymbolBars) -> list[DataWarning]:
    days, sessions = days_of(bars.ts_ns), session_days()
    expected = sessions[(sessions >= days[0]) & (sessions <= days[-1])]
    missing = expected[~np.isin(expected, days)]
    warnings = [_missing_days(bars, days, missing)] if len(missing) else []
    is_known = (days >= sessions[0]) & (days <= sessions[-1])
    closed = np.flatnonzero(is_known & ~np.isin(days, sessions))
    if len(closed):
        what = f"{counted(len(closed), 'bar')} on days without a session"
        refs = [bars.ref(at, "no session that day") for at in first_rows(closed)]
        warnings.append(bars.warning(Odd.NOT_A_SESSION, what, refs, len(closed)))
    return warnings


def _missing_days(bars: SymbolBars, days: Ints, missing: Ints) -> DataWarning:
    """Warn once, naming for each hole the row before it."""
    before = np.searchsorted(days, missing) - 1
    holes, counts = np.unique(before, return_counts=True)
    refs = [
        bars.ref(at, f"{counted(int(counts[n]), 'session')} missing until {bars.time(at + 1)}")
        for n, at in enumerate(first_rows(holes))
    ]
    what = f"{counted(len(missing), 'session')} without a bar"
    return bars.warning(Odd.GAP, what, refs, len(holes))


def _sessions(bars: SymbolBars, step: int) -> list[DataWarning]:
    """Check bars within a day: whole sessions missing, holes inside one, bars outside all."""
    opens, closes = session_hours()
    at = np.minimum(np.searchsorted(closes, bars.ts_ns, side="right"), len(opens) - 1)
    is_open = opens[at] < bars.ts_ns + step
    warnings = []
    outside = np.flatnonzero(~is_open)
    if len(outside):
        refs = [bars.ref(row, "outside regular hours") for row in first_rows(outside)]
        what = f"{counted(len(outside), 'bar')} outside regular hours"
        warnings.append(bars.warning(Odd.OUTSIDE_HOURS, what, refs, len(outside)))
    inside = np.flatnonzero(is_open)
    skipped = np.diff(at[inside]) - 1
    pauses = np.diff(bars.ts_ns[inside])
    lost = np.flatnonzero(skipped > 0)
    if len(lost):
        refs = [
            bars.ref(inside[n], f"{counted(int(skipped[n]), 'session')} missing after it")
            for n in first_rows(lost)
        ]
        what = f"{counted(int(skipped[lost].sum()), 'session')} without a bar"
        warnings.append(bars.warning(Odd.GAP, what, refs, len(lost)))
    quiet = np.flatnonzero((skipped < 0) & (pauses > max(QUIET_NS, 3 * step)))
    if len(quiet):
        refs = [
            bars.ref(inside[n], f"{pauses[n] // MINUTE_NS} min to the next bar")
            for n in first_rows(quiet)
        ]
        what = f"{counted(len(quiet), 'hole')} within sessions"
        warnings.append(bars.warning(Odd.HOLE, what, refs, len(quiet)))
    return warnings


def _weekends(bars: SymbolBars) -> NDArray[np.bool_]:
    """Tell which pauses are a week's end: from Friday 20:00 UTC on, until Monday 01:00 at most."""
    ends, resumes = bars.ts_ns[:-1] // HOUR_NS, bars.ts_ns[1:] // HOUR_NS
    since_friday = (ends - _FRIDAY_EVENING_H) % _WEEK_H
    until_monday = _MONDAY_MORNING_H - _FRIDAY_EVENING_H
    return np.asarray((since_friday + (resumes - ends)) <= until_monday)


def _holes(bars: SymbolBars, step: int, is_rest: NDArray[np.bool_] | None) -> list[DataWarning]:
    pauses = np.diff(bars.ts_ns)
    is_hole = pauses > step
    if is_rest is not None:
        is_hole &= ~is_rest
    holes = np.flatnonzero(is_hole)
    if not len(holes):
        return []
    missing = pauses // step - 1
    refs = [
        bars.ref(at, f"{counted(int(missing[at]), 'bar')} missing until {bars.time(at + 1)}")
        for at in first_rows(holes)
    ]
    return [
        bars.warning(
            Odd.GAP, f"{counted(int(missing[holes].sum()), 'bar')} missing", refs, len(holes)
        )
    ]
