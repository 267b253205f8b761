"""The one door between float and Decimal: ticks, lots, limit prices and sizes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.decisions import ExecutionStyle
from domain.limits import Limits
from domain.market import AssetClass, Instrument, WindowAccount, WindowQuote
from domain.orders import OrderClass, Side, tick_at
from domain.pricing import (
    allowance,
    default_stop,
    default_target,
    floor_quantity,
    limit_price,
    must_be_whole,
    round_price,
    size,
    to_decimal,
    to_price,
)

STOCK = Instrument(
    symbol="AAPL",
    asset_class=AssetClass.STOCK,
    tick=Decimal("0.01"),
    lot=Decimal("0.000000001"),
    min_notional=Decimal(1),
    fractionable=True,
    shortable=True,
)
WHOLE = Instrument(
    symbol="OCGN",
    asset_class=AssetClass.STOCK,
    tick=Decimal("0.01"),
    lot=Decimal(1),
    min_notional=Decimal(1),
)
COIN = Instrument(
    symbol="BTC/USD",
    asset_class=AssetClass.CRYPTO,
    tick=Decimal("0.01"),
    lot=Decimal("0.000000001"),
    min_notional=Decimal(10),
    fractionable=True,
    max_notional=Decimal(200_000),
)
ACCOUNT = WindowAccount(
    equity=Decimal(10_000), cash=Decimal(10_000), buying_power=Decimal(10_000), day_pnl=Decimal(0)
)
WIDE = Limits(
    max_order_amount=Decimal(1_000_000),
    max_position_fraction=10.0,
    max_exposure_fraction=10.0,
    max_risk_per_trade=1.0,
)
LAWS = settings(deadline=None, max_examples=200)
prices = st.decimals("0.0101", 90_000, places=4)
instruments = st.sampled_from([STOCK, WHOLE, COIN])


def quote(bid: float, ask: float) -> WindowQuote:
    return WindowQuote(bid=bid, bid_size=1, ask=ask, ask_size=1, ts_event="", ts_recv="")


def limit(side: Side, style: ExecutionStyle, offset: float = 0.0, **fields) -> Decimal:
    return limit_price(
        side=side,
        quote=fields.pop("quote", quote(100.0, 100.1)),
        style=style,
        offset_bps=offset,
        collar_bps=fields.pop("collar_bps", 50.0),
        instrument=fields.pop("instrument", STOCK),
    )


def test_float_becomes_the_number_a_person_would_write():
    assert to_decimal(0.1) == Decimal("0.1")
    assert to_price(190.1, STOCK) == Decimal("190.10")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0])
def test_what_is_no_price_is_refused(value):
    with pytest.raises(ValueError, match="not a"):
        to_price(value, STOCK)


def test_stocks_below_a_dollar_have_a_finer_tick():
    """Alpaca answers 422 "sub-penny increment does not fulfill minimum pricing criteria"."""
    assert to_price(290.123, STOCK) == Decimal("290.12")
    assert to_price(0.12345, STOCK) == Decimal("0.1234")
    assert to_price(0.99996, STOCK) == Decimal("1.0000")
    assert tick_at(Decimal("0.99"), COIN) == Decimal("0.01")


@LAWS
@given(prices, instruments)
def test_rounding_brackets_the_value_and_lands_on_a_tick(value, instrument):
    down, up = round_price(value, instrument, "down"), round_price(value, instrument, "up")
    near, tick = round_price(value, instrument, "nearest"), tick_at(value, instrument)
    assert down <= value <= up
    assert up - down in {0, tick}
    assert near in {down, up}
    assert abs(near - value) * 2 <= tick
    assert all(each % tick == 0 for each in (down, near, up))


@LAWS
@given(st.decimals(0, 10_000, places=11), instruments, st.booleans())
def test_quantity_is_floored_to_its_lot_and_never_up(quantity, instrument, whole):
    floored = floor_quantity(quantity, instrument, whole=whole)
    lot = Decimal(1) if whole or instrument is WHOLE else instrument.lot
    assert 0 <= quantity - floored < lot
    assert floored % lot == 0


def test_brackets_and_short_sales_take_whole_shares():
    assert must_be_whole(STOCK, side=Side.BUY, order_class=OrderClass.BRACKET)
    assert must_be_whole(STOCK, side=Side.SELL, order_class=OrderClass.SIMPLE)
    assert must_be_whole(WHOLE, side=Side.BUY, order_class=OrderClass.SIMPLE)
    assert not must_be_whole(STOCK, side=Side.BUY, order_class=OrderClass.SIMPLE)
    assert not must_be_whole(COIN, side=Side.SELL, order_class=OrderClass.SIMPLE)


def test_passive_waits_at_our_side_and_marketable_takes_the_other():
    assert limit(Side.BUY, ExecutionStyle.PASSIVE) == Decimal("100.00")
    assert limit(Side.SELL, ExecutionStyle.PASSIVE) == Decimal("100.10")
    assert limit(Side.BUY, ExecutionStyle.MARKETABLE) == Decimal("100.10")
    assert limit(Side.SELL, ExecutionStyle.MARKETABLE) == Decimal("100.00")
    assert limit(Side.BUY, ExecutionStyle.MARKETABLE, 10) == Decimal("100.20")
    assert limit(Side.SELL, ExecutionStyle.MARKETABLE, 10) == Decimal("99.90")


def test_wish_for_a_market_order_becomes_a_limit_at_the_collar():
    assert limit(Side.BUY, ExecutionStyle.MARKETABLE, 1e9) == Decimal("100.60")
    assert limit(Side.SELL, ExecutionStyle.MARKETABLE, 1e9) == Decimal("99.50")


sides = st.sampled_from(Side)
styles = st.sampled_from(ExecutionStyle)
offsets = st.floats(-1e4, 1e4, allow_nan=False)


@LAWS
@given(sides, styles, offsets, st.floats(5, 50_000), st.floats(0, 0.01), instruments)
def test_limit_price_stays_inside_the_collar_and_on_a_tick(
    side, style, offset, bid, spread, instrument
):
    """A quote off the tick and a price off the tick may each round a tick away from the market."""
    ask = bid * (1 + spread)
    price = limit(side, style, offset, quote=quote(bid, ask), instrument=instrument)
    tick = tick_at(price, instrument)
    assert price % tick == 0
    low, high = to_decimal(bid) * Decimal("0.995"), to_decimal(ask) * Decimal("1.005")
    assert low - 2 * tick <= price <= high + 2 * tick
    if style is ExecutionStyle.PASSIVE:
        assert price < to_decimal(ask) if side is Side.BUY else price > to_decimal(bid)
    elif offset >= 0:
        assert price >= to_decimal(ask) if side is Side.BUY else price <= to_decimal(bid)


@pytest.mark.parametrize(
    ("bid", "ask"), [(0.0, 1.0), (1.0, 0.0), (2.0, 1.0), (float("nan"), 1.0), (1.0, float("nan"))]
)
def test_limit_price_refuses_a_quote_it_cannot_trust(bid, ask):
    with pytest.raises(ValueError, match="two-sided"):
        limit(Side.BUY, ExecutionStyle.PASSIVE, quote=quote(bid, ask))


def allowed(limits: Limits = WIDE, account: WindowAccount = ACCOUNT, **fields) -> Decimal:
    return allowance(
        account,
        limits,
        instrument=fields.get("instrument", STOCK),
        price=fields.get("price", Decimal(100)),
        stop_price=fields.get("stop_price", Decimal(98)),
    )


def held(**fields) -> WindowAccount:
    return WindowAccount(
        equity=Decimal(10_000),
        cash=Decimal(10_000),
        buying_power=fields.pop("buying_power", Decimal(10_000_000)),
        day_pnl=Decimal(0),
        **fields,
    )


def test_allowance_is_the_least_of_the_order_amount():
    assert allowed(Limits(), ACCOUNT) == Decimal(100)


def test_allowance_is_the_least_of_the_room_to_the_position_limit():
    limits = Limits(max_order_amount=Decimal(100_000), max_risk_per_trade=1.0)
    assert allowed(limits, held(symbol_exposure=Decimal(400))) == Decimal(600)


def test_allowance_is_the_least_of_the_room_to_the_exposure_limit():
    limits = Limits(max_order_amount=Decimal(100_000), max_risk_per_trade=1.0)
    assert allowed(limits, held(exposure=Decimal(4_800))) == Decimal(200)


def test_allowance_is_the_least_of_most_of_the_buying_power():
    assert allowed(account=held(buying_power=Decimal(1_000))) == Decimal(950)


def test_allowance_is_the_least_of_what_the_stop_may_lose():
    limits = replace(WIDE, max_risk_per_trade=0.01)
    # 1 % of 10,000 over a stop 2 % away: a fill at the stop loses 100.
    assert allowed(limits, held()) == Decimal(5_000)


def test_allowance_is_the_least_of_the_venues_largest_order():
    rich = WindowAccount(
        equity=Decimal(10**9),
        cash=Decimal(10**9),
        buying_power=Decimal(10**9),
        day_pnl=Decimal(0),
    )
    assert allowed(account=rich, instrument=COIN) == Decimal(200_000)


@LAWS
@given(
    st.decimals(-100_000, 100_000, places=2),
    st.decimals(-100_000, 100_000, places=2),
    prices,
    prices,
)
def test_allowance_is_never_negative_and_never_above_the_order_amount(equity, power, price, stop):
    account = WindowAccount(equity=equity, cash=equity, buying_power=power, day_pnl=Decimal(0))
    got = allowed(Limits(), account, price=price, stop_price=stop)
    assert 0 <= got <= 100
    assert equity > 0 or got == 0


def test_no_stop_distance_allows_nothing():
    assert allowed(stop_price=Decimal(100)) == 0


@LAWS
@given(st.floats(), st.decimals(0, 100_000, places=2), prices, instruments, st.booleans())
def test_size_never_costs_more_than_its_share_of_the_allowance(
    fraction, allowed_usd, price, instrument, whole
):
    """The published system let a model invent the quantity; here it can only make it smaller."""
    quantity = size(fraction, allowed_usd, price, instrument, whole=whole)
    assert 0 <= quantity * price <= allowed_usd
    assert quantity == floor_quantity(quantity, instrument, whole=whole)
    if 0 < fraction < 1:
        assert quantity * price <= to_decimal(fraction) * allowed_usd * Decimal("1.000000001")


def test_size_is_the_largest_that_fits():
    quantity = size(1.0, Decimal(100), Decimal("190.10"), STOCK)
    assert quantity * Decimal("190.10") <= 100 < (quantity + STOCK.lot) * Decimal("190.10")
    assert size(1.0, Decimal(100), Decimal("190.10"), STOCK, whole=True) == 0
    assert size(0.5, Decimal(1_000), Decimal(100), WHOLE) == 5


@pytest.mark.parametrize("fraction", [float("nan"), float("inf"), -0.1, 0.0])
def test_fraction_that_is_none_sizes_nothing(fraction):
    assert size(fraction, Decimal(100), Decimal(10), STOCK) == 0


def test_missing_stop_lies_two_ranges_to_the_losing_side():
    assert default_stop(Side.BUY, Decimal(100), 1.234, STOCK) == Decimal("97.53")
    assert default_stop(Side.SELL, Decimal(100), 1.234, STOCK) == Decimal("102.47")
    assert default_stop(Side.BUY, Decimal(1), 3.0, STOCK) > 0


@pytest.mark.parametrize("atr", [0.0, -1.0, float("nan"), float("inf")])
def test_missing_stop_needs_a_range(atr):
    with pytest.raises(ValueError, match="not a"):
        default_stop(Side.BUY, Decimal(100), atr, STOCK)


def test_missing_target_lies_twice_the_stops_distance_to_the_winning_side():
    assert default_target(Side.BUY, Decimal(100), Decimal(98), STOCK) == 104
    assert default_target(Side.SELL, Decimal(100), Decimal("101.005"), STOCK, 1.0) == Decimal(
        "98.99"
    )


@LAWS
@given(sides, st.decimals(5, 50_000, places=2), st.floats(0.01, 2), st.floats(0.5, 5))
def test_missing_target_earns_at_least_its_ratio(side, price, atr, ratio):
    stop = default_stop(side, price, atr, STOCK)
    target = default_target(side, price, stop, STOCK, ratio)
    assume(target > tick_at(Decimal(0), STOCK))
    risk, reward = (price - stop) * side.sign, (target - price) * side.sign
    assert reward >= risk * to_decimal(ratio) > 0
