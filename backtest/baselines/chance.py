"""Trade at random, as often and as much as the run it is compared with.

What a rule earns beyond this trader is not explained by being in the market so much, nor by paying
for so many trades. One of him proves nothing: many seeds make a band.
"""

from __future__ import annotations

import random

import numpy as np

from backtest.policy import PolicyView
from backtest.records import FillRow, Floats, RunResult
from domain.records import Record

NO_LOT = 1e-9
"""What rounding leaves of a position that was sold: below any lot."""


class Habits(Record, frozen=True):
    """How a trader behaves: chance a bar to buy when flat, to sell when long, and how much.

    Long `p_enter / (p_enter + p_leave)` of the time, with holdings of `1 / p_leave` bars.
    """

    p_enter: float
    p_leave: float
    share: float


class RandomTrader:
    """Toss a coin at every bar; one seed and symbol always toss the same."""

    __slots__ = ("_habits", "_toss")
    name = "random"

    def __init__(self, habits: Habits, symbol: str, seed: int) -> None:
        self._habits = habits
        self._toss = random.Random(f"{seed}:{symbol}").random  # noqa: S311 - a trader, no secret

    def target(self, view: PolicyView) -> float | None:
        """Want the share, or nothing, when the coin says so."""
        habits, toss = self._habits, self._toss()
        if view.quantity == 0:
            return habits.share if toss < habits.p_enter else None
        return 0.0 if toss < habits.p_leave else None


def habits_of(result: RunResult) -> Habits:
    """Measure a run's habits, so that a random trader has the same turnover and exposure.

    A mean over its symbols; a run that never bought gives a trader who never does. The share is
    what was bought, over the equity of the step.
    """
    n_steps = len(result.ts_ns) * len(result.spec.symbols)
    held = entries = exits = 0
    shares: list[float] = []
    for symbol in result.spec.symbols:
        fills = [fill for fill in result.fills if fill.symbol == symbol]
        is_held = np.abs(held_at(result, symbol)) > 0
        changed = np.diff(is_held.astype(np.int64), prepend=0)
        held += int(is_held.sum())
        entries += int(np.sum(changed > 0))
        exits += int(np.sum(changed < 0))
        shares += _shares(fills, result)
    return Habits(
        p_enter=_rate(entries, n_steps - held),
        p_leave=_rate(exits, held),
        share=float(np.mean(shares)) if shares else 0.0,
    )


def _rate(count: int, steps: int) -> float:
    return min(1.0, count / steps) if steps else 0.0


def held_at(result: RunResult, symbol: str) -> Floats:
    """Return the signed quantity that a run held at each step."""
    fills = [fill for fill in result.fills if fill.symbol == symbol]
    times = np.array([fill.ts_ns for fill in fills], dtype=np.int64)
    totals = np.concatenate(([0.0], np.cumsum([fill.quantity for fill in fills])))
    quantities = totals[np.searchsorted(times, result.ts_ns, side="right")]
    return np.where(np.abs(quantities) < NO_LOT, 0.0, quantities)


def _shares(fills: list[FillRow], result: RunResult) -> list[float]:
    """Return what each purchase cost as a share of equity; parts of one order are one purchase."""
    if not len(result.ts_ns):
        return []
    bought: dict[tuple[str | None, int], float] = {}
    last = len(result.ts_ns) - 1
    for fill in fills:
        if fill.leg == "entry":
            step = min(int(np.searchsorted(result.ts_ns, fill.ts_ns)), last)
            key = (fill.decision_id, step if fill.decision_id is None else 0)
            share = abs(fill.quantity) * fill.price / result.equity[step]
            bought[key] = bought.get(key, 0.0) + share
    return list(bought.values())
