"""The exchange object: clock, listings, matching and one account, with no wire around it.

The market player calls `on_quote`, `on_trade` and `set_status` as its events play; the REST routes
and the order stream stand on the other side. Everything is synchronous and single-threaded.
"""

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from exchange import errors
from exchange.clock import VenueClock
from exchange.faults import Faults
from exchange.matching.book import Book, LatestQuote, LatestTrade
from exchange.matching.listing import Listing
from exchange.record import Record

OrderCallback = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The one key pair that this venue knows. The secret never prints."""

    key: str
    secret: str = field(repr=False)


class Venue:
    """Tie matching, market and clock together; one account.

    `instruments` maps the listed symbol (`AAPL`, `BTC/USD`) to its `Listing`.
    """

    def __init__(
        self,
        *,
        clock: VenueClock,
        listings: Iterable[Listing],
        credentials: Credentials,
        faults: Faults | None = None,
        record: Record | None = None,
    ) -> None:
        self.clock = clock
        self.credentials = credentials
        self.faults = faults or Faults()
        self.record = record or Record()
        self.instruments = {listing.symbol: listing for listing in listings}
        self._books = {symbol: Book(symbol) for symbol in self.instruments}
        self._subscribers: list[OrderCallback] = []

    def check_keys(self, key: str | None, secret: str | None) -> None:
        """Raise the venue's 401 without keys, its 403 with wrong ones."""
        if not key or not secret:
            raise errors.unauthorized()
        known = self.credentials
        if not (
            hmac.compare_digest(key.encode(), known.key.encode())
            and hmac.compare_digest(secret.encode(), known.secret.encode())
        ):
            raise errors.forbidden()

    def quote(self, symbol: str) -> LatestQuote | None:
        """Return the latest quote of a listed symbol, None before the first."""
        return self._books[symbol].quote

    def trade(self, symbol: str) -> LatestTrade | None:
        """Return the latest print of a listed symbol, None before the first."""
        return self._books[symbol].trade

    def on_quote(
        self, symbol: str, bid: float, bid_size: float, ask: float, ask_size: float, ts_ns: int
    ) -> None:
        """Take the new best bid and offer of a symbol and match what it can."""
        self._books[symbol].quote = LatestQuote(bid, bid_size, ask, ask_size, ts_ns)

    def on_trade(self, symbol: str, price: float, size: float, ts_ns: int) -> None:
        """Take a print that updates the last price; stops may trigger."""
        self._books[symbol].trade = LatestTrade(price, size, ts_ns)

    def set_status(self, symbol: str, *, halted: bool) -> None:
        """Halt or resume a symbol; while halted nothing fills."""
        self._books[symbol].halted = halted

    def subscribe_orders(self, callback: OrderCallback) -> Callable[[], None]:
        """Call `callback` with the `data` of every `trade_updates` event; return how to stop it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)
