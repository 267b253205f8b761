"""Measure how long positions stand bare: without an acknowledged stop resting for all of them.

Every order event is looked at in its own step, so a gap counts from the event that opened it to the
event that closed it, whatever the engine was waiting for meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from domain.ports import Clock
from domain.records import NS_PER_S, Record


class Cause(StrEnum):
    """Why a position stands bare."""

    FILL = "fill"
    LOST = "lost"
    REPLACED = "replaced"
    EXIT = "exit"
    RESTART = "restart"


_BARS_S = {Cause.RESTART: 5.0}
_BAR_S = 1.0

Measured = Callable[[str, float, Cause], None]
"""Hear (symbol, seconds, cause) of one gap that was closed."""

Alert = Callable[[str, str, str], None]
"""Hear (code, message, symbol)."""


class Gap(Record, frozen=True):
    """A stretch of time without a stop."""

    since_ns: int
    cause: Cause
    is_told: bool = False


class Bare:
    """Follow one symbol's gaps; tell of each when it ends, and alert once when it is too long."""

    def __init__(self, symbol: str, clock: Clock, measured: Measured, alert: Alert) -> None:
        self._symbol = symbol
        self._clock = clock
        self._measured = measured
        self._alert = alert
        self._gap: Gap | None = None
        self.expected = Cause.LOST
        """What a gap that opens now would be for: set before a stop is taken back on purpose."""

    @property
    def for_s(self) -> float:
        """Return for how long the position has been bare, zero when it is not."""
        if self._gap is None:
            return 0.0
        return (self._clock.monotonic_ns() - self._gap.since_ns) / NS_PER_S

    def observe(self, *, is_held: bool, is_covered: bool) -> None:
        """Note how things stand: a gap opens, goes on or ends; a bracket's fill has none."""
        if not is_held:
            self._gap, self.expected = None, Cause.LOST
        elif not is_covered:
            self._gap = self._gap or Gap(since_ns=self._clock.monotonic_ns(), cause=self.expected)
        elif self._gap is not None or self.expected is Cause.FILL:
            cause = Cause.FILL if self._gap is None else self._gap.cause
            self._measured(self._symbol, self.for_s, cause)
            self._gap, self.expected = None, Cause.LOST

    def look(self) -> None:
        """Alert once when the gap has outlasted its bar."""
        gap = self._gap
        if gap is None or gap.is_told or self.for_s <= _BARS_S.get(gap.cause, _BAR_S):
            return
        self._gap = Gap(since_ns=gap.since_ns, cause=gap.cause, is_told=True)
        self._alert(
            "POSITION_UNPROTECTED",
            f"{self._symbol} stands without a stop at the venue for {self.for_s:.1f} s "
            f"({gap.cause}): the engine watches its price; look at /orders, or POST /flatten.",
            self._symbol,
        )
