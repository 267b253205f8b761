"""Read one side of a comparison: from a journal's records, or from a backtest's rows."""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum

import msgspec

from backtest.compare.records import Execution, Seen, Side, Step
from backtest.records import DecisionRow, FillRow
from domain.decisions import Decision
from domain.market import AssetClass, Window, asset_class_of
from domain.orders import Fill, Leg, OrderRequest
from domain.orders import Side as OrderSide
from domain.records import parse_ns

_ORDERED_BY_AGENTS = frozenset({Leg.ENTRY.value, Leg.REDUCE.value})


def side_of(
    name: str,
    steps: Iterable[Step],
    executions: Iterable[Execution],
    *,
    interval_s: int | None = None,
) -> Side:
    """Put a side together, in the order of time.

    What an agent ordered is measured against the price that its decision saw, on both sides alike;
    a stop or a target has no such price.
    """
    ordered = sorted(steps, key=lambda step: step.as_of_ns)
    seen = {step.id: step.price for step in ordered}
    priced = (
        msgspec.structs.replace(each, reference=seen.get(each.step_id or "") or None)
        if each.leg in _ORDERED_BY_AGENTS
        else each
        for each in executions
    )
    return Side(
        name=name,
        steps=tuple(ordered),
        executions=tuple(sorted(priced, key=lambda each: each.ts_ns)),
        interval_s=interval_s,
    )


def step_of(decision: Decision, window: Window | None, denial_code: str | None) -> Step:
    """Return a journaled decision with what it saw."""
    request = decision.request
    reference = float(request.reference_price) if request else 0.0
    return Step(
        id=decision.id,
        symbol=decision.symbol,
        as_of_ns=parse_ns(decision.as_of),
        action=decision.directive.action.value if decision.directive else "none",
        outcome=decision.outcome.value,
        code=denial_code or decision.reason_code,
        price=window.quote.mid if window else reference,
        quantity=float(request.quantity) if request else None,
        seen=None if window is None else _seen(window),
        model_usd=fsum(call.cost_usd for call in decision.calls),
    )


def _seen(window: Window) -> Seen:
    return Seen(
        mid=window.quote.mid,
        closes={bar.t: bar.c for bar in window.bars},
        news=tuple(item.id for item in window.news),
        position=float(window.position.quantity) if window.position else 0.0,
    )


def execution_of(fill: Fill, request: OrderRequest | None) -> Execution:
    """Return a journaled fill; its order's request says who wanted it."""
    sign = 1.0 if fill.side is OrderSide.BUY else -1.0
    return Execution(
        ts_ns=parse_ns(fill.ts_event),
        symbol=fill.symbol,
        quantity=sign * float(fill.quantity),
        price=float(fill.price),
        leg=fill.leg.value,
        fee_usd=float(fill.fee),
        step_id=request.decision_id if request else None,
    )


def step_of_row(row: DecisionRow) -> Step:
    """Return a backtest's decision, which keeps no window and no size of its order."""
    return Step(
        id=row.id,
        symbol=row.symbol,
        as_of_ns=row.ts_ns,
        action=row.action,
        outcome=row.outcome,
        code=row.code or row.reason_code,
        price=row.price,
        model_usd=row.cost_usd,
    )


def execution_of_row(row: FillRow) -> Execution:
    """Return a backtest's fill: every cost but a pair's fee stands in its price."""
    is_pair = asset_class_of(row.symbol) is AssetClass.CRYPTO
    return Execution(
        ts_ns=row.ts_ns,
        symbol=row.symbol,
        quantity=row.quantity,
        price=row.price,
        leg=row.leg,
        fee_usd=row.costs.venue_fees if is_pair else 0.0,
        step_id=row.decision_id,
    )
