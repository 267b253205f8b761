"""Say of every limit its setting, unit, default, range and code: one row each.

Settings, documentation and tests are made from `LIMITS_TABLE`; a field of `Limits` without a row
fails a test.
"""

from __future__ import annotations

from decimal import Decimal

from domain.limits.codes import Code, Trip
from domain.limits.values import DEFAULT_LIMITS
from domain.records import Record


class LimitSpec(Record, frozen=True):
    """One row of the table: a field of `Limits` as a setting a person may change.

    `code` is the denial it leads to, none where it refuses nothing; `trip` is the code under which
    it lowers trading. A limit with neither shapes orders. `minimum` and `maximum` are the values
    the setting may hold, both included.
    """

    field: str
    unit: str
    code: Code | None
    minimum: float
    maximum: float
    doc: str
    trip: Trip | None = None

    @property
    def setting(self) -> str:
        """Return the environment variable's name."""
        return self.field.upper()

    @property
    def default(self) -> Decimal | float | int | bool:
        """Return the value without a setting."""
        value: Decimal | float | int | bool = getattr(DEFAULT_LIMITS, self.field)
        return value


_TRIPS = {trip.value: trip for trip in Trip}
"""A loss that is reached both denies and lowers, under one name."""


def _row(field: str, unit: str, code: Code | None, low: float, high: float, doc: str) -> LimitSpec:
    trip = None if code is None else _TRIPS.get(code.value)
    return LimitSpec(
        field=field, unit=unit, code=code, minimum=low, maximum=high, doc=doc, trip=trip
    )


def _wire(field: str, unit: str, trip: Trip, low: float, high: float, doc: str) -> LimitSpec:
    return LimitSpec(
        field=field, unit=unit, code=None, minimum=low, maximum=high, doc=doc, trip=trip
    )


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
    _wire(
        "max_consecutive_losses",
        "trades",
        Trip.CONSECUTIVE_LOSSES,
        0,
        1e4,
        "Closed trades in a row that lose before opening ends until a person resumes; 0: off.",
    ),
    _wire(
        "max_consecutive_denials",
        "orders",
        Trip.CONSECUTIVE_DENIALS,
        0,
        1e4,
        "Entries in a row that our limits refuse for what they ask before opening ends; 0: off.",
    ),
    _wire(
        "max_consecutive_rejections",
        "orders",
        Trip.CONSECUTIVE_REJECTIONS,
        0,
        1e4,
        "Orders in a row that the venue rejects before opening ends; 0: off.",
    ),
    _wire(
        "max_one_way_fills",
        "orders",
        Trip.ONE_WAY_FILLS,
        0,
        1e4,
        "Entries filled on one side, without an exit between, that halt trading; 0: off.",
    ),
    _wire(
        "one_way_window_s",
        "s",
        Trip.ONE_WAY_FILLS,
        1,
        _DAY,
        "Time within which fills that go one way are counted.",
    ),
    _wire(
        "max_link_losses",
        "losses",
        Trip.LINK_UNSTABLE,
        0,
        1e4,
        "Times one stream may be lost before opening ends until a person resumes; 0: off.",
    ),
    _wire(
        "link_loss_window_s",
        "s",
        Trip.LINK_UNSTABLE,
        1,
        _DAY,
        "Time within which losses of a stream are counted.",
    ),
    _wire(
        "max_skew_duration_s",
        "s",
        Trip.CLOCK_UNSTABLE,
        0,
        _DAY,
        "How long the clock may differ by more than MAX_SKEW_S before opening ends; 0: off.",
    ),
)
