"""Whether, at what price and how much of an order fills against the quote; where stops trigger."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from random import Random

from exchange.matching.book import Book
from exchange.matching.knobs import FillSize, Knobs
from exchange.matching.orders import ZERO, Order, OrderType, Side, Ticket, TimeInForce

_CENT = Decimal("0.01")
_HUNDRED = Decimal(100)
_FIFTY_DOLLARS = Decimal(50)
# A random part lies between these shares of what is left.
_LEAST_PART, _MOST_PART = 0.1, 0.9


def collar(price: Decimal, side: Side, knobs: Knobs) -> Decimal:
    """Return the worst price a market order may take: the venue makes it a limit order.

    Source: Alpaca's orders page: 4 % from the market under $50, 2.5 % from there on.
    """
    width = knobs.collar_low if price < _FIFTY_DOLLARS else knobs.collar_high
    return price * (1 + side.sign * width)


def fill_price(order: Order, book: Book) -> Decimal | None:
    """Return the price at which the quote fills an order, None when it is not marketable.

    An order that comes to the market pays the far touch. One that had rested gets its own limit:
    the market came to it, and no better price was promised.
    """
    touch = book.touch(order.side)
    if touch is None:
        return None
    bound = order.bound
    if bound is not None and (touch - bound) * order.side.sign > 0:
        return None
    return order.limit_price if is_maker(order) else touch


def is_maker(order: Order) -> bool:
    """Tell an order that gave the market its price, for fee and price."""
    return order.rested and order.limit_price is not None


def fill_qty(order: Order, price: Decimal, book: Book, knobs: Knobs) -> Decimal:
    """Return how much fills now: all, a seeded random part, or what is displayed; maybe 0."""
    wanted = _wanted(order, price)
    if knobs.fill_size is FillSize.DISPLAYED:
        shown = book.displayed(order.side).quantize(_lot(order), ROUND_DOWN)
        if order.time_in_force is TimeInForce.FOK:
            return wanted if shown >= wanted else ZERO
        return min(wanted, shown)
    if order.time_in_force is TimeInForce.FOK:
        return wanted
    return _random_part(order, wanted, knobs)


def is_complete(order: Order, qty: Decimal, price: Decimal) -> bool:
    """Tell whether a fill of `qty`, not yet booked, ends the order."""
    return qty >= _wanted(order, price)


def _wanted(order: Order, price: Decimal) -> Decimal:
    if order.qty is not None:
        return order.remaining
    left = (order.ticket.notional or ZERO) - order.filled_value
    qty = (left / price).quantize(order.listing.lot, ROUND_DOWN)
    # A close by amount may not outgrow the position when the price falls.
    return qty if order.reserve_price else min(qty, order.remaining)


def _lot(order: Order) -> Decimal:
    """Return the unit a part must be made of: whole shares for a whole order."""
    if order.listing.is_crypto or order.ticket.is_fractional:
        return order.listing.lot
    return Decimal(1)


def _random_part(order: Order, wanted: Decimal, knobs: Knobs) -> Decimal:
    """Fill all, but at `partial_rate` a random part (source: the paper trading page).

    The draw depends on seed, order and fill alone, so other orders cannot change it.
    """
    draw = Random(f"{knobs.seed}:{order.client_order_id}:{order.fills}")  # noqa: S311
    if draw.random() >= knobs.partial_rate:
        return wanted
    share = Decimal(repr(round(draw.uniform(_LEAST_PART, _MOST_PART), 4)))
    part = (wanted * share).quantize(_lot(order), ROUND_DOWN)
    return part if part > 0 else wanted


def start_trailing(order: Order, market: Decimal) -> None:
    """Begin the high (for a buy: low) water mark at the market's price."""
    order.hwm = market
    order.stop_price = trailing_stop(order.ticket, market)


def trail(order: Order, price: Decimal) -> bool:
    """Move a trailing stop with a better price; tell whether it moved."""
    if order.hwm is not None and (order.hwm - price) * order.side.sign <= 0:
        return False
    start_trailing(order, price)
    return True


def is_triggered(order: Order, price: Decimal) -> bool:
    """Tell whether a price sets off a stop: at or above it for a buy, at or below for a sell."""
    return order.stop_price is not None and (price - order.stop_price) * order.side.sign >= 0


def is_trailing(order: Order) -> bool:
    """Tell a trailing stop."""
    return order.type is OrderType.TRAILING_STOP


def trailing_stop(ticket: Ticket, mark: Decimal) -> Decimal:
    """Return where a trailing stop stands behind its water mark."""
    distance = ticket.trail_price
    if distance is None:
        distance = mark * (ticket.trail_percent or ZERO) / _HUNDRED
    return (mark + ticket.side.sign * distance).quantize(_CENT, ROUND_HALF_EVEN)
