"""What `PATCH /v2/orders/{id}` may change, and when."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from exchange.errors import unprocessable
from exchange.matching.entry.fields import Fields
from exchange.matching.entry.tickets import check, check_leg, client_order_id
from exchange.matching.orders import Order, Role, Status, Ticket, TimeInForce

_REPLACEABLE = (Status.NEW, Status.PARTIALLY_FILLED, Status.HELD)


def changed_ticket(order: Order, body: Mapping[str, Any]) -> Ticket:
    """Return the ticket of the order that shall take an order's place.

    `qty` in the request is the new total; the new order is for what of it has not filled
    (unverified: whether the venue carries the filled quantity over).

    Raises:
        VenueRefusal: the order's state or kind forbids it, or nothing would change.
    """
    check_open(order)
    if order.status not in _REPLACEABLE:
        raise unprocessable("unable to replace order in current state")
    if order.qty is None:
        raise unprocessable("notional orders cannot be replaced")
    fields = Fields(body)
    qty = _new_qty(order, fields.positive("qty"))
    changes: dict[str, Any] = {
        name: value
        for name in ("limit_price", "stop_price")
        if (value := fields.positive(name)) not in (None, getattr(order.ticket, name))
    }
    if (trail := fields.positive("trail")) is not None:
        changes["trail_price" if order.ticket.trail_price else "trail_percent"] = trail
    if fields.has("time_in_force"):
        changes["time_in_force"] = fields.choice("time_in_force", TimeInForce)
    if not changes and qty == order.remaining:
        raise unprocessable("order parameters are not changed")
    ticket = replace(order.ticket, qty=qty, client_order_id=client_order_id(fields), **changes)
    if order.role in (Role.TAKE_PROFIT, Role.STOP_LOSS):
        check_leg(ticket)
    else:
        check(ticket)
    return ticket


def check_open(order: Order) -> None:
    """Refuse to touch an order that has ended."""
    if not order.is_open:
        raise unprocessable(f'order is already in "{order.status.value}" state')


def _new_qty(order: Order, wanted: Decimal | None) -> Decimal:
    if wanted is None or wanted == order.qty:
        return order.remaining
    if order.ticket.is_fractional or wanted % 1:
        raise unprocessable("qty of fractional orders cannot be replaced")
    if order.group:
        raise unprocessable(f"qty of {order.group.order_class.value} orders cannot be replaced")
    if wanted <= order.filled_qty:
        raise unprocessable("qty must be greater than filled_qty")
    return wanted - order.filled_qty
