"""C10: an agent that does nothing contributes zero; one that matters is missed."""

from decimal import Decimal

import numpy as np
import pytest

from backtest.controls.ablation import Without, ablation, contribution, passed_through
from domain.decisions import Action, Brief, Directive, Intent, Outcome, Role, Signal, Volatility
from domain.market import WindowPosition
from engine.clock import LiveClock
from graph.analysts.rules import Rules
from graph.desk import Desk
from graph.execution import EXECUTION
from graph.quant import QUANT
from graph.risk import RISK


def noise(n=500, seed=1):
    return np.random.default_rng(seed).normal(0, 0.01, n)


def test_an_agent_that_does_nothing_contributes_exactly_zero(made):
    """Taken away, everything happens as before, to the last step."""
    run = made(100 * np.cumprod(1 + noise()))
    part = contribution(run, run, seed=1)
    assert part.mean == 0.0
    assert (part.interval.low, part.interval.high) == (0.0, 0.0)
    assert not part.helps
    assert not part.harms


def test_an_agent_of_noise_contributes_zero_within_its_interval_and_one_that_matters_more(
    made, say
):
    """The quant here only moves sizes at random; without the risk agent each day loses 20 bp."""
    full = noise()
    runs = {
        Role.QUANT: full + noise(seed=2) * 0.2,
        Role.RISK: full - 0.002 + noise(seed=3) * 0.2,
        Role.EXECUTION: full + 0.002 + noise(seed=4) * 0.2,
    }
    ablated = {role: made(100 * np.cumprod(1 + returns)) for role, returns in runs.items()}
    whole = made(100 * np.cumprod(1 + full))
    found = ablation(whole, ablated, periods=252, seed=1)
    say(f"C10 {found.line}")
    parts = {role: contribution(whole, run, seed=1) for role, run in ablated.items()}
    assert parts[Role.QUANT].interval.covers_zero
    assert parts[Role.RISK].helps
    assert parts[Role.EXECUTION].harms
    assert not found.passed
    del ablated[Role.EXECUTION]
    assert ablation(whole, ablated, periods=252, seed=1).passed


def test_a_rule_has_no_agents_to_take_away(made):
    assert ablation(made([100.0]), {}, periods=252, seed=1).passed is None


SAID = Directive(action=Action.BUY, confidence=0.9, thesis="up")
SIGNAL = Signal(confirmed=True, score=0.9, volatility=Volatility.NORMAL, reason="fine")


@pytest.mark.parametrize(
    ("agent", "heard"),
    [
        (QUANT, {"directive": SAID}),
        (RISK, {"directive": SAID, "signal": SIGNAL}),
        (EXECUTION, {"directive": SAID, "signal": SIGNAL}),
    ],
)
def test_the_answer_of_nobody_passes_the_graphs_own_door(agent, heard, series, window, walk_of):
    brief = Brief(
        role=agent.role, window=window(series(walk_of(300)), 300), intent=Intent.OPEN_LONG, **heard
    )
    agent.read(passed_through(brief), brief)


def test_without_a_director_a_flat_symbol_is_bought_and_a_held_one_kept(series, window, walk_of):
    flat = window(series(walk_of(300)), 300)
    held = WindowPosition(
        quantity=Decimal(1), average_price=Decimal(100), unrealized_pnl=Decimal(0)
    )
    actions = [
        passed_through(Brief(role=Role.DIRECTOR, window=one))["action"]
        for one in (flat, window(series(walk_of(300)), 300, position=held))
    ]
    assert actions == ["buy", "hold"]


async def test_through_the_graph_the_others_decide_as_before(series, window, walk_of):
    """Forty windows: without the quant nothing is rejected by it, and who held still holds."""
    clock = LiveClock()
    whole, less = Desk(Rules(), clock), Desk(Without(Rules(), Role.QUANT), clock)
    outcomes = []
    for seed in range(40):
        one = window(series(walk_of(300, seed=seed)), 300)
        outcomes.append(
            [(await desk.decide(one, deadline_s=30)).decision.outcome for desk in (whole, less)]
        )
    assert any(full is Outcome.QUANT_REJECTED for full, _ in outcomes)
    assert all(without is not Outcome.QUANT_REJECTED for _, without in outcomes)
    held = [without for full, without in outcomes if full is Outcome.HELD]
    assert held
    assert set(held) == {Outcome.HELD}
