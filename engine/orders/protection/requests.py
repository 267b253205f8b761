"""Render protective orders: the stop that rests at the venue, the exit that cannot wait.

Pure: the same position always asks for the same order.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from domain.market import AssetClass, Instrument, Quote
from domain.orders import (
    Leg,
    OrderClass,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    is_whole,
)
from domain.pricing import STOP_LIMIT_GIVE, round_price, to_price
from domain.records import NS_PER_S, Record, format_ns
from engine.orders.protection.plans import Plan

_VALID_NS = 60 * NS_PER_S
"""How long an exit whose answer is lost may be sent again under its name."""


def stop_request(
    plan: Plan, quantity: Decimal, instrument: Instrument, *, client_order_id: str, now_ns: int
) -> OrderRequest:
    """Render the resting protection of `quantity` (positive) at the venue.

    Crypto: a GTC stop limit. Whole shares: a GTC OCO with the target, or a GTC stop without one.
    Fractional shares: a DAY stop, the only kind the venue takes (DESIGN, Protection).
    """
    stop = OrderRequest(
        decision_id=plan.origin,
        leg=Leg.STOP,
        symbol=plan.symbol,
        side=plan.side.opposite,
        quantity=quantity,
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.GTC if is_whole(quantity) else TimeInForce.DAY,
        reference_price=plan.stop,
        valid_until=format_ns(now_ns + _VALID_NS),
        client_order_id=client_order_id,
        stop_price=plan.stop,
    )
    if instrument.asset_class is AssetClass.CRYPTO:
        return msgspec.structs.replace(
            stop,
            order_type=OrderType.STOP_LIMIT,
            time_in_force=TimeInForce.GTC,
            limit_price=round_price(plan.stop * (1 - STOP_LIMIT_GIVE), instrument, "down"),
        )
    if is_whole(quantity) and plan.target is not None:
        return msgspec.structs.replace(
            stop,
            order_type=OrderType.LIMIT,
            order_class=OrderClass.OCO,
            stop_price=None,
            limit_price=plan.target,
            stop_loss=plan.stop,
            take_profit=plan.target,
        )
    return stop


class Urgency(Record, frozen=True):
    """What an exit that cannot wait is for, and what bounds it.

    `side` is the exit's own. `collar` is the fraction of price it may give up.
    """

    origin: str
    leg: Leg
    side: Side
    client_order_id: str
    now_ns: int
    collar: Decimal


def urgent_request(
    urgency: Urgency, quantity: Decimal, instrument: Instrument, *, touch: Decimal
) -> OrderRequest:
    """Render a marketable exit inside the collar: IOC where the venue takes it, else DAY.

    `touch` is the price it would meet now.
    """
    may_ioc = instrument.asset_class is AssetClass.CRYPTO or is_whole(quantity)
    worst = touch * (1 + urgency.side.sign * urgency.collar)
    return OrderRequest(
        decision_id=urgency.origin,
        leg=urgency.leg,
        symbol=instrument.symbol,
        side=urgency.side,
        quantity=quantity,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC if may_ioc else TimeInForce.DAY,
        reference_price=touch,
        valid_until=format_ns(urgency.now_ns + _VALID_NS),
        client_order_id=urgency.client_order_id,
        limit_price=round_price(worst, instrument, "nearest"),
    )


def touch_of(quote: Quote, side: Side, instrument: Instrument) -> Decimal:
    """Return the price that an order of this side meets: the bid for a sale, else the ask."""
    return to_price(quote.bid if side is Side.SELL else quote.ask, instrument)
