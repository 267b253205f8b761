"""Draw a series again and again so that its dependence survives: the stationary bootstrap.

Returns are not independent, and an interval that takes them so is too narrow. Blocks of geometric
length keep what lies next to each other together; how long they must be, the series itself says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from backtest.records import Floats, Ints

DRAWS = 1_000
"""Draws behind an interval: its ends move by a few per cent of its width with the seed."""
_AT_ONCE = 2_000_000
"""Numbers drawn at once, which bounds memory at about 60 MB."""


def block_length(series: Floats) -> float:
    """Return the mean block length, at least 1, that estimates the variance of the mean best.

    Source: D. N. Politis and H. White, "Automatic Block-Length Selection for the Dependent
    Bootstrap", Econometric Reviews 23 (2004), corrected by A. Patton, Politis and White (2009):
    `(2 g^2 / d)^(1/3) n^(1/3)` with a flat-top window up to twice the lag after which
    autocorrelations are insignificant. Series too short or too constant to say answer 1.
    """
    n = len(series)
    deviations = series - series.mean() if n else series
    if n < 9 or not np.any(np.abs(deviations) > 0):  # noqa: PLR2004 - the lags need so many
        return 1.0
    most = np.ceil(min(3 * np.sqrt(n), n / 3))
    reach = max(5, int(np.log10(n)))
    lags = int(np.ceil(np.sqrt(n))) + reach
    covariances = _covariances(deviations, lags)
    window = min(2 * _last_lag(deviations, covariances, reach), lags)
    k = np.arange(1, window + 1)
    weights = np.where(k / window <= 0.5, 1.0, 2 * (1 - k / window))  # noqa: PLR2004 - flat top
    g = 2 * np.sum(weights * k * covariances[1 : window + 1])
    variance = covariances[0] + 2 * np.sum(weights * covariances[1 : window + 1])
    if variance == 0:
        return 1.0
    best = (2 * g**2 / (2 * variance**2)) ** (1 / 3) * n ** (1 / 3)
    return float(max(1.0, min(best, most)))


def _covariances(deviations: Floats, lags: int) -> Floats:
    """Return the autocovariances of lag 0 to `lags`, each over n."""
    n = len(deviations)
    kept = min(lags, n - 1)
    found = [deviations[i:] @ deviations[: n - i] for i in range(kept + 1)]
    return np.array([*found, *[0.0] * (lags - kept)]) / n


def _last_lag(deviations: Floats, covariances: Floats, reach: int) -> int:
    """Return the lag behind which `reach` autocorrelations in a row are insignificant.

    Each is over the deviations that both its sides have, the newest and the oldest one left out.
    Where there is no such lag the answer is beyond the last.
    """
    n, lags = len(deviations), len(covariances) - 1
    squares = np.concatenate(([0.0], np.cumsum(deviations**2)))
    i = np.minimum(np.arange(1, lags + 2), n - 1)
    late, early = squares[-1] - squares[i], squares[n - i]
    with np.errstate(divide="ignore", invalid="ignore"):
        correlations = np.abs(covariances * n) / np.sqrt(late * early)
    is_small = correlations < 2 * np.sqrt(np.log10(n) / n)
    for lag in range(lags + 1 - reach):
        if is_small[lag : lag + reach].all():
            return max(lag, 1)
    return lags


def draws(n: int, block: float, seed: int, *, n_draws: int = DRAWS) -> Iterator[Ints]:
    """Yield index arrays of shape (rows, n), `n_draws` rows in all, each one draw of the series.

    A new block begins with probability `1 / block` at each step, anywhere, and runs on around the
    end. Source: D. N. Politis and J. P. Romano, "The Stationary Bootstrap", JASA 89 (1994).
    """
    rng = np.random.default_rng(seed)
    steps = np.arange(n)
    at_once = max(1, _AT_ONCE // max(n, 1))
    for first in range(0, n_draws, at_once):
        shape = (min(at_once, n_draws - first), n)
        is_new = rng.random(shape) < 1.0 / block
        is_new[:, 0] = True
        since = np.maximum.accumulate(np.where(is_new, steps, 0), axis=1)
        starts = np.take_along_axis(rng.integers(n, size=shape), since, axis=1)
        yield (starts + steps - since) % n


def drawn(
    series: Floats,
    measure: Callable[[Floats], Floats],
    *,
    block: float | None = None,
    seed: int,
    n_draws: int = DRAWS,
) -> Floats:
    """Return `measure` of each draw: it takes draws as rows and answers one number a row.

    Without `block` the series chooses its own length.
    """
    length = block_length(series) if block is None else block
    rounds = draws(len(series), length, seed, n_draws=n_draws)
    return np.concatenate([measure(series[indices]) for indices in rounds])
