"""From a request's fields to a ticket: what can be said without knowing account or market."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from exchange.errors import bad_input, unprocessable
from exchange.matching.entry import crypto, shares
from exchange.matching.entry.fields import Fields
from exchange.matching.listing import Listing
from exchange.matching.orders import OrderClass, OrderType, Side, Ticket, TimeInForce

MAX_CLIENT_ID = 128
_INTENTS = ("buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close")
Find = Callable[[str], Listing | None]


def read_ticket(body: Mapping[str, Any], find: Find) -> Ticket:
    """Read one order request (source: the orders page; refusals as recorded).

    Raises:
        VenueRefusal: a field is missing, wrong or at odds with another, or the asset's rules
            forbid such an order.
    """
    fields = Fields(body)
    listing = _listing(fields, find)
    order_class = _order_class(fields)
    ticket = Ticket(
        listing=listing,
        side=fields.choice("side", Side),
        type=fields.choice("type", OrderType),
        time_in_force=fields.choice("time_in_force", TimeInForce),
        client_order_id=client_order_id(fields),
        order_class=order_class,
        qty=fields.positive("qty"),
        notional=fields.positive("notional"),
        limit_price=fields.positive("limit_price"),
        stop_price=fields.positive("stop_price"),
        trail_price=fields.positive("trail_price"),
        trail_percent=fields.positive("trail_percent"),
        extended_hours=fields.flag("extended_hours"),
        position_intent=_intent(fields),
    )
    ticket = _with_legs(ticket, fields)
    check(ticket)
    return ticket


def check(ticket: Ticket) -> None:
    """Hold a ticket against every rule that needs neither account nor market."""
    _check_size(ticket)
    _check_prices(ticket)
    rules = crypto if ticket.listing.is_crypto else shares
    rules.check(ticket)
    for leg in (ticket.take_profit, ticket.stop_loss):
        if leg:
            check_leg(leg)


def check_leg(ticket: Ticket) -> None:
    """Hold an exit leg against the rules of prices; its group answers for the rest."""
    _check_prices(ticket)
    shares.check_prices(ticket)


def client_order_id(fields: Fields) -> str | None:
    """Read the client's own id; uniqueness is the matcher's to check."""
    text = fields.text("client_order_id")
    if text and len(text) > MAX_CLIENT_ID:
        raise bad_input(f"client_order_id must be no more than {MAX_CLIENT_ID} characters")
    return text


def _listing(fields: Fields, find: Find) -> Listing:
    symbol = fields.text("symbol")
    if symbol is None:
        raise bad_input("symbol is required")
    listing = find(symbol)
    if listing is None:
        raise unprocessable(f'asset "{symbol}" not found')
    if not listing.active:
        raise bad_input(f"asset {symbol} is not active")
    if not listing.tradable:
        raise unprocessable(f'asset "{symbol}" is not tradable')
    return listing


def _order_class(fields: Fields) -> OrderClass:
    if fields.text("order_class") == "mleg":
        raise unprocessable("multi-leg orders are only allowed for options")
    return fields.choice("order_class", OrderClass, OrderClass.SIMPLE)


def _intent(fields: Fields) -> str | None:
    intent = fields.text("position_intent")
    if intent is not None and intent not in _INTENTS:
        raise bad_input("invalid position_intent")
    return intent


def _check_size(ticket: Ticket) -> None:
    if ticket.qty is None and ticket.notional is None:
        raise bad_input("qty or notional is required")
    if ticket.qty is not None and ticket.notional is not None:
        raise bad_input("only one of qty or notional is accepted")


def _check_prices(ticket: Ticket) -> None:
    """Each type needs its own prices and takes no other."""
    kind = ticket.type
    wants_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT)
    wants_stop = kind in (OrderType.STOP, OrderType.STOP_LIMIT)
    spoken = kind.value.replace("_", " ")
    for wanted, price, name in (
        (wants_limit, ticket.limit_price, "limit"),
        (wants_stop, ticket.stop_price, "stop"),
    ):
        if wanted and price is None:
            raise bad_input(f"{spoken} orders require a {name} price")
        if price is not None and not wanted:
            raise bad_input(f"{spoken} orders require no {name} price")
    trails = [t for t in (ticket.trail_price, ticket.trail_percent) if t is not None]
    if len(trails) != (1 if kind is OrderType.TRAILING_STOP else 0):
        raise bad_input(
            "trailing stop orders must specify one of trail_price or trail_percent"
            if kind is OrderType.TRAILING_STOP
            else f"{spoken} orders require no trail"
        )


def _with_legs(ticket: Ticket, fields: Fields) -> Ticket:
    """Give a bracket, oco or oto its exit legs.

    An oco is exits alone: its own order is the take-profit, priced by either field.
    """
    profit, loss = fields.section("take_profit"), fields.section("stop_loss")
    _check_sections(ticket.order_class, profit, loss)
    if ticket.order_class is OrderClass.OCO:
        limit = _required(profit, "limit_price") if profit else ticket.limit_price
        ticket = replace(ticket, limit_price=limit)
        return replace(ticket, stop_loss=_stop_leg(ticket, ticket.side, loss) if loss else None)
    exit_side = ticket.side.opposite
    return replace(
        ticket,
        take_profit=_profit_leg(ticket, exit_side, profit) if profit else None,
        stop_loss=_stop_leg(ticket, exit_side, loss) if loss else None,
    )


def _check_sections(kind: OrderClass, profit: Fields | None, loss: Fields | None) -> None:
    if kind is OrderClass.SIMPLE and (profit or loss):
        raise bad_input("take_profit and stop_loss require an advanced order_class")
    if kind in (OrderClass.BRACKET, OrderClass.OCO) and not (profit and loss):
        raise bad_input(f"{kind.value} orders require take_profit and stop_loss")
    if kind is OrderClass.OTO and (profit is None) is (loss is None):
        raise bad_input("oto orders require one of take_profit or stop_loss")


def _profit_leg(ticket: Ticket, side: Side, section: Fields) -> Ticket:
    return _leg(ticket, side, limit_price=_required(section, "limit_price"), type=OrderType.LIMIT)


def _stop_leg(ticket: Ticket, side: Side, section: Fields) -> Ticket:
    limit = section.positive("limit_price")
    return _leg(
        ticket,
        side,
        stop_price=_required(section, "stop_price"),
        limit_price=limit,
        type=OrderType.STOP if limit is None else OrderType.STOP_LIMIT,
    )


def _leg(ticket: Ticket, side: Side, **prices: Any) -> Ticket:
    return Ticket(
        listing=ticket.listing,
        side=side,
        time_in_force=ticket.time_in_force,
        order_class=ticket.order_class,
        qty=ticket.qty,
        **prices,
    )


def _required(section: Fields, name: str) -> Decimal:
    price = section.positive(name)
    if price is None:
        raise bad_input(f"{section.path(name)} is required")
    return price
