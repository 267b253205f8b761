"""Name what we own and owe: positions, the account, profit and loss, as records and arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from domain.orders import Side
from domain.records import Record

ZERO = Decimal(0)


class Position(Record, frozen=True):
    """A holding in our spelling of the symbol; `quantity` is signed, `available` unreserved."""

    symbol: str
    quantity: Decimal
    average_price: Decimal
    available: Decimal
    market_price: Decimal | None = None
    unrealized_pnl: Decimal = Decimal(0)


class Account(Record, frozen=True):
    """The venue's account in dollars.

    `non_marginable_buying_power` is what crypto is checked against. `is_blocked` sums up every
    flag with which the venue forbids trading.
    """

    account_id: str
    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    non_marginable_buying_power: Decimal
    last_equity: Decimal
    multiplier: Decimal = Decimal(1)
    shorting_enabled: bool = False
    is_blocked: bool = False


class AccountView(Record, frozen=True):
    """What `authorize` reads of the ledger for one symbol and one order, at one moment.

    Money in dollars. `buying_power` is the one that counts for the asset class, net of every
    reservation; exposures count working entries as filled. `position_quantity` is signed;
    `pending_buy` and `pending_sell` are what working orders may still move it by, the order itself
    left out. What is not known is none, and none never passes a check.
    """

    equity: Decimal | None = None
    buying_power: Decimal | None = None
    is_blocked: bool = True
    shorting_enabled: bool = False
    age_ns: int | None = None
    position_quantity: Decimal | None = None
    pending_buy: Decimal | None = None
    pending_sell: Decimal | None = None
    pending_entries: int | None = None
    exposure: Decimal | None = None
    symbol_exposure: Decimal | None = None
    open_orders: int | None = None
    has_unknown_order: bool = True
    is_known_order: bool = True


class Activity(Record, frozen=True):
    """One line of the venue's own history of the account: an execution, a fee, a transfer.

    `kind` is the venue's word (FILL, CFEE, FEE, CSD, DIV and many more). `quantity` is unsigned and
    `side` is set for executions alone; `amount` is signed dollars. `ts` is RFC 3339; what the venue
    gives a date only stands at its midnight.
    """

    id: str
    kind: str
    ts: str
    symbol: str = ""
    side: Side | None = None
    quantity: Decimal = ZERO
    price: Decimal = ZERO
    venue_order_id: str | None = None
    amount: Decimal = ZERO

    @property
    def change(self) -> Decimal:
        """Return by how much it moves the position of its symbol, signed, before fees."""
        return ZERO if self.side is None else self.quantity * self.side.sign

    @property
    def cash(self) -> Decimal:
        """Return by how many dollars it moves the cash; a fee taken in coins moves none."""
        if self.side is not None:
            return -self.change * self.price
        return ZERO if self.kind == COIN_FEE else self.amount


COIN_FEE = "CFEE"
"""A fee on a purchase of a pair: taken in coins when it filled, and posted at the day's end."""


class Difference(Record, frozen=True):
    """One symbol on which the venue and we disagree; `is_applied` when the venue was believed."""

    symbol: str
    ours: Decimal
    venue: Decimal
    is_applied: bool


def after_fill(
    position: Position | None, *, symbol: str, quantity: Decimal, price: Decimal
) -> tuple[Position, Decimal]:
    """Return the position after a signed execution and what it realized, in dollars.

    Adding moves the average price by quantity; closing leaves it and realizes the difference to
    it; what goes through zero opens anew at the execution's price. Average cost is what the venue
    reports as `avg_entry_price`.
    """
    held = position.quantity if position is not None else ZERO
    average = position.average_price if position is not None else ZERO
    total = held + quantity
    realized = ZERO
    if held * quantity < 0:
        closed = min(abs(held), abs(quantity)).copy_sign(held)
        realized = closed * (price - average)
        average = average if abs(quantity) < abs(held) else price
    elif total != 0:
        average = (held * average + quantity * price) / total
    moved = Position(
        symbol=symbol,
        quantity=total,
        average_price=average if total != 0 else ZERO,
        available=total,
        market_price=price,
        unrealized_pnl=total * (price - average),
    )
    return moved, realized


def daily_loss(
    day_start_equity: Decimal, equity: Decimal, net_transfers: Decimal = ZERO
) -> Decimal:
    """Return the dollars a day has lost, unrealised included, net of deposits; never below 0."""
    return max(ZERO, day_start_equity + net_transfers - equity)


def drawdown(peak_equity: Decimal, equity: Decimal) -> Decimal:
    """Return the fall from the peak as a fraction of it; raises `ValueError` without a peak."""
    if peak_equity <= 0:
        raise ValueError(f"no peak equity to fall from: {peak_equity}")
    return max(ZERO, (peak_equity - equity) / peak_equity)


def normalise_symbol(venue_symbol: str, known: Iterable[str]) -> str:
    """Return our spelling of the venue's symbol: positions say `BTCUSD` where we say `BTC/USD`.

    A symbol that none of the known ones matches is returned as it came.
    """
    flat = venue_symbol.replace("/", "")
    for symbol in known:
        if symbol.replace("/", "") == flat:
            return symbol
    return venue_symbol
