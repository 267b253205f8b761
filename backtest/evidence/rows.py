"""Write the headline: a row for the analyst and each baseline, and the sentence on significance."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from backtest.baselines.table import RANDOM
from backtest.controls.cutoffs import is_claimable, label_all
from backtest.evidence.records import (
    NOT_DISTINGUISHABLE,
    Band,
    Cutoff,
    HeadlineRow,
    Repeats,
)
from backtest.evidence.runs import Runs
from backtest.records import Floats, RunResult
from backtest.statistics.figures import equity_of, figures_of, returns_of
from backtest.statistics.intervals import Interval, paired_interval, sharpe_interval
from backtest.statistics.length import made_of
from backtest.statistics.selection import deflated_sharpe

HOLD = "buy-and-hold"
LIKELY = 0.95
MIDDLE = 0.9


def ratio_of(result: RunResult) -> float | None:
    """Return a run's Sharpe ratio a step, as tries are kept; none where nothing varies."""
    figures = figures_of(result, 1.0)
    return figures.sharpe


def paired_returns(one: RunResult, other: RunResult) -> tuple[Floats, Floats]:
    """Return both runs' returns over the steps that both have: a run that was cut has fewer."""
    _, ours, theirs = np.intersect1d(one.ts_ns, other.ts_ns, return_indices=True)
    curves = (
        np.concatenate(([run.spec.cash], run.equity[kept]))
        for run, kept in ((one, ours), (other, theirs))
    )
    first, second = (returns_of(curve) for curve in curves)
    n = min(len(first), len(second))
    return first[:n], second[:n]


def row_of(
    name: str,
    result: RunResult,
    hold: RunResult,
    *,
    periods: float,
    tried: tuple[int, Sequence[float]] = (1, ()),
) -> HeadlineRow:
    """Measure one run beside buy and hold; `tried` are the tries and the ratios that were kept."""
    seed = result.spec.seed
    returns = returns_of(equity_of(result))
    excess, interval = None, None
    if result is not hold:
        ours, theirs = paired_returns(result, hold)
        excess = float(np.mean(ours - theirs) * periods) if len(ours) else None
        interval = _a_year(paired_interval(ours, theirs, seed=seed), periods)
    return HeadlineRow(
        name=name,
        is_baseline=True,
        figures=figures_of(result, periods),
        sharpe_interval=sharpe_interval(returns, periods, seed=seed),
        deflated_sharpe=deflated_sharpe(returns, *tried),
        excess=excess,
        excess_interval=interval,
        net_return=_net(result),
        model_cost_usd=result.paid.model,
        denials=sum(result.denials.values()),
        n_fills=len(result.fills),
        made_of=made_of(result, periods),
    )


def _a_year(interval: Interval | None, periods: float) -> Interval | None:
    if interval is None:
        return None
    return msgspec.structs.replace(
        interval, low=interval.low * periods, high=interval.high * periods
    )


def _net(result: RunResult) -> float | None:
    """Return the total return after what the model cost."""
    if not len(result.equity):
        return None
    return float((result.equity[-1] - result.paid.model) / result.spec.cash - 1.0)


def analysts_row(
    runs: Runs,
    hold: RunResult,
    *,
    periods: float,
    tried: tuple[int, Sequence[float]],
    repeats: Repeats | None,
) -> HeadlineRow:
    """Measure the judged run; what it may not claim for what its model has read is left out."""
    main = runs.main
    row = row_of(main.spec.analyst, main, hold, periods=periods, tried=tried)
    cutoff = label_all(main.spec.analyst, (one.ts_ns for one in main.decisions))
    row = msgspec.structs.replace(row, is_baseline=False, cutoff=cutoff, repeats=repeats)
    if is_claimable(cutoff):
        return row
    return msgspec.structs.replace(
        row, deflated_sharpe=None, excess=None, excess_interval=None, sharpe_interval=None
    )


def randoms_row(runs: Runs, hold: RunResult, *, periods: float) -> HeadlineRow | None:
    """Measure the random trader whose equity ends in the middle; none without one."""
    ended = [run for run in runs.random if len(run.equity)]
    if not ended:
        return None
    middle = sorted(ended, key=lambda run: float(run.equity[-1]))[len(ended) // 2]
    return row_of(f"{RANDOM} (median of {len(ended)})", middle, hold, periods=periods)


def sentence_on(row: HeadlineRow, n_tries: int) -> str:
    """Say in one sentence what the excess over buy and hold means, whatever it is."""
    if not is_claimable(row.cutoff):
        return _refusal(row.cutoff)
    interval = row.excess_interval
    if interval is None or row.excess is None:
        return f"too few steps to say anything: {NOT_DISTINGUISHABLE}"
    bounds = f"95 % between {interval.low:+.1%} and {interval.high:+.1%}"
    told = f"(excess {row.excess:+.1%} a year, {bounds})"
    if interval.covers_zero:
        return f"{NOT_DISTINGUISHABLE} {told}"
    if interval.high < 0:
        return f"worse than buy and hold beyond its interval {told}"
    better = f"more than buy and hold beyond its interval {told}"
    if row.deflated_sharpe is not None and row.deflated_sharpe > LIKELY:
        return better
    tries = f"{n_tries} {'try' if n_tries == 1 else 'tries'}"
    return f"{better}, but {tries} find as much by chance"


def _refusal(cutoff: Cutoff) -> str:
    match cutoff:
        case Cutoff.UNKNOWN:
            why = "nobody published what the model has read"
        case Cutoff.MIXED:
            why = "some decisions lie before the model's knowledge cut-off"
        case _:
            why = "every decision lies before the model's knowledge cut-off"
    return f"no claim: {why}, so it may have read what it decides about"


def band_of(runs: Sequence[RunResult]) -> Band | None:
    """Return where the middle nine tenths of the random traders' equity lie; none of too few."""
    ended = [run for run in runs if len(run.equity) == len(runs[0].equity)]
    if len(ended) < 2:  # noqa: PLR2004 - one trader is no band
        return None
    tail = (1 - MIDDLE) / 2
    low, middle, high = np.quantile(
        np.stack([run.equity for run in ended]), (tail, 0.5, 1 - tail), axis=0
    )
    return Band(name=RANDOM, ts_ns=ended[0].ts_ns, low=low, middle=middle, high=high)
