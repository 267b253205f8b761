"""Ask Alpaca for history over alpaca-py: bars, prints, quotes, news, without blocking the loop.

alpaca-py's client blocks, has no time-out, sleeps through its own retries and is not promised to
be safe between threads (its source, 0.44). So each worker thread has its own clients, with a
time-out and our own retries of a failed page mounted, and answers come raw: one unknown value must
not cost a page.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import requests
from alpaca.common.enums import Sort
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical import (
    CryptoHistoricalDataClient,
    NewsClient,
    StockHistoricalDataClient,
)
from alpaca.data.requests import (
    CryptoBarsRequest,
    CryptoLatestQuoteRequest,
    CryptoQuoteRequest,
    CryptoTradesRequest,
    NewsRequest,
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from domain.errors import FeedError, FeedLimited, FeedRefused
from domain.market import Bar, NewsItem, Quote
from domain.ports import Clock
from domain.records import NS_PER_S, to_datetime
from feeds.alpaca.decoder import FrameDecoder
from feeds.alpaca.events import bar_event, news_event, quote_event
from feeds.alpaca.wire import (
    BarMessage,
    NewsMessage,
    QuoteMessage,
    TradeMessage,
    WireMessage,
    stamp_ns,
)

M = TypeVar("M", bound=WireMessage)
Rows = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfig:
    """Say where history is and how long to wait for it. The secret never prints.

    `url` of none means Alpaca's own data host. `deadline_s` bounds one answer with all its pages,
    each of which is asked for `page_tries` times when the venue fails at it.
    """

    key: str
    secret: str = field(repr=False)
    url: str | None = None
    feed: str = "iex"
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 10.0
    deadline_s: float = 60.0
    workers: int = 4
    page_tries: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which part of history: from `start_ns` to `end_ns` (none: now), at most `limit` points.

    `limit` counts points across all symbols; with `is_newest_first` they are the last ones.
    """

    start_ns: int
    end_ns: int | None = None
    limit: int | None = None
    is_newest_first: bool = False

    def fields(self) -> dict[str, Any]:
        """Return alpaca-py's request fields."""
        return {
            "start": _utc(self.start_ns),
            "end": None if self.end_ns is None else _utc(self.end_ns),
            "limit": self.limit,
            "sort": Sort.DESC if self.is_newest_first else Sort.ASC,
        }


WINDOW_S = 60.0
"""The venue counts requests by the minute: the pause when it names none."""
_FAILURES = (500, 502, 503, 504)
_MISUNDERSTOOD = frozenset({400, 404, 422})
TAKEN_BACK = frozenset({"canceled", "incorrect"})
"""What `u` says of a print that its market took back or replaced (Alpaca, historical trades)."""


class AlpacaHistory:
    """Answer for history (`domain.ports.QuoteSource` among it); raises `FeedError`."""

    def __init__(self, config: HistoryConfig, clock: Clock) -> None:
        self.rejects: Counter[str] = Counter()
        self._config = config
        self._clock = clock
        self._local = threading.local()
        self._pool = ThreadPoolExecutor(config.workers, thread_name_prefix="history")

    async def aclose(self) -> None:
        """Drop what has not started; a request under way ends by its own time-out."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def bars(self, symbols: Sequence[str], minutes: int, span: Span) -> dict[str, list[Bar]]:
        """Return bars of so many minutes by symbol, oldest first; broken ones are left out."""
        frame = _time_frame(minutes)
        fields = {"timeframe": frame, **span.fields()}
        if _is_crypto(symbols):
            request = CryptoBarsRequest(symbol_or_symbols=list(symbols), **fields)
            pages = await self.ask(lambda clients: clients.crypto.get_crypto_bars(request))
        else:
            stock = StockBarsRequest(
                symbol_or_symbols=list(symbols),
                adjustment=Adjustment.RAW,
                feed=self._feed(),
                **fields,
            )
            pages = await self.ask(lambda clients: clients.stock.get_stock_bars(stock))
        found = self.typed(pages, "b", BarMessage)
        return {
            symbol: _sorted([bar_event(m, symbol, minutes * 60) for m in rows])
            for symbol, rows in found.items()
        }

    async def trades(self, symbols: Sequence[str], span: Span) -> dict[str, list[TradeMessage]]:
        """Return prints by symbol, oldest first."""
        if _is_crypto(symbols):
            request = CryptoTradesRequest(symbol_or_symbols=list(symbols), **span.fields())
            pages = await self.ask(lambda clients: clients.crypto.get_crypto_trades(request))
        else:
            stock = StockTradesRequest(
                symbol_or_symbols=list(symbols), feed=self._feed(), **span.fields()
            )
            pages = await self.ask(lambda clients: clients.stock.get_stock_trades(stock))
        return _by_time(self.typed(pages, "t", TradeMessage))

    async def crypto_quotes(
        self, symbols: Sequence[str], span: Span
    ) -> dict[str, list[QuoteMessage]]:
        """Return quotes of crypto pairs by symbol, oldest first."""
        request = CryptoQuoteRequest(symbol_or_symbols=list(symbols), **span.fields())
        pages = await self.ask(lambda clients: clients.crypto.get_crypto_quotes(request))
        return _by_time(self.typed(pages, "q", QuoteMessage))

    async def latest_quotes(self, symbols: Sequence[str]) -> dict[str, QuoteMessage]:
        """Return the latest quote of each symbol that has one; all of one class."""
        if _is_crypto(symbols):
            request = CryptoLatestQuoteRequest(symbol_or_symbols=list(symbols))
            answer = await self.ask(lambda clients: clients.crypto.get_crypto_latest_quote(request))
        else:
            stock = StockLatestQuoteRequest(symbol_or_symbols=list(symbols), feed=self._feed())
            answer = await self.ask(lambda clients: clients.stock.get_stock_latest_quote(stock))
        rows = {symbol: [row] for symbol, row in answer.items()}
        found = self.typed(rows, "q", QuoteMessage)
        return {symbol: quotes[0] for symbol, quotes in found.items() if quotes}

    async def latest_quote(self, symbol: str) -> Quote | None:
        """Return the venue's latest quote, or none; raises `FeedError`."""
        found = await self.latest_quotes([symbol])
        message = found.get(symbol)
        return None if message is None else quote_event(message, self._clock.now_ns())

    async def news(self, symbols: Sequence[str], span: Span) -> list[NewsItem]:
        """Return articles that name one of the symbols, oldest first, as they were written.

        The venue spells crypto pairs without their slash here.
        """
        names = ",".join(symbol.replace("/", "") for symbol in symbols)
        request = NewsRequest(symbols=names, **span.fields())
        answer = await self.ask(lambda clients: clients.news.get_news(request))
        rows = {"": answer.get("news") or []}
        found = self.typed(rows, "n", NewsMessage)[""]
        return sorted(
            (news_event(message) for message in found),
            key=lambda item: (item.ts_event, item.id),
        )

    def _feed(self) -> DataFeed | None:
        try:
            return DataFeed(self._config.feed)
        except ValueError:
            return None

    def typed(self, pages: Rows, kind: str, form: type[M]) -> dict[str, list[M]]:
        """Type the rows of each symbol; those that cannot be are counted and left out."""
        decoder = FrameDecoder()
        typed: dict[str, list[M]] = {}
        for symbol, rows in pages.items():
            named = [{**row, "T": kind, "S": symbol} for row in rows if _stands(row)]
            messages = decoder.decode_plain(named)
            typed[symbol] = [m for m in messages if isinstance(m, form) and _is_dated(m)]
        self.rejects += decoder.rejects
        return typed

    async def ask(self, question: Callable[[Clients], Any]) -> Rows:
        """Run one question on a worker.

        Raises `FeedError`: final refusals as `FeedRefused`, a pause asked for as `FeedLimited`.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._config.deadline_s):
                answer = await loop.run_in_executor(self._pool, self._perform, question)
        except TimeoutError:
            raise FeedError(
                f"The venue's history did not come within {self._config.deadline_s:g} s.",
                code="HISTORY_SILENT",
            ) from None
        return answer if isinstance(answer, dict) else {}

    def _perform(self, question: Callable[[Clients], Any]) -> Any:
        clients = getattr(self._local, "clients", None)
        if clients is None:
            clients = self._local.clients = Clients(self._config)
        clients.adapter.ends_s = time.monotonic() + self._config.deadline_s
        try:
            return question(clients)
        except APIError as error:
            raise _refusal(error) from error
        except requests.RequestException as error:
            raise FeedError(
                f"The venue's history cannot be reached ({type(error).__name__}).",
                code="HISTORY_UNREACHABLE",
            ) from error
        except (ValueError, AttributeError, TypeError, KeyError) as error:
            raise FeedError(
                "The venue's history answered in no known form.", code="HISTORY_MALFORMED"
            ) from error


class Clients:
    """One thread's clients: raw answers, a time-out, no retries."""

    def __init__(self, config: HistoryConfig) -> None:
        key, secret, url = config.key, config.secret, config.url
        self.stock = StockHistoricalDataClient(key, secret, raw_data=True, url_override=url)
        self.crypto = CryptoHistoricalDataClient(key, secret, raw_data=True, url_override=url)
        self.news = NewsClient(key, secret, raw_data=True, url_override=url)
        self.adapter = _Impatient(config)
        for client in (self.stock, self.crypto, self.news):
            client._retry = 0  # noqa: SLF001 - alpaca-py offers no other way to switch it off
            for scheme in ("http://", "https://"):
                client._session.mount(scheme, self.adapter)  # noqa: SLF001 - nor to bound a request


class _Impatient(HTTPAdapter):
    """Put a time-out into every request, and an end to a question of many pages.

    A page that the venue fails is asked for again here: reading twice harms nothing, and one lost
    answer of twenty must not cost the nineteen others. Silence is not asked twice: an entry may be
    waiting for this quote.
    """

    def __init__(self, config: HistoryConfig) -> None:
        super().__init__(
            max_retries=Retry(
                total=config.page_tries - 1,
                read=False,
                status_forcelist=_FAILURES,
                allowed_methods=("GET",),
                backoff_factor=0.1,
                raise_on_status=False,
                respect_retry_after_header=False,
            )
        )
        self._timeout = (config.connect_timeout_s, config.read_timeout_s)
        self.ends_s = 0.0

    def send(self, request: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Send as the parent does, bounded; nobody waits for pages after the deadline."""
        if time.monotonic() > self.ends_s:
            raise requests.Timeout("the question's deadline is past")
        kwargs["timeout"] = kwargs.get("timeout") or self._timeout
        return super().send(request, *args, **kwargs)


def _refusal(error: APIError) -> FeedError:
    """Say what a refused question means (statuses and bodies: Alpaca, "Market Data FAQ")."""
    status, text = error.status_code or 0, str(error)[:200]
    if status == requests.codes.too_many_requests:
        return FeedLimited(
            "The venue's history allows no more requests now.", retry_after_s=_pause_s(error)
        )
    if "SIP data" in text:
        return FeedRefused(
            "The plan of this key does not show recent SIP data.",
            remedy="Choose the iex feed, or another data plan.",
            code="HISTORY_NOT_IN_PLAN",
        )
    if status in (requests.codes.unauthorized, requests.codes.forbidden):
        return FeedRefused(
            f"The venue refuses history to this key (HTTP {status}).",
            remedy="Check APCA_API_KEY_ID and APCA_API_SECRET_KEY.",
            code="HISTORY_REFUSED",
        )
    if status in _MISUNDERSTOOD:
        return FeedError(
            f"The venue's history refuses the question (HTTP {status}): {text}.",
            code="HISTORY_QUESTION_REFUSED",
        )
    return FeedError(f"The venue's history answered HTTP {status}.", code="HISTORY_FAILED")


def _pause_s(error: APIError) -> float:
    """Return how long the venue asks us to wait: `Retry-After`, else until its window is over."""
    headers = {} if error.response is None else error.response.headers
    try:
        if "Retry-After" in headers:
            return max(0.0, float(headers["Retry-After"]))
        return max(0.0, float(headers["X-RateLimit-Reset"]) - time.time())
    except (KeyError, ValueError):
        return WINDOW_S


def _is_crypto(symbols: Sequence[str]) -> bool:
    return "/" in symbols[0]


def _time_frame(minutes: int) -> TimeFrame:
    """Return alpaca-py's time frame; it takes up to 59 minutes, then whole hours."""
    if minutes % 60 == 0:
        return TimeFrame(minutes // 60, TimeFrameUnit.Hour)
    return TimeFrame(minutes, TimeFrameUnit.Minute)


def _utc(ts_ns: int) -> datetime:
    return to_datetime(max(ts_ns, NS_PER_S))


def _is_dated(message: WireMessage) -> bool:
    try:
        stamp_ns(message.created_at if isinstance(message, NewsMessage) else message.t)  # type: ignore[union-attr]
    except ValueError:
        return False
    return True


def _sorted(bars: Iterable[Bar]) -> list[Bar]:
    return sorted(bars, key=lambda bar: bar.ts_event)


def _by_time(found: dict[str, list[M]]) -> dict[str, list[M]]:
    return {
        symbol: sorted(rows, key=lambda m: stamp_ns(m.t))  # type: ignore[union-attr]
        for symbol, rows in found.items()
    }


def _stands(row: Any) -> bool:
    """Tell a row that still holds: a print taken back is in the history, marked, and in no bar."""
    return isinstance(row, dict) and row.get("u") not in TAKEN_BACK
