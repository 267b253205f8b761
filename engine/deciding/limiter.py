"""Ration the model: a few slots, each for a whole run, most urgent first.

First the slot, then the ticket: a slot that is free takes the most urgent ticket of that moment, so
a ticket never holds a place that a more urgent one could use.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from domain.ports import Clock
from domain.records import NS_PER_S, Record

MAX_WAIT_S = 30.0


class Priority(IntEnum):
    """How urgent a run is; a lower number goes first."""

    OPERATOR = 0
    POSITION = 1
    WOKEN = 2
    SCHEDULED = 3

    @property
    def word(self) -> str:
        """Return the name as it is shown and counted."""
        return self.name.lower()


class WakeReason(StrEnum):
    """Why a symbol is due."""

    OPERATOR = "operator"
    NEAR_EXIT = "near_exit"
    PRICE_MOVED = "price_moved"
    NEWS = "news"
    BAR_CLOSED = "bar_closed"


class Ticket(Record, frozen=True):
    """A claim to one run of one symbol; `ts` is the event time (RFC 3339) at which it was due."""

    id: str
    symbol: str
    reason: WakeReason
    priority: Priority
    ts: str
    actor: str = "autohedge"


def fresher(old: Ticket | None, new: Ticket) -> Ticket:
    """Return the one of two tickets of a symbol that stands: the newest, unless less urgent."""
    return new if old is None or new.priority <= old.priority else old


_Key = tuple[Priority, int, int]


@dataclass(frozen=True, slots=True)
class _Waiting:
    ticket: Ticket
    since_ns: int
    key: _Key


class Limiter:
    """Keep at most one waiting ticket a symbol, and serve as many runs at once as there are slots.

    Order: by priority; within one, the symbol that was served longest ago, then the first to come.
    A ticket that has waited `max_wait_s` goes before all others. Two such in a row never pass a
    more urgent ticket: a backlog older than that would otherwise make an operator wait for all of
    it. When `queue_size` tickets wait, the least urgent leaves and is counted.

    `clock` should tell wall time: what is rationed here lives in it whatever the market's speed.
    """

    def __init__(
        self, *, slots: int, queue_size: int, clock: Clock, max_wait_s: float = MAX_WAIT_S
    ) -> None:
        if slots < 1 or queue_size < 1:
            raise ValueError(f"{slots} slots and {queue_size} places: each must be at least 1")
        self.slots = slots
        self.queue_size = queue_size
        self.dropped: Counter[Priority] = Counter()
        self.granted = 0
        self.waited: Callable[[Ticket, float], None] = lambda _ticket, _seconds: None
        """Hear how long each ticket waited, right before its run."""
        self._clock = clock
        self._max_wait_ns = round(max_wait_s * NS_PER_S)
        self._waiting: dict[str, _Waiting] = {}  # by symbol, longest waiting first
        self._order: list[tuple[_Key, str]] = []  # sorted, most urgent first
        self._served: dict[str, int] = {}
        self._arrivals = 0
        self._last_was_aged = False
        self._offered = asyncio.Event()
        self._paused_until_ns = 0
        self._busy_since: dict[int, int] = {}
        self._busy_ns = 0

    @property
    def busy(self) -> int:
        """Return how many slots run now."""
        return len(self._busy_since)

    @property
    def waiting(self) -> int:
        """Return how many tickets wait."""
        return len(self._waiting)

    @property
    def waiting_by_priority(self) -> Counter[Priority]:
        """Return how many tickets of each priority wait."""
        return Counter(entry.ticket.priority for entry in self._waiting.values())

    @property
    def oldest_wait_s(self) -> float:
        """Return for how many seconds the ticket that came first has waited, 0 without one."""
        oldest = next(iter(self._waiting.values()), None)
        return 0.0 if oldest is None else (self._clock.monotonic_ns() - oldest.since_ns) / NS_PER_S

    @property
    def busy_s(self) -> float:
        """Return the seconds that slots have spent running, summed over slots."""
        now = self._clock.monotonic_ns()
        running = sum(now - since for since in self._busy_since.values())
        return (self._busy_ns + running) / NS_PER_S

    @property
    def is_paused(self) -> bool:
        """Tell whether the model endpoint asked for a pause that still lasts."""
        return self._pause_left_s() > 0

    def waiting_for(self, symbol: str) -> Ticket | None:
        """Return the symbol's waiting ticket."""
        entry = self._waiting.get(symbol)
        return entry.ticket if entry else None

    def offer(self, ticket: Ticket) -> Ticket | None:
        """Let a ticket wait; return the one that had to leave for it, which may be itself.

        A symbol's earlier ticket gives its place in time to the fresher one and is not dropped.
        """
        earlier = self._waiting.get(ticket.symbol)
        if earlier is not None:
            self._renew(earlier, fresher(earlier.ticket, ticket))
            return None
        self._insert(ticket, self._clock.monotonic_ns())
        self._offered.set()
        return self._drop_least_urgent() if len(self._order) > self.queue_size else None

    def withdraw(self, symbol: str) -> Ticket | None:
        """Take the symbol's waiting ticket out, as if it had never come."""
        entry = self._waiting.get(symbol)
        return self._remove(symbol) if entry else None

    def clear(self) -> list[Ticket]:
        """Take out and return every waiting ticket, longest waiting first."""
        return [self._remove(symbol) for symbol in list(self._waiting)]

    def pause(self, seconds: float) -> None:
        """Grant nothing for so long: the model endpoint said when to come back (`Retry-After`)."""
        until = self._clock.monotonic_ns() + round(seconds * NS_PER_S)
        self._paused_until_ns = max(self._paused_until_ns, until)

    async def serve(self, run: Callable[[Ticket], Awaitable[None]]) -> None:
        """Be one slot until cancelled: take the most urgent ticket, run it, take the next.

        The caller starts `slots` of these. What `run` raises ends the slot, so `run` guards itself.
        """
        while True:
            ticket = await self._take()
            grant = self.granted
            self._busy_since[grant] = self._clock.monotonic_ns()
            try:
                await run(ticket)
            finally:
                self._busy_ns += self._clock.monotonic_ns() - self._busy_since.pop(grant)

    async def _take(self) -> Ticket:
        while True:
            if (pause_s := self._pause_left_s()) > 0:
                await self._clock.sleep(pause_s)
            elif self._order:
                return self._grant()
            else:
                self._offered.clear()
                await self._offered.wait()

    def _grant(self) -> Ticket:
        (urgent, *_), symbol = self._order[0]
        oldest = next(iter(self._waiting.values()))
        is_aged = self._clock.monotonic_ns() - oldest.since_ns >= self._max_wait_ns
        passes = is_aged and urgent < oldest.ticket.priority
        if is_aged and not (passes and self._last_was_aged):
            symbol = oldest.ticket.symbol
            self._last_was_aged = passes
        else:
            self._last_was_aged = False
        self.granted += 1
        self._served[symbol] = self.granted
        since_ns = self._waiting[symbol].since_ns
        ticket = self._remove(symbol)
        self.waited(ticket, (self._clock.monotonic_ns() - since_ns) / NS_PER_S)
        return ticket

    def _pause_left_s(self) -> float:
        return (self._paused_until_ns - self._clock.monotonic_ns()) / NS_PER_S

    def _insert(self, ticket: Ticket, since_ns: int) -> None:
        self._arrivals += 1
        key = (ticket.priority, self._served.get(ticket.symbol, 0), self._arrivals)
        self._waiting[ticket.symbol] = _Waiting(ticket, since_ns, key)
        insort(self._order, (key, ticket.symbol))

    def _renew(self, earlier: _Waiting, ticket: Ticket) -> None:
        del self._order[bisect_left(self._order, (earlier.key, ticket.symbol))]
        key = (ticket.priority, *earlier.key[1:])
        self._waiting[ticket.symbol] = _Waiting(ticket, earlier.since_ns, key)
        insort(self._order, (key, ticket.symbol))

    def _remove(self, symbol: str) -> Ticket:
        entry = self._waiting.pop(symbol)
        del self._order[bisect_left(self._order, (entry.key, symbol))]
        return entry.ticket

    def _drop_least_urgent(self) -> Ticket:
        ticket = self._remove(self._order[-1][1])
        self.dropped[ticket.priority] += 1
        return ticket
