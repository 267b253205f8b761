"""C5: an agent that trades on a hair's breadth shines free of costs and loses with them."""

import msgspec
import numpy as np
import pytest

from backtest.controls.costs import costs, is_free, lost_by_flipping, paid_bps
from backtest.records import Costs, CostsPaid
from backtest.statistics.figures import sharpe


@pytest.mark.parametrize(("bps", "lost"), [(1, 0.049), (5, 0.223), (10, 0.396), (20, 0.635)])
def test_a_year_of_flipping_on_a_flat_price_loses_what_the_formula_says(bps, lost, earn):
    """252 round trips: in at one close, out at the next. Compounded, not summed."""
    assert lost_by_flipping(bps, 252) == pytest.approx(lost, abs=5e-4)
    flips = np.arange(505) % 2 == 0
    moves = earn(flips.astype(float), np.full(505, 100.0), cost_bps=bps)
    assert 1 - np.prod(1 + moves) == pytest.approx(lost_by_flipping(bps, 252), rel=1e-9)


def test_the_cost_free_agent_shines_without_costs_and_loses_with_five_basis_points(earn, say):
    """Its market bounces by 4 bp between bid and ask, which it takes for an edge every day."""
    rng = np.random.default_rng(1)
    bounce = np.where(np.arange(2_000) % 2 == 0, 1.0, 1.0004)
    closes = 100 * bounce * np.exp(np.cumsum(rng.normal(0, 0.0002, 2_000)))
    positions = (np.arange(2_000) % 2 == 0).astype(float)
    free = sharpe(earn(positions, closes), 252)
    paid = sharpe(earn(positions, closes, cost_bps=5), 252)
    say(f"C5 cost-free: Sharpe {free:.1f} without costs, {paid:.1f} at 5 bp a side")
    assert free > 10
    assert paid < 0


def run(made, fill, spec, chosen, paid):
    fills = (fill(10, 100.0), fill(-10, 100.0))
    return made([100.0], fills=fills, spec=msgspec.structs.replace(spec, costs=chosen), paid=paid)


def test_a_free_market_fails_and_says_so(made, fill, spec):
    found = costs(run(made, fill, spec, Costs(name="none"), CostsPaid()))
    assert not found.passed
    assert found.line == "trading was free: no such market exists"


def test_what_was_paid_is_told_a_side_and_the_models_dollars_apart(made, fill, spec):
    chosen = Costs(name="bps=5", slippage_bps=5.0)
    found = costs(run(made, fill, spec, chosen, CostsPaid(slippage=1.0, model=2.5)))
    assert found.passed
    assert found.figures["bps_a_side"] == pytest.approx(5.0)
    assert found.figures["model_usd"] == 2.5
    assert "5.0 bps a side, $1.00 or 1.0% of the first cash, and $2.50" in found.line


def test_a_run_that_traded_nothing_paid_no_rate(made, spec):
    idle = made([100.0], spec=msgspec.structs.replace(spec, costs=Costs(name="x", impact=0.1)))
    assert paid_bps(idle) is None
    assert costs(idle).passed


def test_venue_fees_alone_are_no_cost_model():
    assert is_free(Costs(name="none"))
    assert not is_free(Costs(name="x", half_spread_bps=0.5))
