"""Count what goes wrong in a row or in a while: pure counters, times given in nanoseconds.

Each has a `finding` (the figure beside its limit, none while all is well) and a `reset` for the
person who resumes. A limit of 0 turns a counter off.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from domain.limits import Limits
from domain.orders import Fill, Leg, Order, Side
from domain.records import NS_PER_S


class Streak:
    """Count the same thing in a row, for each key apart; the longest of the rows counts."""

    def __init__(self, limit: int, what: str, setting: str) -> None:
        self._limit = limit
        self._what = what
        self._setting = setting
        self._counts: defaultdict[str, int] = defaultdict(int)

    def went_wrong(self, key: str = "") -> None:
        """Count one more."""
        self._counts[key] += 1

    def went_well(self, key: str = "") -> None:
        """End the row."""
        self._counts.pop(key, None)

    @property
    def count(self) -> int:
        """Return the longest row that goes on."""
        return max(self._counts.values(), default=0)

    @property
    def finding(self) -> str | None:
        """Return what is too much."""
        if self._limit == 0 or self.count < self._limit:
            return None
        return f"{self.count} {self._what} in a row ({self._setting} is {self._limit})"

    def reset(self, count: int = 0) -> None:
        """Begin anew, or where a journal left off."""
        self._counts.clear()
        if count:
            self._counts[""] = count


class Trades:
    """Reckon what each closed trade brought, from our own executions alone.

    The ledger's profit rests on positions that REST may have corrected already when an execution
    of before a crash is told; a loss at a stop that filled meanwhile must count all the same. A
    position that began with no entry of ours (an adopted one) has no known cost and is not judged.
    """

    def __init__(self) -> None:
        self._cash: dict[str, Decimal] = {}

    def seed(self, orders: Iterable[Order]) -> None:
        """Take what the orders of open trades have filled, as the journal remembers them."""
        for order in sorted(orders, key=lambda each: each.request.leg is not Leg.ENTRY):
            price = order.average_price
            if price is not None and order.filled_quantity > 0:
                signed = order.filled_quantity * order.request.side.sign
                self._move(order.symbol, order.request.leg, -signed * price)

    def filled(self, fill: Fill, *, is_flat: bool) -> Decimal | None:
        """Take an execution; returns what the trade brought, in dollars, when that closed it."""
        self._move(fill.symbol, fill.leg, -fill.quantity * fill.side.sign * fill.price - fill.fee)
        return self._cash.pop(fill.symbol, None) if is_flat else None

    def _move(self, symbol: str, leg: Leg, cash: Decimal) -> None:
        if symbol in self._cash or leg is Leg.ENTRY:
            self._cash[symbol] = self._cash.get(symbol, Decimal(0)) + cash


class OneWay:
    """Count entries that fill on one side with no exit between: a loop that only ever buys.

    An order counts once, however many executions it has.
    """

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.max_one_way_fills
        self._window_ns = int(limits.one_way_window_s * NS_PER_S)
        self._side: Side | None = None
        self._filled: dict[str, int] = {}

    def filled(self, fill: Fill, now_ns: int) -> None:
        """Take an execution; an exit, or an entry on the other side, ends the row."""
        if fill.leg is not Leg.ENTRY:
            self.reset()
            return
        if fill.side is not self._side:
            self.reset()
            self._side = fill.side
        self._filled.setdefault(fill.client_order_id, now_ns)
        since_ns = now_ns - self._window_ns
        self._filled = {name: ts for name, ts in self._filled.items() if ts > since_ns}

    @property
    def finding(self) -> str | None:
        """Return what is too much."""
        count = len(self._filled)
        if self._limit == 0 or count < self._limit:
            return None
        within_s = self._window_ns / NS_PER_S
        return (
            f"{count} entries filled {self._side} within {within_s:g} s without an exit "
            f"(MAX_ONE_WAY_FILLS is {self._limit})"
        )

    def reset(self) -> None:
        """Begin anew."""
        self._filled.clear()
        self._side = None


class Losses:
    """Count how often each stream was lost of late: one that reconnects is well, a storm is not."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.max_link_losses
        self._window_ns = int(limits.link_loss_window_s * NS_PER_S)
        self._lost: dict[str, deque[int]] = {}

    def lost(self, stream: str, now_ns: int) -> None:
        """Count a loss."""
        times = self._lost.setdefault(stream, deque(maxlen=max(1, self._limit)))
        times.append(now_ns)
        while times[0] <= now_ns - self._window_ns:
            times.popleft()

    @property
    def finding(self) -> str | None:
        """Return what is too much."""
        stream = max(self._lost, key=lambda name: len(self._lost[name]), default=None)
        if self._limit == 0 or stream is None or len(self._lost[stream]) < self._limit:
            return None
        within_s = self._window_ns / NS_PER_S
        return (
            f"The stream of {stream} was lost {len(self._lost[stream])} times within "
            f"{within_s:g} s (MAX_LINK_LOSSES is {self._limit})"
        )

    def reset(self) -> None:
        """Begin anew."""
        self._lost.clear()


@dataclass(frozen=True, slots=True)
class _Off:
    since_ns: int
    skew_ns: int
    lasted_ns: int


class Skewed:
    """Measure how long the clock has been off: every answer between must say so too."""

    def __init__(self, limits: Limits) -> None:
        self._skew_ns = int(limits.max_skew_s * NS_PER_S)
        self._limit_ns = int(limits.max_skew_duration_s * NS_PER_S)
        self._off: _Off | None = None

    def measured(self, skew_ns: int, now_ns: int) -> bool:
        """Take an answer; returns whether the clock is off, so that it is asked again soon."""
        if abs(skew_ns) <= self._skew_ns:
            self._off = None
            return False
        since_ns = now_ns if self._off is None else self._off.since_ns
        self._off = _Off(since_ns, skew_ns, now_ns - since_ns)
        return True

    @property
    def finding(self) -> str | None:
        """Return what is too much."""
        if self._limit_ns == 0 or self._off is None or self._off.lasted_ns < self._limit_ns:
            return None
        return (
            f"The clock has been {self._off.skew_ns / NS_PER_S:+.1f} s off the venue's for "
            f"{self._off.lasted_ns / NS_PER_S:.0f} s "
            f"(MAX_SKEW_DURATION_S is {self._limit_ns / NS_PER_S:g})"
        )

    def reset(self) -> None:
        """Begin anew; a clock that is still off trips again when it has lasted as long again."""
        self._off = None
