"""One order at the venue: its fields, its life, and its rendering as Alpaca's order object."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any

from exchange.matching.listing import Listing

ZERO = Decimal(0)
# Average prices keep nine decimals, as the venue's quantities do.
_AVERAGE = Decimal("0.000000001")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> "Side":
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """Return what one unit does to a position: 1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """How an order is priced."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"

    @property
    def is_stop(self) -> bool:
        """Tell the types that sleep until a price triggers them."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)


class TimeInForce(StrEnum):
    """How long an order lives."""

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"


class OrderClass(StrEnum):
    """How an order is tied to others; the wire spells a simple order's class as an empty string."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"
    OTO = "oto"


class Role(StrEnum):
    """What an order does in its group."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


class Status(StrEnum):
    """The states that this venue uses, a subset of Alpaca's."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REJECTED = "rejected"

    @property
    def is_terminal(self) -> bool:
        """Tell the states that an order never leaves."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    {Status.FILLED, Status.CANCELED, Status.EXPIRED, Status.REPLACED, Status.REJECTED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One order as asked for, its fields read and consistent with each other.

    Exactly one of `qty` and `notional` is set. Exit legs of a group are tickets of their own.
    """

    listing: Listing
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    client_order_id: str | None = None
    order_class: OrderClass = OrderClass.SIMPLE
    qty: Decimal | None = None
    notional: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    extended_hours: bool = False
    position_intent: str | None = None
    take_profit: "Ticket | None" = None
    stop_loss: "Ticket | None" = None

    @property
    def is_fractional(self) -> bool:
        """Tell an order for a part of a share: by amount, or by a broken quantity."""
        return self.qty is None or self.qty % 1 != 0


@dataclass(slots=True, kw_only=True, eq=False)
class Group:
    """The orders of one bracket, oco or oto; a replaced leg gives its place to its replacement."""

    id: str
    order_class: OrderClass
    entry: "Order | None" = None
    take_profit: "Order | None" = None
    stop_loss: "Order | None" = None

    @property
    def members(self) -> "list[Order]":
        """Return the group's current orders, parent first."""
        return [order for order in (self.entry, self.take_profit, self.stop_loss) if order]

    @property
    def parent(self) -> "Order":
        """Return the order that the others hang under: the entry, of an oco the take-profit."""
        return self.members[0]

    def replace(self, old: "Order", new: "Order") -> None:
        """Put `new` where `old` stood."""
        for role in ("entry", "take_profit", "stop_loss"):
            if getattr(self, role) is old:
                setattr(self, role, new)


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """One order's whole state. All times are venue nanoseconds, None until they happen.

    `reserve_price` values what the order holds of the buying power (0 when it closes a position);
    `hold_qty` is what it may take of the position, an estimate for an order by amount;
    `cap` is the collar of a market order, as an implied limit; `rested` tells the maker; `is_live`
    says that the book holds it, `is_dormant` that it is an exit whose entry has not filled. `qty`
    and `stop_price` move: a shrunk stop leg, a trailing stop.
    """

    id: str
    client_order_id: str
    ticket: Ticket
    qty: Decimal | None
    stop_price: Decimal | None
    created_ns: int
    position_intent: str
    status: Status = Status.PENDING_NEW
    updated_ns: int = 0
    expires_ns: int = 0
    filled_ns: int | None = None
    expired_ns: int | None = None
    canceled_ns: int | None = None
    failed_ns: int | None = None
    replaced_ns: int | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    filled_qty: Decimal = ZERO
    filled_value: Decimal = ZERO
    fills: int = 0
    hwm: Decimal | None = None
    reserve_price: Decimal = ZERO
    hold_qty: Decimal = ZERO
    cap: Decimal | None = None
    is_live: bool = False
    is_dormant: bool = False
    is_triggered: bool = False
    rested: bool = False
    group: Group | None = None
    role: Role | None = None

    @property
    def listing(self) -> Listing:
        """Return what is traded."""
        return self.ticket.listing

    @property
    def side(self) -> Side:
        """Return which way it trades."""
        return self.ticket.side

    @property
    def type(self) -> OrderType:
        """Return how it is priced."""
        return self.ticket.type

    @property
    def limit_price(self) -> Decimal | None:
        """Return the limit asked for."""
        return self.ticket.limit_price

    @property
    def time_in_force(self) -> TimeInForce:
        """Return how long it lives."""
        return self.ticket.time_in_force

    @property
    def is_open(self) -> bool:
        """Tell whether it may still trade or be cancelled."""
        return not self.status.is_terminal

    @property
    def sleeps(self) -> bool:
        """Tell a stop that no price has triggered yet."""
        return self.type.is_stop and not self.is_triggered

    @property
    def remaining(self) -> Decimal:
        """Return the quantity left; of an order by amount, the estimate of it."""
        return (self.hold_qty if self.qty is None else self.qty) - self.filled_qty

    @property
    def reserved(self) -> Decimal:
        """Return the dollars of buying power that the open order holds."""
        if not self.reserve_price or self.status.is_terminal:
            return ZERO
        if self.qty is None:
            return (self.ticket.notional or ZERO) - self.filled_value
        return self.remaining * self.reserve_price

    @property
    def average_price(self) -> Decimal | None:
        """Return the average price of what has filled."""
        if not self.filled_qty:
            return None
        return (self.filled_value / self.filled_qty).quantize(_AVERAGE)

    @property
    def bound(self) -> Decimal | None:
        """Return the worst price it may fill at: its limit, or the collar of a market order."""
        return self.limit_price if self.limit_price is not None else self.cap


def number(value: Decimal | None) -> str | None:
    """Render a decimal as the venue does: a string, no exponent, no trailing zeros."""
    if value is None:
        return None
    return f"{value.normalize():f}" if value else "0"


@lru_cache(maxsize=1024)
def timestamp(ns: int | None) -> str | None:
    """Render an instant as RFC 3339 UTC with nanoseconds, trailing zeros dropped."""
    if ns is None:
        return None
    seconds, fraction = divmod(ns, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}".rstrip("0") + "Z" if fraction else text + "Z"


def render(order: Order, *, nested: bool = False) -> dict[str, Any]:
    """Render Alpaca's order object, every key present (source: the orders page).

    `nested` hangs the group's other orders under its parent, as REST does; the stream never does.
    """
    ticket, group = order.ticket, order.group
    is_simple = ticket.order_class is OrderClass.SIMPLE
    body: dict[str, Any] = {
        "id": order.id,
        "client_order_id": order.client_order_id,
        "created_at": timestamp(order.created_ns),
        "updated_at": timestamp(order.updated_ns or order.created_ns),
        "submitted_at": timestamp(order.created_ns),
        "filled_at": timestamp(order.filled_ns),
        "expired_at": timestamp(order.expired_ns),
        "expires_at": timestamp(order.expires_ns),
        "canceled_at": timestamp(order.canceled_ns),
        "failed_at": timestamp(order.failed_ns),
        "replaced_at": timestamp(order.replaced_ns),
        "replaced_by": order.replaced_by,
        "replaces": order.replaces,
        "asset_id": ticket.listing.asset_id,
        "symbol": ticket.listing.symbol,
        "asset_class": ticket.listing.asset_class.value,
        "notional": number(ticket.notional),
        "qty": number(order.qty),
        "filled_qty": number(order.filled_qty),
        "filled_avg_price": number(order.average_price),
        "order_class": "" if is_simple else ticket.order_class.value,
        "order_type": ticket.type.value,
        "type": ticket.type.value,
        "side": ticket.side.value,
        "position_intent": order.position_intent,
        "time_in_force": order.time_in_force.value,
        "limit_price": number(order.limit_price),
        "stop_price": number(order.stop_price),
        "status": order.status.value,
        "extended_hours": ticket.extended_hours,
        "legs": None,
        "trail_percent": number(ticket.trail_percent),
        "trail_price": number(ticket.trail_price),
        "hwm": number(order.hwm),
        "subtag": None,
        "source": None,
    }
    if group and order.role:
        body["group_id"], body["group_role"] = group.id, order.role.value
        if nested and group.parent is order:
            body["legs"] = [render(leg) for leg in group.members[1:]]
    return body
