"""What open orders have already promised of a position."""

from decimal import Decimal

from exchange.matching.book import Book
from exchange.matching.orders import ZERO, Order, Role, Side


def holding_orders(book: Book, side: Side) -> list[Order]:
    """Return the open orders on `side` that close the position and so hold part of it.

    Of a take-profit and its stop only the first counts, since one of them cancels the other; legs
    whose entry has not filled hold nothing.
    """
    return [
        order
        for order in book.open.values()
        if order.side is side and not order.reserve_price and _holds(order)
    ]


def held_qty(book: Book, side: Side) -> Decimal:
    """Return how much of the position the open orders on `side` hold."""
    return sum((order.remaining for order in holding_orders(book, side)), ZERO)


def _holds(order: Order) -> bool:
    if order.is_dormant:
        return False
    group = order.group
    if group is None or order.role is not Role.STOP_LOSS or group.take_profit is None:
        return True
    return not group.take_profit.is_open
