"""Where the exits of a bracket, oco or oto may stand."""

from decimal import Decimal

from exchange.errors import unprocessable
from exchange.matching.book import Book
from exchange.matching.orders import OrderClass, OrderType, Ticket
from exchange.matching.orders import number as text

_CENT = Decimal("0.01")


def check_base(ticket: Ticket, book: Book) -> None:
    """Hold exits a cent or more from the base price, the stop behind it, the target beyond.

    The base is a limit entry's own price, else the market's (source: the bracket orders page; the
    body as recorded). An oco has no entry, so its base is the market.

    Raises:
        VenueRefusal: an exit stands on the wrong side.
    """
    if ticket.order_class is OrderClass.SIMPLE:
        return
    is_oco = ticket.order_class is OrderClass.OCO
    entry = ticket.side.opposite if is_oco else ticket.side
    target = ticket.limit_price if is_oco else _limit(ticket.take_profit)
    stop = ticket.stop_loss.stop_price if ticket.stop_loss else None
    has_own_price = ticket.type is OrderType.LIMIT and not is_oco
    base = ticket.limit_price if has_own_price else book.touch(entry) or book.mark()
    if base is None:
        return
    _check("stop_loss.stop_price", stop, base, -entry.sign)
    _check("take_profit.limit_price", target, base, entry.sign)


def _limit(ticket: Ticket | None) -> Decimal | None:
    return ticket.limit_price if ticket else None


def _check(name: str, price: Decimal | None, base: Decimal, sign: int) -> None:
    if price is None or (price - base) * sign >= _CENT:
        return
    relation = ">= base_price +" if sign > 0 else "<= base_price -"
    raise unprocessable(f"{name} must be {relation} {_CENT}", base_price=text(base))
