"""Say when a run is too short for figures a year: few returns times many a year is mostly luck."""

from __future__ import annotations

from backtest.records import RunResult
from domain.records import NS_PER_S

LEAST_RETURNS = 60
"""Of so many, if normal, the deviation itself is uncertain by 1 / sqrt(2 * 60): nine per cent."""
LEAST_YEARS = 0.25
"""A growth of less than a quarter, compounded to a year, says what nobody has seen."""
_HOUR_S, _DAY_S = 3_600, 86_400


def is_short(n_returns: int, periods: float) -> bool:
    """Tell whether figures a year deserve a caution, at `periods` returns a year."""
    return n_returns < LEAST_RETURNS or n_returns / periods < LEAST_YEARS


def made_of(result: RunResult, periods: float) -> str | None:
    """Return what a short run's figures a year are made of (`5 returns over 7 days`), else none."""
    n = len(result.ts_ns)
    if not is_short(n, periods):
        return None
    if n == 0:
        return "no return"
    seconds = (int(result.ts_ns[-1]) - int(result.ts_ns[0])) / NS_PER_S + result.spec.interval_s
    return f"{n} return{'' if n == 1 else 's'} over {_lasting(seconds)}"


def _lasting(seconds: float) -> str:
    if seconds >= _DAY_S:
        days = round(seconds / _DAY_S)
        return f"{days} day{'' if days == 1 else 's'}"
    if seconds >= _HOUR_S:
        return f"{seconds / _HOUR_S:.1f} hours"
    return f"{seconds / 60:.0f} minutes"
