"""A bound in dollars that nothing passes, and what asking would cost."""

from __future__ import annotations

import asyncio

import pytest

from backtest.flips.budget import HardBudget
from backtest.flips.estimate import Estimate, estimate
from backtest.flips.records import Journaled
from domain.decisions import Call, Role
from domain.errors import BudgetSpent
from graph.analysts.model.costs import Price
from tests.unit.graph.conftest import Ledger, make_window

PRICE = Price(usd_per_m_in=1.0, usd_per_m_out=10.0)


async def test_calls_at_once_cannot_pass_the_bound_together():
    """Each is counted at its worst from the moment it is let through: of ten, three fit."""
    ledger = Ledger()
    budget = HardBudget(ledger, usd=0.035, price=PRICE)
    tried = [budget.admit(tokens=1000) for _ in range(10)]
    came = await asyncio.gather(*tried, return_exceptions=True)
    assert sum(result is None for result in came) == 3
    assert all(isinstance(result, BudgetSpent) for result in came if result is not None)
    for _ in range(3):
        budget.spend(tokens_in=900, tokens_out=100, cost_usd=0.0019)
    assert budget.spent_usd == pytest.approx(0.0057)
    await budget.admit(tokens=1000)


async def test_a_call_that_gave_up_waiting_sets_nothing_aside():
    """Cancelled in the queue of the minute's budget, it takes no dollars with it."""
    ledger = Ledger(gate=asyncio.Event())
    budget = HardBudget(ledger, usd=0.011, price=PRICE)
    waiting = asyncio.create_task(budget.admit(tokens=1000))
    await asyncio.sleep(0)
    with pytest.raises(BudgetSpent, match="might pass"):
        await budget.admit(tokens=1000)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    ledger.gate.set()
    await budget.admit(tokens=1000)


async def test_the_pace_and_the_pauses_are_the_inner_budgets():
    """Dollars are bounded here, requests and tokens a minute there."""
    ledger = Ledger()
    budget = HardBudget(ledger, usd=1.0, price=PRICE)
    await budget.admit(tokens=7)
    budget.spend(tokens_in=5, tokens_out=2, cost_usd=0.1)
    budget.pause(3.0)
    assert (ledger.admitted, ledger.spent, ledger.pauses) == ([7], [(5, 2, 0.1)], [3.0])


def test_an_estimate_counts_the_agents_that_were_asked_then(decide):
    """A hold asks one, and a prompt of one's own counts at its own length."""
    journaled = Journaled(decision=decide(), window=make_window(), prompts={})
    one = estimate(journaled, max_tokens=600)
    assert (one.decisions, one.calls, one.tokens_out) == (1, 1, 600)
    assert 800 < one.tokens_in < 3000
    longer = estimate(journaled, max_tokens=600, told={Role.DIRECTOR: "word " * 5000})
    assert longer.tokens_in > one.tokens_in + 4000
    two = Estimate().plus(one).plus(one)
    assert two.usd(PRICE, samples=3) == pytest.approx(6 * one.usd(PRICE))


def test_an_estimate_of_a_whole_trade_counts_four_prompts(decide):
    """What the director said is shown to those after it."""
    calls = tuple(
        Call(role=role, attempt=1, model="m", prompt_digest="p", raw="{}") for role in Role
    )
    journaled = Journaled(
        decision=decide("buy", "ordered", calls=calls), window=make_window(), prompts={}
    )
    assert estimate(journaled, max_tokens=100).calls == 4
