"""Ask the venue for a quote: when the stream's is too old to trade on, and before each entry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from domain.errors import FeedError
from domain.limits import Limits
from domain.market import Quote
from domain.ports import Clock, MarketSink
from domain.records import NS_PER_S
from feeds.store import Glance

log = structlog.get_logger(__name__)

Ask = Callable[[str], Awaitable[Quote | None]]


class FreshQuotes:
    """Renew a stale quote over REST; a link that is down stays stale, and the gate denies.

    `said` is what the venue answered of late: a stream can be wrong about window and quote alike,
    and then nothing that the bot has seen contradicts it.
    """

    def __init__(
        self,
        *,
        ask: Ask,
        glance: Callable[[str], Glance],
        sink: MarketSink,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._ask = ask
        self._glance = glance
        self._sink = sink
        self._limits = limits
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}

    async def renew(self, symbol: str) -> None:
        """Ask when the link is alive and the quote older than `QUOTE_MAX_AGE_S`; else return."""
        seen = self._glance(symbol)
        if not seen.is_stale and self._is_old(seen.quote):
            await self.confirm(symbol)

    async def confirm(self, symbol: str) -> None:
        """Ask the venue whatever the stream says, and keep its mid price for the verdict."""
        self._said.pop(symbol, None)
        try:
            quote = await self._ask(symbol)
        except FeedError as error:
            log.warning("quote_not_renewed", symbol=symbol, code=error.code)
            return
        if quote is None:
            return
        if quote.bid > 0 and quote.ask > 0:
            self._said[symbol] = quote.mid, self._clock.monotonic_ns()
        seen = self._glance(symbol)
        if not seen.is_stale and self._is_old(seen.quote):
            self._sink.apply([quote])

    def said(self, symbol: str) -> float | None:
        """Return the venue's own mid price, none when it was not asked within the quote's age."""
        mid, asked_ns = self._said.get(symbol, (None, 0))
        age_ns = self._clock.monotonic_ns() - asked_ns
        return mid if age_ns <= self._limits.quote_max_age_s * NS_PER_S else None

    def _is_old(self, quote: Quote | None) -> bool:
        if quote is None:
            return True
        age_ns = self._clock.now_ns() - quote.ts_recv
        return age_ns > self._limits.quote_max_age_s * NS_PER_S
