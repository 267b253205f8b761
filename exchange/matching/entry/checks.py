"""What account and market say to a ticket: wash trades, quantity held, shorts, buying power."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import time
from decimal import ROUND_DOWN, Decimal

from exchange.errors import VenueRefusal, not_permitted, unprocessable
from exchange.matching.account.state import Account
from exchange.matching.book import Book
from exchange.matching.entry.holds import holding_orders
from exchange.matching.entry.legs import check_base
from exchange.matching.entry.wash import check_wash
from exchange.matching.orders import ZERO, Order, OrderClass, OrderType, Side, Ticket, TimeInForce
from exchange.matching.orders import number as text
from exchange.matching.pricing import collar, trailing_stop
from exchange.matching.sessions import Sessions, at_new_york, in_new_york

# A short sale is valued at no less than 3 % above the ask (source: the orders page).
_SHORT_MARGIN = Decimal("1.03")
_CENT = Decimal("0.01")
_MINUTE_NS = 60_000_000_000
_OPG_CUTOFF_NS, _CLS_CUTOFF_NS = 2 * _MINUTE_NS, 10 * _MINUTE_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What an order meets at entry: its symbol's book, the account, and all its open orders."""

    book: Book
    account: Account
    orders: Collection[Order]


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What entry has found out about an order that it lets in.

    `reserve_price` is what one unit holds of the buying power, 0 when it closes a position;
    `hold_qty` is the quantity, for an order by amount its estimate at today's price.
    """

    intent: str
    reserve_price: Decimal
    hold_qty: Decimal
    cap: Decimal | None


def admit(ticket: Ticket, desk: Desk, *, liquidating: bool = False) -> Admission:
    """Let an order in, or refuse it in the venue's words.

    `liquidating` lets the venue's own close of a position pass its minimum size.

    Raises:
        VenueRefusal: the account or the market forbids the order.
    """
    configuration = desk.account.configuration
    if configuration.is_suspended:
        raise not_permitted("new orders are rejected by user request")
    if ticket.is_fractional and not (ticket.listing.is_crypto or configuration.may_trade_fractions):
        raise not_permitted("fractional trading is disabled for this account")
    intent = _intent(ticket, desk)
    check_base(ticket, desk.book)
    check_wash(ticket, desk.book)
    price = _reference(ticket, desk.book)
    if not liquidating:
        _check_cost(ticket, price, desk)
    cap = collar(price, ticket.side, desk.account.knobs) if _is_collared(ticket) else None
    qty = _quantity(ticket, price)
    unit = ZERO
    if intent.endswith("close"):
        _check_available(ticket, desk, qty)
    else:
        unit = _unit_value(ticket, desk, price)
        _check_opening(ticket, desk, unit)
    return Admission(intent=intent, reserve_price=unit, hold_qty=qty, cap=cap)


def check_window(ticket: Ticket, sessions: Sessions, now_ns: int) -> None:
    """Refuse auction orders that come too late (source: the orders page; the text is unverified).

    Opening orders from 09:28, closing orders from 15:50, both until 19:00 New York.
    """
    session = sessions.on(in_new_york(now_ns).date())
    if session is None or ticket.time_in_force not in (TimeInForce.OPG, TimeInForce.CLS):
        return
    is_opening = ticket.time_in_force is TimeInForce.OPG
    start = session.open_ns - _OPG_CUTOFF_NS if is_opening else session.close_ns - _CLS_CUTOFF_NS
    if start <= now_ns < at_new_york(session.day, time(19)):
        raise unprocessable(f"{ticket.time_in_force.value} orders are not accepted at this time")


def _intent(ticket: Ticket, desk: Desk) -> str:
    """Tell from the position whether an order opens or closes; groups do only one of both."""
    position = desk.account.ledger.qty(ticket.listing.symbol)
    closes = position * ticket.side.sign < 0
    kind = ticket.order_class
    if kind is not OrderClass.SIMPLE and closes is not (kind is OrderClass.OCO):
        part = "exit" if kind is OrderClass.OCO else "entry"
        raise unprocessable(f"{kind.value} orders must be {part} orders")
    inferred = f"{ticket.side.value}_to_{'close' if closes else 'open'}"
    if ticket.position_intent not in (None, inferred):
        raise unprocessable(
            f"position intent mismatch, inferred: {inferred}, specified: {ticket.position_intent}"
        )
    if ticket.listing.is_crypto and ticket.side is Side.SELL:
        return "sell_to_close"
    return inferred


def _reference(ticket: Ticket, book: Book) -> Decimal:
    """Return the price that values an order: its own, else the far side of the quote."""
    market = book.touch(ticket.side) or book.mark()
    price = ticket.limit_price or ticket.stop_price or market
    if price is None:
        raise unprocessable(f'no price is available for asset "{ticket.listing.symbol}"')
    if ticket.type is OrderType.TRAILING_STOP and ticket.side is Side.BUY:
        # Its stop only falls from here, so this is the most that it can pay.
        return trailing_stop(ticket, max(price, book.mark() or price))
    return price


def _quantity(ticket: Ticket, price: Decimal) -> Decimal:
    """Return the quantity asked for; by amount, what it buys at the reference price."""
    if ticket.qty is not None:
        return ticket.qty
    return ((ticket.notional or ZERO) / price).quantize(ticket.listing.lot, ROUND_DOWN)


def _is_collared(ticket: Ticket) -> bool:
    """Tell the orders that the venue turns into limits: market orders, and stops that buy."""
    is_stop = ticket.type in (OrderType.STOP, OrderType.TRAILING_STOP)
    return ticket.type is OrderType.MARKET or (is_stop and ticket.side is Side.BUY)


def _check_cost(ticket: Ticket, price: Decimal, desk: Desk) -> None:
    knobs = desk.account.knobs
    cost = ticket.notional if ticket.qty is None else ticket.qty * price
    assert cost is not None
    least = ZERO
    if ticket.listing.is_crypto:
        least = knobs.crypto_min_cost
    elif ticket.is_fractional:
        least = knobs.stock_min_cost
    if cost < least:
        raise not_permitted(f"cost basis must be >= minimal amount of order {text(least)}")
    if ticket.listing.is_crypto and cost > knobs.crypto_max_cost:
        most = text(knobs.crypto_max_cost)
        raise not_permitted(f"cost basis must be <= maximal amount of order {most}")


def _check_available(ticket: Ticket, desk: Desk, wanted: Decimal) -> None:
    """Refuse to close more than the position has left beside the orders that already close it."""
    symbol = ticket.listing.symbol
    position = abs(desk.account.ledger.qty(symbol))
    related = holding_orders(desk.book, ticket.side)
    held = sum((order.remaining for order in related), ZERO)
    available = max(position - held, ZERO)
    if wanted <= available:
        return
    if ticket.listing.is_crypto:
        raise _insufficient_balance(ticket, wanted, available, position)
    raise not_permitted(
        "insufficient qty available for order "
        f"(requested: {text(wanted)}, available: {text(available)})",
        available=text(available),
        existing_qty=text(position),
        held_for_orders=text(held),
        related_orders=[order.id for order in related],
        symbol=symbol,
    )


def _insufficient_balance(
    ticket: Ticket, wanted: Decimal, available: Decimal, balance: Decimal
) -> VenueRefusal:
    """Make crypto's refusal; its `symbol` is the quote currency on both sides, as recorded."""
    base, _, quote = ticket.listing.symbol.partition("/")
    currency = base if ticket.side is Side.SELL else quote
    return not_permitted(
        f"insufficient balance for {currency} "
        f"(requested: {text(wanted)}, available: {text(available)})",
        available=text(available),
        balance=text(balance),
        symbol=quote,
    )


def _unit_value(ticket: Ticket, desk: Desk, price: Decimal) -> Decimal:
    """Return what one unit takes of the buying power, at the worst price it may fill at."""
    if ticket.side is Side.SELL:
        ask = desk.book.touch(Side.BUY) or price
        return max(ticket.limit_price or ZERO, ask * _SHORT_MARGIN)
    if ticket.limit_price is not None:
        return ticket.limit_price
    return collar(price, ticket.side, desk.account.knobs)


def _check_opening(ticket: Ticket, desk: Desk, unit: Decimal) -> None:
    account = desk.account
    if ticket.side is Side.SELL:
        _check_short(ticket, account)
    _check_one_way(ticket, desk.book)
    cost = ticket.notional if ticket.qty is None else ticket.qty * unit
    assert cost is not None
    money = account.figures(desk.orders)
    if ticket.listing.is_crypto:
        if cost > money.non_marginable:
            sums = (cost, money.non_marginable, account.ledger.cash)
            raise _insufficient_balance(ticket, *(each.quantize(_CENT) for each in sums))
    elif cost > money.buying_power:
        raise not_permitted(
            "insufficient buying power",
            buying_power=_cents(money.buying_power),
            cost_basis=_cents(cost),
        )


def _cents(value: Decimal) -> str | None:
    return text(value.quantize(_CENT))


def _check_one_way(ticket: Ticket, book: Book) -> None:
    """Refuse to open both ways at once, which would let fills carry a position through zero."""
    for order in book.open.values():
        if order.side is not ticket.side and order.reserve_price:
            opening, other = "short sell", "long buy"
            if ticket.side is Side.BUY:
                opening, other = other, opening
            raise not_permitted(f"cannot open a {opening} while a {other} order is open")


def _check_short(ticket: Ticket, account: Account) -> None:
    if account.multiplier == 1 or not account.configuration.may_short:
        raise not_permitted("account is not allowed to short")
    if not ticket.listing.shortable:
        raise unprocessable(f'asset "{ticket.listing.symbol}" cannot be sold short')
    if ticket.is_fractional:
        raise unprocessable("fractional orders cannot be sold short")
