"""Close every position a person wants closed, and look until the venue says flat."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from domain.account import Ledger
from domain.market import Instrument, Quote
from domain.orders import Leg, Order, OrderRequest, Side
from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import digest, format_ns
from domain.risk import Denied
from engine.orders.protection.exits import Exits
from engine.orders.protection.plans import Urgency, sellable, touch_of, urgent_request

_COLLAR = Decimal("0.03")
_TTL_S = 5.0
_ROUNDS = 4


class Flatten:
    """Send closing orders through the exits, so the stop is cancelled before its quantity goes."""

    def __init__(  # noqa: PLR0913 - what is looked at, what acts, what remembers
        self,
        *,
        exits: Exits,
        ledger: Ledger,
        quote: Callable[[str], Quote | None],
        instrument: Callable[[str], Instrument],
        is_ours: Callable[[str], bool],
        is_managed: Callable[[str], bool],
        ended: Callable[[Order], Awaitable[Order]],
        refresh: Callable[[], Awaitable[None]],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._exits = exits
        self._ledger = ledger
        self._quote = quote
        self._instrument = instrument
        self._is_ours = is_ours
        self._is_managed = is_managed
        self._ended = ended
        self._refresh = refresh
        self._journal = journal
        self._clock = clock

    async def all(self, *, actor: str, account_wide: bool) -> None:
        """Close what is ours, in a few rounds until nothing sellable is left.

        `account_wide` takes in what others hold in the managed symbols; of symbols that are not
        managed no rules are known, and they are left alone.
        """
        origin = await self._origin(actor)
        for _ in range(_ROUNDS):
            may_close = self._is_managed if account_wide else self._is_ours
            symbols = [symbol for symbol in self._ledger.positions if may_close(symbol)]
            requests = [self._request(symbol, origin) for symbol in symbols]
            sending = [self._exits.close(request) for request in requests if request is not None]
            if not sending:
                return
            results = await asyncio.gather(*sending)
            await self._settle([order for order in results if not isinstance(order, Denied)])
            await self._refresh()

    async def _settle(self, orders: list[Order]) -> None:
        """Give the orders their time to fill; what is left is priced anew in the next round."""
        waits = [asyncio.ensure_future(self._ended(order)) for order in orders]
        if not waits:
            return
        _, late = await asyncio.wait(waits, timeout=_TTL_S + 2)
        for wait in late:
            wait.cancel()

    async def _origin(self, actor: str) -> str:
        """Journal what the orders are named after; a dead journal does not stop a flatten."""
        now = format_ns(self._clock.now_ns())
        origin = digest(["flatten", actor, now])[:24]
        body = {"id": origin, "kind": "flatten", "symbol": "", "reason": "flatten", "parent": None}
        self._journal.trace(Entry(kind=EntryKind.ORIGIN, ref=origin, body=body))
        return origin

    def _request(self, symbol: str, origin: str) -> OrderRequest | None:
        """Price a marketable close inside the collar; none for dust."""
        held, instrument = self._ledger.quantity(symbol), self._instrument(symbol)
        position, quote = self._ledger.position(symbol), self._quote(symbol)
        if position is None:
            return None
        quantity = sellable(held, instrument, price=position.market_price or Decimal(0))
        if quantity <= 0:
            return None
        side = Side.SELL if held > 0 else Side.BUY
        touch = position.market_price or position.average_price
        if quote is not None and quote.bid > 0 and quote.ask > 0:
            touch = touch_of(quote, side, instrument)
        urgency = Urgency(
            origin=origin,
            leg=Leg.FLATTEN,
            side=side,
            client_order_id=self._exits.next_id(origin, Leg.FLATTEN),
            now_ns=self._clock.now_ns(),
            collar=_COLLAR,
            ttl_s=_TTL_S,
        )
        return urgent_request(urgency, quantity, instrument, touch=touch)
