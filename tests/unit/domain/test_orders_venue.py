"""The venue's field rules: what is sent for a request, and what it would be refused for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.market import AssetClass, Instrument
from domain.orders import (
    Leg,
    OrderClass,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    broken_rule,
    client_order_id,
    entry_terms,
    from_venue_status,
    to_alpaca,
)

STOCK = Instrument(
    symbol="AAPL",
    asset_class=AssetClass.STOCK,
    tick=Decimal("0.01"),
    lot=Decimal("0.000000001"),
    min_notional=Decimal(1),
    fractionable=True,
)
COIN = Instrument(
    symbol="BTC/USD",
    asset_class=AssetClass.CRYPTO,
    tick=Decimal("0.01"),
    lot=Decimal("0.000000001"),
    min_notional=Decimal(10),
    fractionable=True,
)
ORIGIN = "0123456789abcdef01234567"
BRACKET = OrderRequest(
    decision_id=ORIGIN,
    leg=Leg.ENTRY,
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(10),
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.GTC,
    reference_price=Decimal("100.00"),
    valid_until="2026-11-20T15:00:00.000000000Z",
    client_order_id=client_order_id(ORIGIN, Leg.ENTRY, 1),
    limit_price=Decimal("100.10"),
    stop_loss=Decimal("98.00"),
    take_profit=Decimal("104.00"),
    order_class=OrderClass.BRACKET,
)
PLAIN = replace(
    BRACKET,
    quantity=Decimal("0.5"),
    order_class=OrderClass.SIMPLE,
    time_in_force=TimeInForce.DAY,
)
OCO = replace(
    BRACKET,
    leg=Leg.STOP,
    side=Side.SELL,
    order_class=OrderClass.OCO,
    limit_price=Decimal("104.00"),
)
COIN_ENTRY = replace(PLAIN, symbol="BTC/USD", time_in_force=TimeInForce.IOC)
COIN_STOP = replace(
    COIN_ENTRY,
    leg=Leg.STOP,
    side=Side.SELL,
    order_type=OrderType.STOP_LIMIT,
    time_in_force=TimeInForce.GTC,
    stop_price=Decimal("98.00"),
    limit_price=Decimal("97.00"),
)


def test_bracket_carries_its_exits_as_children():
    assert to_alpaca(BRACKET) == {
        "symbol": "AAPL",
        "qty": "10",
        "side": "buy",
        "type": "limit",
        "time_in_force": "gtc",
        "client_order_id": f"ah-{ORIGIN}-entry-1",
        "limit_price": "100.1",
        "order_class": "bracket",
        "take_profit": {"limit_price": "104"},
        "stop_loss": {"stop_price": "98"},
    }


def test_simple_entry_leaves_its_exits_for_later():
    body = to_alpaca(PLAIN)
    assert body["qty"] == "0.5"
    assert not body.keys() & {"order_class", "take_profit", "stop_loss", "notional"}


def test_oco_is_a_limit_order_with_both_exits():
    body = to_alpaca(OCO)
    assert (body["type"], body["order_class"]) == ("limit", "oco")
    assert body["take_profit"] == {"limit_price": "104"}
    assert body["stop_loss"] == {"stop_price": "98"}


def test_crypto_keeps_its_slash_and_its_stop_has_two_prices():
    body = to_alpaca(COIN_STOP)
    assert body["symbol"] == "BTC/USD"
    assert (body["type"], body["stop_price"], body["limit_price"]) == ("stop_limit", "98", "97")


def test_decimals_are_plain_text_without_exponent():
    tiny = replace(COIN_ENTRY, quantity=Decimal("0.000000010"), limit_price=Decimal("1E+5"))
    body = to_alpaca(tiny)
    assert (body["qty"], body["limit_price"]) == ("0.00000001", "100000")


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending_new", OrderState.ACCEPTED),
        ("new", OrderState.ACCEPTED),
        ("done_for_day", OrderState.ACCEPTED),
        ("held", OrderState.HELD),
        ("partially_filled", OrderState.PARTIALLY_FILLED),
        ("pending_cancel", OrderState.PENDING_CANCEL),
        ("filled", OrderState.FILLED),
        ("canceled", OrderState.CANCELED),
        ("expired", OrderState.EXPIRED),
        ("replaced", OrderState.REPLACED),
        ("rejected", OrderState.REJECTED),
        ("a_status_of_next_year", OrderState.UNKNOWN),
    ],
)
def test_status_of_the_venue_maps_onto_ours_and_a_new_one_is_unknown(status, state):
    assert from_venue_status(status) is state


@pytest.mark.parametrize(
    ("request_", "instrument"),
    [(BRACKET, STOCK), (PLAIN, STOCK), (OCO, STOCK), (COIN_ENTRY, COIN), (COIN_STOP, COIN)],
    ids=["bracket", "fractional", "oco", "crypto entry", "crypto stop"],
)
def test_every_order_we_send_is_well_formed(request_, instrument):
    assert broken_rule(request_, instrument) is None


def test_bracket_may_lie_exactly_a_cent_from_its_price_and_a_name_be_full():
    tight = replace(BRACKET, stop_loss=Decimal("100.09"), take_profit=Decimal("100.11"))
    assert broken_rule(replace(tight, client_order_id="x" * 48), STOCK) is None
    short = replace(
        tight, side=Side.SELL, stop_loss=Decimal("100.11"), take_profit=Decimal("100.09")
    )
    assert broken_rule(short, STOCK) is None


def test_sub_penny_prices_are_for_stocks_below_a_dollar():
    penny = replace(PLAIN, limit_price=Decimal("0.5001"), stop_loss=None, take_profit=None)
    assert broken_rule(penny, STOCK) is None
    assert "off the tick" in str(broken_rule(replace(penny, limit_price=Decimal("1.0001")), STOCK))
    coin = replace(penny, symbol="BTC/USD", time_in_force=TimeInForce.GTC)
    assert "off the tick" in str(broken_rule(coin, COIN))


def test_order_carries_only_the_prices_of_its_type():
    priced = replace(COIN_STOP, leg=Leg.FLATTEN, order_type=OrderType.MARKET)
    assert not to_alpaca(priced).keys() & {"limit_price", "stop_price"}
    resting = to_alpaca(replace(priced, order_type=OrderType.STOP))
    assert resting.keys() & {"limit_price", "stop_price"} == {"stop_price"}


BROKEN: list[tuple[str, OrderRequest, dict[str, Any], Instrument]] = [
    ("1 to 48 characters", PLAIN, {"client_order_id": "x" * 49}, STOCK),
    ("must be positive", PLAIN, {"quantity": Decimal(0)}, STOCK),
    ("must be positive", PLAIN, {"quantity": Decimal("NaN")}, STOCK),
    ("must be positive", PLAIN, {"limit_price": Decimal(-1)}, STOCK),
    ("must be positive", PLAIN, {"stop_loss": Decimal("Infinity")}, STOCK),
    ("needs its limit", PLAIN, {"limit_price": None}, STOCK),
    ("needs its limit", COIN_STOP, {"stop_price": None}, COIN),
    ("off the lot", PLAIN, {"quantity": Decimal("0.0000000001")}, STOCK),
    ("off the lot", PLAIN, {}, replace(STOCK, fractionable=False)),
    ("off the tick", PLAIN, {"limit_price": Decimal("100.101")}, STOCK),
    ("off the tick", PLAIN, {"stop_loss": Decimal("98.005")}, STOCK),
    ("entry is a limit order", PLAIN, {"order_type": OrderType.MARKET}, STOCK),
    ("simple orders only", COIN_ENTRY, {"order_class": OrderClass.BRACKET}, COIN),
    ("market, limit and stop_limit", COIN_STOP, {"order_type": OrderType.STOP}, COIN),
    ("gtc and ioc", COIN_ENTRY, {"time_in_force": TimeInForce.DAY}, COIN),
    ("simple DAY orders", PLAIN, {"time_in_force": TimeInForce.GTC}, STOCK),
    ("simple DAY orders", BRACKET, {"quantity": Decimal("1.5")}, STOCK),
    ("day and gtc", BRACKET, {"time_in_force": TimeInForce.IOC}, STOCK),
    ("need both exits", BRACKET, {"take_profit": None}, STOCK),
    ("a cent to either side", BRACKET, {"stop_loss": Decimal("100.10")}, STOCK),
    ("a cent to either side", BRACKET, {"take_profit": Decimal("100.10")}, STOCK),
    ("target beyond its stop", OCO, {"take_profit": Decimal("97.00")}, STOCK),
    ("target beyond its stop", OCO, {"take_profit": Decimal("98.00")}, STOCK),
    ("target beyond its stop", OCO, {"order_type": OrderType.MARKET}, STOCK),
]


@pytest.mark.parametrize(("says", "request_", "fields", "instrument"), BROKEN)
def test_order_that_the_venue_would_refuse_is_named(says, request_, fields, instrument):
    assert says in str(broken_rule(replace(request_, **fields), instrument))


def test_entries_go_out_as_the_venue_allows():
    assert entry_terms(Decimal("0.5"), COIN) == (OrderClass.SIMPLE, TimeInForce.IOC)
    assert entry_terms(Decimal(3), STOCK) == (OrderClass.BRACKET, TimeInForce.GTC)
    assert entry_terms(Decimal("0.5"), STOCK) == (OrderClass.SIMPLE, TimeInForce.DAY)


def test_name_of_an_order_is_a_function_of_its_intent():
    """A retry with a fresh id is how other bots doubled orders."""
    assert client_order_id(ORIGIN, Leg.STOP, 2) == client_order_id(ORIGIN, Leg.STOP, 2)
    names = {client_order_id(ORIGIN, leg, attempt) for leg in Leg for attempt in (1, 2)}
    assert len(names) == 2 * len(Leg)
    assert max(map(len, names)) <= 48
    with pytest.raises(ValueError, match="longer than 48"):
        client_order_id("x" * 40, Leg.ENTRY, 1)
