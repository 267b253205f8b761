"""Name every limit once: its setting, unit, default, range and code, and the codes of denials."""

from domain.limits.codes import BINDS, LOWERS_TO, Code, TradingState, Trip
from domain.limits.table import LIMITS_TABLE, LimitSpec
from domain.limits.values import DEFAULT_LIMITS, Limits, seconds

__all__ = [
    "BINDS",
    "DEFAULT_LIMITS",
    "LIMITS_TABLE",
    "LOWERS_TO",
    "Code",
    "LimitSpec",
    "Limits",
    "TradingState",
    "Trip",
    "seconds",
]
