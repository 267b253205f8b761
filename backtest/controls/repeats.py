"""C6 and C7: run it again, and bound what was measured."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult, HeadlineRow, Repeats
from backtest.records import RunResult
from backtest.statistics.figures import equity_of, total_return
from domain.errors import ConfigError

MODELS = ("llm:", "local:")
MOST_FLIPS = 0.1
"""Decisions that may differ from run to run and the runs are still one thing."""


def repeats_of(results: Sequence[RunResult]) -> Repeats:
    """Return mean and spread of the total return over K runs, and how often decisions flip.

    Raises `ConfigError` when there is no run.
    """
    if not results:
        raise ConfigError("There are no runs.", remedy="Run once at least.", code="NO_RUNS")
    returns = [total_return(equity_of(result)) or 0.0 for result in results]
    return Repeats(
        k=len(results),
        mean=float(np.mean(returns)),
        spread=float(np.std(returns, ddof=1)) if len(returns) > 1 else 0.0,
        flip_rate=flip_rate(results),
    )


def flip_rate(results: Sequence[RunResult]) -> float:
    """Return how often two runs of K decide differently at the same time and symbol, 0 to 1.

    Over all pairs of runs. A decision that only one of them took differs.
    """
    actions: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for result in results:
        for row in result.decisions:
            actions[row.ts_ns, row.symbol][row.action] += 1
    pairs = alike = 0
    for said in actions.values():
        silent = len(results) - said.total()
        pairs += math.comb(len(results), 2)
        alike += sum(math.comb(n, 2) for n in (*said.values(), silent))
    return 1 - alike / pairs if pairs else 0.0


def repeated(results: Sequence[RunResult]) -> ControlResult:
    """Report C6: a run that asks no model gives one digest; a model's runs agree for the most part.

    One run of a model says nothing of its spread, and is not judged.
    """
    spread = repeats_of(results)
    n_digests = len({result.digest for result in results})
    figures = {
        "k": float(spread.k),
        "mean": spread.mean,
        "spread": spread.spread,
        "flip_rate": spread.flip_rate,
        "digests": float(n_digests),
    }
    if spread.k == 1:
        return found("C6", "one run says nothing of its spread", passed=None, **figures)
    if not results[0].spec.analyst.startswith(MODELS):
        line = f"{spread.k} runs gave {n_digests} journal digest{'s' if n_digests > 1 else ''}"
        return found("C6", line, passed=n_digests == 1, **figures)
    line = (
        f"{spread.k} runs return {spread.mean:+.1%} on average with a spread of "
        f"{spread.spread:.1%}; {spread.flip_rate:.1%} of the decisions differ"
    )
    return found("C6", line, passed=spread.flip_rate <= MOST_FLIPS, **figures)


def intervals(row: HeadlineRow) -> ControlResult:
    """Report C7: the excess over buy and hold has an interval, and it lies above zero."""
    interval = row.excess_interval
    if interval is None or row.excess is None:
        return found("C7", "too few steps for an interval", passed=None)
    line = (
        f"the excess over buy and hold is {row.excess:+.1%} a year, "
        f"95 % between {interval.low:+.1%} and {interval.high:+.1%}"
    )
    figures = {"excess": row.excess, "low": interval.low, "high": interval.high}
    return found("C7", line, passed=interval.low > 0, **figures)
