"""Name what we own and owe: positions, the account, reservations, profit and loss."""

from __future__ import annotations

from decimal import Decimal

from domain.records import Record


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
