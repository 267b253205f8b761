"""Name why an order is denied and why trading is lowered, and what each of these binds."""

from __future__ import annotations

from enum import StrEnum

from domain.orders import Purpose


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


class Trip(StrEnum):
    """Why trading was lowered by itself: the code that a person resumes it with."""

    DAILY_LOSS_REACHED = "DAILY_LOSS_REACHED"
    DRAWDOWN_REACHED = "DRAWDOWN_REACHED"
    CONSECUTIVE_LOSSES = "CONSECUTIVE_LOSSES"
    CONSECUTIVE_DENIALS = "CONSECUTIVE_DENIALS"
    CONSECUTIVE_REJECTIONS = "CONSECUTIVE_REJECTIONS"
    ONE_WAY_FILLS = "ONE_WAY_FILLS"
    LINK_UNSTABLE = "LINK_UNSTABLE"
    CLOCK_UNSTABLE = "CLOCK_UNSTABLE"


LOWERS_TO: dict[Trip, TradingState] = {
    Trip.DAILY_LOSS_REACHED: TradingState.REDUCING,
    Trip.DRAWDOWN_REACHED: TradingState.REDUCING,
    Trip.CONSECUTIVE_LOSSES: TradingState.REDUCING,
    Trip.CONSECUTIVE_DENIALS: TradingState.REDUCING,
    Trip.CONSECUTIVE_REJECTIONS: TradingState.REDUCING,
    Trip.ONE_WAY_FILLS: TradingState.HALTED,
    Trip.LINK_UNSTABLE: TradingState.REDUCING,
    Trip.CLOCK_UNSTABLE: TradingState.REDUCING,
}
"""What each trip lowers trading to. Where prices or profit are in doubt the agents may still close;
fills that only ever go one way mean that the deciding itself is broken, so it stops."""
