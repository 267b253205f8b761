"""The venue's rules for orders in crypto pairs."""

from decimal import Decimal

from exchange.errors import unprocessable
from exchange.matching.entry.shares import places
from exchange.matching.orders import OrderClass, OrderType, Ticket, TimeInForce

_TYPES = (OrderType.MARKET, OrderType.LIMIT, OrderType.STOP_LIMIT)
_NOTIONAL_PLACES = 2
# The venue's refusal names a bracket by what it is made of.
_CLASS_NAMES = {OrderClass.BRACKET: "otoco", OrderClass.OCO: "oco", OrderClass.OTO: "oto"}


def check(ticket: Ticket) -> None:
    """Hold a ticket against the rules of crypto (source: the crypto trading page).

    Raises:
        VenueRefusal: the rules forbid such an order.
    """
    if ticket.order_class is not OrderClass.SIMPLE:
        name = _CLASS_NAMES[ticket.order_class]
        raise unprocessable(f"crypto orders not allowed for advanced order_class: {name}")
    if ticket.type not in _TYPES:
        raise unprocessable("invalid order type for crypto order")
    if ticket.time_in_force not in (TimeInForce.GTC, TimeInForce.IOC):
        raise unprocessable("invalid crypto time_in_force")
    if ticket.extended_hours:
        raise unprocessable("extended hours are not allowed for crypto orders")
    check_prices(ticket)
    _check_size(ticket)


def check_prices(ticket: Ticket) -> None:
    """Hold prices to the pair's increment."""
    increment = ticket.listing.price_increment
    for name, price in (("limit_price", ticket.limit_price), ("stop_price", ticket.stop_price)):
        if price is not None and price % increment:
            raise unprocessable(
                f"invalid {name} {price.normalize():f}. "
                f"must be a multiple of {increment.normalize():f}"
            )


def _check_size(ticket: Ticket) -> None:
    listing = ticket.listing
    if ticket.notional is not None and places(ticket.notional) > _NOTIONAL_PLACES:
        raise unprocessable(f"notional value must be limited to {_NOTIONAL_PLACES} decimal places")
    if ticket.qty is None:
        return
    if ticket.qty % listing.lot:
        raise unprocessable(f"qty must be a multiple of {_plain(listing.lot)}")
    if ticket.qty < listing.min_order_size:
        raise unprocessable(f"minimal qty of order is {_plain(listing.min_order_size)}")


def _plain(value: Decimal) -> str:
    return f"{value.normalize():f}"
