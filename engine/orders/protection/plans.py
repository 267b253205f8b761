"""Say what protects a position: the plan of an entry, and the protective order it asks for.

Pure: a plan is a function of the entry that opened the position, so a restart finds it again in
the journal, and the same position always asks for the same order.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from domain.account import Position
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
from domain.pricing import floor_quantity, round_price, to_price
from domain.records import NS_PER_S, Record, format_ns

_STOP_COLLAR = Decimal("0.01")
"""How far below its trigger a stop limit may sell: crypto has no plain stop (ALPACA 3.3)."""

ADOPTED_STOP = Decimal("0.05")
"""How far the stop of an adopted position lies: nobody has told us where its owner was wrong."""

_VALID_NS = 60 * 1_000_000_000


class Plan(Record, frozen=True):
    """What closes a position: a stop, perhaps a target, and the origin both are named after."""

    origin: str
    symbol: str
    side: Side
    """The side that opened the position."""
    stop: Decimal
    target: Decimal | None
    opened_at: str


def plan_of(entry: OrderRequest, opened_at: str) -> Plan | None:
    """Return the plan an entry carries; none for an order that opens nothing."""
    if entry.leg is not Leg.ENTRY or entry.stop_loss is None:
        return None
    return Plan(
        origin=entry.decision_id,
        symbol=entry.symbol,
        side=entry.side,
        stop=entry.stop_loss,
        target=entry.take_profit,
        opened_at=opened_at,
    )


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
            limit_price=round_price(plan.stop * (1 - _STOP_COLLAR), instrument, "down"),
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

    `side` is the exit's own. `collar` is the fraction of price it may give up, `ttl_s` how long it
    may work.
    """

    origin: str
    leg: Leg
    side: Side
    client_order_id: str
    now_ns: int
    collar: Decimal
    ttl_s: float


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
        valid_until=format_ns(urgency.now_ns + int(urgency.ttl_s * NS_PER_S)),
        client_order_id=urgency.client_order_id,
        limit_price=round_price(worst, instrument, "nearest"),
    )


def touch_of(quote: Quote, side: Side, instrument: Instrument) -> Decimal:
    """Return the price that an order of this side meets: the bid for a sale, else the ask."""
    return to_price(quote.bid if side is Side.SELL else quote.ask, instrument)


def adopted_plan(position: Position, instrument: Instrument, origin: str) -> Plan:
    """Return the plan of a position taken over: a stop at a distance of our own, no target."""
    side = Side.BUY if position.quantity > 0 else Side.SELL
    price = position.market_price or position.average_price
    stop = round_price(price * (1 - side.sign * ADOPTED_STOP), instrument, "nearest")
    return Plan(
        origin=origin, symbol=position.symbol, side=side, stop=stop, target=None, opened_at=""
    )


def sellable(quantity: Decimal, instrument: Instrument, *, price: Decimal) -> Decimal:
    """Return the part of a holding that an order can carry, zero for dust.

    Dust is what lies below a lot or, at `price` (zero when unknown: then it does not count), below
    the venue's least notional. Stocks may always be closed whole, so the minimum is crypto's.
    """
    lots = floor_quantity(abs(quantity), instrument)
    is_dust = instrument.asset_class is AssetClass.CRYPTO and lots * price > 0
    return Decimal(0) if is_dust and lots * price < instrument.min_notional else lots
