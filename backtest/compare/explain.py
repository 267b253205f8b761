"""Explain, decision by decision, what differs, and how many dollars each difference is worth.

The live result less the simulated one is taken apart without a rest. Of each decision's fills, in
one direction of its trade at a time, with q and p the quantity and mean price of the live (l) and
the simulated (s) side, and M one price at which both value what they hold::

    q_l (M - p_l) - q_s (M - p_s)  =  (q_l - q_s) (M - p_s)  +  q_l (p_s - p_l)

The second term is the fill's price. The first is the quantity's: the data's, where the decision
differs and so does what it saw; the decision's, where that differs alone; else the fill's. Fees and
the model's dollars are costs. A decision that one side never made is worth its whole result.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import fsum

import msgspec

from backtest.compare.differences import Fills, alone, between, result, slippage
from backtest.compare.matching import executions_by_step, matched
from backtest.compare.records import Cause, Comparison, Difference, Pair, Side, Step

Marks = dict[str, float]


def compare(live: Side, simulated: Side, *, within_ns: int) -> Comparison:
    """Return what differs between two sides, over the time that both cover, and why.

    Decisions of one symbol within `within_ns` of each other are the same decision.
    """
    ours, theirs, outside = _overlapping(live, simulated, within_ns)
    pairs = _pairs(ours, theirs, within_ns)
    both = [pair for pair in pairs if pair.live and pair.simulated]
    return Comparison(
        pairs=tuple(pairs),
        matched=len(both),
        only_live=sum(pair.live is not None for pair in pairs) - len(both),
        only_simulated=sum(pair.simulated is not None for pair in pairs) - len(both),
        outside=outside,
        changed=sum(any(d.cause is Cause.DECISION for d in pair.differences) for pair in both),
        usd=fsum(pair.usd for pair in pairs),
        usd_by_cause=_usd_by_cause(pairs),
        count_by_cause=_count_by_cause(pairs),
        slippage_live_bps=slippage(ours.executions),
        slippage_simulated_bps=slippage(theirs.executions),
    )


def _overlapping(live: Side, simulated: Side, within_ns: int) -> tuple[Side, Side, int]:
    """Keep of both sides the time that both cover; returns how many decisions lie outside."""
    if not (live.steps and simulated.steps):
        return live, simulated, 0
    start = max(live.steps[0].as_of_ns, simulated.steps[0].as_of_ns) - within_ns
    end = min(live.steps[-1].as_of_ns, simulated.steps[-1].as_of_ns) + within_ns
    ours, theirs = (_cut(side, start, end) for side in (live, simulated))
    whole = len(live.steps) + len(simulated.steps)
    return ours, theirs, whole - len(ours.steps) - len(theirs.steps)


def _cut(side: Side, start: int, end: int) -> Side:
    """Keep the decisions of a time and the fills of what they opened, whenever those came."""
    steps = tuple(step for step in side.steps if start <= step.as_of_ns <= end)
    kept = {step.id for step in steps}
    owned = executions_by_step(side)
    fills = [fill for name, own in owned.items() if name in kept or not name for fill in own]
    ordered = tuple(sorted(fills, key=lambda fill: fill.ts_ns))
    return msgspec.structs.replace(side, steps=steps, executions=ordered)


def _pairs(live: Side, simulated: Side, within_ns: int) -> list[Pair]:
    marks = _marks(live, simulated)
    ours, theirs = executions_by_step(live), executions_by_step(simulated)
    pairs = [
        _pair((a, b), (_of(ours, a), _of(theirs, b)), marks)
        for a, b in matched(live.steps, simulated.steps, within_ns=within_ns)
    ]
    return pairs + _unowned(ours.get("", ()), theirs.get("", ()), marks)


def _marks(live: Side, simulated: Side) -> Marks:
    """Return one price a symbol at which both sides value what they still hold: the last seen."""
    seen = [(step.as_of_ns, step.symbol, step.price) for step in (*simulated.steps, *live.steps)]
    fills = (*simulated.executions, *live.executions)
    seen += [(fill.ts_ns, fill.symbol, fill.price) for fill in fills]
    return {symbol: price for _, symbol, price in sorted(seen) if price > 0}


def _of(fills: dict[str, Fills], step: Step | None) -> Fills:
    return () if step is None else fills.get(step.id, ())


def _pair(steps: tuple[Step | None, Step | None], fills: tuple[Fills, Fills], marks: Marks) -> Pair:
    live, simulated = steps
    step = live or simulated
    assert step is not None
    mark = marks.get(step.symbol, step.price)
    differences: tuple[Difference, ...]
    if live is None or simulated is None:
        differences = (alone(live, simulated, fills, mark),)
    else:
        differences = between((live, simulated), fills, mark)
    return Pair(
        symbol=step.symbol,
        as_of_ns=step.as_of_ns,
        live=live,
        simulated=simulated,
        differences=differences,
    )


def _unowned(live: Fills, simulated: Fills, marks: Marks) -> list[Pair]:
    """Return the fills that no decision explains, a pair a symbol."""
    pairs = []
    for symbol in sorted({fill.symbol for fill in (*live, *simulated)}):
        ours, theirs = (
            [fill for fill in side if fill.symbol == symbol] for side in (live, simulated)
        )
        unexplained = Difference(
            cause=Cause.UNMATCHED,
            what="fills without a decision",
            live=str(len(ours)),
            simulated=str(len(theirs)),
            usd=result(ours, marks[symbol]) - result(theirs, marks[symbol]),
        )
        pairs.append(
            Pair(
                symbol=symbol,
                as_of_ns=min(fill.ts_ns for fill in (*ours, *theirs)),
                live=None,
                simulated=None,
                differences=(unexplained,),
            )
        )
    return pairs


def _usd_by_cause(pairs: Sequence[Pair]) -> dict[str, float]:
    found = dict.fromkeys((cause.value for cause in Cause), 0.0)
    for pair in pairs:
        for difference in pair.differences:
            found[difference.cause.value] += difference.usd
    return found


def _count_by_cause(pairs: Sequence[Pair]) -> dict[str, int]:
    """Count the decisions that differ by each cause."""
    counts = Counter(cause for pair in pairs for cause in {d.cause for d in pair.differences})
    return {cause.value: counts[cause] for cause in Cause}
