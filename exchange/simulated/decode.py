"""Read what the in-process venue answers into the domain's records.

`broker.decode` reads the same words from a stranger's wire, and the two share no line on purpose.
The exchange is how we test that reader: were both ends of the protocol made by one codec, a field
that we had misread would be misread twice, and every test would agree with the mistake. Here the
answers are our own, so this reader is strict: whatever is missing is a fault of the exchange.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any

from domain.account import Account, Activity, Position
from domain.errors import BrokerRefused, OrderRejected
from domain.market import AssetClass, Instrument
from domain.orders import (
    OrderEvent,
    OrderEventKind,
    OrderReport,
    OrderType,
    Side,
    from_venue_status,
)
from domain.records import format_ns, parse_ns
from exchange.errors import VenueRefusal
from exchange.matching.listing import AssetClass as VenueClass
from exchange.matching.listing import Listing

_Body = Mapping[str, Any]
_TYPES = frozenset(OrderType)

# The events that say more than the order beside them; of all others that order is the whole news.
_KINDS = {
    "new": OrderEventKind.ACCEPTED,
    "held": OrderEventKind.HELD,
    "partial_fill": OrderEventKind.PARTIALLY_FILLED,
    "fill": OrderEventKind.FILLED,
    "pending_cancel": OrderEventKind.PENDING_CANCEL,
    "pending_replace": OrderEventKind.PENDING_REPLACE,
    "order_cancel_rejected": OrderEventKind.CANCEL_REJECTED,
    "order_replace_rejected": OrderEventKind.REPLACE_REJECTED,
    "canceled": OrderEventKind.CANCELED,
    "replaced": OrderEventKind.REPLACED,
    "expired": OrderEventKind.EXPIRED,
    "rejected": OrderEventKind.REJECTED,
}


def listing_of(instrument: Instrument) -> Listing:
    """List at the simulated venue what a real one trades, with that venue's own increments."""
    is_crypto = instrument.asset_class is AssetClass.CRYPTO
    return Listing(
        symbol=instrument.symbol,
        name=instrument.name or instrument.symbol,
        asset_class=VenueClass.CRYPTO if is_crypto else VenueClass.US_EQUITY,
        exchange="CRYPTO" if is_crypto else "NASDAQ",
        price_increment=instrument.tick,
        lot=instrument.lot,
        min_order_size=max(instrument.min_quantity, instrument.lot),
        fractionable=instrument.fractionable,
        shortable=instrument.shortable,
        marginable=not is_crypto,
        tradable=instrument.tradable,
        easy_to_borrow=instrument.shortable,
        margin_requirement=Decimal(100 if is_crypto else 30),
    )


def order_report(body: _Body, *, parent: str | None = None) -> OrderReport:
    """Read an order object; `parent` is the venue's id of the order that it hangs under."""
    filled = Decimal(body["filled_qty"])
    return OrderReport(
        client_order_id=body["client_order_id"],
        venue_order_id=body["id"],
        symbol=body["symbol"],
        side=Side(body["side"]),
        order_type=OrderType(body["type"]) if body["type"] in _TYPES else None,
        time_in_force=body["time_in_force"],
        state=from_venue_status(body["status"]),
        quantity=filled if body["qty"] is None else Decimal(body["qty"]),
        filled_quantity=filled,
        average_price=_maybe(body["filled_avg_price"]),
        limit_price=_maybe(body["limit_price"]),
        stop_price=_maybe(body["stop_price"]),
        order_class=body["order_class"] or "simple",
        parent_venue_order_id=parent,
        group_id=body.get("group_id"),
        replaced_by=body["replaced_by"],
        replaces=body["replaces"],
        ts_submitted=_time(body["submitted_at"]),
        ts_updated=_time(body["updated_at"]),
        legs=tuple(order_report(leg, parent=body["id"]) for leg in body["legs"] or ()),
    )


def order_event(data: _Body) -> OrderEvent:
    """Read the `data` of a `trade_updates` event; quantities beside the order are its own."""
    report = order_report(data["order"])
    return OrderEvent(
        kind=_KINDS.get(data["event"], OrderEventKind.REPORTED),
        client_order_id=report.client_order_id,
        ts_event=_time(data["timestamp"]),
        venue_order_id=report.venue_order_id,
        execution_id=data["execution_id"],
        fill_quantity=_maybe(data.get("qty")),
        fill_price=_maybe(data.get("price")),
        position_quantity=_maybe(data.get("position_qty")),
        report=report,
    )


def position(body: _Body, symbol: str) -> Position:
    """Read a position under its listed symbol: the venue writes BTC/USD as BTCUSD here."""
    return Position(
        symbol=symbol,
        quantity=Decimal(body["qty"]),
        average_price=Decimal(body["avg_entry_price"]),
        available=Decimal(body["qty_available"]),
        market_price=_maybe(body["current_price"]),
        unrealized_pnl=Decimal(body["unrealized_pl"]),
    )


def activity(body: _Body, symbol: str) -> Activity:
    """Read one line of the account's history under its listed symbol."""
    if body["activity_type"] != "FILL":
        return Activity(
            id=body["id"],
            kind=body["activity_type"],
            ts=_time(f"{body['date']}T00:00:00Z"),
            symbol=symbol,
            quantity=abs(Decimal(body.get("qty", 0))),
            price=Decimal(body.get("price", 0)),
            amount=Decimal(body["net_amount"]),
        )
    return Activity(
        id=body["id"],
        kind=body["activity_type"],
        ts=_time(body["transaction_time"]),
        symbol=symbol,
        side=Side(body["side"]),
        quantity=Decimal(body["qty"]),
        price=Decimal(body["price"]),
        venue_order_id=body["order_id"],
    )


def account(body: _Body) -> Account:
    """Read the account."""
    return Account(
        account_id=body["account_number"],
        equity=Decimal(body["equity"]),
        cash=Decimal(body["cash"]),
        buying_power=Decimal(body["buying_power"]),
        non_marginable_buying_power=Decimal(body["non_marginable_buying_power"]),
        last_equity=Decimal(body["last_equity"]),
        multiplier=Decimal(body["multiplier"]),
        shorting_enabled=body["shorting_enabled"],
        is_blocked=body["trading_blocked"] or body["trade_suspended_by_user"],
    )


def rejection(refused: VenueRefusal) -> OrderRejected:
    """Return what a refused submit or cancel means: in this process nothing moved, for certain."""
    return OrderRejected(
        f"The simulated venue refused: {refused.message}",
        reason=refused.message,
        status=refused.status,
    )


def unanswered(refused: VenueRefusal) -> BrokerRefused:
    """Return what a refused question means."""
    return BrokerRefused(
        f"The simulated venue did not answer: {refused.message}", status=refused.status
    )


def _maybe(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


@lru_cache(maxsize=1_024)
def _time(text: str) -> str:
    """Return nine digits of a second, whatever the venue left out."""
    return format_ns(parse_ns(text))
