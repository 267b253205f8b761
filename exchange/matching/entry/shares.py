"""The venue's rules for orders in shares."""

from decimal import Decimal

from exchange.errors import not_permitted, unprocessable
from exchange.matching.orders import OrderClass, OrderType, Ticket, TimeInForce

_DOLLAR = Decimal(1)
_CENT_PLACES, _SUB_DOLLAR_PLACES = 2, 4
_QTY_PLACES, _NOTIONAL_PLACES = 9, 2
_LASTING = (TimeInForce.DAY, TimeInForce.GTC)


def check(ticket: Ticket) -> None:
    """Hold a ticket against the rules of shares (source: the orders page).

    Raises:
        VenueRefusal: the rules forbid such an order.
    """
    check_prices(ticket)
    _check_precision(ticket)
    if ticket.is_fractional:
        _check_fractional(ticket)
    if ticket.type.is_stop and ticket.time_in_force not in _LASTING:
        raise unprocessable(f"{ticket.type.value} orders must be day or gtc orders")
    if ticket.extended_hours and (
        ticket.type is not OrderType.LIMIT or ticket.time_in_force not in _LASTING
    ):
        raise unprocessable("extended hours order must be DAY or GTC limit orders")
    if ticket.order_class is not OrderClass.SIMPLE:
        _check_advanced(ticket)


def check_prices(ticket: Ticket) -> None:
    """Apply the sub-penny rule: two decimals from a dollar on, four below (SEC rule 612)."""
    for name, price in (("limit_price", ticket.limit_price), ("stop_price", ticket.stop_price)):
        if price is not None and places(price) > _max_places(price):
            raise unprocessable(
                f"invalid {name} {price.normalize():f}. "
                "sub-penny increment does not fulfill minimum pricing criteria"
            )


def places(value: Decimal) -> int:
    """Return how many decimals a number really has."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _max_places(price: Decimal) -> int:
    return _CENT_PLACES if price >= _DOLLAR else _SUB_DOLLAR_PLACES


def _check_precision(ticket: Ticket) -> None:
    if ticket.qty is not None and places(ticket.qty) > _QTY_PLACES:
        raise unprocessable(f"qty must be limited to {_QTY_PLACES} decimal places")
    if ticket.notional is not None and places(ticket.notional) > _NOTIONAL_PLACES:
        raise unprocessable(f"notional value must be limited to {_NOTIONAL_PLACES} decimal places")


def _check_fractional(ticket: Ticket) -> None:
    if not ticket.listing.fractionable:
        raise not_permitted(f'asset "{ticket.listing.symbol}" is not fractionable')
    if ticket.order_class is not OrderClass.SIMPLE:
        raise unprocessable("fractional orders must be simple orders")
    if ticket.time_in_force is not TimeInForce.DAY:
        raise unprocessable("fractional orders must be DAY orders")
    if ticket.type is OrderType.TRAILING_STOP:
        raise unprocessable("fractional orders cannot be trailing_stop orders")


def _check_advanced(ticket: Ticket) -> None:
    """Brackets, ocos and otos enter by market or limit, live a day or until cancelled."""
    kind = ticket.order_class
    if ticket.extended_hours:
        raise unprocessable("extended hours order must be simple orders")
    if ticket.time_in_force not in _LASTING:
        raise unprocessable(f"{kind.value} orders must be DAY or GTC orders")
    if kind is OrderClass.OCO and ticket.type is not OrderType.LIMIT:
        raise unprocessable("oco orders must be limit orders")
    if ticket.type not in (OrderType.MARKET, OrderType.LIMIT):
        raise unprocessable(f"{kind.value} orders must be entered by market or limit orders")
