"""Find which decision of one side is which of the other, and whose fills are whose."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence

from backtest.compare.records import Execution, Side, Step


def matched(
    live: Sequence[Step], simulated: Sequence[Step], *, within_ns: int
) -> list[tuple[Step | None, Step | None]]:
    """Pair decisions of one symbol by their times, the nearest first; the rest stands alone.

    Each decision is in one pair. Ordered by time.
    """
    pairs: list[tuple[Step | None, Step | None]] = []
    ours, theirs = _by_symbol(live), _by_symbol(simulated)
    for symbol in sorted(ours.keys() | theirs.keys()):
        pairs += _matched_of(ours[symbol], theirs[symbol], within_ns)
    return sorted(pairs, key=_when)


def _when(pair: tuple[Step | None, Step | None]) -> tuple[int, str]:
    step = pair[0] or pair[1]
    assert step is not None
    return step.as_of_ns, step.symbol


def _by_symbol(steps: Sequence[Step]) -> defaultdict[str, list[Step]]:
    grouped: defaultdict[str, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda step: step.as_of_ns):
        grouped[step.symbol].append(step)
    return grouped


def _matched_of(
    live: list[Step], simulated: list[Step], within_ns: int
) -> list[tuple[Step | None, Step | None]]:
    times = [step.as_of_ns for step in simulated]
    near = sorted(
        (abs(times[j] - step.as_of_ns), i, j)
        for i, step in enumerate(live)
        for j in range(
            bisect_left(times, step.as_of_ns - within_ns),
            bisect_right(times, step.as_of_ns + within_ns),
        )
    )
    taken: dict[int, int] = {}
    free = set(range(len(simulated)))
    for _, i, j in near:
        if i not in taken and j in free:
            taken[i] = j
            free.discard(j)
    pairs = [(step, simulated[taken[i]] if i in taken else None) for i, step in enumerate(live)]
    return [*pairs, *((None, simulated[j]) for j in sorted(free))]


def executions_by_step(side: Side) -> dict[str, tuple[Execution, ...]]:
    """Return each step's fills: those of its own orders, and the exits of what it opened.

    A stop or a target belongs to the last decision before it whose order filled in that symbol.
    What no decision opened (a position from before) stands under the empty name.
    """
    known = {step.id for step in side.steps}
    opened: dict[str, str] = {}
    found: defaultdict[str, list[Execution]] = defaultdict(list)
    for execution in side.executions:
        if execution.step_id in known and execution.step_id is not None:
            opened[execution.symbol] = execution.step_id
        found[opened.get(execution.symbol, "")].append(execution)
    return {name: tuple(fills) for name, fills in found.items()}
