"""Find a price to act on: the stream's quote, one asked for, else what the venue values us at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from decimal import Decimal

import structlog

from domain.errors import BrokerError
from domain.market import Quote
from domain.orders import Side
from domain.records import NS_PER_S
from engine.orders.protection.requests import touch_of
from engine.orders.protection.seams import ExitsConfig, Seams
from engine.orders.protection.watching.pace import Pace

log = structlog.get_logger(__name__)

_ASK_EVERY_S = 5.0


class Prices:
    """Tell one symbol's price as it is now; an exit must not rest on a feed that has died."""

    def __init__(self, symbol: str, seams: Seams, config: ExitsConfig) -> None:
        self._symbol = symbol
        self._seams = seams
        self._config = config
        self._pace = Pace(seams.clock, _ASK_EVERY_S, _ASK_EVERY_S)

    async def now(self, *, may_ask: bool) -> Quote | None:
        """Return a fresh two-sided quote; an old one is asked for anew, at most every 5 s."""
        quote = self._fresh()
        if quote is not None or not may_ask or not self._pace.is_due:
            return quote
        self._pace.hold()
        return await self._ask()

    async def touch(self, side: Side) -> Decimal | None:
        """Return what an order of this side would meet now; none when nobody can tell."""
        quote = self._fresh() or await self._ask()
        if quote is None:
            return None
        return touch_of(quote, side, self._seams.instrument(self._symbol))

    async def briefly(self, question: Awaitable[object]) -> None:
        """Await an answer that an order could do without, no longer than `patience_s`."""
        try:
            async with asyncio.timeout(self._config.patience_s):
                await question
        except (BrokerError, TimeoutError) as error:
            log.warning("question_unanswered", symbol=self._symbol, error=str(error))

    async def _ask(self) -> Quote | None:
        await self.briefly(self._seams.renew(self._symbol))
        if (quote := self._fresh()) is not None:
            return quote
        await self.briefly(self._seams.refresh())
        position = self._seams.position(self._symbol)
        if position is None or not position.market_price or position.market_price <= 0:
            return None
        price, now_ns = float(position.market_price), self._seams.clock.now_ns()
        return Quote(self._symbol, price, 0.0, price, 0.0, now_ns, now_ns)

    def _fresh(self) -> Quote | None:
        quote = self._seams.quote(self._symbol)
        if quote is None or not 0 < quote.bid <= quote.ask:
            return None
        age_ns = self._seams.clock.now_ns() - quote.ts_recv
        return quote if age_ns <= self._config.quote_max_age_s * NS_PER_S else None
