"""Compute the ten figures of a run from its equity, one number a step.

A figure that is undefined is None, never infinity and never zero: a Sharpe ratio without variation,
a Calmar ratio without a drawdown. Equity includes the capital that the run began with, so a loss of
the first step is a drawdown. Nothing is earned on cash, so returns are not net of a riskless rate.
"""

from __future__ import annotations

from math import fsum

import numpy as np

from backtest.records import Floats, RunResult
from backtest.statistics.length import LEAST_YEARS
from domain.errors import ConfigError
from domain.records import Record

NO_VARIATION = 1e-14
"""A deviation below this is the rounding of equal returns, whose ratios mean nothing."""


class Figures(Record, frozen=True):
    """The ten figures, as fractions (0.1 is ten per cent) or ratios; None where undefined.

    `max_drawdown` is negative or zero. `turnover` counts both sides a year; `exposure` is the mean
    over the steps.
    """

    total_return: float | None
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None
    calmar: float | None
    profit_factor: float | None
    turnover: float | None
    exposure: float | None


def figures_of(result: RunResult, periods: float) -> Figures:
    """Measure a run at `periods` steps a year; under a quarter of one there is no growth a year."""
    equity = equity_of(result)
    returns = returns_of(equity)
    is_grown = len(result.equity) >= LEAST_YEARS * periods
    growth, fall = cagr(equity, periods) if is_grown else None, max_drawdown(equity)
    return Figures(
        total_return=total_return(equity),
        cagr=growth,
        volatility=volatility(returns, periods),
        sharpe=sharpe(returns, periods),
        sortino=sortino(returns, periods),
        max_drawdown=fall,
        calmar=calmar(growth, fall),
        profit_factor=profit_factor(returns),
        turnover=turnover(result, periods),
        exposure=exposure(result),
    )


def equity_of(result: RunResult) -> Floats:
    """Return a run's equity with the capital it began with before it: one longer than its steps."""
    return np.concatenate(([result.spec.cash], result.equity))


def returns_of(equity: Floats) -> Floats:
    """Return the simple return of each step, `E[t] / E[t-1] - 1`.

    Raises `ConfigError` where equity is not a number; a return upon nothing or a debt is undefined,
    so the series ends with the step that lost everything.
    """
    if not np.isfinite(equity).all():
        raise ConfigError(
            f"Equity is not a number at step {int(np.argmin(np.isfinite(equity)))}.",
            remedy="Check the prices of the data there.",
            code="EQUITY_NOT_FINITE",
        )
    ruined = np.flatnonzero(equity <= 0)
    alive = equity[: ruined[0] + 1] if len(ruined) else equity
    return alive[1:] / alive[:-1] - 1.0


def total_return(equity: Floats) -> float | None:
    """Return `E[n] / E[0] - 1`."""
    return float(equity[-1] / equity[0] - 1.0) if len(equity) > 1 else None


def cagr(equity: Floats, periods: float) -> float | None:
    """Return the growth a year that compounds to the whole, `(E[n] / E[0]) ** (periods / n) - 1`.

    None after ruin, and where so short a run would grow beyond all numbers.
    """
    n_steps = len(equity) - 1
    if n_steps < 1 or equity[-1] <= 0:
        return None
    exponent = np.log(equity[-1] / equity[0]) * periods / n_steps
    return float(np.expm1(exponent)) if exponent < np.log(np.finfo(float).max) else None


def volatility(returns: Floats, periods: float) -> float | None:
    """Return the sample deviation (n - 1) a year, `s * sqrt(periods)`."""
    return float(np.std(returns, ddof=1) * np.sqrt(periods)) if len(returns) > 1 else None


def sharpe(returns: Floats, periods: float) -> float | None:
    """Return `mean / s * sqrt(periods)` with the sample deviation s.

    Source: W. F. Sharpe, "The Sharpe Ratio", Journal of Portfolio Management 21 (1994).
    """
    if len(returns) < 2:  # noqa: PLR2004 - a deviation needs two
        return None
    deviation = np.std(returns, ddof=1)
    if deviation < NO_VARIATION:
        return None
    return float(np.mean(returns) / deviation * np.sqrt(periods))


def sortino(returns: Floats, periods: float) -> float | None:
    """Return `mean / d * sqrt(periods)`, d the root mean square of the returns below zero.

    The mean square is over all n steps. Source: F. A. Sortino and L. N. Price, "Performance
    Measurement in a Downside Risk Framework", Journal of Investing 3 (1994).
    """
    if len(returns) < 2:  # noqa: PLR2004 - as for Sharpe's
        return None
    downside = np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2))
    if downside < NO_VARIATION:
        return None
    return float(np.mean(returns) / downside * np.sqrt(periods))


def max_drawdown(equity: Floats) -> float | None:
    """Return the deepest fall from the highest equity before it, `min(E / max(E so far)) - 1`."""
    return float(np.min(drawdowns(equity))) if len(equity) > 1 else None


def drawdowns(equity: Floats) -> Floats:
    """Return at each step how far equity lies below its highest so far, 0 or negative."""
    return equity / np.maximum.accumulate(equity) - 1.0


def calmar(growth: float | None, fall: float | None) -> float | None:
    """Return growth a year over the deepest fall. Source: T. W. Young, Futures, October 1991."""
    return growth / -fall if growth is not None and fall is not None and fall < 0 else None


def profit_factor(returns: Floats) -> float | None:
    """Return the sum of the gains over the sum of the losses, step by step.

    It is the Omega ratio at a threshold of zero. Source: C. Keating and W. F. Shadwick, "A
    Universal Performance Measure", Journal of Performance Measurement 6 (2002).
    """
    losses = -float(np.sum(np.minimum(returns, 0.0)))
    return float(np.sum(np.maximum(returns, 0.0))) / losses if losses > 0 else None


def turnover(result: RunResult, periods: float) -> float | None:
    """Return the notional of all fills, both sides, over the mean equity, a year."""
    mean = float(np.mean(result.equity)) if len(result.equity) else 0.0
    if mean <= 0:
        return None
    traded = fsum(abs(fill.quantity) * fill.price for fill in result.fills)
    return traded / mean * periods / len(result.equity)


def exposure(result: RunResult) -> float | None:
    """Return the mean over the steps of position value over equity; steps after ruin are out."""
    alive = result.equity > 0
    return float(np.mean(result.exposure[alive] / result.equity[alive])) if alive.any() else None
