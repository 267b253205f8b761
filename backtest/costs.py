"""Read what trading is to cost from a person's words, and charge it, execution by execution.

A model of costs is chosen, never assumed: there is no default, and `none` has to be typed.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from backtest.records import Costs, CostsPaid
from domain.errors import ConfigError

STOCKS = Costs(name="stocks", half_spread_bps=1.0, slippage_bps=1.0, impact=1.0, venue_fees=True)
"""Large US shares: the median quoted spread of S&P 500 shares is about 2 to 3 bps."""
CRYPTO = Costs(name="crypto", half_spread_bps=2.5, slippage_bps=2.0, impact=1.0, venue_fees=True)
"""Pairs at Alpaca: its fees (15 bps maker, 25 bps taker, first tier) count most."""
NONE = Costs(name="none", venue_fees=False, volume_cap=0.0)
"""Nothing at all, and any size fills: to be typed by who wants to see what costs do."""
PRESETS = {each.name: each for each in (STOCKS, CRYPTO, NONE)}

_BPS = 10_000.0
_SEC_BPS = 0.278
"""SEC section 31 fee on sales of shares, 27.80 USD a million (Alpaca's regulatory fees page)."""
_TAF_A_SHARE, _TAF_MOST = 0.000166, 8.30
"""FINRA's trading activity fee on sales of shares, a share and at most (the same page)."""
_STEP = Decimal("0.000000001")


def costs_of(words: str) -> Costs:
    """Read `none`, `stocks`, `crypto` or `bps=5` (so many basis points a side, all in).

    Raises `ConfigError` for anything else.
    """
    if words in PRESETS:
        return PRESETS[words]
    kind, _, number = words.partition("=")
    try:
        bps = float(number) if kind == "bps" else -1.0
    except ValueError:
        bps = -1.0
    if not 0 <= bps <= _BPS:
        raise ConfigError(
            f"There is no model of costs called {words!r}."
            if words
            else "Say what trading is to cost: nothing is assumed.",
            remedy=f"--costs {', '.join(PRESETS)}, or bps=5 for five basis points a side.",
            code="COSTS_UNKNOWN",
        )
    return Costs(name=words, commission_bps=bps, venue_fees=False, volume_cap=0.0)


def regulatory_fees(quantity: float, price: float) -> float:
    """Return what regulators take of a sale of shares, in dollars."""
    return quantity * price * _SEC_BPS / _BPS + min(quantity * _TAF_A_SHARE, _TAF_MOST)


def worse(price: Decimal, dollars_a_unit: float, sign: int) -> Decimal:
    """Return the price that a buyer (sign 1) or seller (-1) pays with costs, rounded against us."""
    moved = price + sign * Decimal(repr(dollars_a_unit))
    mode = ROUND_CEILING if sign > 0 else ROUND_FLOOR
    return max(moved.quantize(_STEP, mode), _STEP)


def added(one: CostsPaid, other: CostsPaid) -> CostsPaid:
    """Add up what was paid."""
    names = CostsPaid.__struct_fields__
    return CostsPaid(**{name: getattr(one, name) + getattr(other, name) for name in names})
