"""Tell what the working orders of a symbol mean for its protection."""

from __future__ import annotations

from decimal import Decimal

from domain.orders import Leg, Order, OrderState, OrderType, Purpose

ACKNOWLEDGED = frozenset(
    {OrderState.ACCEPTED, OrderState.HELD, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL}
)
"""States in which the venue has said that it has the order."""


def covered(working: list[Order]) -> Decimal:
    """Return how much of a position the acknowledged resting stops would close.

    A bracket's stop is held and covers nothing until its entry is filled; an OCO's two children
    share one quantity, of which the stop's counts.
    """
    has_entry = any(order.request.leg is Leg.ENTRY for order in working)
    total = Decimal(0)
    for order in working:
        if order.request.leg is not Leg.STOP or order.state not in ACKNOWLEDGED:
            continue
        if has_entry and order.state is OrderState.HELD:
            continue
        if order.parent_client_order_id is not None and _parent_is_stop(order, working):
            continue
        total += order.remaining
    return total


def _parent_is_stop(order: Order, working: list[Order]) -> bool:
    return any(
        other.client_order_id == order.parent_client_order_id and other.request.leg is Leg.STOP
        for other in working
    )


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
