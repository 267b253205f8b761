"""The wash trade rule: an account may not meet itself."""

from exchange.errors import VenueRefusal, not_permitted
from exchange.matching.book import Book
from exchange.matching.orders import Order, OrderClass, OrderType, Side, Ticket
from exchange.matching.orders import number as text

_MESSAGE = "potential wash trade detected. use complex orders"


def check_wash(ticket: Ticket, book: Book) -> None:
    """Refuse an order that could trade with an open one (source: the user protection page).

    Market and stop orders meet every opposite order; two limits meet when they cross. Brackets,
    ocos and otos are exempt. A resting stop-sell therefore blocks every further buy.

    Raises:
        VenueRefusal: with the id of the order in the way, and why.
    """
    if ticket.order_class is not OrderClass.SIMPLE:
        return
    for order in book.open.values():
        if order.side is ticket.side or order.is_dormant:
            continue
        if ticket.type is OrderType.LIMIT and order.type is OrderType.LIMIT:
            _check_limits(ticket, order)
        else:
            raise _refuse(order, "opposite side market/stop order exists")


def _check_limits(ticket: Ticket, order: Order) -> None:
    mine, theirs = ticket.limit_price, order.limit_price
    assert mine is not None
    assert theirs is not None
    is_buy = ticket.side is Side.BUY
    buy, sell = (mine, theirs) if is_buy else (theirs, mine)
    if buy < sell:
        return
    reason = (
        "sell order exists, buy limit price should be less than existing sell limit price"
        if is_buy
        else "buy order exists, sell limit price should be greater than existing buy limit price"
    )
    raise _refuse(order, reason, buy_limit_price=text(buy), sell_limit_price=text(sell))


def _refuse(order: Order, reason: str, **prices: str | None) -> VenueRefusal:
    return not_permitted(_MESSAGE, existing_order_id=order.id, reject_reason=reason, **prices)
