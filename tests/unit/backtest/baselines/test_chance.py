"""The random trader: as often in the market, and as long, as whom he is matched with."""

import msgspec
import numpy as np
import pytest

from backtest.baselines.chance import Habits, RandomTrader, habits_of
from backtest.baselines.table import policy

DAY_NS = 86_400_000_000_000
HABITS = Habits(p_enter=0.02, p_leave=0.05, share=0.5)


def wishes_of(walk, seed=1, n=20_000, symbol="TEST", habits=HABITS):
    return walk([100.0] * n).through(RandomTrader(habits, symbol, seed))


def test_he_holds_as_long_and_is_in_the_market_as_much_as_his_habits_say(walk):
    wishes = wishes_of(walk)
    entries = sum(wish == 0.5 for wish in wishes)
    assert entries == pytest.approx(20_000 / (1 / 0.02 + 1 / 0.05), rel=0.15)
    held, steps = False, 0
    for wish in wishes:
        held = held if wish is None else wish > 0
        steps += held
    assert steps / 20_000 == pytest.approx(0.02 / 0.07, rel=0.15)


def test_one_seed_and_symbol_always_toss_the_same(walk):
    first, again = wishes_of(walk, n=500), wishes_of(walk, n=500)
    assert first == again
    assert first != wishes_of(walk, n=500, seed=2)
    assert first != wishes_of(walk, n=500, symbol="OTHER")


def at(fill, step, *, leg="entry", decision=None):
    return msgspec.structs.replace(fill, ts_ns=step * DAY_NS, leg=leg, decision_id=decision)


def test_habits_are_measured_from_a_run(made, fill):
    """Bought at step 2 and at step 6, sold at step 4 and never: held 2 and 4 of 10 steps."""
    fills = (
        at(fill(0.5, 100.0), 2, decision="a"),
        at(fill(-0.5, 100.0), 4, leg="stop", decision="a"),
        at(fill(0.1, 100.0), 6, decision="b"),
        at(fill(0.2, 100.0), 6, decision="b"),
    )
    found = habits_of(made([100.0] * 10, fills=fills))
    assert found.p_enter == pytest.approx(2 / 4)
    assert found.p_leave == pytest.approx(1 / 6)
    assert found.share == pytest.approx((0.5 + 0.3) / 2)


def test_a_run_that_never_bought_gives_a_trader_who_never_does(made, walk):
    found = habits_of(made([100.0] * 10))
    assert found == Habits(p_enter=0.0, p_leave=0.0, share=0.0)
    assert set(wishes_of(walk, n=100, habits=found)) == {None}


def test_a_run_without_steps_has_no_habits(made):
    assert habits_of(made([])) == Habits(p_enter=0.0, p_leave=0.0, share=0.0)


def test_the_quantity_that_rounding_leaves_is_no_position(made, fill):
    parts = [at(fill(0.1, 1.0), 1), at(fill(0.2, 1.0), 1), at(fill(-0.3, 1.0), 2, leg="stop")]
    found = habits_of(made([100.0] * 10, fills=parts))
    assert found.p_leave == pytest.approx(1.0)
    assert found.p_enter == pytest.approx(1 / 9)


def test_matched_traders_earn_nothing_before_costs_on_a_fair_market(market, walk, say):
    """C9: over 200 seeds the mean of what they make lies within two errors of nothing."""
    close = market(1_000, drift=0.0)
    returns = np.diff(close) / close[:-1]
    fair = returns - returns.mean()
    earned = []
    for seed in range(200):
        wishes = walk(close).through(policy("random", share=1, seed=seed, habits=HABITS)("TEST"))
        held, held_at = 0.0, []
        for wish in wishes[:-1]:
            held = held if wish is None else wish
            held_at.append(held)
        earned.append(float(np.sum(np.array(held_at) * fair)))
    mean, error = np.mean(earned), np.std(earned, ddof=1) / np.sqrt(200)
    say(f"C9 200 random traders earn {mean:+.4f} before costs, standard error {error:.4f}")
    assert abs(mean) < 2 * error
