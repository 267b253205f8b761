"""Find prices that are no market's move: splits that look like crashes, and changed identities."""

from __future__ import annotations

import numpy as np

from backtest.data.reading.bars import DAY_NS, SymbolBars
from backtest.data.remarks import MAX_NAMED, DataWarning, Odd, RowRef, counted
from backtest.records import Floats, Ints

SPLITS: dict[str, float] = {
    "2-for-1": 1 / 2,
    "3-for-1": 1 / 3,
    "3-for-2": 2 / 3,
    "4-for-1": 1 / 4,
    "5-for-1": 1 / 5,
    "7-for-1": 1 / 7,
    "10-for-1": 1 / 10,
    "20-for-1": 1 / 20,
    "1-for-2": 2.0,
    "1-for-3": 3.0,
    "2-for-3": 3 / 2,
    "1-for-4": 4.0,
    "1-for-5": 5.0,
    "1-for-8": 8.0,
    "1-for-10": 10.0,
    "1-for-20": 20.0,
}
"""What a split multiplies the price by."""
NEAR = 0.04
"""How far the open may lie from the split's exact price: a night's move, as a logarithm."""
SAME_DOLLARS = np.log(2.0)
"""A split leaves the dollars traded a day as they were, within this factor; a crash does not."""
AROUND = 5
"""Bars before and after whose median volume counts."""
LONG_GAP_NS = 30 * DAY_NS
OTHER_VOLUME = np.log(10.0)
UNREAL = np.log(3.0)


def jumps(bars: SymbolBars) -> list[DataWarning]:
    """Warn of what looks like a split, a jump that is none, and another thing under one name.

    A jump is the open over the close before it. Where volumes are known, the dollars that trade
    tell a split (they stay) from a crash or a fright (they multiply).
    """
    jump = np.log(bars.open[1:] / bars.close[:-1])
    pauses = np.diff(bars.ts_ns)
    others: list[RowRef] = []
    splits: list[RowRef] = []
    moves: list[RowRef] = []
    for before in _large(jump, pauses):
        ref = (before + 1, jump[before])
        if pauses[before] > LONG_GAP_NS:
            others += _identity(bars, *ref, int(pauses[before] // DAY_NS))
        elif (name := _split_near(jump[before])) is not None:
            (splits if _keeps_dollars(bars, before + 1) else moves).append(_named(bars, ref, name))
        elif abs(jump[before]) > UNREAL:
            moves.append(_named(bars, ref, None))
    what = {
        Odd.SPLIT_SUSPECTED: (splits, "prices may not be adjusted for a split"),
        Odd.PRICE_JUMP: (moves, "the price moves as markets hardly do between two bars"),
        Odd.IDENTITY_SUSPECTED: (others, "another security may have the symbol since a pause"),
    }
    return [
        bars.warning(code, f"{text}, at {counted(len(refs), 'row')}", refs[:MAX_NAMED], len(refs))
        for code, (refs, text) in what.items()
        if refs
    ]


def _large(jump: Floats, pauses: Ints) -> list[int]:
    """Return where a closer look is due: a jump of a third, or a long pause."""
    is_due = (np.abs(jump) > np.log(3 / 2) - NEAR) | (pauses > LONG_GAP_NS)
    return [int(at) for at in np.flatnonzero(is_due)]


def _split_near(jump: float) -> str | None:
    name = min(SPLITS, key=lambda each: abs(jump - np.log(SPLITS[each])))
    return name if abs(jump - np.log(SPLITS[name])) < NEAR else None


def _keeps_dollars(bars: SymbolBars, at: int) -> bool:
    """Tell whether as many dollars trade after as before; where volumes are unknown, say yes."""
    if not bars.has_volume:
        return True
    before, after = _median_dollars(bars, at - AROUND, at), _median_dollars(bars, at, at + AROUND)
    return before <= 0 or after <= 0 or abs(np.log(after / before)) < SAME_DOLLARS


def _median_dollars(bars: SymbolBars, start: int, end: int) -> float:
    part = slice(max(start, 0), end)
    return float(np.median(bars.close[part] * bars.volume[part]))


def _identity(bars: SymbolBars, at: int, jump: float, days: int) -> list[RowRef]:
    volumes = 0.0
    if bars.has_volume:
        part, past = bars.volume[at : at + AROUND], bars.volume[max(at - AROUND, 0) : at]
        volumes = float(np.log(max(np.median(part), 1e-9) / max(np.median(past), 1e-9)))
    if abs(jump) < np.log(2.0) and abs(volumes) < OTHER_VOLUME:
        return []
    text = f"after {days} days the price is {np.exp(jump):.3g} times what it was"
    if bars.has_volume:
        text += f", the volume {np.exp(volumes):.3g} times"
    return [bars.ref(at, text)]


def _named(bars: SymbolBars, ref: tuple[int, float], split: str | None) -> RowRef:
    at, jump = ref
    text = f"opens at {np.exp(jump):.3f} times the close before"
    if split is not None:
        text += f" (as a {split} split would"
        text += ")" if bars.has_volume else "; no volume tells it from a crash)"
    return bars.ref(at, text)
