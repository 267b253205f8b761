"""Put decisions and fills upon the price of their symbol."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import numpy as np

from backtest.records import DecisionRow, FillRow, RunResult
from backtest.report.curves import NS_PER_MS, line
from backtest.report.records import Chart, Mark, MarkKind

# A hold is told too, but never so many that the page grows heavy or they hide what was done.
MAX_HOLDS = 1000

_HELD = frozenset({"held", "already_in_position"})


def charts(result: RunResult) -> tuple[Chart, ...]:
    """Return one chart a symbol: every decision, denial and fill, and at most `MAX_HOLDS` holds."""
    return tuple(_chart(result, symbol) for symbol in _symbols(result))


def _symbols(result: RunResult) -> tuple[str, ...]:
    decided = {row.symbol for row in result.decisions}
    seen = decided | {row.symbol for row in result.fills} | set(result.prices)
    known = [symbol for symbol in result.spec.symbols if symbol in seen]
    return (*known, *sorted(seen - set(known)))


def _chart(result: RunResult, symbol: str) -> Chart:
    ts_ns, closes = result.prices.get(symbol, (np.empty(0, np.int64), np.empty(0)))
    # A decision without a price (its quote was missing) has no place upon one.
    placed = (row for row in result.decisions if row.symbol == symbol and isfinite(row.price))
    decisions = [mark_of(row) for row in placed]
    holds = [mark for mark in decisions if mark.kind is MarkKind.HELD]
    kept = _spread(holds, MAX_HOLDS)
    told = [mark for mark in decisions if mark.kind is not MarkKind.HELD]
    fills = [_filled(row) for row in result.fills if row.symbol == symbol]
    return Chart(
        symbol=symbol,
        price=line(symbol, ts_ns, closes),
        marks=tuple(sorted((*kept, *told, *fills), key=lambda mark: mark.ms)),
        left_out=len(holds) - len(kept),
    )


def _spread(marks: Sequence[Mark], most: int) -> Sequence[Mark]:
    """Choose at most so many, evenly over the run."""
    if len(marks) <= most:
        return marks
    return [marks[index] for index in np.linspace(0, len(marks) - 1, most).astype(int)]


def mark_of(row: DecisionRow) -> Mark:
    """Return the mark of one decision; a denial is the gate's word, whatever was asked."""
    return Mark(
        ms=row.ts_ns // NS_PER_MS,
        price=row.price,
        kind=_kind(row),
        title=f"{row.action} ({row.confidence:.0%} sure): {row.outcome.replace('_', ' ')}",
        thesis=row.thesis,
        code=row.code or row.reason_code,
    )


def _kind(row: DecisionRow) -> MarkKind:
    if row.code is not None:
        return MarkKind.DENIED
    if row.outcome in _HELD:
        return MarkKind.HELD
    if row.outcome != "ordered":
        return MarkKind.ENDED
    return MarkKind.BUY if row.action == "buy" else MarkKind.SELL


def _filled(row: FillRow) -> Mark:
    side = "bought" if row.quantity > 0 else "sold"
    towards = 1.0 if row.quantity > 0 else -1.0
    worse = towards * (row.price / row.reference_price - 1) * 1e4 if row.reference_price else 0.0
    title = f"{side} {abs(row.quantity):,.6g} at {row.price:,.6g} ({row.leg})"
    return Mark(
        ms=row.ts_ns // NS_PER_MS,
        price=row.price,
        kind=MarkKind.FILL,
        title=title,
        code=f"{worse:+.1f} bps against {row.reference_price:,.6g}",
    )
