"""Name what fills a gap: the venue's history of one symbol, as the rolling store takes it."""

from __future__ import annotations

import msgspec

from domain.market import Bar
from feeds.alpaca.wire import QuoteMessage, TradeMessage


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """One symbol's history over REST, each list oldest first.

    `whole_bars` are of the store's own interval, `minute_bars` of one minute; both are complete
    ones of trading sessions. `trades` are every print from `since_ns` on, which lies on an edge of
    a minute and of the interval below one. `quotes` are only for crypto below a minute.
    """

    symbol: str
    since_ns: int
    whole_bars: tuple[Bar, ...] = ()
    minute_bars: tuple[Bar, ...] = ()
    trades: tuple[TradeMessage, ...] = ()
    quotes: tuple[QuoteMessage, ...] = ()
    quote: QuoteMessage | None = None
