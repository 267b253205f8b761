"""The matching engine: orders in, market in, events out; no I/O, and time comes with each call."""

from collections.abc import Callable, Iterable, Mapping
from datetime import time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from exchange.errors import not_found
from exchange.matching.account.activities import Search
from exchange.matching.account.state import Account
from exchange.matching.account.views import account_body, position_body
from exchange.matching.book import Book, exact
from exchange.matching.entry.checks import Admission, Desk, admit, check_window
from exchange.matching.entry.holds import held_qty
from exchange.matching.entry.intake import make_order, remake
from exchange.matching.entry.replacing import changed_ticket, check_open
from exchange.matching.entry.tickets import read_ticket
from exchange.matching.knobs import Knobs
from exchange.matching.lifecycle import Lifecycle
from exchange.matching.listing import Listing
from exchange.matching.orders import Order, Role, Side, Status, Ticket, render
from exchange.matching.registry import OrderSearch
from exchange.matching.sessions import Sessions, at_new_york, in_new_york

Sink = Callable[[dict[str, Any]], None]
_CLOSE, _NEW_DAY = 2, 3
_MIDNIGHT = time(0)


class Matcher:
    """Match one account's orders against the best bid and offer of each listed symbol.

    Every method that takes `now_ns` first does what fell due by then. Order events (the `data`
    of `trade_updates`) go to `sink` before the method returns, in order, when all state is
    consistent: a sink may call back into the matcher.
    """

    def __init__(
        self,
        listings: Iterable[Listing],
        *,
        knobs: Knobs,
        sessions: Sessions,
        now_ns: int,
        sink: Sink,
    ) -> None:
        self.knobs = knobs
        self.sessions = sessions
        self.books = {
            listing.symbol: Book(
                listing, quotes_trigger=listing.is_crypto and knobs.crypto_quote_stops
            )
            for listing in listings
        }
        self._spellings = {book.listing.compact: symbol for symbol, book in self.books.items()}
        self._sink = sink
        self._is_draining = False
        self.account = Account(knobs, lambda symbol: self.books[symbol].mark(), now_ns)
        self._life = Lifecycle(
            books=self.books, account=self.account, knobs=knobs, sessions=sessions
        )
        self._orders = self._life.registry
        self._agenda = self._life.agenda
        self._schedule_close()
        self._schedule_midnight()

    @property
    def next_ns(self) -> int:
        """Return when something falls due next, `agenda.NEVER` when nothing will."""
        return self._agenda.next_ns

    def find(self, symbol: str) -> Listing | None:
        """Return a listing by symbol or asset id; `BTCUSD` means `BTC/USD`."""
        book = self.books.get(symbol) or self.books.get(self._spellings.get(symbol, ""))
        if book is None:
            book = next((b for b in self.books.values() if b.listing.asset_id == symbol), None)
        return book.listing if book else None

    def submit(self, body: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
        """Enter an order; return it as it was before the market saw it.

        Raises:
            VenueRefusal: nothing was entered.
        """
        self.advance(now_ns)
        return self._enter(read_ticket(body, self.find))

    def cancel(self, order_id: str, now_ns: int) -> None:
        """Cancel an order and its group.

        Raises:
            VenueRefusal: there is no such order, or it has ended.
        """
        self.advance(now_ns)
        order = self._orders.get(order_id)
        check_open(order)
        if order.status is not Status.PENDING_CANCEL:
            self._life.cancel(order)
        self._drain()

    def cancel_all(self, now_ns: int) -> list[str]:
        """Cancel every open order; return the ids of those that were open."""
        self.advance(now_ns)
        orders = list(self._orders.open.values())
        for order in orders:
            if order.is_open and order.status is not Status.PENDING_CANCEL:
                self._life.cancel(order)
        self._drain()
        return [order.id for order in orders]

    def replace(self, order_id: str, body: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
        """Replace an order by one with other prices, quantity or time in force; return the new one.

        Raises:
            VenueRefusal: nothing has changed.
        """
        self.advance(now_ns)
        order = self._orders.get(order_id)
        ticket = changed_ticket(order, body)
        self._orders.check_unique(ticket.client_order_id)
        admission = self._readmit(order, ticket)
        new = remake(order, ticket, self._orders, self._life.now_ns)
        new.reserve_price, new.cap = admission.reserve_price, admission.cap
        answer = self._life.replace(order, new)
        self._drain()
        return answer

    def close_position(
        self,
        symbol: str,
        now_ns: int,
        *,
        qty: Decimal | None = None,
        percentage: Decimal | None = None,
    ) -> dict[str, Any]:
        """Close a position, or part of it, by a market order; return that order.

        The venue's minimum order does not bind here (unverified).

        Raises:
            VenueRefusal: there is no position, or open orders hold it.
        """
        self.advance(now_ns)
        listing = self.find(symbol)
        position = self.account.ledger.qty(listing.symbol) if listing else Decimal(0)
        if listing is None or not position:
            raise not_found("position does not exist")
        wanted = abs(position)
        if percentage is not None:
            wanted = (wanted * percentage / 100).quantize(listing.lot)
        body = {
            "symbol": listing.symbol,
            "qty": qty if qty is not None else wanted,
            "side": "sell" if position > 0 else "buy",
            "type": "market",
            "time_in_force": "gtc" if listing.is_crypto else "day",
        }
        return self._enter(read_ticket(body, self.find), liquidating=True)

    def on_quote(
        self, symbol: str, bid: float, bid_size: float, ask: float, ask_size: float, ts_ns: int
    ) -> None:
        """Take a quote. Nothing below the gates runs unless an order may be concerned."""
        if ts_ns >= self._agenda.next_ns:
            self.advance(ts_ns)
        book = self.books[symbol]
        book.bid = bid
        book.bid_size = bid_size
        book.ask = ask
        book.ask_size = ask_size
        book.quote_ns = ts_ns
        if (
            ask <= book.buy_gate
            or bid >= book.sell_gate
            or (book.quotes_trigger and (bid <= book.fall_gate or ask >= book.rise_gate))
        ):
            self._match(book, ts_ns)

    def on_trade(self, symbol: str, price: float, size: float, ts_ns: int) -> None:
        """Take a print that updates the last price; stops trigger on it, limits do not fill."""
        if ts_ns >= self._agenda.next_ns:
            self.advance(ts_ns)
        if not price > 0:
            return
        book = self.books[symbol]
        book.last = price
        book.last_size = size
        book.trade_ns = ts_ns
        if price <= book.fall_gate or price >= book.rise_gate:
            self._life.now_ns = max(self._life.now_ns, ts_ns)
            if last := exact(price):
                self._life.trigger(book, low=last, high=last)
            self._drain()

    def set_status(self, symbol: str, *, halted: bool) -> None:
        """Halt or resume a symbol; orders wait and meet the next quote after it."""
        self.books[symbol].halted = halted

    def advance(self, now_ns: int) -> None:
        """Do everything that fell due by `now_ns`, each at its own time."""
        life = self._life
        while due := self._agenda.pop(now_ns):
            at_ns, deed = due
            life.now_ns = max(life.now_ns, at_ns)
            deed()
        life.now_ns = max(life.now_ns, now_ns)
        self._drain()

    def order(self, order_id: str, *, nested: bool = False) -> dict[str, Any]:
        """Return one order by the venue's id, or raise its refusal."""
        return render(self._orders.get(order_id), nested=nested)

    def order_by_client_id(self, client_order_id: str) -> dict[str, Any]:
        """Return one order by the client's id, or raise the venue's 404."""
        return render(self._orders.by_client_id(client_order_id))

    def orders(self, wanted: OrderSearch) -> list[dict[str, Any]]:
        """Return the orders that match a search."""
        return [render(order, nested=wanted.nested) for order in self._orders.search(wanted)]

    def positions(self) -> list[dict[str, Any]]:
        """Return all open positions."""
        return [self._position(symbol) for symbol in self.account.ledger.holdings]

    def position(self, symbol: str) -> dict[str, Any]:
        """Return one position by symbol or asset id, or raise the venue's 404."""
        listing = self.find(symbol)
        if listing is None or listing.symbol not in self.account.ledger.holdings:
            raise not_found("position does not exist")
        return self._position(listing.symbol)

    def account_body(self) -> dict[str, Any]:
        """Return the account as `GET /v2/account` answers it."""
        money = self.account.figures(self._orders.open.values())
        return account_body(self.account, money, self._life.now_ns)

    def activities(self, wanted: Search) -> list[dict[str, Any]]:
        """Return one page of the account's history."""
        return self.account.activities.search(wanted)

    def _enter(self, ticket: Ticket, *, liquidating: bool = False) -> dict[str, Any]:
        life = self._life
        self._orders.check_unique(ticket.client_order_id)
        check_window(ticket, self.sessions, life.now_ns)
        admission = admit(ticket, self._desk(ticket), liquidating=liquidating)
        order = make_order(ticket, admission, self._orders, life.now_ns)
        answer = life.enter(order)
        self._drain()
        return answer

    def _desk(self, ticket: Ticket, *, but: Order | None = None) -> Desk:
        orders = [order for order in self._orders.open.values() if order is not but]
        return Desk(book=self.books[ticket.listing.symbol], account=self.account, orders=orders)

    def _readmit(self, order: Order, ticket: Ticket) -> Admission:
        """Admit an order as if the one it replaces were gone; a group's legs need no asking."""
        if order.role in (Role.TAKE_PROFIT, Role.STOP_LOSS):
            return Admission(
                intent=order.position_intent,
                reserve_price=Decimal(0),
                hold_qty=order.remaining,
                cap=None,
            )
        open_orders = self.books[ticket.listing.symbol].open
        del open_orders[order.id]
        try:
            return admit(ticket, self._desk(ticket, but=order))
        finally:
            open_orders[order.id] = order

    def _position(self, symbol: str) -> dict[str, Any]:
        holding = self.account.ledger.holdings[symbol]
        closing = Side.SELL if holding.qty > 0 else Side.BUY
        return position_body(self.account.ledger, holding, held_qty(self.books[symbol], closing))

    def _match(self, book: Book, ts_ns: int) -> None:
        """Let the stops, then every live order of a symbol, look at its quote."""
        if book.halted:
            return
        life = self._life
        life.now_ns = max(life.now_ns, ts_ns)
        live = tuple(book.live)
        low, high = exact(book.bid), exact(book.ask)
        if book.quotes_trigger and low and high:
            life.trigger(book, low=low, high=high)
        for order in live:
            life.attempt(order, book)
        self._drain()

    def _drain(self) -> None:
        """Hand out the events; those that a sink causes go out after those before them."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while self._life.outbox:
                self._sink(self._life.outbox.popleft())
        finally:
            self._is_draining = False

    def _schedule_close(self) -> None:
        close_ns = self.sessions.ending_after(self._life.now_ns).close_ns
        self._agenda.at(close_ns, self._close_session, rank=_CLOSE)

    def _close_session(self) -> None:
        marks = {symbol: book.mark() for symbol, book in self.books.items()}
        self.account.close_session({s: mark for s, mark in marks.items() if mark is not None})
        self._schedule_close()

    def _schedule_midnight(self) -> None:
        tomorrow = in_new_york(self._life.now_ns).date() + timedelta(days=1)
        at_ns = at_new_york(tomorrow, _MIDNIGHT)
        self._agenda.at(at_ns, partial(self._begin_day, at_ns), rank=_NEW_DAY)

    def _begin_day(self, at_ns: int) -> None:
        self.account.begin_day(at_ns)
        self._schedule_midnight()
