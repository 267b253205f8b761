"""Reckon what checks measure of an order: its price, cost, stop; and write amounts down."""

from __future__ import annotations

from decimal import Decimal

from domain.limits import Limits
from domain.market import AssetClass, Instrument
from domain.orders import OrderRequest
from domain.pricing import STOP_LIMIT_GIVE
from domain.records import NS_PER_S
from domain.risk.facts import Facts
from domain.risk.inputs import need_amount, need_share

EQUITY_DRIFT = Decimal("1.01")
"""Limits that scale with equity were met when the order was sized, seconds ago; an equity that has
moved since by less than this does not turn a full-sized order into a denied one."""


def price_of(request: OrderRequest) -> Decimal:
    """Return what a unit is reckoned to cost."""
    return need_amount(request.limit_price or request.reference_price, "the price")


def notional_of(request: OrderRequest) -> Decimal:
    """Return what the order is reckoned to cost."""
    return need_amount(request.quantity, "the quantity") * price_of(request)


def equity_share(facts: Facts, limits: Limits, field: str) -> Decimal:
    """Return a fraction of equity in dollars, with the drift allowed since the order was sized."""
    equity = need_amount(facts.account.equity, "equity")
    return equity * EQUITY_DRIFT * need_share(limits, field)


def stop_distance(request: OrderRequest) -> Decimal:
    """Return how far the stop lies on the losing side; negative on the wrong one."""
    stop = need_amount(request.stop_loss, "the stop")
    return (price_of(request) - stop) * request.side.sign


def stop_value(request: OrderRequest, rules: Instrument) -> Decimal:
    """Return what the venue will value a pair's stop at: its limit price.

    An entry that is just large enough would have a stop that is refused as too small, and so none.
    """
    if rules.asset_class is not AssetClass.CRYPTO or request.stop_loss is None:
        return notional_of(request)
    return request.quantity * request.stop_loss * (1 - STOP_LIMIT_GIVE)


def in_seconds(ns: int) -> str:
    """Write a time down."""
    return f"{ns / NS_PER_S:.3f} s"


def in_usd(amount: Decimal) -> str:
    """Write dollars down."""
    return f"{amount:.2f} USD"
