"""Ask Alpaca for long history page by page, so that whoever asks can stop and go on later.

`AlpacaHistory` follows every page of a question itself, which suits a back-fill of minutes. Years
come as thousands of pages: here each is one request, with the token of the next one in its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from domain.errors import ConfigError, FeedError
from domain.market import AssetClass, Bar, NewsItem, Quote, Trade, asset_class_of
from domain.records import format_ns
from feeds.alpaca.events import bar_event, news_event, quote_event, trade_event
from feeds.alpaca.wire import BarMessage, NewsMessage, QuoteMessage, TradeMessage, stamp_ns
from feeds.historical import AlpacaHistory, Clients

PAGE = 10_000
NEWS_PAGE = 50
"""The most points of a page (Alpaca, historical data; news has less)."""
TIMEFRAMES = {
    60: "1Min",
    300: "5Min",
    900: "15Min",
    1_800: "30Min",
    3_600: "1Hour",
    14_400: "4Hour",
    86_400: "1Day",
    604_800: "1Week",
}
"""Lengths of bars that are asked for, in seconds, as the venue spells them."""


class Kind(StrEnum):
    """What history is of."""

    BARS = "bars"
    TRADES = "trades"
    QUOTES = "quotes"
    NEWS = "news"


HistoryRecord = Bar | Trade | Quote | NewsItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of one symbol: from `start_ns` on, before `end_ns`.

    `interval_s` and `adjustment` (raw, split, dividend, all) are those of bars; prints and quotes
    are never adjusted, nor is crypto.
    """

    kind: Kind
    symbol: str
    start_ns: int
    end_ns: int
    interval_s: int = 60
    adjustment: str = "split"

    @property
    def is_crypto(self) -> bool:
        """Tell the symbol's class."""
        return asset_class_of(self.symbol) is AssetClass.CRYPTO


class Page(NamedTuple):
    """One answer, oldest first, and the token of the next; none on the last page."""

    records: Sequence[HistoryRecord]
    token: str | None


class HistoryPages:
    """Fetch single pages; raises `FeedError`, with `FeedLimited` for a pause the venue asks for."""

    def __init__(self, history: AlpacaHistory, *, feed: str, limit: int = PAGE) -> None:
        self._history = history
        self._feed = feed
        self._limit = limit

    async def page(self, question: Question, token: str | None) -> Page:
        """Return the page that a token names, or the first."""
        fields = self._fields(question, token)
        answer = await self._history.ask(_asking(question, fields))
        found = answer.get(question.kind.value)
        rows = found.get(question.symbol, []) if isinstance(found, dict) else found or []
        following = answer.get("next_page_token")
        if not isinstance(rows, list) or not isinstance(following, str | None):
            raise FeedError(
                "The venue's history answered in no known form.", code="HISTORY_MALFORMED"
            )
        return Page(self._records(question, rows), following or None)

    def _fields(self, question: Question, token: str | None) -> dict[str, Any]:
        symbol = question.symbol
        is_news = question.kind is Kind.NEWS
        fields: dict[str, Any] = {
            "symbols": symbol.replace("/", "") if is_news else symbol,
            "start": format_ns(question.start_ns),
            "end": format_ns(question.end_ns - 1),  # the venue counts the end in
            "limit": min(NEWS_PAGE, self._limit) if is_news else self._limit,
            "sort": "asc",
        }
        if token is not None:
            fields["page_token"] = token
        if not is_news and not question.is_crypto:
            fields["feed"] = self._feed
        if question.kind is Kind.BARS:
            fields["timeframe"] = timeframe(question.interval_s)
            if not question.is_crypto:
                fields["adjustment"] = question.adjustment
        return fields

    def _records(self, question: Question, rows: list[Any]) -> list[HistoryRecord]:
        pages, symbol = {question.symbol: rows}, question.symbol
        typed = self._history.typed
        match question.kind:
            case Kind.BARS:
                bars = typed(pages, "b", BarMessage)[symbol]
                return [bar_event(m, symbol, question.interval_s) for m in bars]
            case Kind.TRADES:
                prints = typed(pages, "t", TradeMessage)[symbol]
                return [trade_event(m, stamp_ns(m.t)) for m in prints]
            case Kind.QUOTES:
                quotes = typed(pages, "q", QuoteMessage)[symbol]
                return [quote_event(m, stamp_ns(m.t)) for m in quotes]
            case Kind.NEWS:
                pages = {symbol: [_as_known(row) for row in rows]}
                return [news_event(m) for m in typed(pages, "n", NewsMessage)[symbol]]


def _as_known(row: Any) -> Any:
    """Date an article by its last update: what it says now was known no earlier.

    The venue keeps the latest version alone, and sorts by that time (Alpaca, historical news).
    """
    updated = row.get("updated_at") if isinstance(row, dict) else None
    return row if updated is None else {**row, "created_at": updated}


def timeframe(interval_s: int) -> str:
    """Return the venue's word for a length of bars; raises `ConfigError` (`INTERVAL_INVALID`)."""
    found = TIMEFRAMES.get(interval_s)
    if found is None:
        known = ", ".join(f"{each}" for each in TIMEFRAMES)
        raise ConfigError(
            f"The venue makes no bars of {interval_s} s for a history.",
            remedy=f"Choose one of {known} s.",
            code="INTERVAL_INVALID",
        )
    return found


def _asking(question: Question, fields: dict[str, Any]) -> Callable[[Clients], Any]:
    kind = question.kind.value

    def ask(clients: Clients) -> Any:
        if question.kind is Kind.NEWS:
            return clients.news.get("/news", fields)
        if question.is_crypto:
            return clients.crypto.get(f"/crypto/us/{kind}", fields)
        return clients.stock.get(f"/stocks/{kind}", fields)

    return ask
