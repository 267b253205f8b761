"""Say when a position must be left now, and why: reached, gapped, too long held, not overnight."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from domain.market import AssetClass, Quote, SessionPhase
from domain.orders import Leg, Order, Side
from domain.ports import Calendar, Clock
from domain.records import NS_PER_S, parse_ns
from engine.orders.protection.cover import covered, has_target, limit_of
from engine.orders.protection.plans import Plan
from engine.orders.protection.rules import Overnight
from engine.orders.protection.seams import ExitsConfig


class Why(StrEnum):
    """Why the engine closes a position itself."""

    TARGET = "TAKE_PROFIT"
    BREACH = "STOP_PASSED"
    TIME = "HOLDING_TIME_OVER"
    OVERNIGHT = "OVERNIGHT_FLAT"

    @property
    def leg(self) -> Leg:
        """Return what the closing order is named after."""
        return _LEGS[self]

    @property
    def text(self) -> str:
        """Say it to a person."""
        return _TEXTS[self]


_LEGS = {
    Why.TARGET: Leg.TARGET,
    Why.BREACH: Leg.STOP,
    Why.TIME: Leg.FLATTEN,
    Why.OVERNIGHT: Leg.FLATTEN,
}

_TEXTS = {
    Why.TARGET: "its target is reached",
    Why.BREACH: "its price is beyond the stop, which did not fill",
    Why.TIME: "MAX_HOLDING is over",
    Why.OVERNIGHT: "OVERNIGHT=flat and the session ends",
}


class Triggers:
    """Watch one symbol's plan against price and time."""

    def __init__(self, config: ExitsConfig, clock: Clock, calendar: Calendar) -> None:
        self._config = config
        self._clock = clock
        self._calendar = calendar
        self._beyond_since_ns: int | None = None
        self._breached_at_ns: int | None = None

    def left_s(self) -> list[float]:
        """Return how long a price beyond the stop may still come back; zero or less: no more."""
        if self._breached_at_ns is None:
            return []
        return [(self._breached_at_ns - self._clock.monotonic_ns()) / NS_PER_S]

    def due(self, plan: Plan, quote: Quote | None, working: list[Order]) -> Why | None:
        """Return why to leave now, the most pressing reason first; none to stay."""
        if quote is not None and self._is_breached(plan, quote, working):
            return Why.BREACH
        if self._is_over(plan):
            return Why.TIME
        if self._must_be_flat(plan):
            return Why.OVERNIGHT
        if quote is not None and self._is_reached(plan, quote, working):
            return Why.TARGET
        return None

    def reset(self) -> None:
        """Forget what was seen of a position that is gone, or of a price that came back."""
        self._beyond_since_ns = self._breached_at_ns = None

    def is_open(self, asset_class: AssetClass) -> bool:
        """Tell whether the market trades: out of hours a quote says nothing that could be sold."""
        return self._calendar.phase(asset_class, self._clock.now_ns()) is not SessionPhase.CLOSED

    def _is_reached(self, plan: Plan, quote: Quote, working: list[Order]) -> bool:
        if plan.target is None or has_target(working, plan.target, plan.side):
            return False
        if plan.side is Side.BUY:
            return quote.bid >= float(plan.target)
        return quote.ask <= float(plan.target)

    def _is_breached(self, plan: Plan, quote: Quote, working: list[Order]) -> bool:
        """Tell whether the price has stood beyond the stop longer than the venue's stop needs.

        A gap leaves a stop limit behind, triggered and unfilled, and the venue does not say so:
        only the price does.
        """
        price = quote.bid if plan.side is Side.BUY else quote.ask
        if not _is_beyond(price, plan.stop, plan.side):
            self.reset()
            return False
        now_ns = self._clock.monotonic_ns()
        self._beyond_since_ns = self._beyond_since_ns or now_ns
        limit = limit_of(working, plan.side)
        has_gapped = limit is not None and _is_beyond(price, limit, plan.side)
        is_quick = has_gapped or covered(working) == 0
        grace_s = self._config.gap_grace_s if is_quick else self._config.breach_grace_s
        self._breached_at_ns = self._beyond_since_ns + int(grace_s * NS_PER_S)
        return now_ns >= self._breached_at_ns

    def _is_over(self, plan: Plan) -> bool:
        return plan.closes_at is not None and parse_ns(plan.closes_at) <= self._clock.now_ns()

    def _must_be_flat(self, plan: Plan) -> bool:
        """Tell whether a stock is to be sold: the session ends, or it should have been before.

        A position of an earlier session was kept by an engine that did not run at the close.
        """
        if self._config.rules_of(plan.symbol).overnight is not Overnight.FLAT or "/" in plan.symbol:
            return False
        now_ns = self._clock.now_ns()
        bounds = self._calendar.session_bounds(AssetClass.STOCK, now_ns)
        if bounds is None or now_ns < bounds[0]:
            return False
        is_ending = bounds[1] - now_ns <= self._config.flat_before_close_s * NS_PER_S
        return is_ending or (plan.opened_at != "" and parse_ns(plan.opened_at) < bounds[0])


def _is_beyond(price: float, level: Decimal, side: Side) -> bool:
    return (price - float(level)) * side.sign < 0
