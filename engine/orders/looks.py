"""Say why, with what and how often we look at the venue, and what one look found."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.account import Position
from domain.orders import Fill, Order
from domain.ports import Broker, Clock, Journal
from domain.records import Record
from engine.clock import LiveClock, woken_within
from engine.orders.accounts import Mark
from engine.orders.book import OrderBook
from engine.orders.delivery.points import Point, nowhere
from engine.orders.ownership import Finding, Ownership

_MINUTE_S = 60.0


class Trigger(StrEnum):
    """Why we look."""

    START = "start"
    LINK_UP = "link_up"
    TIMER = "timer"
    RETRY = "retry"
    ORDER_ENDED = "order_ended"
    STRANGER = "stranger"
    ENTRY = "entry"
    OPERATOR = "operator"


ALWAYS_WRITTEN = frozenset({Trigger.START, Trigger.LINK_UP, Trigger.OPERATOR})
"""What is journaled whether it found anything or not."""

_UNBOUNDED = frozenset({Trigger.START, Trigger.LINK_UP, Trigger.STRANGER})


class Reconciliation(Record, frozen=True):
    """What one look found. It is conclusive when every question was answered."""

    ts: str
    trigger: Trigger
    clean: bool
    is_conclusive: bool
    differences: tuple[Finding, ...] = ()


class ReconcilerConfig(Record, frozen=True):
    """How often to look. Each look costs three requests of the minute's budget at least.

    `interval_s` is event time and never less than `interval_wall_s` of the wall's: at twenty times
    real speed the venue still counts requests by its own minute. All else is wall time: `retry_s`
    follows a look that was not clean or not answered and doubles to `retry_longest_s`, `settle_s`
    lets a burst of events be one look, between two looks lie `spacing_s`, and looks after ended
    orders are at most `looks_per_minute`. An order that the venue does not show must be missing
    for `missing_s` (event time) before it counts as gone; an entry waits `entry_wait_s` for a look
    of its own and is then denied as stale; a difference that has outlasted the
    venue's lag for `halt_after_s` (event time) more halts trading.
    """

    interval_s: float = 30.0
    interval_wall_s: float = 10.0
    retry_s: float = 2.0
    retry_longest_s: float = 30.0
    settle_s: float = 0.25
    spacing_s: float = 2.0
    looks_per_minute: int = 12
    missing_s: float = 30.0
    entry_wait_s: float = 10.0
    halt_after_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class ReconcilerSeams:
    """What the reconciler asks, corrects and tells."""

    broker: Broker
    book: OrderBook
    journal: Journal
    ownership: Ownership
    clock: Clock
    recall: Callable[[str], Awaitable[Order | None]]
    """Read an order of ours from the journal by client order id."""
    adopted: Callable[[Position, str], None]
    """Hear of a position taken over, with the journaled origin it is now named after."""
    alert: Callable[[str, str, str], None]
    """Hear (code, message, symbol)."""
    halt: Callable[[str, str], None] = lambda _code, _line: None
    """Hear (code, line) of a difference that stays: trading is to be halted for it."""
    mark: Mark | None = None
    """What venue and journal last agreed upon before this process."""
    since: Sequence[Fill] = ()
    """Our journaled fills since that mark."""
    at: Callable[[Point], None] = nowhere


class Pace:
    """Wait for the next reason to look, within what the venue's request rate allows."""

    def __init__(self, config: ReconcilerConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._wall = LiveClock()
        self._looks: deque[float] = deque(maxlen=config.looks_per_minute)
        self._last: tuple[object, ...] | None = None
        self._pause_s = config.retry_s

    def looked(self, result: Reconciliation) -> None:
        """Count a look; the pause doubles while every look says the same."""
        self._looks.append(self._now())
        news = (result.clean, result.is_conclusive, result.differences)
        self._pause_s = (
            min(self._pause_s * 2, self._config.retry_longest_s)
            if news == self._last
            else self._config.retry_s
        )
        self._last = news

    @property
    def pause_s(self) -> float:
        """Return how long to wait after a look that was not clean, in wall seconds."""
        return self._pause_s

    async def rest(
        self, woken: asyncio.Event, result: Reconciliation, *, is_doubting: bool = False
    ) -> bool:
        """Wait until it is time or somebody wakes us; returns whether the pause was a calm one.

        Nothing is calm while something differs that may be the venue's lag, or may not.
        """
        config, began = self._config, self._now()
        is_calm = result.clean and result.is_conclusive and not is_doubting
        if is_calm:
            await woken_within(woken, self._clock, config.interval_s)
            left_s = config.interval_wall_s - (self._now() - began)
        else:
            left_s = self._pause_s
        if left_s > 0:
            await woken_within(woken, self._wall, left_s)
        return is_calm

    async def space(self, trigger: Trigger) -> None:
        """Let a burst of reasons be one look, and looks keep within the minute's share."""
        now = self._now()
        last = self._looks[-1] if self._looks else now - _MINUTE_S
        wait_s = max(self._config.settle_s, self._config.spacing_s - (now - last))
        is_full = len(self._looks) == self._config.looks_per_minute
        if is_full and trigger not in _UNBOUNDED:
            wait_s = max(wait_s, self._looks[0] + _MINUTE_S - now)
        await self._wall.sleep(wait_s)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
