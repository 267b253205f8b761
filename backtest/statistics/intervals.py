"""Bound what is measured: intervals of means, of differences, of Sharpe ratios, and of shares."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from backtest.records import Floats
from backtest.statistics.bootstrap import DRAWS, drawn
from backtest.statistics.figures import NO_VARIATION
from domain.errors import ConfigError
from domain.records import Record

LEVEL = 0.95
LEAST_STEPS = 20
"""Below so many steps an interval by drawing again would only look like one."""


class Interval(Record, frozen=True):
    """An interval at a confidence level (0.95), in the unit of what it bounds."""

    low: float
    high: float
    level: float = LEVEL

    @property
    def covers_zero(self) -> bool:
        """Tell whether nothing is among what it allows."""
        return self.low <= 0.0 <= self.high


def mean_interval(
    series: Floats, *, seed: int, block: float | None = None, n_draws: int = DRAWS
) -> Interval | None:
    """Bound the mean of dependent observations by the stationary bootstrap's percentiles.

    None for fewer than `LEAST_STEPS` observations. Source: B. Efron, "Bootstrap Methods: Another
    Look at the Jackknife", Annals of Statistics 7 (1979), for the percentile method.
    """
    if len(series) < LEAST_STEPS:
        return None
    means = drawn(series, lambda rows: rows.mean(axis=1), block=block, seed=seed, n_draws=n_draws)
    return _percentiles(means)


def paired_interval(ours: Floats, theirs: Floats, *, seed: int) -> Interval | None:
    """Bound the mean of the differences of two series that share their steps.

    Pairing takes out what moved both, which is most of it. Raises `ConfigError` for series of
    different lengths.
    """
    if len(ours) != len(theirs):
        raise ConfigError(
            f"Series of {len(ours)} and {len(theirs)} steps cannot be paired.",
            remedy="Compare runs over the same data and time.",
            code="NOT_PAIRED",
        )
    return mean_interval(ours - theirs, seed=seed)


def sharpe_interval(returns: Floats, periods: float, *, seed: int) -> Interval | None:
    """Bound the Sharpe ratio a year, whose mean and deviation are drawn together.

    None for short series, and where nothing varies.
    """
    if len(returns) < LEAST_STEPS or np.std(returns, ddof=1) < NO_VARIATION:
        return None
    ratios = drawn(returns, _ratios, seed=seed)
    known = ratios[np.isfinite(ratios)]
    return _percentiles(known * np.sqrt(periods)) if len(known) else None


def _ratios(rows: Floats) -> Floats:
    deviations = rows.std(axis=1, ddof=1)
    is_known = deviations >= NO_VARIATION
    return np.where(is_known, rows.mean(axis=1) / np.where(is_known, deviations, 1.0), np.nan)


def _percentiles(values: Floats) -> Interval:
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return Interval(low=float(low), high=float(high))


def share_interval(hits: float, n: int) -> Interval | None:
    """Bound a share of independent trials, whose hits may be fractions; None without a trial.

    Source: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference",
    JASA 22 (1927).
    """
    if n == 0:
        return None
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * np.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Interval(low=max(0.0, float(middle - half)), high=min(1.0, float(middle + half)))


def none_in(n: int) -> float:
    """Return the highest share that zero of n leaves possible at 95 %, about `3 / n`.

    Source: J. A. Hanley and A. Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?",
    JAMA 249 (1983): `1 - 0.05 ** (1 / n)`.
    """
    return 1.0 - (1.0 - LEVEL) ** (1.0 / n) if n else 1.0
