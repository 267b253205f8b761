"""Hold every order of ours in memory and move it by what happened, in one synchronous step.

Reducer, ledger, journal and listeners see the same change in the same order, with no await between
them, so nobody can look at a half-told fill.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from domain.account import Ledger
from domain.orders import (
    REVISING,
    Fill,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderReport,
    OrderRequest,
    OrderState,
    fill_of,
    revisions_of,
)
from domain.orders import apply as reduce_order
from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import format_ns, plain
from engine.orders.family import Strays, child_of

Publish = Callable[[str, Any], None]
"""Copy (kind, body) to whoever watches; a body is a record, or a mapping that may hold some."""

Listener = Callable[[Order | None, Order, Fill | None], None]
"""Hear of one change: the order before it (none when it is new), after it, and what it filled."""

MAX_ENDED = 2_000


class OrderBook:
    """All orders of ours: those that may still fill, and lately ended ones for late events.

    `on_stray` hears of events of orders that are not ours, as far as the book can tell.
    """

    def __init__(
        self,
        ledger: Ledger,
        journal: Journal,
        clock: Clock,
        publish: Publish,
        *,
        max_ended: int = MAX_ENDED,
    ) -> None:
        self.ledger = ledger
        self.publish = publish
        self.on_stray: Callable[[OrderEvent], None] = _ignore
        self._journal = journal
        self._clock = clock
        self._max_ended = max_ended
        self._working: dict[str, Order] = {}
        self._ended: OrderedDict[str, Order] = OrderedDict()
        self._by_venue_id: dict[str, str] = {}
        self._groups: dict[str, str] = {}
        self._strays = Strays()
        self._listeners: list[Listener] = []
        self._waiting: defaultdict[str, list[asyncio.Future[Order]]] = defaultdict(list)

    def listen(self, listener: Listener) -> None:
        """Call `listener` synchronously on every change, in the order of registration."""
        self._listeners.append(listener)

    def get(self, client_order_id: str) -> Order | None:
        """Return an order by our name for it, lately ended ones included."""
        return self._working.get(client_order_id) or self._ended.get(client_order_id)

    def by_venue_id(self, venue_order_id: str) -> Order | None:
        """Return an order by the venue's name for it."""
        name = self._by_venue_id.get(venue_order_id)
        return None if name is None else self.get(name)

    def working(self, symbol: str | None = None) -> list[Order]:
        """Return the orders that may still fill, of one symbol or of all, oldest first."""
        if symbol is None or not self._working:
            return list(self._working.values())
        return [order for order in self._working.values() if order.symbol == symbol]

    def open(self, request: OrderRequest) -> Order:
        """Take up an order that was authorized and is about to be written ahead and sent."""
        order = Order(request=request, state=OrderState.SUBMITTING)
        self._put(order)
        self.ledger.apply(None, order)
        return order

    def restore(self, orders: Iterable[Order]) -> None:
        """Take up the journal's orders at a restart: working ones, and lately ended ones.

        The ended ones matter: a look-up that shows one again must not count its fills twice.
        """
        for order in orders:
            self._put(order)
            if order.is_working:
                self.ledger.track(order)
        for order in self.working():
            self._replay(order)

    def apply(self, event: OrderEvent) -> Order | None:
        """Move the order that the event is about and return it; none for an order not ours.

        What is not ours yet (a child that comes before its parent's answer) is kept, bounded, and
        applied when it finds its parent. Raises `InvariantBroken` when the reducer does.
        """
        order = self._order_of(event)
        is_new = order is None
        if order is None:
            order = self._child(event.report)
        if order is None:
            self._strays.keep(event)
            self.on_stray(event)
            return None
        return self._step(order, event, is_new=is_new)

    def knows(self, report: OrderReport) -> bool:
        """Tell whether a report is of an order of ours, or of a relative of one."""
        is_here = self.get(report.client_order_id) or self.by_venue_id(report.venue_order_id)
        return is_here is not None or self._child(report) is not None

    def note(self, order: Order, kind: OrderEventKind, reason: str = "") -> Order:
        """Apply our own word on an order, not the venue's; returns the order after it."""
        event = OrderEvent(
            kind=kind,
            client_order_id=order.client_order_id,
            ts_event=format_ns(self._clock.now_ns()),
            reason=reason,
        )
        return self.apply(event) or order

    def hear(self, report: OrderReport) -> Order | None:
        """Apply what the venue says of an order when asked; none for an order not ours."""
        return self.apply(event_of(report, format_ns(self._clock.now_ns())))

    async def ended(self, order: Order) -> Order:
        """Wait until the order is terminal; the caller brings the deadline."""
        now = self.get(order.client_order_id) or order
        if not now.is_working:
            return now
        future: asyncio.Future[Order] = asyncio.get_running_loop().create_future()
        self._waiting[order.client_order_id].append(future)
        return await future

    def _step(self, order: Order, event: OrderEvent, *, is_new: bool) -> Order:
        if order.client_order_id != event.client_order_id:
            event = msgspec.structs.replace(event, client_order_id=order.client_order_id)
        before = _resized(order, event.report)
        after = reduce_order(before, event)
        fill = fill_of(before, event, after)
        if fill is not None:
            fill = self.ledger.charged(after, fill)
        if after != order or is_new:
            self._put(after)
            self._remember(after, (fill,) if fill else revisions_of(before, event), event)
            self._tell(None if is_new else before, after, fill, event)
        for leg in () if event.report is None else event.report.legs:
            self.apply(event_of(leg, event.ts_event))
        if is_new or _has_new_names(order, after):
            self._replay(after)
        return self.get(after.client_order_id) or after

    def _tell(
        self, before: Order | None, after: Order, fill: Fill | None, event: OrderEvent
    ) -> None:
        """Let ledger, listeners and watchers know, in this order."""
        self.ledger.apply(before, after, fill)
        for listener in self._listeners:
            listener(before, after, fill)
        self.publish("order_updated", {"event": event.kind, "order": after})
        if fill is not None:
            self.publish("fill_received", fill)
            position = self.ledger.position(after.symbol)
            self.publish("position_changed", {"symbol": after.symbol, "position": position})
        if not after.is_working:
            for future in self._waiting.pop(after.client_order_id, []):
                if not future.done():
                    future.set_result(after)

    def _remember(self, after: Order, fills: Sequence[Fill], event: OrderEvent) -> None:
        """Hand what happened to the journal.

        A bust goes without the id of an execution: its journaled fills undo what it undid, and a
        row struck out by that id besides would be undone twice.
        """
        ref = after.client_order_id
        if event.kind in REVISING and event.execution_id is not None:
            reason = f"{event.reason} execution {event.execution_id}".strip()
            event = msgspec.structs.replace(event, execution_id=None, reason=reason)
        body = {"event": event, "order": after}
        self._journal.trace(
            Entry(kind=EntryKind.ORDER_EVENT, ref=ref, body=body),
            *(Entry(kind=EntryKind.FILL, ref=ref, body=plain(fill)) for fill in fills),
        )

    def _order_of(self, event: OrderEvent) -> Order | None:
        order = self.get(event.client_order_id)
        if order is None and event.venue_order_id is not None:
            order = self.by_venue_id(event.venue_order_id)
        return order

    def _child(self, report: OrderReport | None) -> Order | None:
        """Make an order of a report that belongs to one of ours: a bracket's leg, a replacement."""
        if report is None:
            return None
        names = (
            self._by_venue_id.get(report.parent_venue_order_id or ""),
            self._groups.get(report.group_id or ""),
            self._by_venue_id.get(report.replaces or ""),
        )
        for name in names:
            relative = None if name is None else self.get(name)
            if relative is not None:
                return child_of(relative, report)
        return None

    def _put(self, order: Order) -> None:
        name = order.client_order_id
        if order.is_working:
            self._ended.pop(name, None)
            self._working[name] = order
        else:
            self._working.pop(name, None)
            self._ended[name] = order
            self._ended.move_to_end(name)
        if order.venue_order_id is not None:
            self._by_venue_id[order.venue_order_id] = name
        if order.group_id is not None and order.parent_client_order_id is None:
            self._groups[order.group_id] = name
        if len(self._ended) > self._max_ended:
            self._forget(self._ended.popitem(last=False)[1])

    def _forget(self, order: Order) -> None:
        names_of = ((self._by_venue_id, order.venue_order_id), (self._groups, order.group_id))
        for names, key in names_of:
            if key is not None and names.get(key) == order.client_order_id:
                del names[key]

    def _replay(self, order: Order) -> None:
        """Apply what came before the book could know whose it was."""
        for event in self._strays.take(order):
            self.apply(event)


def event_of(report: OrderReport, now: str) -> OrderEvent:
    """Read a report as an event, as of the venue's own time.

    A status that we do not know says at least that the venue has the order.
    """
    is_readable = report.state is not OrderState.UNKNOWN
    return OrderEvent(
        kind=OrderEventKind.REPORTED if is_readable else OrderEventKind.ACCEPTED,
        client_order_id=report.client_order_id,
        ts_event=report.ts_updated or now,
        venue_order_id=report.venue_order_id,
        report=report,
    )


def _resized(order: Order, report: OrderReport | None) -> Order:
    """Follow the venue when it shrinks a child: a stop whose target filled in part."""
    if order.parent_client_order_id is None or report is None or report.quantity <= 0:
        return order
    request = msgspec.structs.replace(order.request, quantity=report.quantity)
    return order if request == order.request else msgspec.structs.replace(order, request=request)


def _has_new_names(before: Order, after: Order) -> bool:
    return (before.venue_order_id, before.group_id) != (after.venue_order_id, after.group_id)


def _ignore(_event: OrderEvent) -> None:
    """Hear nothing."""
