"""Name what we own and owe, and keep it in memory while orders move."""

from domain.account.fees import FeeSchedule
from domain.account.ledger import Ledger
from domain.account.records import (
    COIN_FEE,
    Account,
    AccountView,
    Activity,
    Difference,
    Position,
    after_fill,
    daily_loss,
    drawdown,
    normalise_symbol,
)
from domain.account.reservations import Reservation

__all__ = [
    "COIN_FEE",
    "Account",
    "AccountView",
    "Activity",
    "Difference",
    "FeeSchedule",
    "Ledger",
    "Position",
    "Reservation",
    "after_fill",
    "daily_loss",
    "drawdown",
    "normalise_symbol",
]
