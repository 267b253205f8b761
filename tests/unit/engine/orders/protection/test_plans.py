"""Plans: what rules make of an entry, how a stop follows the price, what a split does."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account import Position
from domain.market import AssetClass, Instrument, Quote
from domain.orders import Leg, OrderRequest, OrderType, Side, TimeInForce, client_order_id
from engine.orders.protection.planbook import PlanBook
from engine.orders.protection.plans import (
    ADOPTED_STOP,
    Opening,
    Plan,
    adopted_plan,
    plan_of,
    rescaled,
    sellable,
    tightened,
    trailed,
    trails_at,
)
from engine.orders.protection.rules import ExitRules, distance_of

PAIR = Instrument(
    symbol="BTC/USD",
    asset_class=AssetClass.CRYPTO,
    tick=Decimal("0.01"),
    lot=Decimal("0.0001"),
    min_notional=Decimal(10),
)
STEP = Decimal("0.1")
OPENED = "2026-10-08T14:00:00.000000000Z"


def opening(side=Side.BUY, **changes):
    """An entry at 100 with its stop at 95 and its target at 110, or the mirror of it."""
    entry = OrderRequest(
        decision_id="d1",
        leg=Leg.ENTRY,
        symbol="BTC/USD",
        side=side,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        reference_price=Decimal(100),
        valid_until=OPENED,
        client_order_id=client_order_id("d1", Leg.ENTRY, 1),
        limit_price=Decimal(100),
        stop_loss=Decimal(100 - 5 * side.sign),
        take_profit=Decimal(100 + 10 * side.sign),
    )
    entry = msgspec.structs.replace(entry, **changes)
    return Opening(entry=entry, price=Decimal(100), opened_at=OPENED, atr=Decimal(2))


def plan(side=Side.BUY, **rules):
    return plan_of(opening(side), ExitRules(**rules), PAIR)


def quote(price):
    return Quote("BTC/USD", float(price), 1.0, float(price), 1.0, 0, 0)


def test_without_rules_a_plan_is_what_the_agents_said():
    """Nobody set anything: the entry's own stop and target count."""
    made = plan()
    assert (made.stop, made.target, made.trail, made.closes_at) == (95, 110, None, None)


@pytest.mark.parametrize(
    ("side", "rules", "stop", "target"),
    [
        (Side.BUY, {"stop_loss": distance_of("2%")}, 98, 110),
        (Side.BUY, {"stop_loss": distance_of("8%")}, 95, 110),
        (Side.BUY, {"take_profit": distance_of("2atr")}, 95, 104),
        (Side.BUY, {"take_profit": distance_of("20%")}, 95, 110),
        (Side.BUY, {"trailing_stop": distance_of("2atr")}, 96, 110),
        (Side.SELL, {"stop_loss": distance_of("2%")}, 102, 90),
        (Side.SELL, {"take_profit": distance_of("4%")}, 105, 96),
        (Side.SELL, {"trailing_stop": distance_of("1%")}, 101, 90),
    ],
)
def test_of_a_persons_level_and_the_agents_the_nearer_counts(side, rules, stop, target):
    """A rule bounds what may be lost or waited for; it never widens what was decided."""
    made = plan(side, **rules)
    assert (made.stop, made.target) == (stop, target)


def test_an_entry_without_a_stop_gets_one_all_the_same():
    """No position may stand without a plan, whatever an entry lacks."""
    made = plan_of(opening(stop_loss=None, take_profit=None), ExitRules(), PAIR)
    assert (made.stop, made.target) == (100 * (1 - ADOPTED_STOP), None)


def test_a_holding_time_counts_from_the_first_execution():
    """Not from the decision, nor from the order."""
    assert plan(max_holding_s=90.0).closes_at == "2026-10-08T14:01:30.000000000Z"


def test_a_rule_in_ranges_needs_the_range_of_the_decision():
    """Without one (its window is gone) the rule cannot be kept; percent can."""
    blind = msgspec.structs.replace(opening(), atr=None)
    rules = ExitRules(trailing_stop=distance_of("2atr"), stop_loss=distance_of("1%"))
    made = plan_of(blind, rules, PAIR)
    assert (made.trail, made.stop) == (None, 99)


def test_a_stop_follows_up_and_stays_when_the_price_falls():
    """It moves by a tenth of its distance or more: each move costs a moment without a stop."""
    made = plan(trailing_stop=distance_of("2atr"))
    assert made.stop == 96
    assert trails_at(made, step=STEP) == Decimal("100.4")
    assert trailed(made, quote(100.3), PAIR, step=STEP) is made
    risen = trailed(made, quote(103), PAIR, step=STEP)
    assert risen.stop == 99
    assert trailed(risen, quote(97), PAIR, step=STEP) is risen
    assert trailed(risen, quote(104), PAIR, step=STEP).stop == 100


def test_a_percentage_is_of_the_best_price():
    """As a venue's own trailing stop counts it: 2 % of a price that has doubled is twice as far."""
    made = plan(trailing_stop=distance_of("2%"))
    assert made.stop == 98
    assert trails_at(made, step=STEP) == pytest.approx(Decimal("100.204"), abs=Decimal("0.001"))
    assert trailed(made, quote(200), PAIR, step=STEP).stop == 196


def test_a_short_position_trails_downwards():
    """Its best price is the lowest ask."""
    made = plan(Side.SELL, trailing_stop=distance_of("2atr"))
    assert trailed(made, quote(90), PAIR, step=STEP).stop == 94
    assert trailed(made, quote(105), PAIR, step=STEP) is made


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 200.0), (200.0, 0.0), (200.0, 150.0)])
def test_a_quote_that_is_none_moves_no_stop(bid, ask):
    """An empty side and a crossed book say nothing of what could be got."""
    made = plan(trailing_stop=distance_of("4%"))
    broken = Quote("BTC/USD", bid, 1.0, ask, 1.0, 0, 0)
    assert trailed(made, broken, PAIR, step=STEP) is made


def position(quantity, average):
    return Position(
        symbol="BTC/USD",
        quantity=Decimal(quantity),
        available=Decimal(quantity),
        average_price=Decimal(average),
        market_price=Decimal(average),
        unrealized_pnl=Decimal(0),
    )


def test_a_split_takes_the_levels_along():
    """Two for one: the old stop would lie above the market and sell everything at once."""
    made = plan(trailing_stop=distance_of("2atr"))
    scaled = rescaled(made, position(10, 100), position(20, 50), PAIR)
    assert (scaled.stop, scaled.target, scaled.trail) == (48, 55, 2)


@pytest.mark.parametrize(
    ("quantity", "average"), [(5, 100), (20, 100), (10, 100), (-10, 100), (10, 50)]
)
def test_what_is_no_split_leaves_the_levels(quantity, average):
    """Somebody sold by hand, bought by hand, or turned around."""
    assert rescaled(plan(), position(10, 100), position(quantity, average), PAIR) is None


def test_an_adopted_position_takes_rules_in_percent():
    """Its market price is where they count from."""
    rules = ExitRules(stop_loss=distance_of("2%"), max_holding_s=60.0)
    made = adopted_plan(position(1, 100), PAIR, "o1", rules)
    assert (made.stop, made.closes_at) == (98, None)


@given(
    side=st.sampled_from(Side),
    prices=st.lists(st.integers(1, 40_000), max_size=40),
    percent=st.integers(1, 99),
)
def test_over_any_path_a_trailing_stop_never_loosens(side, prices, percent):
    """And it always lies on the losing side of the best price that it followed."""
    made = plan(side, trailing_stop=distance_of(f"{percent}%"))
    for cents in prices:
        before, price = made, Decimal(cents) / 100
        made = trailed(made, quote(price), PAIR, step=STEP)
        assert (made.stop - before.stop) * side.sign >= 0
        assert made == before or (price - made.stop) * side.sign >= 0
        assert msgspec.structs.replace(made, stop=before.stop) == before


@given(side=st.sampled_from(Side), stops=st.lists(st.integers(1, 20_000)))
def test_of_many_stops_the_nearest_stays(side, stops):
    """As at a restart, which reads every stop that was ever sent."""
    made: Plan = plan(side)
    first = made.stop
    for stop in stops:
        made = tightened(made, Decimal(stop) / 100)
    levels = [first, *(Decimal(stop) / 100 for stop in stops)]
    assert made.stop == (max(levels) if side is Side.BUY else min(levels))


@pytest.mark.parametrize(
    ("quantity", "price", "left"),
    [
        ("0.0115", "83.61", "0"),
        ("0.0120", "83.61", "0.0120"),
        ("2", "0.30", "2"),
        ("0.0115", "0", "0.0115"),
    ],
)
def test_a_fraction_of_a_share_worth_less_than_a_dollar_is_dust(quantity, price, left):
    """The venue takes no order of it: a stop for it was sent, and refused, without end."""
    instrument = Instrument(
        symbol="AAPL",
        asset_class=AssetClass.STOCK,
        tick=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_notional=Decimal(1),
        fractionable=True,
        shortable=True,
    )
    assert sellable(Decimal(quantity), instrument, price=Decimal(price)) == Decimal(left)


def test_the_names_of_living_plans_are_never_forgotten():
    """A name used twice would be taken for the order that had it first."""
    book = PlanBook(most_names=4)
    book.open(msgspec.structs.replace(plan(Side.BUY), origin="long", symbol="AAPL"))
    assert book.next_id("long", Leg.STOP) == "ah-long-stop-1"
    for n in range(20):
        assert book.next_id(f"d{n}", Leg.STOP) == f"ah-d{n}-stop-1"
    assert book.next_id("long", Leg.STOP) == "ah-long-stop-2"
    assert book.next_id("d19", Leg.STOP) == "ah-d19-stop-2"
    assert book.next_id("d0", Leg.STOP) == "ah-d0-stop-1", "forgotten long after its end"
