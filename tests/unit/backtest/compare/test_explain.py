"""What differs between two sides, by cause, and that the dollars add up."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.compare.explain import compare
from backtest.compare.records import Cause, Execution, Seen, Side, Step

MINUTE_NS = 60_000_000_000
HALF_A_BAR_NS = MINUTE_NS // 2


def compared(live, simulated):
    return compare(live, simulated, within_ns=HALF_A_BAR_NS)


def told(found, cause):
    return [
        (each.what, each.usd) for pair in found.pairs for each in pair.differences
        if each.cause is cause
    ]  # fmt: skip


def test_a_side_agrees_with_itself(step, order, fill, make_side):
    """Nothing differs, no dollar moves, and the strictest tolerance holds."""
    buy = order(1)
    one = make_side((buy, step(2)), (fill(buy),))
    found = compared(one, one)
    assert (found.matched, found.changed, found.usd, found.moved_usd) == (2, 0, 0, 0)
    assert not any(pair.differences for pair in found.pairs)
    assert found.holds(0)


def test_a_worse_fill_is_the_fills(order, fill, make_side):
    """Ten shares bought five cents dearer cost half a dollar, told as basis points too."""
    live, simulated = order(1), order(1, side="sim")
    found = compared(
        make_side((live,), (fill(live, price=100.05),)), make_side((simulated,), (fill(simulated),))
    )
    [(what, usd)] = told(found, Cause.FILL)
    assert what == "entry price"
    assert usd == pytest.approx(-0.5)
    assert found.slippage_live_bps == pytest.approx(4.9975, abs=1e-3)
    assert found.slippage_simulated_bps == 0
    assert not found.holds(0.4)
    assert found.holds(0.6)


def test_what_was_not_filled_in_full_is_the_fills_too(order, fill, make_side):
    """The same order, half of it filled: what the other half earned since."""
    live, simulated = order(1), order(1, side="sim")
    later = order(2, price=103.0, quantity=None, action="hold", outcome="held", code="HOLD")
    found = compared(
        make_side((live, later), (fill(live, 5.0),)),
        make_side((simulated, msgspec.structs.replace(later, id="s2")), (fill(simulated, 10.0),)),
    )
    assert told(found, Cause.FILL) == [("entry quantity", pytest.approx(-5 * 3.0))]


def test_another_mind_is_the_decisions(step, order, fill, make_side):
    """The simulation bought, the live model held, and both saw the same."""
    live, simulated = step(1), order(1, side="sim")
    later = (step(2, price=104.0), step(2, side="sim", price=104.0))
    found = compared(
        make_side((live, later[0])), make_side((simulated, later[1]), (fill(simulated),))
    )
    assert [what for what, _ in told(found, Cause.DECISION)] == [
        "action", "outcome", "entry quantity",
    ]  # fmt: skip
    assert found.usd_by_cause["decision"] == pytest.approx(-40.0)
    assert found.changed == 1


def test_another_mind_upon_other_data_is_the_datas(step, order, fill, make_side):
    """Where the quote differed, the decision's dollars count as the data's."""
    live = step(1, seen=Seen(mid=99.9, closes={"t1": 99.0, "t2": 98.0}))
    simulated = order(1, side="sim")
    later = (step(2, price=104.0), step(2, side="sim", price=104.0))
    found = compared(
        make_side((live, later[0])), make_side((simulated, later[1]), (fill(simulated),))
    )
    assert [what for what, _ in told(found, Cause.DATA)] == ["quote", "bars", "entry quantity"]
    assert found.usd_by_cause["data"] == pytest.approx(-40.0)
    assert found.usd_by_cause["decision"] == 0


def test_fees_and_the_models_dollars_are_costs(order, fill, make_side):
    """A simulation is cheaper: by the fee and the model's bill."""
    live, simulated = order(1, model_usd=0.01), order(1, side="sim")
    found = compared(
        make_side((live,), (fill(live, fee_usd=0.25),)),
        make_side((simulated,), (fill(simulated),)),
    )
    assert told(found, Cause.COST) == [("fees", -0.25), ("model", -0.01)]
    assert found.count_by_cause["cost"] == 1


def test_a_decision_that_one_side_never_made_is_worth_its_whole_result(
    step, order, fill, make_side
):
    """A run that the live queue dropped: what it would have earned is its price."""
    missed = order(2, side="sim")
    live = make_side((step(1), step(3, price=105.0)))
    simulated = make_side(
        (step(1, side="sim"), missed, step(3, side="sim", price=105.0)), (fill(missed),)
    )
    found = compared(live, simulated)
    assert (found.matched, found.only_live, found.only_simulated) == (2, 0, 1)
    assert told(found, Cause.UNMATCHED) == [("decision", pytest.approx(-50.0))]
    assert not found.holds(0)


def test_a_stop_belongs_to_what_opened_the_position(order, step, fill, make_side):
    """Protective orders are named after themselves; their loss is the entry's."""
    live, simulated = order(1), order(1, side="sim")

    def stopped(entry, price):
        name = f"protection-{price}"
        return fill(entry, -10.0, price, leg="stop", step_id=name, ts_ns=entry.as_of_ns + MINUTE_NS)

    found = compared(
        make_side((live, step(3)), (fill(live), stopped(live, 97.0))),
        make_side((simulated, step(3, side="sim")), (fill(simulated), stopped(simulated, 98.0))),
    )
    assert told(found, Cause.FILL) == [("exit price", pytest.approx(-10.0))]
    assert found.pairs[0].usd == pytest.approx(-10.0)


def test_fills_that_no_decision_explains_are_told(step, fill, make_side):
    """A position from before the session is closed in one of the two worlds."""
    stray = fill(step(1), -3.0, 101.0, step_id="before", ts_ns=0)
    found = compared(make_side((step(1),), (stray,)), make_side((step(1, side="sim"),)))
    assert [what for what, _ in told(found, Cause.UNMATCHED)] == ["fills without a decision"]


def test_decisions_beyond_the_time_that_both_cover_are_left_out(step, order, fill, make_side):
    """A backtest of a year beside a session of a minute: only that minute is compared."""
    early = order(1, side="sim")
    simulated = make_side((early, *(step(n, side="sim") for n in (10, 11, 12, 30))), (fill(early),))
    found = compared(make_side(tuple(step(n) for n in (10, 11, 12))), simulated)
    assert (found.matched, found.outside, found.usd) == (3, 2, 0)
    assert found.holds(0)


def test_decisions_match_by_the_nearest_time_of_their_symbol(step, make_side):
    """A live decision comes seconds after its bar; another symbol's never stands in for it."""
    live = make_side((step(1.05), step(1.05, symbol="MSFT"), step(2.2)))
    simulated = make_side(
        (step(1, side="sim"), step(1.02, symbol="BTC/USD", side="sim"), step(2, side="sim"))
    )
    found = compared(live, simulated)
    both = [(p.live.as_of_ns, p.simulated.as_of_ns) for p in found.pairs if p.live and p.simulated]
    assert both == [
        (round(1.05 * MINUTE_NS), MINUTE_NS), (round(2.2 * MINUTE_NS), 2 * MINUTE_NS),
    ]  # fmt: skip
    assert {p.symbol for p in found.pairs if not (p.live and p.simulated)} == {"MSFT", "BTC/USD"}


prices = st.floats(50, 150).map(lambda value: round(value, 2))
quantities = st.integers(1, 20).map(float)


@st.composite
def sides(draw, name: str) -> Side:
    """A session of any decisions and fills: entries, exits, strays, fees."""
    minutes = draw(st.lists(st.integers(1, 12), unique=True, max_size=6))
    steps, fills = [], []
    for minute in sorted(minutes):
        symbol = draw(st.sampled_from(["AAPL", "BTC/USD"]))
        one = Step(
            id=f"{name}{minute}",
            symbol=symbol,
            as_of_ns=minute * MINUTE_NS + draw(st.integers(0, 20)) * 10**9,
            action=draw(st.sampled_from(["buy", "hold"])),
            outcome="ordered",
            code="",
            price=draw(prices),
            model_usd=draw(st.sampled_from([0.0, 0.01])),
        )
        steps.append(one)
        for leg, sign in (("entry", 1), ("stop", -1)):
            if draw(st.booleans()):
                fills.append(
                    Execution(
                        ts_ns=one.as_of_ns + 10**9 * (1 + (sign < 0)),
                        symbol=symbol,
                        quantity=sign * draw(quantities),
                        price=draw(prices),
                        leg=leg,
                        fee_usd=draw(st.sampled_from([0.0, 0.5])),
                        step_id=one.id if leg == "entry" else "of-its-own",
                    )
                )
    return Side(name=name, steps=tuple(steps), executions=tuple(fills))


@given(sides("l"), sides("s"))
@settings(max_examples=60, deadline=None)
def test_the_dollars_of_all_causes_add_up_to_the_difference_of_the_results(live, simulated):
    """Whatever the sides did: nothing is explained twice, and nothing is left unexplained."""
    found = compared(live, simulated)
    assert sum(found.usd_by_cause.values()) == pytest.approx(found.usd)
    if found.outside:
        return
    seen = sorted(
        (at, symbol, price)
        for side in (live, simulated)
        for at, symbol, price in (
            *((step.as_of_ns, step.symbol, step.price) for step in side.steps),
            *((fill.ts_ns, fill.symbol, fill.price) for fill in side.executions),
        )
    )
    marks = {symbol: price for _, symbol, price in seen}

    def worth(side: Side) -> float:
        return sum(
            fill.quantity * (marks[fill.symbol] - fill.price) - fill.fee_usd
            for fill in side.executions
        ) - sum(step.model_usd for step in side.steps)

    assert found.usd == pytest.approx(worth(live) - worth(simulated))
