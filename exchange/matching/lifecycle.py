"""The life of an order after entry: arrival, fills, triggers, siblings, and its end."""

from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from exchange.matching import pricing
from exchange.matching.account.ledger import Execution
from exchange.matching.account.state import Account
from exchange.matching.agenda import Agenda
from exchange.matching.book import AT_ONCE, Book
from exchange.matching.entry.holds import held_qty
from exchange.matching.knobs import Knobs
from exchange.matching.orders import (
    ZERO,
    Group,
    Order,
    OrderType,
    Role,
    Side,
    Status,
    TimeInForce,
    number,
    render,
    timestamp,
)
from exchange.matching.registry import Registry
from exchange.matching.sessions import Sessions

# Good till cancelled means ninety days (source: the orders page).
_GTC_NS = 90 * 86_400 * 1_000_000_000
_AUCTION, _EXPIRY = 0, 1


class Lifecycle:
    """Move orders through their states and say so: every change puts an event into `outbox`.

    The events are whole `trade_updates` payloads, rendered at the moment of the change; the
    matcher hands them out when its state is consistent again.
    """

    def __init__(
        self, *, books: Mapping[str, Book], account: Account, knobs: Knobs, sessions: Sessions
    ) -> None:
        self.books = books
        self.account = account
        self.knobs = knobs
        self.sessions = sessions
        self.registry = Registry(knobs.seed)
        self.agenda = Agenda()
        self.outbox: deque[dict[str, Any]] = deque()
        self.now_ns = account.created_ns
        self._session = sessions.ending_after(self.now_ns)

    def enter(self, order: Order) -> dict[str, Any]:
        """Take an admitted order and its legs; return it as it stands before the market sees it.

        It counts from now on, and reaches the market after the latency; an order for a closed
        market is accepted and waits for the session it can trade in.
        """
        self._register(order)
        opens_ns = self._opens(order)
        if opens_ns > self.now_ns:
            # Its collar is set by the price that it finds at the opening.
            order.status, order.cap = Status.ACCEPTED, None
        for leg in order.group.members if order.group else ():
            if leg not in self.registry:
                self.enter_leg(leg)
        answer = render(order, nested=True)
        delay_ns = max(opens_ns - self.now_ns, self.knobs.latency_ns)
        self._after(delay_ns, partial(self._arrive, order))
        return answer

    def enter_leg(self, order: Order) -> None:
        """Take an exit leg that sleeps until its entry has filled."""
        order.status, order.is_dormant = Status.HELD, True
        self._register(order)

    def replace(self, order: Order, new: Order) -> dict[str, Any]:
        """End an order as replaced and put another in its place; a held leg stays held."""
        was_dormant, was_held = order.is_dormant, order.status is Status.HELD
        if order.group:
            order.group.replace(order, new)
        self.finish(order, Status.REPLACED)
        if not was_held:
            return self.enter(new)
        self.enter_leg(new)
        if not was_dormant:
            self._hold(new)
        return render(new, nested=True)

    def is_trading(self, order: Order) -> bool:
        """Tell whether the market for an order is open now."""
        if order.listing.is_crypto or self._is_regular():
            return True
        return order.ticket.extended_hours and self.sessions.is_extended(self.now_ns)

    def attempt(self, order: Order, book: Book) -> None:
        """Fill what the quote allows of a live order; end it when it may not wait."""
        if not order.is_open or not self.is_trading(order):
            return
        if order.type is OrderType.MARKET and order.cap is None:
            market = book.touch(order.side)
            order.cap = pricing.collar(market, order.side, self.knobs) if market else None
        price = None if book.halted else pricing.fill_price(order, book)
        if price is not None:
            qty = pricing.fill_qty(order, price, book, self.knobs)
            if qty > 0:
                self._fill(order, book, qty=qty, price=self._paid(order, qty, price))
        elif not book.halted and not order.rested:
            order.rested = True
            book.set_gates()
        if order.is_open and order.time_in_force in AT_ONCE:
            self.finish(order, Status.CANCELED)

    def _paid(self, order: Order, qty: Decimal, price: Decimal) -> Decimal:
        """Return the price of an execution with what it costs."""
        surcharge = self.knobs.surcharge
        return price if surcharge is None else surcharge(order, qty, price)

    def trigger(self, book: Book, *, low: Decimal, high: Decimal) -> None:
        """Wake the stops that the market has reached, and move the trailing ones.

        `low` is the price that sells look at, `high` the one that buys do; a print is both.
        """
        for order in tuple(book.stops):
            if not order.is_open or book.halted or not self.is_trading(order):
                continue
            price = high if order.side is Side.BUY else low
            if pricing.is_triggered(order, price):
                self._wake(order, book)
            elif pricing.is_trailing(order) and pricing.trail(order, price):
                book.set_gates()

    def cancel(self, order: Order) -> None:
        """Cancel an open order, after the latency; with it goes its whole group."""
        if self.knobs.latency_ns:
            order.status = Status.PENDING_CANCEL
            order.updated_ns = self.now_ns
        self._after(self.knobs.latency_ns, partial(self._cancel_now, order))

    def finish_group(self, order: Order, status: Status) -> None:
        """End an order and what is left of its group in the same way."""
        members = order.group.members if order.group else []
        for each in (order, *members):
            if each.is_open:
                self.finish(each, status)

    def finish(self, order: Order, status: Status) -> None:
        """End an order: it leaves the book, frees what it held, and never opens again."""
        order.status = status
        if status is Status.CANCELED:
            order.canceled_ns = self.now_ns
        elif status is Status.EXPIRED:
            order.expired_ns = self.now_ns
        elif status is Status.REPLACED:
            order.replaced_ns = self.now_ns
        elif status is Status.FILLED:
            order.filled_ns = self.now_ns
        elif status is Status.REJECTED:
            order.failed_ns = self.now_ns
        self.books[order.listing.symbol].drop(order)
        del self.registry.open[order.id]
        if status is not Status.FILLED:
            self.emit(order, status.value)

    def emit(self, order: Order, event: str, **fields: Any) -> None:
        """Say what happened to an order, with the order as it is now (legs are never in it)."""
        order.updated_ns = self.now_ns
        self.outbox.append(
            {
                "event": event,
                "execution_id": self.registry.new_id(),
                "timestamp": timestamp(self.now_ns),
                **fields,
                "order": render(order),
            }
        )

    def go_live(self, order: Order) -> None:
        """Put an order to the market as new, and the stop of a target, held, beside it."""
        book = self.books[order.listing.symbol]
        order.status = Status.NEW
        market = order.hwm or book.mark()
        if pricing.is_trailing(order) and not order.is_triggered and market is not None:
            pricing.start_trailing(order, market)
        book.rest(order)
        self.emit(order, "new")
        self._schedule_end(order)
        stop = order.group.stop_loss if order.group else None
        if order.role is Role.TAKE_PROFIT and stop and stop.is_dormant:
            self._hold(stop)

    def wake_exits(self, group: Group) -> None:
        """Put a group's exits to the market: the target, or the stop when it has none.

        Exits for shares that other orders have sold by now are rejected (unverified).
        """
        leg = group.take_profit or group.stop_loss
        if leg and leg.is_dormant and leg.remaining > self._available(leg):
            self.finish_group(leg, Status.REJECTED)
        elif leg and leg.is_dormant:
            self.go_live(leg)
            if not leg.sleeps:
                self.attempt(leg, self.books[leg.listing.symbol])

    def _available(self, leg: Order) -> Decimal:
        """Return what of the position no open order has promised yet."""
        symbol = leg.listing.symbol
        position = self.account.ledger.qty(symbol)
        return max(-position * leg.side.sign, ZERO) - held_qty(self.books[symbol], leg.side)

    def _register(self, order: Order) -> None:
        order.expires_ns = self._expiry(order)
        self.registry.add(order)
        self.books[order.listing.symbol].open[order.id] = order

    def _after(self, delay_ns: int, deed: Callable[[], None]) -> None:
        """Do now what has no delay: an event may then come before its request's answer."""
        if delay_ns > 0:
            self.agenda.at(self.now_ns + delay_ns, deed)
        else:
            deed()

    def _arrive(self, order: Order) -> None:
        """Put an order to the market; what has waited for the opening meets its first quote."""
        if not order.is_open or order.status is Status.PENDING_CANCEL:
            return
        has_waited = order.status is Status.ACCEPTED
        if order.time_in_force is TimeInForce.CLS:
            order.status = Status.NEW
            self.emit(order, "new")
            self.agenda.at(order.expires_ns, partial(self._closing_auction, order), rank=_AUCTION)
            return
        self.go_live(order)
        if not has_waited and not order.sleeps and not self.knobs.waits_for_quote:
            self.attempt(order, self.books[order.listing.symbol])

    def _hold(self, stop: Order) -> None:
        """Let a stop watch the market beside its target, which the venue calls held."""
        self.books[stop.listing.symbol].rest(stop)
        self.emit(stop, "held")
        self._schedule_end(stop)

    def _schedule_end(self, order: Order) -> None:
        self.agenda.at(order.expires_ns, partial(self._expire, order), rank=_EXPIRY)

    def _cancel_now(self, order: Order) -> None:
        if order.is_open:
            self.finish_group(order, Status.CANCELED)
        elif order.status is Status.FILLED:
            self.emit(order, "order_cancel_rejected")

    def _closing_auction(self, order: Order) -> None:
        """Fill a closing order at the last price of the session, or cancel it."""
        book = self.books[order.listing.symbol]
        price = book.mark()
        if not order.is_open or book.halted:
            price = None
        bound = order.limit_price
        if price is not None and (bound is None or (price - bound) * order.side.sign <= 0):
            self._fill(order, book, qty=order.remaining, price=price)
        if order.is_open:
            self.finish(order, Status.CANCELED)

    def _expire(self, order: Order) -> None:
        if order.is_open:
            self.finish_group(order, Status.EXPIRED)

    def _fill(self, order: Order, book: Book, *, qty: Decimal, price: Decimal) -> None:
        """Book one execution, say so, and let the group follow."""
        execution = Execution(
            listing=order.listing,
            side=order.side,
            qty=qty,
            price=price,
            is_maker=pricing.is_maker(order),
            at_ns=self.now_ns,
        )
        is_done = pricing.is_complete(order, qty, price)
        order.filled_qty += qty
        order.filled_value += qty * price
        order.fills += 1
        book.take(order.side, qty)
        if is_done:
            self.finish(order, Status.FILLED)
        elif order.status is not Status.PENDING_CANCEL:
            order.status = Status.PARTIALLY_FILLED
        position = self.account.book(order, execution)
        self.emit(
            order,
            "fill" if is_done else "partial_fill",
            price=number(price),
            qty=number(qty),
            position_qty=number(position),
        )
        if order.group:
            self._follow(order, order.group)

    def _follow(self, order: Order, group: Group) -> None:
        """Let a group follow a fill: exits wake after a whole entry; one exit ends the other."""
        if order.role is Role.ENTRY:
            if not order.is_open:
                self.wake_exits(group)
        elif order.role is Role.TAKE_PROFIT and group.stop_loss and group.stop_loss.is_open:
            if order.is_open:
                self._shrink(group.stop_loss, order.remaining)
            else:
                self.finish(group.stop_loss, Status.CANCELED)

    def _shrink(self, stop: Order, qty: Decimal) -> None:
        """Leave a stop no more than its target has left (its event's name is unverified)."""
        stop.qty = qty + stop.filled_qty
        self.emit(stop, "restated")

    def _wake(self, order: Order, book: Book) -> None:
        """Let a triggered stop trade; a held one first takes its target's place."""
        target = order.group.take_profit if order.group else None
        if order.role is Role.STOP_LOSS and target and target.is_open:
            self.finish(target, Status.CANCELED)
        if order.status is Status.HELD:
            order.status = Status.NEW
            self.emit(order, "new")
        book.wake(order)
        self.attempt(order, book)

    def _is_regular(self) -> bool:
        if self.now_ns >= self._session.close_ns:
            self._session = self.sessions.ending_after(self.now_ns)
        return self._session.open_ns <= self.now_ns

    def _opens(self, order: Order) -> int:
        """Return when an order's market opens, in the past when it is open."""
        if order.listing.is_crypto:
            return self.now_ns
        if order.time_in_force is TimeInForce.OPG:
            return self.sessions.opening_after(self.now_ns).open_ns
        if order.ticket.extended_hours:
            return self.sessions.trading_day(self.now_ns).first_ns
        return self.sessions.ending_after(self.now_ns).open_ns

    def _expiry(self, order: Order) -> int:
        if order.time_in_force is TimeInForce.GTC or order.listing.is_crypto:
            return self.now_ns + _GTC_NS
        if order.ticket.extended_hours:
            return self.sessions.trading_day(self.now_ns).last_ns
        if order.time_in_force is TimeInForce.OPG:
            return self.sessions.opening_after(self.now_ns).close_ns
        return self.sessions.ending_after(self.now_ns).close_ns
