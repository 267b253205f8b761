"""Take one decision on both sides apart: what it saw and decided, what filled, what it cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from math import fsum

from backtest.compare.records import Cause, Difference, Execution, Step
from domain.records import NS_PER_S

# Prices that lie closer are the same price, rounded.
SAME_BPS = 0.01
# Fills that come within a second of each other came at the same time.
SAME_S = 1.0
NONE = "none"

Fills = tuple[Execution, ...]


def between(
    steps: tuple[Step, Step], fills: tuple[Fills, Fills], mark: float
) -> tuple[Difference, ...]:
    """Return what differs between the live and the simulated side of one decision.

    `mark` values what is still held; the dollars add up to the difference of both results.
    """
    found = [*_seen(*steps), *_decided(*steps)]
    cause = _cause_of(found)
    for name, is_entry in (("entry", True), ("exit", False)):
        ours, theirs = (
            tuple(fill for fill in side if (fill.leg == "entry") is is_entry) for side in fills
        )
        found += _leg(name, ours, theirs, mark=mark, cause=cause)
    found += _delayed(steps, fills)
    found += _cost("fees", *(fsum(fill.fee_usd for fill in side) for side in fills))
    found += _cost("model", steps[0].model_usd, steps[1].model_usd)
    return tuple(found)


def alone(
    live: Step | None, simulated: Step | None, fills: tuple[Fills, Fills], mark: float
) -> Difference:
    """Return the one difference of a decision that one side never made: its whole result."""
    ours, theirs = (result(side, mark) for side in fills)
    ours -= live.model_usd if live else 0.0
    theirs -= simulated.model_usd if simulated else 0.0
    return Difference(
        cause=Cause.UNMATCHED,
        what="decision",
        live=_word(live),
        simulated=_word(simulated),
        usd=ours - theirs,
    )


def _word(step: Step | None) -> str:
    return NONE if step is None else f"{step.action}, {step.outcome.replace('_', ' ')}"


def result(fills: Sequence[Execution], mark: float) -> float:
    """Return what fills are worth at a price, after their fees."""
    return _gross(fills, mark) - fsum(fill.fee_usd for fill in fills)


def _gross(fills: Sequence[Execution], mark: float) -> float:
    return fsum(fill.quantity * (mark - fill.price) for fill in fills)


def _seen(live: Step, simulated: Step) -> Iterator[Difference]:
    """Yield what the two saw differently; nothing where a window was not kept."""
    ours, theirs = live.seen, simulated.seen
    if ours is None or theirs is None:
        return
    if not _is_same_price(ours.mid, theirs.mid):
        apart = f"{_bps(theirs.mid, ours.mid):+.2f} bps"
        yield _data("quote", f"{ours.mid:.6g}", f"{theirs.mid:.6g} ({apart})")
    shared = sorted(ours.closes.keys() & theirs.closes.keys())
    differing = [t for t in shared if not _is_same_price(ours.closes[t], theirs.closes[t])]
    if differing:
        said = f"{len(differing)} of {len(shared)} bars differ"
        yield _data("bars", said, f"the last at {differing[-1][:19]}")
    elif not shared:
        yield _data("bars", "no bar in common", "no bar in common")
    if set(ours.news) != set(theirs.news):
        yield _data("news", f"{len(ours.news)} items", f"{len(theirs.news)} items")
    if not _is_same(ours.position, theirs.position):
        yield _data("position", f"{ours.position:.6g}", f"{theirs.position:.6g}")


def _data(what: str, live: str, simulated: str) -> Difference:
    return Difference(cause=Cause.DATA, what=what, live=live, simulated=simulated)


def _decided(live: Step, simulated: Step) -> Iterator[Difference]:
    # Where outcomes differ so do their codes, which then say nothing more.
    told = ("action", "outcome") if live.outcome != simulated.outcome else ("action", "code")
    for what in told:
        ours, theirs = getattr(live, what), getattr(simulated, what)
        if ours != theirs:
            yield _decision(what, ours or NONE, theirs or NONE)
    sizes = live.quantity, simulated.quantity
    if sizes[0] is not None and sizes[1] is not None and not _is_same(sizes[0], sizes[1]):
        yield _decision("size", f"{sizes[0]:.6g}", f"{sizes[1]:.6g}")


def _decision(what: str, live: str, simulated: str) -> Difference:
    return Difference(cause=Cause.DECISION, what=what, live=live, simulated=simulated)


def _cause_of(differences: Sequence[Difference]) -> Cause:
    """Return what a difference in quantity comes from."""
    causes = {difference.cause for difference in differences}
    if Cause.DECISION not in causes:
        return Cause.FILL
    return Cause.DATA if Cause.DATA in causes else Cause.DECISION


def _leg(
    name: str, live: Fills, simulated: Fills, *, mark: float, cause: Cause
) -> Iterator[Difference]:
    """Take the fills of one direction apart into their price and their quantity."""
    ours, theirs = (fsum(fill.quantity for fill in side) for side in (live, simulated))
    whole = _gross(live, mark) - _gross(simulated, mark)
    is_same_quantity = _is_same(ours, theirs)
    by_price = 0.0
    if is_same_quantity:
        by_price = whole
    elif ours and theirs:
        by_price = ours * (_mean_price(simulated) - _mean_price(live))
    if by_price:
        yield Difference(
            cause=Cause.FILL,
            what=f"{name} price",
            live=_priced(live),
            simulated=_priced(simulated),
            usd=by_price,
        )
    if not is_same_quantity:
        yield Difference(
            cause=cause,
            what=f"{name} quantity",
            live=f"{ours:.6g}",
            simulated=f"{theirs:.6g}",
            usd=whole - by_price,
        )


def _mean_price(fills: Fills) -> float:
    """Return the mean price by quantity of fills that add up to something."""
    quantity = fsum(fill.quantity for fill in fills)
    return fsum(fill.quantity * fill.price for fill in fills) / quantity


def _priced(fills: Fills) -> str:
    if not fsum(fill.quantity for fill in fills):
        return NONE
    worse = slippage(fills)
    against = "" if worse is None else f" ({worse:+.1f} bps)"
    return f"{_mean_price(fills):.6g}{against}"


def slippage(fills: Sequence[Execution]) -> float | None:
    """Return by how many basis points fills were worse than their references, by value.

    None without a reference price.
    """
    known = [(fill, fill.reference) for fill in fills if fill.reference]
    value = fsum(abs(fill.quantity * fill.price) for fill, _ in known)
    if not value:
        return None
    paid = fsum(fill.quantity * (fill.price - reference) for fill, reference in known)
    return paid / value * 1e4


def _delayed(steps: tuple[Step, Step], fills: tuple[Fills, Fills]) -> Iterator[Difference]:
    """Tell how long after the decision each side's first fill came."""
    if not (fills[0] and fills[1]):
        return
    ours, theirs = (
        (side[0].ts_ns - step.as_of_ns) / NS_PER_S for step, side in zip(steps, fills, strict=True)
    )
    if abs(ours - theirs) >= SAME_S:
        yield Difference(
            cause=Cause.FILL, what="delay", live=f"{ours:.1f} s", simulated=f"{theirs:.1f} s"
        )


def _cost(what: str, live: float, simulated: float) -> Iterator[Difference]:
    if live != simulated:
        yield Difference(
            cause=Cause.COST,
            what=what,
            live=f"${live:.4f}",
            simulated=f"${simulated:.4f}",
            usd=simulated - live,
        )


def _is_same(ours: float, theirs: float) -> bool:
    return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-9)


def _is_same_price(ours: float, theirs: float) -> bool:
    return abs(_bps(ours, theirs)) <= SAME_BPS


def _bps(price: float, of: float) -> float:
    return (price / of - 1) * 1e4 if of else 0.0
