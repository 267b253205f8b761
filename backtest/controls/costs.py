"""C5: charge what trading costs, and say what it took."""

from __future__ import annotations

from math import fsum

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult
from backtest.records import Costs, RunResult

BASIS_POINT = 1e-4


def lost_by_flipping(cost_bps: float, round_trips: int) -> float:
    """Return what trading in and out so often loses on a flat price, `1 - (1 - c) ** (2 N)`.

    Every round trip pays `cost_bps` twice on what is left. A year of days at 5 bp loses 22.3 %.
    """
    return 1.0 - (1.0 - cost_bps * BASIS_POINT) ** (2 * round_trips)


def is_free(costs: Costs) -> bool:
    """Tell whether a cost model charges nothing but the venue's own fees."""
    charged = (costs.commission_bps, costs.half_spread_bps, costs.slippage_bps, costs.impact)
    return not any(charged)


def paid_bps(result: RunResult) -> float | None:
    """Return what a run paid in basis points a side of what it traded, none if nothing."""
    traded = fsum(abs(fill.quantity) * fill.price for fill in result.fills)
    return paid_by(result) / traded / BASIS_POINT if traded else None


def paid_by(result: RunResult) -> float:
    """Return the dollars that trading cost, the model's own apart."""
    paid = result.paid
    return paid.commission + paid.spread + paid.slippage + paid.impact + paid.venue_fees


def costs(result: RunResult) -> ControlResult:
    """Report C5: trading was not free, and the model's own dollars are counted beside it."""
    dollars, a_side = paid_by(result), paid_bps(result)
    share = dollars / result.spec.cash
    figures = {
        "paid_usd": dollars,
        "model_usd": result.paid.model,
        "share_of_cash": share,
        "bps_a_side": a_side,
    }
    if is_free(result.spec.costs):
        line = "trading was free: no such market exists"
        return found("C5", line, passed=False, **figures)
    told = "nothing was traded" if a_side is None else f"{a_side:.1f} bps a side"
    line = (
        f"costs {result.spec.costs.name}: {told}, ${dollars:,.2f} or {share:.1%} of the first "
        f"cash, and ${result.paid.model:,.2f} to the model"
    )
    return found("C5", line, passed=True, **figures)
