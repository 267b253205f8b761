"""Tie together what the venue ties together: brackets, their children, and replacements.

Children get names of the venue's making and may be heard of before their parent's own answer.
"""

from __future__ import annotations

from collections import OrderedDict
from decimal import Decimal

import msgspec

from domain.orders import (
    Leg,
    Order,
    OrderClass,
    OrderEvent,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    TimeInForce,
)

MAX_STRAYS, MAX_EVENTS = 256, 16

_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_LEGS = frozenset(leg.value for leg in Leg)
_LONG_AGO = "1970-01-01T00:00:00.000000000Z"
_LIVES = frozenset(life.value for life in TimeInForce)


def child_of(relative: Order, report: OrderReport) -> Order:
    """Make the order that a report stands for: a leg under `relative`, or what replaces it."""
    is_replacement = report.replaces is not None and report.replaces == relative.venue_order_id
    parent = relative.parent_client_order_id if is_replacement else relative.client_order_id
    leg = relative.request.leg if is_replacement else leg_of(report)
    return Order(
        request=request_of(relative.request, report, leg),
        state=OrderState.SUBMITTING,
        venue_order_id=report.venue_order_id,
        parent_client_order_id=parent,
        group_id=report.group_id,
        ts_submitted=report.ts_submitted,
    )


def leg_of(report: OrderReport) -> Leg:
    """Tell a bracket's stop from its target: the stop has a trigger price."""
    is_stop = report.order_type in _STOPS or report.stop_price is not None
    return Leg.STOP if is_stop else Leg.TARGET


def request_of(pattern: OrderRequest, report: OrderReport, leg: Leg) -> OrderRequest:
    """Say what was asked for by an order that the venue made, after the pattern of its relative."""
    price = report.stop_price or report.limit_price or pattern.reference_price
    life = report.time_in_force
    guessed = OrderType.STOP if leg is Leg.STOP else OrderType.LIMIT
    return msgspec.structs.replace(
        pattern,
        leg=leg,
        side=report.side,
        quantity=report.quantity,
        order_type=report.order_type or guessed,
        time_in_force=TimeInForce(life) if life in _LIVES else pattern.time_in_force,
        reference_price=price,
        client_order_id=report.client_order_id,
        limit_price=report.limit_price,
        stop_price=report.stop_price,
        stop_loss=None,
        take_profit=None,
        order_class=OrderClass.SIMPLE,
    )


def ours_from(report: OrderReport) -> Order:
    """Make an order of ours that nothing but the venue remembers, from its name and its fields.

    `ah-{origin}-{leg}-{n}` tells origin and leg (law 3). An unreadable leg counts as an exit: then
    the order uses up no limit and is never taken for a position of ours.
    """
    name = report.client_order_id
    origin, _, rest = name.removeprefix("ah-").rpartition("-")[0].rpartition("-")
    leg = Leg(rest) if rest in _LEGS else leg_of(report)
    pattern = OrderRequest(
        decision_id=origin or name,
        leg=leg,
        symbol=report.symbol,
        side=report.side,
        quantity=report.quantity,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        reference_price=report.average_price or Decimal(0),
        valid_until=report.ts_submitted or _LONG_AGO,
        client_order_id=name,
    )
    return Order(
        request=request_of(pattern, report, leg),
        state=OrderState.UNKNOWN,
        venue_order_id=report.venue_order_id,
        group_id=report.group_id,
        ts_submitted=report.ts_submitted,
    )


class Strays:
    """Keep events whose order is not known yet; the oldest orders' are dropped and counted."""

    def __init__(self) -> None:
        self._events: OrderedDict[str, list[OrderEvent]] = OrderedDict()
        self.dropped = 0

    def keep(self, event: OrderEvent) -> None:
        """Keep one event under the venue's name for its order; ours when it has none."""
        events = self._events.setdefault(event.venue_order_id or event.client_order_id, [])
        events.append(event)
        if len(events) > MAX_EVENTS:
            del events[0]
            self.dropped += 1
        if len(self._events) > MAX_STRAYS:
            self.dropped += len(self._events.popitem(last=False)[1])

    def take(self, order: Order) -> list[OrderEvent]:
        """Take out every event of this order and of its relatives, oldest first."""
        names = [name for name, events in self._events.items() if _belongs(events[-1], order)]
        return [event for name in names for event in self._events.pop(name)]


def _belongs(event: OrderEvent, order: Order) -> bool:
    report = event.report
    if event.client_order_id == order.client_order_id:
        return True
    if event.venue_order_id is not None and event.venue_order_id == order.venue_order_id:
        return True
    if report is None:
        return False
    is_in_group = report.group_id is not None and report.group_id == order.group_id
    relatives = (report.parent_venue_order_id, report.replaces)
    return is_in_group or (order.venue_order_id is not None and order.venue_order_id in relatives)
