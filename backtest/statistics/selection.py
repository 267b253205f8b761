"""Discount what was selected: the best of many tries looks good by being the best.

Ratios here are a step, not a year. Kurtosis is 3 for a normal series.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from backtest.records import Floats, Ints
from backtest.statistics.bootstrap import DRAWS, block_length, draws
from backtest.statistics.figures import NO_VARIATION
from domain.records import Record

_NORMAL = NormalDist()
_EULER = 0.5772156649015329
_LEAST = 3


def probabilistic_sharpe(returns: Floats, benchmark: float = 0.0) -> float | None:
    """Return the probability that the true ratio is above `benchmark` (a step).

    Source: D. H. Bailey and M. Lopez de Prado, "The Sharpe Ratio Efficient Frontier", Journal of
    Risk 15 (2012): `Phi((SR - b) sqrt(n - 1) / sqrt(1 - g3 SR + (g4 - 1) / 4 SR^2))`.
    """
    n = len(returns)
    if n < _LEAST or np.std(returns, ddof=1) < NO_VARIATION:
        return None
    centred = returns - returns.mean()
    deviation = np.sqrt(np.mean(centred**2))
    skew, kurtosis = (float(np.mean((centred / deviation) ** power)) for power in (3, 4))
    ratio = float(returns.mean() / np.std(returns, ddof=1))
    return probability_above(benchmark, ratio=ratio, n=n, shape=(skew, kurtosis))


def probability_above(
    benchmark: float, *, ratio: float, n: int, shape: tuple[float, float]
) -> float | None:
    """Return the same from a series' ratio, length, and (skewness, kurtosis)."""
    skew, kurtosis = shape
    variance = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    if variance <= 0:
        return None
    return _NORMAL.cdf((ratio - benchmark) * math.sqrt(n - 1) / math.sqrt(variance))


def best_by_chance(n_tries: int, variance: float) -> float:
    """Return the ratio that the best of `n_tries` without any skill is expected to have.

    `variance` is that of the tries' ratios. Source: Bailey and Lopez de Prado, "The Deflated Sharpe
    Ratio", Journal of Portfolio Management 40 (2014).
    """
    if n_tries < 2:  # noqa: PLR2004 - one try is no selection
        return 0.0
    first = _NORMAL.inv_cdf(1 - 1 / n_tries)
    second = _NORMAL.inv_cdf(1 - 1 / (n_tries * math.e))
    return math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second)


def deflated_sharpe(returns: Floats, n_tries: int, tried: Sequence[float] = ()) -> float | None:
    """Return the probability that the true ratio beats the best of `n_tries` without skill.

    `tried` are the ratios (a step) of tries that were kept; their variance is what the tries vary
    by. With fewer than two it is `1 / (n - 1)`, that of ratios of nothing but noise.
    """
    variance = float(np.var(tried, ddof=1)) if len(tried) > 1 else 1 / max(len(returns) - 1, 1)
    return probabilistic_sharpe(returns, best_by_chance(n_tries, variance))


class Superiority(Record, frozen=True):
    """Hansen's test: how probable the best gain is when no try is better than the benchmark.

    `consistent` is the one to quote; `lower` and `upper` bound it.
    """

    lower: float
    consistent: float
    upper: float


def superior(
    gains: Floats, *, seed: int, n_draws: int = DRAWS, block: float | None = None
) -> Superiority | None:
    """Test whether the best of many tries is better than their benchmark, having chosen it.

    gains: shape (n, tries), each step's return above the benchmark's. Columns that do not vary are
    left out; None when none is left. Source: P. R. Hansen, "A Test for Superior Predictive
    Ability", Journal of Business & Economic Statistics 23 (2005).
    """
    kept = gains[:, np.std(gains, axis=0) >= NO_VARIATION]
    n, tries = kept.shape
    if tries == 0 or n < _LEAST:
        return None
    if block is None:
        block = float(np.median([block_length(column) for column in kept.T]))
    rounds = draws(n, block, seed, n_draws=n_draws)
    means = np.concatenate([_means(kept, indices) for indices in rounds])
    return superiority(kept, means, block=block)


def _means(gains: Floats, indices: Ints) -> Floats:
    """Return the mean of every column in every draw, by how often each step was drawn."""
    n = len(gains)
    offsets = indices + np.arange(len(indices))[:, None] * n
    counts = np.bincount(offsets.ravel(), minlength=len(indices) * n).reshape(-1, n)
    product: Floats = counts @ gains / n
    return product


def superiority(
    gains: Floats, means: Floats, *, block: float, is_studentized: bool = True
) -> Superiority:
    """Judge gains by the means of their draws, shape (draws, tries)."""
    n = len(gains)
    found = gains.mean(axis=0)
    variances = _long_run_variances(gains, block)
    scale = np.sqrt(variances / n) if is_studentized else np.ones_like(found)
    threshold = -np.sqrt(variances / n * 2 * math.log(math.log(n)))
    centres = {
        "lower": np.maximum(found, 0.0),
        "consistent": np.where(found >= threshold, found, 0.0),
        "upper": found,
    }
    best = max(0.0, float(np.max(found / scale))) if is_studentized else float(np.max(found))
    worst = {
        name: float(np.mean(np.max((means - centre) / scale, axis=1) > best))
        for name, centre in centres.items()
    }
    return Superiority(**worst)


def _long_run_variances(gains: Floats, block: float) -> Floats:
    """Return each column's variance of sqrt(n) times its mean, as the stationary bootstrap has it.

    Source: Hansen (2005), after Politis and Romano (1994), equation 2.
    """
    n, p = len(gains), 1.0 / block
    spectrum = np.fft.rfft(gains - gains.mean(axis=0), n=2 * n, axis=0)
    covariances = np.fft.irfft(np.abs(spectrum) ** 2, axis=0)[:n] / n
    i = np.arange(1, n)
    kernel = (1 - i / n) * (1 - p) ** i + i / n * (1 - p) ** (n - i)
    found: Floats = covariances[0] + 2 * kernel @ covariances[1:]
    return np.maximum(found, NO_VARIATION**2)
