"""How a decided trade becomes one order, in code alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.decisions import Check, ExecutionPlan, ExecutionStyle, Intent, Verdict
from domain.limits import Limits
from domain.market import Window
from domain.orders import Leg, OrderClass, OrderRequest, OrderType, Side, TimeInForce, broken_rule
from domain.records import parse
from graph.execution import DEFAULT_CLOSE, build_order
from tests.unit.graph.conftest import instrument, long_position, make_window

TAKE = ExecutionPlan(style=ExecutionStyle.MARKETABLE, limit_offset_bps=0.0)
WAIT = ExecutionPlan(style=ExecutionStyle.PASSIVE, limit_offset_bps=0.0)
BIG = Limits(max_order_amount=Decimal(5_000))


def verdict(**changes: Any) -> Verdict:
    said = {"stop_loss": 230.0, "take_profit": 233.5, "size_fraction": 1.0} | changes
    return Verdict(approved=True, reason="", **said)


def order(
    window: Window,
    intent: Intent = Intent.OPEN_LONG,
    said: Verdict | None = None,
    plan: ExecutionPlan = TAKE,
) -> OrderRequest:
    built = build_order(window, intent, said or verdict(), plan, parse(window.limits, Limits))
    assert isinstance(built, OrderRequest)
    return built


def test_a_fraction_of_a_share_is_a_simple_day_limit() -> None:
    """The default: 100 dollars of a dearer share. Its stop is placed after the fill."""
    entry = order(make_window())
    assert entry.quantity < 1
    assert (entry.order_class, entry.time_in_force) == (OrderClass.SIMPLE, TimeInForce.DAY)
    assert entry.order_type is OrderType.LIMIT
    assert entry.quantity * entry.limit_price <= 100
    assert entry.quantity * entry.limit_price > Decimal("99.99")
    assert (entry.stop_loss, entry.take_profit) == (Decimal("230.00"), Decimal("233.50"))


def test_whole_shares_go_out_as_a_bracket_that_stays() -> None:
    """The exits rest at the venue from the first fill; the fraction of a share is given up."""
    entry = order(make_window(limits=BIG))
    assert entry.quantity == 21
    assert (entry.order_class, entry.time_in_force) == (OrderClass.BRACKET, TimeInForce.GTC)


def test_crypto_is_a_simple_order_that_lives_for_a_moment() -> None:
    """IOC at the other side; a passive order cannot be IOC and is cancelled by the engine."""
    window = make_window("BTC/USD")
    entry = order(window)
    assert (entry.order_class, entry.time_in_force) == (OrderClass.SIMPLE, TimeInForce.IOC)
    assert order(window, plan=WAIT).time_in_force is TimeInForce.GTC


def test_names_and_times_follow_from_the_window() -> None:
    """A replay makes the same order to the byte, so the venue would refuse a second copy."""
    window = make_window()
    entry = order(window)
    assert entry.client_order_id == f"ah-{window.decision_id}-entry-1"
    assert entry.decision_id == window.decision_id
    assert entry.valid_until == "2026-11-20T15:31:00.000000000Z"
    assert entry.reference_price == Decimal("231.00")
    assert entry == order(window)


def test_a_missing_stop_and_target_are_set_by_code() -> None:
    """Two average true ranges away, and twice that for the target."""
    entry = order(make_window(), said=verdict(stop_loss=None, take_profit=None))
    assert entry.limit_price == Decimal("231.02")
    assert entry.stop_loss == Decimal("230.02")
    assert entry.take_profit == Decimal("233.02")


def test_without_a_range_there_is_no_stop_and_so_no_order() -> None:
    """An unprotected position is not opened."""
    window = make_window(indicators={"atr_14": None})
    built = build_order(window, Intent.OPEN_LONG, verdict(stop_loss=None), TAKE, Limits())
    assert isinstance(built, Check)
    assert built.code == "STOP_DISTANCE"


def test_exits_are_never_rounded_nearer_than_the_agent_said() -> None:
    """Down for a long's stop, up for its target, and the other way for a short."""
    entry = order(make_window(), said=verdict(stop_loss=230.019, take_profit=233.501))
    assert (entry.stop_loss, entry.take_profit) == (Decimal("230.01"), Decimal("233.51"))
    window = make_window(limits=Limits(max_order_amount=Decimal(5_000), allow_short=True))
    short = order(window, Intent.OPEN_SHORT, verdict(stop_loss=232.001, take_profit=228.509))
    assert (short.stop_loss, short.take_profit) == (Decimal("232.01"), Decimal("228.50"))
    assert (short.side, short.quantity) == (Side.SELL, 21)


def test_a_share_too_dear_to_short_whole_is_no_order() -> None:
    """Short sales are whole shares; the least notional is never reached by rounding up."""
    window = make_window(limits=Limits(allow_short=True))
    built = build_order(window, Intent.OPEN_SHORT, verdict(stop_loss=232.0), TAKE, BIG)
    assert isinstance(built, OrderRequest)
    built = build_order(window, Intent.OPEN_SHORT, verdict(stop_loss=232.0), TAKE, Limits())
    assert isinstance(built, Check)
    assert built.code == "NOTIONAL_BELOW_MIN"


def test_the_risk_agents_share_makes_the_trade_smaller() -> None:
    """Half the share is half the quantity; more than all of it cannot be said."""
    window = make_window("BTC/USD")
    whole, half = order(window), order(window, said=verdict(size_fraction=0.5))
    assert half.quantity == pytest.approx(whole.quantity / 2, rel=Decimal("1e-6"))


@pytest.mark.parametrize(
    ("quantity", "intent", "side"),
    [("0.4321", Intent.CLOSE_LONG, Side.SELL), ("-3", Intent.CLOSE_SHORT, Side.BUY)],
)
def test_a_close_is_the_whole_position_without_exits(
    quantity: str, intent: Intent, side: Side
) -> None:
    """No size and no loss limit apply to it."""
    window = make_window(
        position=long_position(quantity), limits=Limits(max_order_amount=Decimal(1))
    )
    leaving = order(window, intent, plan=DEFAULT_CLOSE)
    assert leaving.leg is Leg.REDUCE
    assert (leaving.side, leaving.quantity) == (side, abs(Decimal(quantity)))
    assert leaving.stop_loss is leaving.take_profit is None
    assert (leaving.order_type, leaving.time_in_force) == (OrderType.LIMIT, TimeInForce.DAY)
    assert leaving.client_order_id.endswith("-reduce-1")


def test_the_default_close_crosses_the_spread() -> None:
    """It must leave now: a little beyond the other side, inside the collar."""
    window = make_window(position=long_position())
    leaving = order(window, Intent.CLOSE_LONG, plan=DEFAULT_CLOSE)
    assert Decimal("230.80") < leaving.limit_price < Decimal("230.98")


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_a_close_never_waits_at_a_price(symbol: str) -> None:
    """The stop makes way for a close: one that rested left the position bare until it filled."""
    window = make_window(symbol, position=long_position("0.004"))
    waiting = order(window, Intent.CLOSE_LONG, plan=WAIT)
    assert waiting == order(window, Intent.CLOSE_LONG, plan=DEFAULT_CLOSE)
    assert waiting.limit_price < Decimal(repr(window.quote.bid))


def test_a_crypto_close_is_immediate() -> None:
    """Crypto knows no DAY order."""
    window = make_window("BTC/USD", position=long_position("0.004"))
    assert order(window, Intent.CLOSE_LONG).time_in_force is TimeInForce.IOC


prices = st.floats(min_value=0.5, max_value=5_000).map(lambda price: round(price, 2))


@settings(max_examples=150, deadline=None)
@given(
    price=prices,
    spread=st.floats(min_value=0, max_value=0.01),
    atr=st.floats(min_value=0.02, max_value=0.05),
    fraction=st.floats(min_value=0, max_value=1),
    style=st.sampled_from(ExecutionStyle),
    offset=st.floats(min_value=-50, max_value=50),
    amount=st.integers(min_value=1, max_value=20_000),
    is_crypto=st.booleans(),
    is_short=st.booleans(),
)
def test_every_entry_is_well_formed_protected_and_within_the_amount(
    *, price: float, spread: float, atr: float, fraction: float, style: ExecutionStyle,
    offset: float, amount: int, is_crypto: bool, is_short: bool,
) -> None:  # fmt: skip
    """Whatever the agents choose, code makes an order that the venue takes, or none."""
    symbol = "BTC/USD" if is_crypto else "AAPL"
    half = price * spread / 2
    limits = Limits(max_order_amount=Decimal(amount), allow_short=True)
    window = make_window(
        symbol,
        limits=limits,
        quote=(round(price - half, 2), round(price + half, 2) + 0.01),
        indicators={"atr_14": price * atr},
        instrument=instrument(symbol),
    )
    intent = Intent.OPEN_SHORT if is_short and not is_crypto else Intent.OPEN_LONG
    said = verdict(size_fraction=fraction, stop_loss=None, take_profit=None)
    plan = ExecutionPlan(style=style, limit_offset_bps=offset)
    built = build_order(window, intent, said, plan, limits)
    if isinstance(built, Check):
        assert built.code == "NOTIONAL_BELOW_MIN"
        return
    assert built.order_type is OrderType.LIMIT
    assert built.limit_price is not None
    assert built.stop_loss is not None
    assert built.take_profit is not None
    assert built.quantity * built.limit_price <= amount
    assert (built.limit_price - built.stop_loss) * built.side.sign > 0
    assert (built.take_profit - built.limit_price) * built.side.sign > 0
    assert broken_rule(built, window.instrument) is None
