"""Hold the records of an order: request, report, event, execution, and where it stands."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from domain.market import AssetClass, asset_class_of
from domain.records import Record

_COIN = Decimal("0.000000001")
"""The smallest part of a coin that the venue counts."""


class Side(StrEnum):
    """Which way an order moves the position."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """Return the other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """Return +1 for buy and -1 for sell: the sign of the position change."""
        return 1 if self is Side.BUY else -1


class Leg(StrEnum):
    """What an order is for, within the story of one origin."""

    ENTRY = "entry"
    STOP = "stop"
    TARGET = "target"
    REDUCE = "reduce"
    FLATTEN = "flatten"


class Purpose(StrEnum):
    """Which denial codes bind an order (one literal table in `domain.risk`)."""

    ENTRY = "entry"
    REDUCE = "reduce"
    PROTECT = "protect"
    FLATTEN = "flatten"


PURPOSE_OF = {
    Leg.ENTRY: Purpose.ENTRY,
    Leg.STOP: Purpose.PROTECT,
    Leg.TARGET: Purpose.PROTECT,
    Leg.REDUCE: Purpose.REDUCE,
    Leg.FLATTEN: Purpose.FLATTEN,
}


class OrderType(StrEnum):
    """How an order meets the market. Entries are always limits."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class TimeInForce(StrEnum):
    """How long an order lives at the venue."""

    DAY = "day"
    GTC = "gtc"
    IOC = "ioc"


class OrderClass(StrEnum):
    """Whether an order comes with its exits."""

    SIMPLE = "simple"
    BRACKET = "bracket"
    OCO = "oco"


class OrderRequest(Record, frozen=True):
    """What we want to send, neutral to the venue. Quantities only, never a notional.

    `decision_id` names the origin: a decision, or a journaled protection, operator or flatten
    record. `valid_until` is RFC 3339; `reference_price` is the price the sizing used.
    `stop_loss` and `take_profit` are the exits: children of a bracket or OCO at the venue, else
    orders of their own once the entry fills.
    """

    decision_id: str
    leg: Leg
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce
    reference_price: Decimal
    valid_until: str
    client_order_id: str
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    order_class: OrderClass = OrderClass.SIMPLE

    @property
    def purpose(self) -> Purpose:
        """Return which row of the code table binds this order."""
        return PURPOSE_OF[self.leg]


MAX_CLIENT_ORDER_ID = 48


def client_order_id(origin: str, leg: Leg, attempt: int) -> str:
    """Name an order as a function of origin, leg and attempt alone, at most 48 characters.

    The same intent always gets the same name, so the venue itself refuses a second copy
    (`client_order_id must be unique`).
    """
    name = f"ah-{origin}-{leg}-{attempt}"
    if len(name) > MAX_CLIENT_ORDER_ID:
        raise ValueError(f"client order id longer than {MAX_CLIENT_ORDER_ID} characters: {name}")
    return name


class OrderState(StrEnum):
    """The closed set of states an order of ours can be in."""

    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing more is expected (a late fill may still come)."""
        return self in TERMINAL


TERMINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELED,
        OrderState.REPLACED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
    }
)


class OrderEventKind(StrEnum):
    """What happened to an order, whoever says so (our gateway, the stream, a look-up)."""

    SUBMIT_UNKNOWN = "submit_unknown"
    ACCEPTED = "accepted"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    CANCEL_REJECTED = "cancel_rejected"
    REPLACE_REJECTED = "replace_rejected"
    CANCELED = "canceled"
    REPLACED = "replaced"
    EXPIRED = "expired"
    REJECTED = "rejected"
    DECLARED_ABSENT = "declared_absent"
    TRADE_BUSTED = "trade_busted"
    TRADE_CORRECTED = "trade_corrected"
    REPORTED = "reported"


class OrderReport(Record, frozen=True):
    """The venue's whole view of one order, from a POST, a look-up or inside a stream event.

    `state` is the venue's status mapped onto our closed set; `filled_quantity` is cumulative.
    """

    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    order_type: OrderType | None
    time_in_force: str
    state: OrderState
    quantity: Decimal
    filled_quantity: Decimal
    average_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    order_class: str = "simple"
    parent_venue_order_id: str | None = None
    group_id: str | None = None
    replaced_by: str | None = None
    replaces: str | None = None
    ts_submitted: str | None = None
    ts_updated: str | None = None
    legs: tuple[OrderReport, ...] = ()


class OrderEvent(Record, frozen=True):
    """One thing that happened to one order; the input of the reducer.

    `fill_quantity` and `fill_price` are of this execution alone, `report` the venue's whole view
    when it sent one, `position_quantity` signed and after the event. `ts_event` is RFC 3339.
    """

    kind: OrderEventKind
    client_order_id: str
    ts_event: str
    venue_order_id: str | None = None
    execution_id: str | None = None
    fill_quantity: Decimal | None = None
    fill_price: Decimal | None = None
    position_quantity: Decimal | None = None
    report: OrderReport | None = None
    reason: str = ""


class Fill(Record, frozen=True):
    """An execution of our order. `fee` is in dollars, by the venue's word or its schedule.

    `position_quantity` is the venue's signed position after it, when the venue said so.
    """

    client_order_id: str
    execution_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    ts_event: str
    leg: Leg
    fee: Decimal = Decimal(0)
    position_quantity: Decimal | None = None

    @property
    def change(self) -> Decimal:
        """Return by how much it moves the position, signed.

        A pair's fee on a purchase is taken from the coins bought (Alpaca's crypto fees page), so
        fewer arrive than were executed; every other fee is taken in dollars.
        """
        if self.side is Side.SELL:
            return -self.quantity
        return self.quantity - self.fee_in_coins

    @property
    def fee_in_coins(self) -> Decimal:
        """Return the part of the quantity that the venue kept; zero but for purchases of pairs."""
        if (
            self.side is Side.SELL
            or not self.fee
            or asset_class_of(self.symbol) is AssetClass.STOCK
        ):
            return Decimal(0)
        return (self.fee / self.price).quantize(_COIN)

    @property
    def cash(self) -> Decimal:
        """Return by how many dollars it moves the cash, signed."""
        paid = self.quantity * self.price
        return paid - self.fee if self.side is Side.SELL else -paid - self._fee_in_cash

    @property
    def _fee_in_cash(self) -> Decimal:
        return self.fee if asset_class_of(self.symbol) is AssetClass.STOCK else Decimal(0)


class Order(Record, frozen=True):
    """Where one order of ours stands: the state the reducer keeps.

    `executions` are the execution ids already counted, so a repeated event changes nothing, and
    `executed_quantity` is what they add up to; `filled_quantity` is at least that, and more when
    a cumulative report ran ahead of the executions. `revised_at` is when the venue last told its
    view together with a bust or a correction.
    """

    request: OrderRequest
    state: OrderState
    venue_order_id: str | None = None
    filled_quantity: Decimal = Decimal(0)
    average_price: Decimal | None = None
    executions: tuple[str, ...] = ()
    executed_quantity: Decimal = Decimal(0)
    parent_client_order_id: str | None = None
    group_id: str | None = None
    reason: str = ""
    ts_submitted: str | None = None
    ts_updated: str | None = None
    revised_at: str | None = None

    @property
    def client_order_id(self) -> str:
        """Return our own name for the order."""
        return self.request.client_order_id

    @property
    def symbol(self) -> str:
        """Return the order's symbol in our spelling."""
        return self.request.symbol

    @property
    def remaining(self) -> Decimal:
        """Return the quantity that could still fill."""
        return self.request.quantity - self.filled_quantity

    @property
    def is_working(self) -> bool:
        """Tell whether the order may still fill: it counts as filled in every limit."""
        return not self.state.is_terminal
