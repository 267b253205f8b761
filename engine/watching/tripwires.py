"""Lower trading when things keep going wrong: losses, refusals, one-way fills, streams, the clock.

Every wire is fed by a direct call of the part that sees it first, and acts within that call: the
very next order meets the lower state. A passing fault (a reconnect, a quote grown old) only denies
entries while it lasts; what a wire counts is the pattern that does not pass. Only a person raises
the state again, which resets the wire it was lowered for and no other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from domain.limits import LOWERS_TO, Code, Limits, TradingState, Trip
from domain.orders import Fill, Leg, Order, OrderState, Purpose, is_absent
from domain.ports import Clock
from engine.orders.delivery.points import NOT_SENT
from engine.watching.streaks import Losses, OneWay, Skewed, Streak, Trades

Lower = Callable[[TradingState, str, str], None]
"""Take (state, code, line)."""

ORDER_STREAM = "orders"

PASSING = frozenset(
    {
        Code.TRADING_HALTED,
        Code.REDUCE_ONLY,
        Code.NOT_RECONCILED,
        Code.JOURNAL_DOWN,
        Code.FEED_STALE,
        Code.MARKET_CLOSED,
        Code.ASSET_NOT_TRADABLE,
        Code.QUOTE_MISSING,
        Code.QUOTE_STALE,
        Code.SPREAD_TOO_WIDE,
        Code.CLOCK_SKEW,
        Code.DECISION_STALE,
        Code.PRICE_MOVED,
        Code.ACCOUNT_STALE,
        Code.FOREIGN_POSITION,
        Code.DAILY_LOSS_REACHED,
        Code.DRAWDOWN_REACHED,
        Code.ORDER_RATE_EXCEEDED,
    }
)
"""Denials for how things stand; every other one is for what the order asks."""

_TAKEN = frozenset({OrderState.ACCEPTED, OrderState.PARTIALLY_FILLED, OrderState.FILLED})

ADVICE: Mapping[Trip, str] = {
    Trip.DAILY_LOSS_REACHED: "Read the day's decisions; resuming counts the loss anew from then",
    Trip.DRAWDOWN_REACHED: "Read the report; resuming counts the fall anew from then",
    Trip.CONSECUTIVE_LOSSES: "Read the decisions behind them",
    Trip.CONSECUTIVE_DENIALS: "Read the checks of the last denials, mend what asks",
    Trip.CONSECUTIVE_REJECTIONS: "Read the venue's reasons in /orders, mend the cause",
    Trip.ONE_WAY_FILLS: "See /positions and /orders; POST /flatten closes all",
    Trip.LINK_UNSTABLE: "Mend the network or the feed's plan",
    Trip.CLOCK_UNSTABLE: "Synchronise this machine's clock",
}
"""What a person should do first; each line ends with how to resume."""


class Wire(Protocol):
    """One counter with its limit."""

    @property
    def finding(self) -> str | None:
        """Return what is too much, or none."""
        ...

    def reset(self) -> None:
        """Begin anew."""
        ...


def line_of(trip: Trip, finding: str) -> str:
    """Return the one line a person reads: the figure, the limit, what to do."""
    return f'{finding}. {ADVICE[trip]}, then POST /resume with {{"code": "{trip}"}}.'


class Tripwires:
    """Hear what happens, count it, and lower trading at the limit.

    `is_flat` tells whether nothing worth an order is left of a symbol; `remember` is called when
    the row of losses has changed, which outlives the process.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        clock: Clock,
        lower: Lower,
        is_flat: Callable[[str], bool],
        remember: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._lower = lower
        self._is_flat = is_flat
        self._remember = remember
        self._trades = Trades()
        self._losing = Streak(
            limits.max_consecutive_losses, "closed trades lost", "MAX_CONSECUTIVE_LOSSES"
        )
        self._denied = Streak(
            limits.max_consecutive_denials, "entries were denied", "MAX_CONSECUTIVE_DENIALS"
        )
        self._rejected = Streak(
            limits.max_consecutive_rejections,
            "orders were rejected by the venue",
            "MAX_CONSECUTIVE_REJECTIONS",
        )
        self._one_way = OneWay(limits)
        self._links = Losses(limits)
        self._skewed = Skewed(limits)
        self._wires: dict[Trip, Wire] = {
            Trip.CONSECUTIVE_LOSSES: self._losing,
            Trip.CONSECUTIVE_DENIALS: self._denied,
            Trip.CONSECUTIVE_REJECTIONS: self._rejected,
            Trip.ONE_WAY_FILLS: self._one_way,
            Trip.LINK_UNSTABLE: self._links,
            Trip.CLOCK_UNSTABLE: self._skewed,
        }

    @property
    def losses_in_a_row(self) -> int:
        """Return how many closed trades in a row have lost."""
        return self._losing.count

    def restore(self, losses_in_a_row: int, orders: Iterable[Order]) -> None:
        """Take up the row of losses and the trades that were open when the process ended."""
        self._losing.reset(losses_in_a_row)
        self._trades.seed(orders)

    def order_denied(self, purpose: Purpose, code: Code) -> None:
        """Count an entry that was refused for what it asks."""
        if purpose is Purpose.ENTRY and code not in PASSING:
            self._denied.went_wrong()
            self._check(Trip.CONSECUTIVE_DENIALS)

    def order_submitted(self, purpose: Purpose) -> None:
        """End the row of denials: an entry was let through."""
        if purpose is Purpose.ENTRY:
            self._denied.went_well()

    def order_changed(self, before: Order | None, after: Order, fill: Fill | None) -> None:
        """Hear of every change of an order (`engine.orders.book.Listener`)."""
        kind = "entries" if after.request.purpose is Purpose.ENTRY else "exits"
        if after.state in _TAKEN:
            self._rejected.went_well(kind)
        elif _was_rejected(before, after):
            self._rejected.went_wrong(kind)
            self._check(Trip.CONSECUTIVE_REJECTIONS)
        if fill is not None:
            self._filled(fill)

    def link_lost(self, streams: Iterable[str]) -> None:
        """Count a loss of each of these symbols' stream, or of the order stream."""
        for stream in streams:
            self._links.lost(stream, self._clock.monotonic_ns())
        self._check(Trip.LINK_UNSTABLE)

    def skew_measured(self, skew_ns: int) -> bool:
        """Hear how far the clock is off; returns whether to measure again soon."""
        is_off = self._skewed.measured(skew_ns, self._clock.monotonic_ns())
        self._check(Trip.CLOCK_UNSTABLE)
        return is_off

    def resumed(self, code: str) -> None:
        """Reset the wire that a person has looked at; what else stands trips again at once."""
        if code in self._wires:
            self._wires[Trip(code)].reset()
            self._remember()
        for trip in self._wires:
            self._check(trip)

    def _filled(self, fill: Fill) -> None:
        self._one_way.filled(fill, self._clock.monotonic_ns())
        self._check(Trip.ONE_WAY_FILLS)
        is_flat = fill.leg is not Leg.ENTRY and self._is_flat(fill.symbol)
        result = self._trades.filled(fill, is_flat=is_flat)
        if result is None:
            return
        if result < 0:
            self._losing.went_wrong()
        else:
            self._losing.went_well()
        self._remember()
        self._check(Trip.CONSECUTIVE_LOSSES)

    def _check(self, trip: Trip) -> None:
        finding = self._wires[trip].finding
        if finding is not None:
            self._lower(LOWERS_TO[trip], trip, line_of(trip, finding))


def _was_rejected(before: Order | None, after: Order) -> bool:
    """Tell whether the venue, not we, has just turned an order down."""
    is_new = before is None or before.is_working
    return (
        is_new
        and after.state is OrderState.REJECTED
        and not after.reason.startswith(NOT_SENT)
        and not is_absent(after)
    )
