"""Say what protects a position: the plan of an entry, and how it moves with the market.

Pure: a plan is a function of the entry that opened the position, its first execution, the range of
its window and the rules a person set, so a restart finds it again in the journal. From there its
stop only tightens.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from domain.account import Position
from domain.market import AssetClass, Instrument, Quote
from domain.orders import Leg, OrderRequest, Side, is_whole
from domain.pricing import floor_quantity, round_price, to_price
from domain.records import NS_PER_S, Record, format_ns, parse_ns
from engine.orders.protection.rules import Distance, ExitRules, Unit

ADOPTED_STOP = Decimal("0.05")
"""How far the stop of an adopted position lies: nobody has told us where its owner was wrong."""

_SPLIT_COST = Decimal("0.005")
_SPLIT_RATIO = Decimal("0.05")


class Plan(Record, frozen=True):
    """What closes a position: a stop, perhaps a target, and the origin both are named after.

    The stop follows the best price at a distance of `trail` dollars, or of `trail_fraction` of that
    price. `closes_at` (RFC 3339) is when the position has been held long enough.
    """

    origin: str
    symbol: str
    side: Side
    """The side that opened the position."""
    stop: Decimal
    target: Decimal | None
    opened_at: str
    trail: Decimal | None = None
    trail_fraction: Decimal | None = None
    closes_at: str | None = None

    def trail_at(self, price: Decimal) -> Decimal | None:
        """Return how far behind a best price the stop stands, in dollars; none to stay."""
        return self.trail if self.trail_fraction is None else price * self.trail_fraction


class Opening(Record, frozen=True):
    """What a plan is made of: the entry, its first execution, and the range its decision saw."""

    entry: OrderRequest
    price: Decimal
    opened_at: str
    atr: Decimal | None = None


def plan_of(opening: Opening, rules: ExitRules, instrument: Instrument) -> Plan | None:
    """Return the plan of an entry under a person's rules; none for an order that opens nothing.

    An entry always carries a stop. Should one ever not, it gets that of an adopted position: no
    position may stand without a plan.
    """
    entry, price = opening.entry, opening.price
    if entry.leg is not Leg.ENTRY:
        return None
    stop = entry.stop_loss or _behind(price, entry.side, price * ADOPTED_STOP, instrument)
    plan = Plan(
        origin=entry.decision_id,
        symbol=entry.symbol,
        side=entry.side,
        stop=stop,
        target=entry.take_profit,
        opened_at=opening.opened_at,
    )
    return under_rules(plan, rules, instrument, price=price, atr=opening.atr)


def under_rules(
    plan: Plan, rules: ExitRules, instrument: Instrument, *, price: Decimal, atr: Decimal | None
) -> Plan:
    """Bring a plan under a person's rules: of two stops, and of two targets, the nearer counts."""
    trailing = rules.trailing_stop
    trail = _dollars(trailing, price, atr)
    for distance in (_dollars(rules.stop_loss, price, atr), trail):
        if distance is not None:
            plan = tightened(plan, _behind(price, plan.side, distance, instrument))
    target, wanted = plan.target, _dollars(rules.take_profit, price, atr)
    if wanted is not None:
        nearest = min if plan.side is Side.BUY else max
        ahead = _behind(price, plan.side.opposite, wanted, instrument)
        target = ahead if target is None else nearest(target, ahead)
    closes_at = None
    if rules.max_holding_s is not None and plan.opened_at:
        closes_at = format_ns(parse_ns(plan.opened_at) + int(rules.max_holding_s * NS_PER_S))
    is_fraction = trailing is not None and trailing.unit is Unit.PERCENT
    return msgspec.structs.replace(
        plan,
        target=target,
        trail=None if is_fraction else trail,
        trail_fraction=trailing.value / 100 if is_fraction and trailing else None,
        closes_at=closes_at,
    )


def tightened(plan: Plan, stop: Decimal) -> Plan:
    """Move the stop there when that is nearer to the price; a stop never loosens."""
    is_nearer = (stop - plan.stop) * plan.side.sign > 0
    return msgspec.structs.replace(plan, stop=stop) if is_nearer else plan


def trailed(plan: Plan, quote: Quote, instrument: Instrument, *, step: Decimal) -> Plan:
    """Let the stop follow the price that the position could be left at now.

    It moves only by `step` (a fraction of the distance) or more: each move costs a moment without
    a stop at the venue.
    """
    if not 0 < quote.bid <= quote.ask:
        return plan
    price = to_price(quote.bid if plan.side is Side.BUY else quote.ask, instrument)
    distance = plan.trail_at(price)
    if distance is None:
        return plan
    stop = _behind(price, plan.side, distance, instrument)
    moved = (stop - plan.stop) * plan.side.sign
    return tightened(plan, stop) if moved >= distance * step else plan


def trails_at(plan: Plan, *, step: Decimal) -> Decimal | None:
    """Return the price at which the trailing stop moves next."""
    sign = plan.side.sign
    if plan.trail_fraction is not None:
        left = 1 - sign * plan.trail_fraction * (1 + step)
        return plan.stop / left if left > 0 else None
    return None if plan.trail is None else plan.stop + sign * plan.trail * (1 + step)


def rescaled(plan: Plan, before: Position, after: Position, instrument: Instrument) -> Plan | None:
    """Follow a split: the venue changed quantity and price of a position and left its cost.

    None when that is not what happened. A stop at the old price would sell at once, or never.
    """
    cost, now = before.quantity * before.average_price, after.quantity * after.average_price
    if before.quantity * after.quantity <= 0 or cost == 0 or after.average_price <= 0:
        return None
    ratio = after.quantity / before.quantity
    if abs(ratio - 1) < _SPLIT_RATIO or abs(now - cost) > abs(cost) * _SPLIT_COST:
        return None
    target = None if plan.target is None else plan.target / ratio
    return msgspec.structs.replace(
        plan,
        stop=round_price(plan.stop / ratio, instrument, "nearest"),
        target=None if target is None else round_price(target, instrument, "nearest"),
        trail=None if plan.trail is None else plan.trail / ratio,
    )


def adopted_plan(
    position: Position, instrument: Instrument, origin: str, rules: ExitRules | None = None
) -> Plan:
    """Return the plan of a position taken over: a stop at a distance of our own, no target.

    Rules count from its market price; those in average true ranges need a decision's window and do
    not apply, nor does a holding time: nobody knows since when it is held.
    """
    side = Side.BUY if position.quantity > 0 else Side.SELL
    price = position.market_price or position.average_price
    plan = Plan(
        origin=origin,
        symbol=position.symbol,
        side=side,
        stop=_behind(price, side, price * ADOPTED_STOP, instrument),
        target=None,
        opened_at="",
    )
    return under_rules(plan, rules or ExitRules(), instrument, price=price, atr=None)


def sellable(quantity: Decimal, instrument: Instrument, *, price: Decimal) -> Decimal:
    """Return the part of a holding that an order can carry, zero for dust.

    Dust is what lies below a lot or, at `price` (zero when unknown: then it does not count), below
    the venue's least notional. That minimum is of pairs and of fractions of a share: whole shares
    may be worth anything (ALPACA 3.4, "cost basis must be >= minimal amount").
    """
    lots = floor_quantity(abs(quantity), instrument)
    has_minimum = instrument.asset_class is AssetClass.CRYPTO or not is_whole(lots)
    is_dust = has_minimum and 0 < lots * price < instrument.min_notional
    return Decimal(0) if is_dust else lots


def _dollars(rule: Distance | None, price: Decimal, atr: Decimal | None) -> Decimal | None:
    return None if rule is None else rule.of(price, atr)


def _behind(price: Decimal, side: Side, distance: Decimal, instrument: Instrument) -> Decimal:
    """Return the tick that lies so far to the losing side, at least one tick above zero."""
    stop = round_price(price - side.sign * distance, instrument, "nearest")
    return stop if stop > 0 else instrument.tick
