"""Tell what the working orders of a symbol mean for its protection."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from domain.orders import Leg, Order, OrderState, OrderType, Purpose, Side

ACKNOWLEDGED = frozenset(
    {OrderState.ACCEPTED, OrderState.HELD, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL}
)
"""States in which the venue has said that it has the order."""


def covered(working: list[Order]) -> Decimal:
    """Return how much of a position the acknowledged resting stops would close.

    A bracket's stop is held and covers nothing until its entry is filled; an OCO's two children
    share one quantity, of which the stop's counts.
    """
    return sum((order.remaining for order in _resting(working)), Decimal(0))


def loosest_stop(working: list[Order], side: Side) -> Decimal | None:
    """Return the price of the stop furthest from the market, for a position opened by `side`."""
    prices = [price for order in _resting(working) if (price := stop_of(order)) is not None]
    return min(prices, key=lambda price: price * side.sign, default=None)


def stop_of(order: Order) -> Decimal | None:
    """Return the trigger of a stop, or of the stop beside an OCO's target."""
    return order.request.stop_price or order.request.stop_loss


def limit_of(working: list[Order], side: Side) -> Decimal | None:
    """Return the price beyond which a resting stop limit no longer trades; none without one."""
    limits = [
        order.request.limit_price
        for order in _resting(working)
        if order.request.order_type is OrderType.STOP_LIMIT and order.request.limit_price
    ]
    return max(limits, key=lambda price: price * side.sign, default=None)


def has_target(working: list[Order], target: Decimal, side: Side) -> bool:
    """Tell whether an order at the venue takes the target's profit, or does so earlier."""
    prices = [
        order.request.take_profit or order.request.limit_price
        for order in working
        if order.request.leg is Leg.TARGET or order.request.take_profit is not None
    ]
    own = [price for price in prices if price is not None]
    return any((target - price) * side.sign >= 0 for price in own)


def is_urgent(order: Order) -> bool:
    """Tell a marketable exit of ours from resting protection."""
    request = order.request
    return (
        request.purpose is Purpose.PROTECT
        and request.order_type is OrderType.LIMIT
        and request.stop_loss is None
        and order.parent_client_order_id is None
    )


def roots(orders: list[Order]) -> list[Order]:
    """Return the orders to cancel: a child goes with its parent while the parent works."""
    ids = {order.client_order_id for order in orders}
    return [order for order in orders if order.parent_client_order_id not in ids]


def _resting(working: list[Order]) -> Iterator[Order]:
    has_entry = any(order.request.leg is Leg.ENTRY for order in working)
    for order in working:
        if order.request.leg is not Leg.STOP or order.state not in ACKNOWLEDGED:
            continue
        if is_urgent(order) or (has_entry and order.state is OrderState.HELD):
            continue
        if order.parent_client_order_id is not None and _parent_is_stop(order, working):
            continue
        yield order


def _parent_is_stop(order: Order, working: list[Order]) -> bool:
    return any(
        other.client_order_id == order.parent_client_order_id and other.request.leg is Leg.STOP
        for other in working
    )
