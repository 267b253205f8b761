"""Make orders of an admitted ticket: one, or a group with its legs."""

from decimal import Decimal

from exchange.matching.entry.checks import Admission
from exchange.matching.orders import ZERO, Group, Order, OrderClass, Role, Side, Ticket
from exchange.matching.registry import Registry


def make_order(ticket: Ticket, admission: Admission, registry: Registry, now_ns: int) -> Order:
    """Make the order of a ticket, its exit legs beside it in one group; nothing is entered yet."""
    order = _order(ticket, registry, now_ns, admission.intent)
    order.reserve_price = admission.reserve_price
    order.hold_qty = admission.hold_qty
    order.cap = admission.cap
    if ticket.order_class is OrderClass.SIMPLE:
        return order
    group = Group(id=registry.new_id(), order_class=ticket.order_class)
    order.group = group
    if ticket.order_class is OrderClass.OCO:
        order.role, group.take_profit = Role.TAKE_PROFIT, order
    else:
        order.role, group.entry = Role.ENTRY, order
        group.take_profit = _leg(ticket.take_profit, Role.TAKE_PROFIT, group, registry, now_ns)
    group.stop_loss = _leg(ticket.stop_loss, Role.STOP_LOSS, group, registry, now_ns)
    return order


def remake(order: Order, ticket: Ticket, registry: Registry, now_ns: int) -> Order:
    """Make the order that replaces another: what is left of it, in its place in the group."""
    new = _order(ticket, registry, now_ns, order.position_intent)
    new.role, new.group = order.role, order.group
    new.hwm, new.is_triggered = order.hwm, order.is_triggered
    new.hold_qty = new.qty or ZERO
    new.replaces, order.replaced_by = order.id, new.id
    return new


def _leg(
    ticket: Ticket | None, role: Role, group: Group, registry: Registry, now_ns: int
) -> Order | None:
    if ticket is None:
        return None
    intent = "buy_to_close" if ticket.side is Side.BUY else "sell_to_close"
    order = _order(ticket, registry, now_ns, intent)
    order.role, order.group = role, group
    order.hold_qty = ticket.qty or Decimal(0)
    return order


def _order(ticket: Ticket, registry: Registry, now_ns: int, intent: str) -> Order:
    return Order(
        id=registry.new_id(),
        client_order_id=ticket.client_order_id or registry.new_id(),
        ticket=ticket,
        qty=ticket.qty,
        stop_price=ticket.stop_price,
        created_ns=now_ns,
        position_intent=intent,
    )
