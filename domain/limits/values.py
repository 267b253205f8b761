"""Hold everything no model can move. The defaults are a careful stranger's with a small account."""

from __future__ import annotations

from decimal import Decimal

from domain.records import NS_PER_S, Record


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
    max_consecutive_losses: int = 5
    max_consecutive_denials: int = 20
    max_consecutive_rejections: int = 5
    max_one_way_fills: int = 20
    one_way_window_s: float = 600.0
    max_link_losses: int = 10
    link_loss_window_s: float = 600.0
    max_skew_duration_s: float = 60.0


DEFAULT_LIMITS = Limits()


def seconds(value_s: float) -> int:
    """Turn a limit in seconds into nanoseconds."""
    return int(value_s * NS_PER_S)
