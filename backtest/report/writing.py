"""Write figures for people: per cent, dollars, intervals; what is undefined is written *none*."""

from __future__ import annotations

from backtest.evidence.records import Cutoff, HeadlineRow, Repeats
from backtest.statistics.intervals import Interval

NONE = "none"
NO_BREAK = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"

_CUTOFF = {
    Cutoff.NOT_A_MODEL: "no model",
    Cutoff.AFTER: "after",
    Cutoff.MIXED: "some before it",
    Cutoff.BEFORE: "before: may be memory",
    Cutoff.UNKNOWN: "unknown: may be memory",
}


def percent(value: float | None, digits: int = 1) -> str:
    """Write a fraction in per cent."""
    return NONE if value is None else f"{number(value * 100, digits)}{NO_BREAK}%"


def number(value: float | None, digits: int = 2) -> str:
    """Write a ratio; what rounds to zero has no sign."""
    return NONE if value is None else f"{value:z,.{digits}f}".replace("-", MINUS)


def times(value: float | None) -> str:
    """Write a multiple of equity."""
    return NONE if value is None else f"{number(value, 1)}{NO_BREAK}{TIMES}"


def usd(value: float | None, digits: int = 2) -> str:
    """Write dollars."""
    return NONE if value is None else f"{number(value, digits)}{NO_BREAK}USD"


def percent_between(interval: Interval | None) -> str:
    """Write an interval of fractions; nothing when there is none."""
    if interval is None:
        return ""
    return f"{number(interval.low * 100, 1)} to {percent(interval.high)}"


def between(interval: Interval | None) -> str:
    """Write an interval of ratios; nothing when there is none."""
    return "" if interval is None else f"{number(interval.low)} to {number(interval.high)}"


def repeats(found: Repeats | None) -> str:
    """Write what K runs of the same configuration spread over."""
    if found is None:
        return "one run"
    return (
        f"K = {found.k}: mean {percent(found.mean)}, spread {percent(found.spread)}, "
        f"{percent(found.flip_rate)} of decisions flip"
    )


def cutoff(where: Cutoff) -> str:
    """Write where decisions stand against the model's knowledge."""
    return _CUTOFF[where]


# The headline's columns, in the order of `cells`; the first `N_COMPARED` are compared in a table.
COLUMNS: tuple[str, ...] = (
    "return",
    "CAGR",
    "volatility",
    "Sharpe",
    "deflated Sharpe",
    "max drawdown",
    "turnover a year",
    "net of model",
    "excess a year over buy and hold",
    "denials",
    "over K runs",
    "knowledge cut-off",
)
N_COMPARED = 10


def cells(row: HeadlineRow) -> tuple[tuple[str, str], ...]:
    """Return a row of the headline as (value, interval), in the order of `COLUMNS`.

    Beside what is a year's stands also, for a short run, what it is made of.
    """
    figures = row.figures
    return (
        (percent(figures.total_return), ""),
        (percent(figures.cagr), _a_year(figures.cagr, "", row)),
        (percent(figures.volatility), _a_year(figures.volatility, "", row)),
        (number(figures.sharpe), _a_year(figures.sharpe, between(row.sharpe_interval), row)),
        (percent(row.deflated_sharpe), ""),
        (percent(figures.max_drawdown), ""),
        (times(figures.turnover), _a_year(figures.turnover, "", row)),
        (percent(row.net_return), ""),
        (percent(row.excess), _a_year(row.excess, percent_between(row.excess_interval), row)),
        (f"{row.denials:,}", ""),
        (repeats(row.repeats), ""),
        (cutoff(row.cutoff), ""),
    )


def _a_year(value: float | None, interval: str, row: HeadlineRow) -> str:
    """Write what stands beside a figure a year: its interval, and what a short run made it of."""
    if value is None or row.made_of is None:
        return interval
    return f"{interval}; from {row.made_of}" if interval else f"from {row.made_of}"
