"""Turn market floats into order prices and quantities: the one door between float and Decimal.

Everything here rounds against us: quantities down, stops and targets never nearer than asked.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import Literal

from domain.decisions import ExecutionStyle
from domain.limits import Limits
from domain.market import AssetClass, Instrument, Quote, WindowAccount, WindowQuote
from domain.orders import OrderClass, Side, tick_at

Direction = Literal["up", "down", "nearest"]

_MODES = {"up": ROUND_CEILING, "down": ROUND_FLOOR, "nearest": ROUND_HALF_EVEN}
_BPS = Decimal(10_000)
STOP_LIMIT_GIVE = Decimal("0.01")
"""How far beyond its trigger a stop limit may trade, of price: crypto has no plain stop."""


def to_decimal(value: float) -> Decimal:
    """Read a float by its shortest text, the number a person would write; refuses NaN, infinity.

    Raises `ValueError`.
    """
    if not math.isfinite(value):
        raise ValueError(f"not a finite number: {value}")
    return Decimal(repr(float(value)))


def to_price(value: float, instrument: Instrument) -> Decimal:
    """Return the tick nearest to a float; raises `ValueError` unless it is finite and positive."""
    if not value > 0:
        raise ValueError(f"not a price: {value}")
    return round_price(to_decimal(value), instrument, "nearest")


def round_price(value: Decimal, instrument: Instrument, direction: Direction) -> Decimal:
    """Return the next tick up, down, or the nearest (ties to the even one)."""
    tick = tick_at(value, instrument)
    return (value / tick).to_integral_value(_MODES[direction]) * tick


def floor_quantity(quantity: Decimal, instrument: Instrument, *, whole: bool = False) -> Decimal:
    """Round a quantity down to the lot; to whole shares where fractions are not taken."""
    lot = instrument.lot
    if whole or (instrument.asset_class is AssetClass.STOCK and not instrument.fractionable):
        lot = max(lot, Decimal(1))
    return (quantity / lot).to_integral_value(ROUND_FLOOR) * lot


def must_be_whole(instrument: Instrument, *, side: Side, order_class: OrderClass) -> bool:
    """Tell whether an entry takes whole units only: brackets and short sales do, and plain lots.

    Source: Alpaca's fractional trading rules (simple DAY orders, no short sales).
    """
    if instrument.asset_class is AssetClass.CRYPTO:
        return False
    is_complex = order_class is not OrderClass.SIMPLE
    return is_complex or side is Side.SELL or not instrument.fractionable


def limit_price(
    *,
    side: Side,
    quote: Quote | WindowQuote,
    style: ExecutionStyle,
    offset_bps: float,
    collar_bps: float,
    instrument: Instrument,
) -> Decimal:
    """Return the limit price of an order: passive at our side, marketable at the far side.

    `offset_bps` moves it towards the other side when positive (a passive one stops a tick short of
    it, a marketable one buys certainty), away when negative; the collar bounds both. A wish for a
    market order is a marketable limit at the collar. Raises `ValueError` for a quote without two
    sides or a crossed one.
    """
    if not 0 < quote.bid <= quote.ask:
        raise ValueError(f"not a two-sided quote: {quote.bid} / {quote.ask}")
    bid = round_price(to_decimal(quote.bid), instrument, "down")
    ask = round_price(to_decimal(quote.ask), instrument, "up")
    own, far = (bid, ask) if side is Side.BUY else (ask, bid)
    base = own if style is ExecutionStyle.PASSIVE else far
    collar = to_decimal(collar_bps)
    offset = max(-collar, min(collar, to_decimal(offset_bps))) / _BPS * side.sign
    wanted = base * (1 + offset)
    if style is ExecutionStyle.PASSIVE:
        return _short_of(wanted, far, side, instrument)
    rounded = round_price(wanted, instrument, "down" if side is Side.BUY else "up")
    return rounded if offset * side.sign < 0 else _further(rounded, far, side)


def _short_of(wanted: Decimal, far: Decimal, side: Side, instrument: Instrument) -> Decimal:
    """Round away from the market and stay a tick off the far side, so the order rests."""
    tick = tick_at(far, instrument)
    if side is Side.BUY:
        return max(tick, min(round_price(wanted, instrument, "down"), far - tick))
    return max(round_price(wanted, instrument, "up"), far + tick)


def _further(price: Decimal, far: Decimal, side: Side) -> Decimal:
    """Return the price that still reaches the far side after rounding."""
    return max(price, far) if side is Side.BUY else min(price, far)


def allowance(
    account: WindowAccount,
    limits: Limits,
    *,
    instrument: Instrument,
    price: Decimal,
    stop_price: Decimal,
) -> Decimal:
    """Return the most dollars one entry may cost: the least of all limits, never below zero.

    `account` is net of reservations and its buying power is the one that counts for the asset
    class. Risk: equity times the fraction at risk, over the stop's distance as a fraction of the
    price, so that a stop filled at its price loses that fraction of equity.
    """
    distance = abs(price - stop_price)
    if price <= 0 or distance == 0:
        return Decimal(0)
    equity = account.equity
    rooms = [
        limits.max_order_amount,
        equity * to_decimal(limits.max_position_fraction) - account.symbol_exposure,
        equity * to_decimal(limits.max_exposure_fraction) - account.exposure,
        account.buying_power * to_decimal(limits.max_buying_power_fraction),
        equity * to_decimal(limits.max_risk_per_trade) * price / distance,
    ]
    if instrument.max_notional is not None:
        rooms.append(instrument.max_notional)
    return max(Decimal(0), min(rooms))


def size(
    fraction: float,
    allowed: Decimal,
    price: Decimal,
    instrument: Instrument,
    *,
    whole: bool = False,
) -> Decimal:
    """Return fraction times allowance over limit price, floored to the lot and never rounded up.

    A fraction outside 0..1 is cut to it, since a model may only make a trade smaller; what is not
    a number is zero.
    """
    if not math.isfinite(fraction) or fraction <= 0 or price <= 0 or allowed <= 0:
        return Decimal(0)
    share = to_decimal(min(fraction, 1.0))
    return floor_quantity(share * allowed / price, instrument, whole=whole)


def default_stop(
    side: Side, price: Decimal, atr: float, instrument: Instrument, multiple: float = 2.0
) -> Decimal:
    """Return the stop of an entry at `price`: so many average true ranges to the losing side.

    At least one tick above zero. Raises `ValueError` when the range is not finite and positive.
    """
    if not atr > 0:
        raise ValueError(f"not an average true range: {atr}")
    distance = to_decimal(atr) * to_decimal(multiple)
    stop = round_price(price - side.sign * distance, instrument, "nearest")
    return max(stop, tick_at(Decimal(0), instrument))


def default_target(
    side: Side,
    price: Decimal,
    stop_price: Decimal,
    instrument: Instrument,
    reward_risk: float = 2.0,
) -> Decimal:
    """Return the target that earns `reward_risk` times what the stop loses, rounded outward."""
    distance = abs(price - stop_price) * to_decimal(reward_risk)
    direction: Direction = "up" if side is Side.BUY else "down"
    target = round_price(price + side.sign * distance, instrument, direction)
    return max(target, tick_at(Decimal(0), instrument))
