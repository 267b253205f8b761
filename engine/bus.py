"""Copy what happens to whoever watches: pages, streams, terminals. Lossy on purpose.

No step of trading and no recorder listens here (those are direct calls), so a watcher that sleeps
costs nobody anything but its own oldest events.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import msgspec

from domain.market import Quote
from domain.ports import Clock
from domain.records import format_ns, plain

SUBSCRIPTION_SIZE = 1024
QUOTE_PERIOD_S = 0.25


class EventKind(StrEnum):
    """What watchers can hear of."""

    QUOTE_UPDATED = "quote_updated"
    BAR_CLOSED = "bar_closed"
    TICKET_DROPPED = "ticket_dropped"
    DECISION_STARTED = "decision_started"
    DECISION_FINISHED = "decision_finished"
    ORDER_DENIED = "order_denied"
    ORDER_SUBMITTED = "order_submitted"
    ORDER_UPDATED = "order_updated"
    FILL_RECEIVED = "fill_received"
    POSITION_CHANGED = "position_changed"
    STATE_CHANGED = "state_changed"
    APPROVAL_REQUESTED = "approval_requested"
    APPROVAL_CLOSED = "approval_closed"
    FEED_LOST = "feed_lost"
    FEED_RESTORED = "feed_restored"
    RECONCILED = "reconciled"
    ALERT_RAISED = "alert_raised"
    GAP = "gap"


class BusEvent(msgspec.Struct, frozen=True):
    """One thing that happened, in plain JSON values."""

    kind: str
    data: dict[str, Any]

    @property
    def seq(self) -> int | None:
        """Return the number of its journal entry, when it has one and the publisher knew it."""
        seq: int | None = self.data.get("seq")
        return seq


class Subscription:
    """One watcher's own queue: bounded, the oldest dropped, a `gap` event telling how many."""

    def __init__(self, size: int, leave: Callable[[Subscription], None]) -> None:
        self.dropped = 0
        self._events: deque[BusEvent] = deque()
        self._size = size
        self._missed = 0
        self._leave = leave
        self._has_news = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave(self)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> BusEvent:
        """Return the next event, or the gap that lies before it; waits for as long as it takes."""
        while not self._events:
            self._has_news.clear()
            await self._has_news.wait()
        if self._missed:
            gap = BusEvent(EventKind.GAP, {"dropped": self._missed})
            self._missed = 0
            return gap
        return self._events.popleft()

    def put(self, event: BusEvent) -> None:
        """Take one event, in place of the oldest when full."""
        if len(self._events) >= self._size:
            self._events.popleft()
            self._missed += 1
            self.dropped += 1
        self._events.append(event)
        self._has_news.set()


class Bus:
    """Fan events out to subscriptions; publishing is synchronous, cheap and cannot fail."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []
        self._dropped_before = 0

    @property
    def subscribers(self) -> int:
        """Return how many watch."""
        return len(self._subscriptions)

    @property
    def dropped(self) -> int:
        """Return how many events watchers, past ones included, were too slow for."""
        return self._dropped_before + sum(s.dropped for s in self._subscriptions)

    def publish(self, kind: str, data: Any) -> None:
        """Copy an event to every watcher, in plain values as they are now.

        `data` is a record or a mapping, which may hold records: they are written out only where
        somebody watches. `data["seq"]` is the number of its journal entry, where there is one.
        """
        if self._subscriptions:
            event = BusEvent(kind, plain(data))
            for subscription in self._subscriptions:
                subscription.put(event)

    def subscribe(self, *, size: int = SUBSCRIPTION_SIZE) -> Subscription:
        """Watch from now on, keeping at most `size` events; leave by the `with` statement."""
        subscription = Subscription(size, self._leave)
        self._subscriptions.append(subscription)
        return subscription

    def _leave(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
            self._dropped_before += subscription.dropped


async def publish_quotes(
    bus: Bus,
    *,
    clock: Clock,
    latest: Callable[[], Iterable[Quote]],
    period_s: float = QUOTE_PERIOD_S,
) -> None:
    """Publish each symbol's latest quote when it changed, once a period, until cancelled.

    Sampling keeps the bus at four events a second a symbol however many quotes arrive, and costs
    nothing while nobody watches. `clock` should tell wall time: people read at its speed.
    """
    shown: dict[str, Quote] = {}
    while True:
        await clock.sleep(period_s)
        for quote in latest() if bus.subscribers else ():
            if shown.get(quote.symbol) != quote:
                shown[quote.symbol] = quote
                bus.publish(EventKind.QUOTE_UPDATED, _quote_body(quote))


def _quote_body(quote: Quote) -> dict[str, Any]:
    return {
        "symbol": quote.symbol,
        "bid": quote.bid,
        "bid_size": quote.bid_size,
        "ask": quote.ask,
        "ask_size": quote.ask_size,
        "ts": format_ns(quote.ts_event),
    }
