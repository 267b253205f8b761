"""Hold every order against every limit; the only place an `AuthorizedOrder` is made."""

from domain.limits import (
    BINDS,
    DEFAULT_LIMITS,
    LIMITS_TABLE,
    Code,
    Limits,
    LimitSpec,
    TradingState,
)
from domain.risk.authorize import AuthorizedOrder, Denied, authorize, preview
from domain.risk.facts import Facts, facts_of_window

__all__ = [
    "BINDS",
    "DEFAULT_LIMITS",
    "LIMITS_TABLE",
    "AuthorizedOrder",
    "Code",
    "Denied",
    "Facts",
    "LimitSpec",
    "Limits",
    "TradingState",
    "authorize",
    "facts_of_window",
    "preview",
]
