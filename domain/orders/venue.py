"""Speak the venue's field rules: what Alpaca takes, refuses and calls an order's states.

Source of every rule: Alpaca's trading API reference and user guide (orders, fractional trading,
crypto trading), with the error text the venue answers when one is broken.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from domain.market import AssetClass, Instrument
from domain.orders.records import (
    MAX_CLIENT_ORDER_ID,
    Leg,
    OrderClass,
    OrderRequest,
    OrderState,
    OrderType,
    TimeInForce,
)

_STATUS: dict[str, OrderState] = {
    "new": OrderState.ACCEPTED,
    "accepted": OrderState.ACCEPTED,
    "pending_new": OrderState.ACCEPTED,
    "accepted_for_bidding": OrderState.ACCEPTED,
    "stopped": OrderState.ACCEPTED,
    "suspended": OrderState.ACCEPTED,
    "calculated": OrderState.ACCEPTED,
    # Done for today, alive tomorrow: still working.
    "done_for_day": OrderState.ACCEPTED,
    "held": OrderState.HELD,
    "partially_filled": OrderState.PARTIALLY_FILLED,
    "pending_cancel": OrderState.PENDING_CANCEL,
    "pending_replace": OrderState.PENDING_REPLACE,
    "filled": OrderState.FILLED,
    "canceled": OrderState.CANCELED,
    "replaced": OrderState.REPLACED,
    "expired": OrderState.EXPIRED,
    "rejected": OrderState.REJECTED,
}

MIN_CHILD_DISTANCE = Decimal("0.01")
"""Alpaca wants a bracket's exits at least a cent from its base price."""

SUB_PENNY_TICK = Decimal("0.0001")
"""Stocks below one dollar are quoted in hundredths of a cent (SEC Rule 612)."""


def from_venue_status(status: str) -> OrderState:
    """Map Alpaca's status onto our states; a status we do not know is `unknown`, never a guess."""
    return _STATUS.get(status, OrderState.UNKNOWN)


def to_alpaca(request: OrderRequest) -> dict[str, Any]:
    """Render the body of `POST /v2/orders`, decimals as plain strings.

    The exits of a simple order are left out: they are orders of their own once the entry fills.
    """
    body: dict[str, Any] = {
        "symbol": request.symbol,
        "qty": _text(request.quantity),
        "side": request.side.value,
        "type": request.order_type.value,
        "time_in_force": request.time_in_force.value,
        "client_order_id": request.client_order_id,
    }
    if request.order_type in _LIMITS and request.limit_price is not None:
        body["limit_price"] = _text(request.limit_price)
    if request.order_type in _STOPS and request.stop_price is not None:
        body["stop_price"] = _text(request.stop_price)
    if request.order_class is not OrderClass.SIMPLE:
        body["order_class"] = request.order_class.value
        if request.take_profit is not None:
            body["take_profit"] = {"limit_price": _text(request.take_profit)}
        if request.stop_loss is not None:
            body["stop_loss"] = {"stop_price": _text(request.stop_loss)}
    return body


def tick_at(price: Decimal, instrument: Instrument) -> Decimal:
    """Return the price increment at a price: stocks under a dollar have a finer one."""
    if instrument.asset_class is AssetClass.STOCK and price < 1:
        return min(instrument.tick, SUB_PENNY_TICK)
    return instrument.tick


def is_whole(quantity: Decimal) -> bool:
    """Tell whether a quantity is in whole units."""
    return quantity == quantity.to_integral_value()


def broken_rule(request: OrderRequest, instrument: Instrument) -> str | None:
    """Name the first rule of form that the venue would refuse this order for, or none."""
    for rule, says in _RULES:
        if not rule(request, instrument):
            return says
    return None


_LIMITS = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_CRYPTO_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT})
_CRYPTO_TIF = frozenset({TimeInForce.GTC, TimeInForce.IOC})
_STANDING = frozenset({TimeInForce.DAY, TimeInForce.GTC})


def _prices(request: OrderRequest) -> tuple[Decimal, ...]:
    named = (request.limit_price, request.stop_price, request.stop_loss, request.take_profit)
    return tuple(price for price in named if price is not None)


def _has_name(request: OrderRequest, _: Instrument) -> bool:
    return 0 < len(request.client_order_id) <= MAX_CLIENT_ORDER_ID


def _is_positive(request: OrderRequest, _: Instrument) -> bool:
    numbers = (request.quantity, *_prices(request))
    return all(number.is_finite() and number > 0 for number in numbers)


def _is_on_lot(request: OrderRequest, instrument: Instrument) -> bool:
    lot = instrument.lot
    if instrument.asset_class is AssetClass.STOCK and not instrument.fractionable:
        lot = Decimal(1)
    return request.quantity % lot == 0


def _is_on_tick(request: OrderRequest, instrument: Instrument) -> bool:
    return all(price % tick_at(price, instrument) == 0 for price in _prices(request))


def _has_its_prices(request: OrderRequest, _: Instrument) -> bool:
    has_limit = request.limit_price is not None or request.order_class is OrderClass.OCO
    return (request.order_type not in _LIMITS or has_limit) and (
        request.order_type not in _STOPS or request.stop_price is not None
    )


def _is_crypto_simple(request: OrderRequest, instrument: Instrument) -> bool:
    is_stock = instrument.asset_class is AssetClass.STOCK
    return is_stock or request.order_class is OrderClass.SIMPLE


def _is_crypto_type(request: OrderRequest, instrument: Instrument) -> bool:
    return instrument.asset_class is AssetClass.STOCK or request.order_type in _CRYPTO_TYPES


def _is_crypto_tif(request: OrderRequest, instrument: Instrument) -> bool:
    return instrument.asset_class is AssetClass.STOCK or request.time_in_force in _CRYPTO_TIF


def _is_fraction_plain(request: OrderRequest, instrument: Instrument) -> bool:
    if instrument.asset_class is AssetClass.CRYPTO or is_whole(request.quantity):
        return True
    is_day = request.time_in_force is TimeInForce.DAY
    return is_day and request.order_class is OrderClass.SIMPLE


def _is_complex_standing(request: OrderRequest, _: Instrument) -> bool:
    return request.order_class is OrderClass.SIMPLE or request.time_in_force in _STANDING


def _has_both_exits(request: OrderRequest, _: Instrument) -> bool:
    if request.order_class is OrderClass.SIMPLE:
        return True
    return request.stop_loss is not None and request.take_profit is not None


def _has_base_between_exits(request: OrderRequest, _: Instrument) -> bool:
    if request.order_class is not OrderClass.BRACKET:
        return True
    base = request.limit_price or request.reference_price
    assert request.stop_loss is not None
    assert request.take_profit is not None
    sign = request.side.sign
    room = min((request.take_profit - base) * sign, (base - request.stop_loss) * sign)
    return room >= MIN_CHILD_DISTANCE


def _is_oco_limit(request: OrderRequest, _: Instrument) -> bool:
    if request.order_class is not OrderClass.OCO:
        return True
    assert request.stop_loss is not None
    assert request.take_profit is not None
    is_ordered = (request.take_profit - request.stop_loss) * request.side.sign < 0
    return request.order_type is OrderType.LIMIT and is_ordered


def _is_entry_limit(request: OrderRequest, _: Instrument) -> bool:
    return request.leg is not Leg.ENTRY or request.order_type is OrderType.LIMIT


_RULES: tuple[tuple[Callable[[OrderRequest, Instrument], bool], str], ...] = (
    (_has_name, "the client order id must have 1 to 48 characters"),
    (_is_positive, "quantity and prices must be positive"),
    (_has_its_prices, "this order type needs its limit or stop price"),
    (_is_on_lot, "the quantity is off the lot"),
    (_is_on_tick, "a price is off the tick"),
    (_is_entry_limit, "an entry is a limit order"),
    (_is_crypto_simple, "crypto takes simple orders only"),
    (_is_crypto_type, "crypto takes market, limit and stop_limit"),
    (_is_crypto_tif, "crypto takes gtc and ioc"),
    (_is_fraction_plain, "fractional orders must be simple DAY orders"),
    (_is_complex_standing, "brackets and OCO take day and gtc"),
    (_has_both_exits, "brackets and OCO need both exits"),
    (_has_base_between_exits, "a bracket's exits must lie a cent to either side of its price"),
    (_is_oco_limit, "an OCO is a limit order with its target beyond its stop"),
)


def entry_terms(quantity: Decimal, instrument: Instrument) -> tuple[OrderClass, TimeInForce]:
    """Choose how an entry goes out: crypto IOC, whole shares in a GTC bracket, fractions for a DAY.

    The venue refuses brackets with fractions and crypto, and IOC with fractions and brackets.
    """
    if instrument.asset_class is AssetClass.CRYPTO:
        return OrderClass.SIMPLE, TimeInForce.IOC
    if is_whole(quantity):
        return OrderClass.BRACKET, TimeInForce.GTC
    return OrderClass.SIMPLE, TimeInForce.DAY


def _text(number: Decimal) -> str:
    """Write a decimal without exponent and without trailing zeros."""
    return f"{number.normalize():f}"
