"""Count the steps of a year by the market's own calendar: figures a year stand on this number."""

from __future__ import annotations

from functools import cache

import exchange_calendars

from backtest.records import RunSpec
from domain.market import AssetClass, asset_class_of
from domain.records import parse_ns, to_datetime

DAY_S = 86_400
SESSION_S = 23_400
"""A regular stock session, 9:30 to 16:00 New York; the few short days are not told apart."""
YEAR_S = 365.2425 * DAY_S
CRYPTO_DAYS = 365.0
NEW_YORK = "XNYS"


def periods_of(spec: RunSpec) -> float:
    """Return how many steps a year has for a run: stocks by their sessions, crypto 365 days.

    A run over both steps whenever either does, so it has crypto's.
    """
    classes = {asset_class_of(symbol) for symbol in spec.symbols}
    if AssetClass.CRYPTO in classes:
        return CRYPTO_DAYS * DAY_S / spec.interval_s
    first, last = (to_datetime(parse_ns(when)).year for when in (spec.start, spec.end))
    return stock_periods(spec.interval_s, first, last)


def stock_periods(interval_s: int, first_year: int, last_year: int) -> float:
    """Return the steps of a year of New York's sessions, a mean over whole years.

    Steps longer than a day count by the length of the year.
    """
    if interval_s > DAY_S:
        return YEAR_S / interval_s
    a_session = 1.0 if interval_s == DAY_S else SESSION_S / interval_s
    return sessions_a_year(first_year, last_year) * a_session


@cache
def sessions_a_year(first_year: int, last_year: int) -> float:
    """Count the sessions of whole years, both included, and divide by the years.

    Source: exchange_calendars, XNYS.
    """
    calendar = exchange_calendars.get_calendar(
        NEW_YORK, start=f"{first_year}-01-01", end=f"{last_year}-12-31"
    )
    return len(calendar.sessions) / (last_year - first_year + 1)
