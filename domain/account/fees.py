"""Say what an execution costs when it happens; the venue posts its fees at the end of the day.

Source: Alpaca's crypto fees page. A pair's fee is taken from what is received, coins on a purchase
and dollars on a sale, by the volume of the last thirty days; these are the rates of the first tier,
the dearest. Shares cost nothing on paper, and cents of regulatory fees a day on a live account.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from domain.market import AssetClass, asset_class_of
from domain.orders import Fill, Order, OrderType, Side, TimeInForce
from domain.records import NS_PER_S, Record, parse_ns

_BPS = Decimal(10_000)
_COIN = Decimal("0.000000001")
_MOST = Decimal("0.01")
_REST_NS = NS_PER_S


class FeeSchedule(Record, frozen=True):
    """What the venue takes of a pair's execution, in basis points of what is received."""

    maker_bps: Decimal = Decimal(15)
    taker_bps: Decimal = Decimal(25)

    @property
    def dearest(self) -> Decimal:
        """Return the highest rate as a fraction."""
        return max(self.maker_bps, self.taker_bps) / _BPS


def fee_of(fill: Fill, order: Order, *, held: Decimal, schedule: FeeSchedule) -> Decimal:
    """Return the fee of an execution in dollars; `held` is the position just before it.

    The position that the venue tells with a purchase shows the coins it kept, to the last digit. A
    sale's fee leaves the cash unseen, so the schedule speaks for it.
    """
    if asset_class_of(fill.symbol) is AssetClass.STOCK:
        return Decimal(0)
    rate = (schedule.maker_bps if _is_maker(fill, order) else schedule.taker_bps) / _BPS
    if fill.side is Side.SELL:
        return fill.quantity * fill.price * rate
    kept = None if fill.position_quantity is None else held + fill.quantity - fill.position_quantity
    if kept is None or not 0 <= kept <= fill.quantity * _MOST:
        kept = (fill.quantity * rate).quantize(_COIN, ROUND_DOWN)
    return kept * fill.price


def _is_maker(fill: Fill, order: Order) -> bool:
    """Tell an execution to which the market came: a plain limit order that had rested."""
    request = order.request
    if request.order_type is not OrderType.LIMIT or request.time_in_force is TimeInForce.IOC:
        return False
    if order.ts_submitted is None:
        return False
    return parse_ns(fill.ts_event) - parse_ns(order.ts_submitted) > _REST_NS
