"""A `domain.ports.Broker` over an in-process venue: the exchange's matching without its wires."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from domain.account import Account, Activity, Position
from domain.errors import ConfigError, OutcomeUnknown
from domain.market import AssetClass, Instrument
from domain.orders import Order, OrderReport, to_alpaca
from domain.ports import Clock, LinkDown, LinkUp, OrderUpdate, VenueTime
from domain.records import format_ns
from domain.records import parse_ns as ns_of
from domain.risk import AuthorizedOrder
from exchange.clock import VenueClock
from exchange.errors import VenueRefusal
from exchange.matching.account.activities import Search
from exchange.matching.knobs import Knobs
from exchange.matching.registry import OrderSearch
from exchange.matching.sessions import AlwaysOpen, RegularSessions
from exchange.record import Record
from exchange.simulated import decode
from exchange.venue import Credentials, Venue

_EVERY_ORDER = 1_000_000
_LATEST_EVENTS = 100
"""Events that the venue keeps to be looked at: nobody does, and 20,000 whole orders are 40 MB."""
_NOT_FOUND, _UNPROCESSABLE = 404, 422
_TAKEN = "client_order_id must be unique"
_NOBODY = Credentials(key="nobody", secret="no wire leads here")  # noqa: S106 - nothing asks for it


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedConfig:
    """Say what the venue trades and how it behaves; `knobs` hold the cash, the fees and the fills.

    `queue_size` bounds the order events that wait for one reader of `updates`. When it is full all
    of them are dropped, and the reader is told that its link broke and is up again: it reconciles,
    as after a lost connection.
    """

    instruments: tuple[Instrument, ...]
    knobs: Knobs = field(default_factory=Knobs)
    is_always_open: bool = False
    queue_size: int = 10_000


class SimulatedBroker:
    """Fill orders against the quotes and prints that it is shown; nothing leaves the process.

    The market comes in by `on_quote`, `on_trade` and `set_status`, time by the injected clock.
    Every account starts flat, with the cash of the knobs, and is gone with the process. `venue` is
    that account and its matching, for whoever looks at them from outside.
    """

    def __init__(self, config: SimulatedConfig, clock: Clock) -> None:
        self._instruments = {each.symbol: each for each in config.instruments}
        self._clock = clock
        self._queue_size = config.queue_size
        self._is_closed = False
        self._readers: set[_Reader] = set()
        self.venue = Venue(
            clock=VenueClock(origin_ns=clock.now_ns(), wall=clock.now_ns),
            listings=map(decode.listing_of, config.instruments),
            credentials=_NOBODY,
            knobs=config.knobs,
            sessions=AlwaysOpen() if config.is_always_open else RegularSessions(),
            record=Record(capacity=_LATEST_EVENTS),
        )
        self.venue.subscribe_orders(self._tell)

    def on_quote(
        self, symbol: str, bid: float, bid_size: float, ask: float, ask_size: float, ts_ns: int
    ) -> None:
        """Show a quote; one that is crossed, or older than the last, moves nothing."""
        if symbol not in self._instruments or (0 < ask < bid):
            return
        last = self.venue.quote(symbol)
        if last is None or ts_ns >= last.ts_ns:
            now_ns = min(ts_ns, self._clock.now_ns())
            self.venue.on_quote(symbol, bid, bid_size, ask, ask_size, now_ns)

    def on_trade(self, symbol: str, price: float, size: float, ts_ns: int) -> None:
        """Show a print that sets the last price; one older than the last moves nothing."""
        if symbol not in self._instruments:
            return
        last = self.venue.trade(symbol)
        if last is None or ts_ns >= last.ts_ns:
            self.venue.on_trade(symbol, price, size, min(ts_ns, self._clock.now_ns()))

    def set_status(self, symbol: str, *, is_halted: bool) -> None:
        """Halt or resume a symbol, as its market did."""
        if symbol in self._instruments:
            self.venue.set_status(symbol, halted=is_halted)

    def go_dark(self, symbols: Iterable[str]) -> None:
        """Forget the quotes of symbols that nobody sees now: nothing fills at a stale price."""
        now_ns = self._clock.now_ns()
        for symbol in self._instruments.keys() & set(symbols):
            self.venue.on_quote(symbol, 0.0, 0.0, 0.0, 0.0, now_ns)

    async def submit(self, order: AuthorizedOrder) -> OrderReport:
        """Enter an order, once: a second sending answers with the first; raises `OrderRejected`."""
        request = order.request
        try:
            return decode.order_report(self.venue.submit(to_alpaca(request)))
        except VenueRefusal as refused:
            if refused.status == _UNPROCESSABLE and _TAKEN in refused.message:
                return decode.order_report(self.venue.order_by_client_id(request.client_order_id))
            raise decode.rejection(refused) from refused

    async def cancel(self, order: Order) -> None:
        """Cancel an order and its group; raises `OrderRejected` for one that has ended."""
        if order.venue_order_id is None:
            raise OutcomeUnknown(f"The venue's id of {order.client_order_id} is not known yet.")
        try:
            self.venue.cancel(order.venue_order_id)
        except VenueRefusal as refused:
            raise decode.rejection(refused) from refused

    async def find(self, client_order_id: str) -> OrderReport | None:
        """Look an order up by our own id, with its legs; none is a miss."""
        self.venue.advance()
        try:
            found = self.venue.order_by_client_id(client_order_id)
            return decode.order_report(self.venue.order(found["id"], nested=True))
        except VenueRefusal as refused:
            if refused.status == _NOT_FOUND:
                return None
            raise decode.unanswered(refused) from refused

    async def open_orders(self) -> Sequence[OrderReport]:
        """List every working order, brackets with their legs."""
        return self._orders(OrderSearch(limit=_EVERY_ORDER, ascending=True, nested=True))

    async def orders_since(self, since: str) -> Sequence[OrderReport]:
        """List orders of any state submitted after an RFC 3339 time, oldest first."""
        return self._orders(
            OrderSearch(
                status="all",
                limit=_EVERY_ORDER,
                after_ns=ns_of(since),
                ascending=True,
                nested=True,
            )
        )

    async def positions(self) -> Sequence[Position]:
        """List every position, in our spelling of symbols."""
        self.venue.advance()
        return [
            decode.position(body, self._listed(body["symbol"])) for body in self.venue.positions()
        ]

    async def account(self) -> Account:
        """Return the account, marked at the last prints."""
        return decode.account(self.venue.account())

    async def activities(self, since: str) -> Sequence[Activity]:
        """List what happened to the account after an RFC 3339 time, oldest first."""
        self.venue.advance()
        wanted = Search(after_ns=ns_of(since), ascending=True, page_size=_EVERY_ORDER)
        return [
            decode.activity(body, self._listed(body["symbol"]))
            for body in self.venue.activities(wanted)
        ]

    async def instrument(self, symbol: str) -> Instrument:
        """Return the symbol's rules; raises `ConfigError` for one that is not simulated."""
        if symbol not in self._instruments:
            raise ConfigError(
                f"The simulated venue does not trade {symbol}.",
                remedy="Mend TRADING_SYMBOLS.",
                code="SYMBOL_UNKNOWN",
            )
        return self._instruments[symbol]

    async def instruments(self, asset_class: AssetClass) -> Sequence[Instrument]:
        """List what is simulated in one class."""
        return [each for each in self._instruments.values() if each.asset_class is asset_class]

    async def clock(self) -> VenueTime:
        """Return the simulated venue's clock, which is the one injected."""
        now_ns, sessions = self.venue.clock.now_ns(), self.venue.sessions
        return VenueTime(
            timestamp=format_ns(now_ns),
            is_open=sessions.is_open(now_ns),
            next_open=format_ns(sessions.opening_after(now_ns).open_ns),
            next_close=format_ns(sessions.ending_after(now_ns).close_ns),
        )

    async def sessions(self, start: str, end: str) -> Sequence[tuple[str, str]]:
        """Return (open, close) of each stock session between two dates, as RFC 3339."""
        days = date.fromisoformat(start[:10]), date.fromisoformat(end[:10])
        return [
            (format_ns(session.open_ns), format_ns(session.close_ns))
            for session in self.venue.sessions.between(*days)
        ]

    async def updates(self) -> AsyncIterator[OrderUpdate]:
        """Yield `LinkUp`, then order events until closed; what overflows is told as a lost link."""
        reader = _Reader(self._queue_size)
        self._readers.add(reader)
        try:
            if not self._is_closed:
                yield LinkUp()
            while not self._is_closed:
                await reader.wake.wait()
                for update in reader.drain():
                    yield update
        finally:
            self._readers.discard(reader)

    async def aclose(self) -> None:
        """End every iterator of updates; the account is gone with the object."""
        self._is_closed = True
        for reader in self._readers:
            reader.wake.set()

    def _orders(self, wanted: OrderSearch) -> list[OrderReport]:
        self.venue.advance()
        return [decode.order_report(body) for body in self.venue.orders(wanted)]

    def _listed(self, spelling: str) -> str:
        listing = self.venue.find(spelling)
        return spelling if listing is None else listing.symbol

    def _tell(self, data: dict[str, Any]) -> None:
        event = decode.order_event(data)
        for reader in self._readers:
            reader.put(event)


class _Reader:
    """What waits for one reader of the updates."""

    def __init__(self, size: int) -> None:
        self._waiting: deque[OrderUpdate] = deque()
        self._size = size
        self.wake = asyncio.Event()

    def put(self, update: OrderUpdate) -> None:
        """Keep one event; a full queue is emptied, and its reader told to reconcile."""
        if len(self._waiting) >= self._size:
            lost = LinkDown(reason=f"{self._size} order events waited unread and were dropped")
            self._waiting.clear()
            self._waiting.extend((lost, LinkUp()))
        self._waiting.append(update)
        self.wake.set()

    def drain(self) -> Iterable[OrderUpdate]:
        """Return what waits, oldest first, while there is any."""
        self.wake.clear()
        while self._waiting:
            yield self._waiting.popleft()
