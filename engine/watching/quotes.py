"""Ask the venue once for a quote when the stream's has grown too old to trade on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from domain.errors import FeedError
from domain.limits import Limits
from domain.market import Quote
from domain.ports import Clock, MarketSink
from domain.records import NS_PER_S
from feeds.store import MarketView

log = structlog.get_logger(__name__)

Ask = Callable[[str], Awaitable[Quote | None]]


class FreshQuotes:
    """Renew a stale quote over REST; a link that is down stays stale, and the gate denies."""

    def __init__(
        self,
        *,
        ask: Ask,
        view: Callable[[str], MarketView],
        sink: MarketSink,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._ask = ask
        self._view = view
        self._sink = sink
        self._limits = limits
        self._clock = clock

    async def renew(self, symbol: str) -> None:
        """Ask when the link is alive and the quote older than `QUOTE_MAX_AGE_S`; else return."""
        view = self._view(symbol)
        if view.is_stale or not self._is_old(view.quote):
            return
        try:
            quote = await self._ask(symbol)
        except FeedError as error:
            log.warning("quote_not_renewed", symbol=symbol, code=error.code)
            return
        if quote is not None:
            self._sink.apply([quote])

    def _is_old(self, quote: Quote | None) -> bool:
        if quote is None:
            return True
        age_ns = self._clock.now_ns() - quote.ts_recv
        return age_ns > self._limits.quote_max_age_s * NS_PER_S
