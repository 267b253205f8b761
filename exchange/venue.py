"""The exchange object: clock, listings, matching and one account, with no wire around it.

The market player calls `on_quote`, `on_trade` and `set_status` as its events play; the REST routes
and the order stream stand on the other side. Everything is synchronous and single-threaded.
"""

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from exchange import errors
from exchange.clock import VenueClock
from exchange.faults.seam import Faults
from exchange.matching.account.activities import Search
from exchange.matching.agenda import NEVER
from exchange.matching.book import Book, LatestQuote, LatestTrade
from exchange.matching.knobs import Knobs
from exchange.matching.listing import Listing
from exchange.matching.matcher import Matcher
from exchange.matching.registry import OrderSearch
from exchange.matching.sessions import RegularSessions, Sessions
from exchange.record import EventRecord, Record

OrderCallback = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The one key pair that this venue knows. The secret never prints."""

    key: str
    secret: str = field(repr=False)


class Venue:
    """Tie matching, market and clock together; one account.

    `instruments` maps the listed symbol (`AAPL`, `BTC/USD`) to its `Listing`. Methods that act on
    orders raise `VenueRefusal` with the venue's own status and body, and change nothing then.
    """

    def __init__(  # noqa: PLR0913 -- each is one independent part, all but three have a default
        self,
        *,
        clock: VenueClock,
        listings: Iterable[Listing],
        credentials: Credentials,
        knobs: Knobs | None = None,
        sessions: Sessions | None = None,
        faults: Faults | None = None,
        record: Record | None = None,
    ) -> None:
        self.clock = clock
        self.credentials = credentials
        self.knobs = knobs or Knobs()
        self.sessions = sessions or RegularSessions()
        self._faults = faults or Faults()
        self.record = Record() if record is None else record
        self.instruments = {listing.symbol: listing for listing in listings}
        self._subscribers: list[OrderCallback] = []
        self._matcher = Matcher(
            self.instruments.values(),
            knobs=self.knobs,
            sessions=self.sessions,
            now_ns=clock.now_ns(),
            sink=self._on_event,
        )
        # The hot path: a tick goes straight to matching, without a call between.
        self.on_quote = self._matcher.on_quote
        self.on_trade = self._matcher.on_trade
        self.set_status = self._matcher.set_status
        self._faults.attach(self)

    @property
    def faults(self) -> Faults:
        """Return what goes wrong on purpose."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults = faults
        faults.attach(self)

    def check_keys(self, key: str | None, secret: str | None) -> None:
        """Raise the venue's 401 without keys, its 403 with wrong ones."""
        if not key or not secret:
            raise errors.unauthorized()
        if not self.knows(key, secret):
            raise errors.forbidden()

    def knows(self, key: str, secret: str) -> bool:
        """Tell whether this is the account's key pair."""
        known = self.credentials
        return _same(key, known.key) and _same(secret, known.secret)

    def find(self, symbol: str) -> Listing | None:
        """Return a listing by symbol, compact symbol (`BTCUSD`) or asset id."""
        return self._matcher.find(symbol)

    def book(self, symbol: str) -> Book:
        """Return what waits in a listed symbol: who plays a market asks whether anything does."""
        return self._matcher.books[symbol]

    def quote(self, symbol: str) -> LatestQuote | None:
        """Return the latest quote of a listed symbol, None before the first."""
        return self._matcher.books[symbol].quote

    def trade(self, symbol: str) -> LatestTrade | None:
        """Return the latest print of a listed symbol, None before the first."""
        return self._matcher.books[symbol].trade

    def is_halted(self, symbol: str) -> bool:
        """Tell whether a listed symbol is halted."""
        return self._matcher.books[symbol].halted

    @property
    def next_ns(self) -> int:
        """Return when something falls due next, `agenda.NEVER` when nothing will."""
        return self._matcher.next_ns

    def advance(self) -> float | None:
        """Do what has fallen due; return the wall seconds until the next thing does, None if never.

        Ticks and requests do this too; whoever runs the venue without either calls it in time.
        """
        self._matcher.advance(self.clock.now_ns())
        next_ns = self._matcher.next_ns
        return None if next_ns == NEVER else self.clock.wall_delay_s(next_ns)

    def submit(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Enter an order from the fields of `POST /v2/orders`; return the order object."""
        return self._matcher.submit(fields, self.clock.now_ns())

    def cancel(self, order_id: str) -> None:
        """Cancel an order and its group."""
        self._matcher.cancel(order_id, self.clock.now_ns())

    def cancel_all(self) -> list[str]:
        """Cancel every open order; return the ids of those that were open."""
        return self._matcher.cancel_all(self.clock.now_ns())

    def replace(self, order_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Replace an order; return the new one."""
        return self._matcher.replace(order_id, fields, self.clock.now_ns())

    def close_position(
        self, symbol: str, *, qty: Decimal | None = None, percentage: Decimal | None = None
    ) -> dict[str, Any]:
        """Close a position or part of it by a market order; return the order."""
        now_ns = self.clock.now_ns()
        return self._matcher.close_position(symbol, now_ns, qty=qty, percentage=percentage)

    def order(self, order_id: str, *, nested: bool = False) -> dict[str, Any]:
        """Return one order by the venue's id."""
        return self._matcher.order(order_id, nested=nested)

    def order_by_client_id(self, client_order_id: str) -> dict[str, Any]:
        """Return one order by the client's id."""
        return self._matcher.order_by_client_id(client_order_id)

    def orders(self, wanted: OrderSearch | None = None) -> list[dict[str, Any]]:
        """Return the orders that match a search, by default the open ones."""
        return self._matcher.orders(wanted or OrderSearch())

    def positions(self) -> list[dict[str, Any]]:
        """Return all open positions."""
        return self._matcher.positions()

    def position(self, symbol: str) -> dict[str, Any]:
        """Return one position by compact symbol or asset id."""
        return self._matcher.position(symbol)

    def account(self) -> dict[str, Any]:
        """Return the account."""
        self._matcher.advance(self.clock.now_ns())
        return self._matcher.account_body()

    def configurations(self, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the account's switches, after changing those named."""
        return self._matcher.account.configuration.patch(dict(changes or {}))

    def activities(self, wanted: Search | None = None) -> list[dict[str, Any]]:
        """Return one page of the account's history."""
        return self._matcher.activities(wanted or Search())

    def subscribe_orders(self, callback: OrderCallback) -> Callable[[], None]:
        """Call `callback` with the `data` of every `trade_updates` event; return how to stop it.

        It is called before the request that causes the event is answered.
        """
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def _on_event(self, event: dict[str, Any]) -> None:
        self.record.add(EventRecord(at_ns=self.clock.now_ns(), event=event))
        for sent in self.faults.before_event(event):
            self.send_event(sent)

    def send_event(self, event: dict[str, Any]) -> None:
        """Send an order event to all subscribers as it is; a fault plan sends late ones so."""
        for callback in tuple(self._subscribers):
            callback(event)


def _same(one: str, other: str) -> bool:
    """Compare two secrets in constant time, whatever characters a stranger sends."""
    return hmac.compare_digest(*(text.encode(errors="surrogatepass") for text in (one, other)))
