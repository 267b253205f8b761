"""Name every limit once: its setting, unit, default, range and code, and the codes of denials.

`LIMITS_TABLE` is the one table that settings, documentation and tests are made from. The defaults
are those of a careful stranger with a small account.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from domain.orders import Purpose
from domain.records import NS_PER_S, Record


class TradingState(StrEnum):
    """Whether orders may open: losses and faults only lower it, only a person raises it."""

    HALTED = "halted"
    REDUCING = "reducing"
    ACTIVE = "active"


class Code(StrEnum):
    """Why we deny an order: stable names, shown to people and kept in the journal."""

    TRADING_HALTED = "TRADING_HALTED"
    REDUCE_ONLY = "REDUCE_ONLY"
    NOT_RECONCILED = "NOT_RECONCILED"
    JOURNAL_DOWN = "JOURNAL_DOWN"
    FEED_STALE = "FEED_STALE"
    MARKET_CLOSED = "MARKET_CLOSED"
    SYMBOL_NOT_ALLOWED = "SYMBOL_NOT_ALLOWED"
    ASSET_NOT_TRADABLE = "ASSET_NOT_TRADABLE"
    PRECISION = "PRECISION"
    CROSSES_ZERO = "CROSSES_ZERO"
    QUOTE_MISSING = "QUOTE_MISSING"
    QUOTE_STALE = "QUOTE_STALE"
    SPREAD_TOO_WIDE = "SPREAD_TOO_WIDE"
    CLOCK_SKEW = "CLOCK_SKEW"
    DECISION_STALE = "DECISION_STALE"
    PRICE_MOVED = "PRICE_MOVED"
    PRICE_OUTSIDE_COLLAR = "PRICE_OUTSIDE_COLLAR"
    ACCOUNT_STALE = "ACCOUNT_STALE"
    FOREIGN_POSITION = "FOREIGN_POSITION"
    DUPLICATE_ORDER = "DUPLICATE_ORDER"
    SHORT_NOT_ALLOWED = "SHORT_NOT_ALLOWED"
    STOP_ON_WRONG_SIDE = "STOP_ON_WRONG_SIDE"
    STOP_DISTANCE = "STOP_DISTANCE"
    REWARD_TOO_SMALL = "REWARD_TOO_SMALL"
    DAILY_LOSS_REACHED = "DAILY_LOSS_REACHED"
    DRAWDOWN_REACHED = "DRAWDOWN_REACHED"
    NOTIONAL_BELOW_MIN = "NOTIONAL_BELOW_MIN"
    NOTIONAL_EXCEEDS_MAX = "NOTIONAL_EXCEEDS_MAX"
    RISK_EXCEEDS_MAX = "RISK_EXCEEDS_MAX"
    POSITION_LIMIT_EXCEEDED = "POSITION_LIMIT_EXCEEDED"
    EXPOSURE_LIMIT_EXCEEDED = "EXPOSURE_LIMIT_EXCEEDED"
    BUYING_POWER_EXCEEDED = "BUYING_POWER_EXCEEDED"
    OPEN_ORDERS_LIMIT = "OPEN_ORDERS_LIMIT"
    ORDER_RATE_EXCEEDED = "ORDER_RATE_EXCEEDED"


_ALWAYS = frozenset({Code.PRECISION, Code.ASSET_NOT_TRADABLE, Code.CROSSES_ZERO})

BINDS: dict[Purpose, frozenset[Code]] = {
    Purpose.ENTRY: frozenset(Code) - {Code.CROSSES_ZERO},
    Purpose.REDUCE: frozenset(
        {
            Code.TRADING_HALTED,
            Code.NOT_RECONCILED,
            Code.JOURNAL_DOWN,
            Code.FEED_STALE,
            Code.ASSET_NOT_TRADABLE,
            Code.PRECISION,
            Code.CROSSES_ZERO,
            Code.QUOTE_MISSING,
            Code.QUOTE_STALE,
            Code.DECISION_STALE,
            Code.PRICE_OUTSIDE_COLLAR,
        }
    ),
    Purpose.PROTECT: _ALWAYS,
    Purpose.FLATTEN: _ALWAYS,
}
"""Which codes bind which purpose. An entry never meets a position (`DUPLICATE_ORDER`), so crossing
zero is a question for the others alone."""


class Limits(Record, frozen=True):
    """Everything no model can move. Amounts in dollars, fractions of 1, ages in seconds."""

    max_order_amount: Decimal = Decimal("100.0")
    max_position_fraction: float = 0.10
    max_exposure_fraction: float = 0.50
    max_buying_power_fraction: float = 0.95
    max_risk_per_trade: float = 0.01
    min_reward_risk: float = 1.0
    stop_min_atr: float = 0.5
    stop_max_atr: float = 5.0
    stop_default_atr: float = 2.0
    target_default_reward_risk: float = 2.0
    max_open_orders: int = 5
    max_orders_per_minute: int = 10
    max_daily_loss: float = 0.03
    max_drawdown: float = 0.10
    allow_short: bool = False
    max_spread_bps: float = 50.0
    collar_bps: float = 50.0
    max_price_move_bps: float = 50.0
    quote_max_age_s: float = 10.0
    decision_max_age_s: float = 60.0
    account_max_age_s: float = 60.0
    max_skew_s: float = 2.0
    open_delay_s: float = 300.0
    close_cutoff_s: float = 600.0
    entry_ttl_s: float = 30.0
    unknown_window_s: float = 30.0


class LimitSpec(Record, frozen=True):
    """One row of the table: a field of `Limits` as a setting a person may change.

    `code` is the denial it leads to, none where it shapes orders instead of refusing them.
    `minimum` and `maximum` are the values the setting may hold, both included.
    """

    field: str
    unit: str
    code: Code | None
    minimum: float
    maximum: float
    doc: str

    @property
    def setting(self) -> str:
        """Return the environment variable's name."""
        return self.field.upper()

    @property
    def default(self) -> Decimal | float | int | bool:
        """Return the value without a setting."""
        value: Decimal | float | int | bool = getattr(DEFAULT_LIMITS, self.field)
        return value


DEFAULT_LIMITS = Limits()


def _row(field: str, unit: str, code: Code | None, low: float, high: float, doc: str) -> LimitSpec:
    return LimitSpec(field=field, unit=unit, code=code, minimum=low, maximum=high, doc=doc)


_C = Code
_DAY = 86_400.0

LIMITS_TABLE: tuple[LimitSpec, ...] = (
    _row("max_order_amount", "USD", _C.NOTIONAL_EXCEEDS_MAX, 1, 1e9, "Most one entry may cost."),
    _row(
        "max_position_fraction",
        "of equity",
        _C.POSITION_LIMIT_EXCEEDED,
        0,
        10,
        "Most one symbol may hold, working orders counted as filled.",
    ),
    _row(
        "max_exposure_fraction",
        "of equity",
        _C.EXPOSURE_LIMIT_EXCEEDED,
        0,
        10,
        "Most all positions and working entries together may hold, foreign ones included.",
    ),
    _row(
        "max_buying_power_fraction",
        "of buying power",
        _C.BUYING_POWER_EXCEEDED,
        0,
        1,
        "Most of the buying power one entry is sized to; the venue prices some orders higher.",
    ),
    _row(
        "max_risk_per_trade",
        "of equity",
        _C.RISK_EXCEEDS_MAX,
        0,
        1,
        "Most one entry may lose if its stop fills at its price.",
    ),
    _row(
        "min_reward_risk",
        "ratio",
        _C.REWARD_TOO_SMALL,
        0,
        100,
        "Least distance of the target, in distances of the stop.",
    ),
    _row("stop_min_atr", "ATR", _C.STOP_DISTANCE, 0, 100, "Nearest stop, in average true ranges."),
    _row("stop_max_atr", "ATR", _C.STOP_DISTANCE, 0, 100, "Widest stop, in average true ranges."),
    _row("stop_default_atr", "ATR", None, 0, 100, "Where code puts a stop the agents left out."),
    _row(
        "target_default_reward_risk",
        "ratio",
        None,
        0,
        100,
        "Where code puts a target the agents left out, in distances of the stop.",
    ),
    _row(
        "max_open_orders", "orders", _C.OPEN_ORDERS_LIMIT, 1, 1e4, "Most entries working at once."
    ),
    _row(
        "max_orders_per_minute",
        "orders",
        _C.ORDER_RATE_EXCEEDED,
        1,
        180,
        "Most orders sent in any minute before entries wait; exits never do.",
    ),
    _row(
        "max_daily_loss",
        "of the day's first equity",
        _C.DAILY_LOSS_REACHED,
        0,
        1,
        "Loss of a day, unrealised included, that ends opening until a person resumes.",
    ),
    _row(
        "max_drawdown",
        "of peak equity",
        _C.DRAWDOWN_REACHED,
        0,
        1,
        "Fall from the highest equity that ends opening until a person resumes.",
    ),
    _row("allow_short", "yes/no", _C.SHORT_NOT_ALLOWED, 0, 1, "Whether stocks may be sold short."),
    _row("max_spread_bps", "bps", _C.SPREAD_TOO_WIDE, 0, 1e4, "Widest spread an entry may meet."),
    _row(
        "collar_bps",
        "bps",
        _C.PRICE_OUTSIDE_COLLAR,
        0,
        1e3,
        "Furthest a limit price may lie beyond either side of the quote.",
    ),
    _row(
        "max_price_move_bps",
        "bps",
        _C.PRICE_MOVED,
        0,
        1e4,
        "Most the mid price may have moved since the window of the decision.",
    ),
    _row("quote_max_age_s", "s", _C.QUOTE_STALE, 0, 3600, "Oldest quote an order may rest on."),
    _row("decision_max_age_s", "s", _C.DECISION_STALE, 0, 3600, "Oldest window, or approval."),
    _row("account_max_age_s", "s", _C.ACCOUNT_STALE, 0, 3600, "Oldest answer about the account."),
    _row("max_skew_s", "s", _C.CLOCK_SKEW, 0, 60, "Most our clock may differ from the venue's."),
    _row("open_delay_s", "s", _C.MARKET_CLOSED, 0, _DAY, "No entries so soon after the open."),
    _row("close_cutoff_s", "s", _C.MARKET_CLOSED, 0, _DAY, "No entries so close to the close."),
    _row("entry_ttl_s", "s", None, 1, 3600, "Life of an entry before its rest is cancelled."),
    _row(
        "unknown_window_s",
        "s",
        None,
        1,
        3600,
        "How long an order of unknown outcome is looked up before it is declared absent.",
    ),
)


def seconds(value_s: float) -> int:
    """Turn a limit in seconds into nanoseconds."""
    return int(value_s * NS_PER_S)
