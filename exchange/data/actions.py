"""Answer each kind of market data request from the board's histories."""

from collections.abc import Iterator
from typing import Any

from exchange.data.pages import Read, page
from exchange.data.query import DataQuery, Span, checked_symbol
from exchange.data.refusals import bad_request, recent_sip
from exchange.market.board import Board
from exchange.market.history import History
from exchange.market.hours import day_start_ns
from exchange.market.ladder import full_book
from exchange.market.minute import NS_PER_MINUTE
from exchange.market.records import Candle, Depth, Print, TopOfBook
from exchange.market.stamps import to_rfc3339
from exchange.streams.endpoints import StreamLimits
from exchange.streams.messages import listed

Params = dict[str, str]
Body = dict[str, Any]
Point = Print | TopOfBook | Candle

_WITHHELD_NS = 15 * NS_PER_MINUTE


class MarketActions:
    """Answer for one asset class. A path with `{symbol}` gets the form for one symbol.

    Nothing that the stream has not published yet is told, so that REST is never ahead of it.
    """

    def __init__(self, board: Board, *, is_crypto: bool, limits: StreamLimits) -> None:
        self._board = board
        self._limits = limits
        self._is_crypto = is_crypto

    async def bars(self, query: DataQuery, params: Params) -> Body:
        """Answer bars of any length."""
        frame = query.timeframe()
        span = self._span(query, params)
        as_of_ns = self._as_of_ns(query)

        def read(symbol: str, start_ns: int, end_ns: int) -> Iterator[Candle]:
            history = self._history(symbol)
            newest_first = span.newest_first
            if history:
                yield from history.candles(
                    frame, start_ns, end_ns, as_of_ns, newest_first=newest_first
                )

        return await self._paged("bars", frame.unit[0], span, read, params)

    async def trades(self, query: DataQuery, params: Params) -> Body:
        """Answer prints, those taken back under their mark."""
        span = self._span(query, params)
        as_of_ns = self._as_of_ns(query)

        def read(symbol: str, start_ns: int, end_ns: int) -> Iterator[Print]:
            if history := self._history(symbol):
                yield from history.prints(
                    start_ns, end_ns, as_of_ns, newest_first=span.newest_first
                )

        return await self._paged("trades", "T", span, read, params)

    async def quotes(self, query: DataQuery, params: Params) -> Body:
        """Answer quotes."""
        span = self._span(query, params)
        as_of_ns = self._as_of_ns(query)

        def read(symbol: str, start_ns: int, end_ns: int) -> Iterator[TopOfBook]:
            if history := self._history(symbol):
                yield from history.quotes(
                    start_ns, end_ns, as_of_ns, newest_first=span.newest_first
                )

        return await self._paged("quotes", "Q", span, read, params)

    async def latest_bars(self, query: DataQuery, params: Params) -> Body:
        """Answer the newest minute bar of each symbol."""
        return self._latest("bars", query, params, History.last_candle)

    async def latest_trades(self, query: DataQuery, params: Params) -> Body:
        """Answer the newest print of each symbol."""
        return self._latest("trades", query, params, History.last_print)

    async def latest_quotes(self, query: DataQuery, params: Params) -> Body:
        """Answer the newest quote of each symbol."""
        return self._latest("quotes", query, params, History.last_quote)

    async def latest_orderbooks(self, query: DataQuery, params: Params) -> Body:
        """Answer the order book of each pair."""
        return self._latest("orderbooks", query, params, _book)

    async def snapshots(self, query: DataQuery, params: Params) -> Body:
        """Answer the newest of everything; stocks come without a wrapper, crypto with one."""
        symbols = self._symbols(query, params)
        as_of_ns = self._as_of_ns(query)
        found = {s: _snapshot(h, as_of_ns) for s in symbols if (h := self._history(s))}
        if "symbol" in params:
            return {"symbol": symbols[0], **found.get(symbols[0], {})}
        return {"snapshots": found} if self._is_crypto else found

    def _history(self, symbol: str) -> History | None:
        """Return a symbol's past, None when it is not listed in this class."""
        if ("/" in symbol) is not self._is_crypto:
            return None
        return self._board.histories.get(symbol)

    def _as_of_ns(self, query: DataQuery) -> int:
        return min(query.now_ns, self._board.public_ns - 1)

    def _symbols(self, query: DataQuery, params: Params) -> tuple[str, ...]:
        if params.get("loc", "us") != "us":
            raise bad_request(f"invalid location: {params['loc']}")
        if "symbol" in params:
            return (checked_symbol(params["symbol"], is_crypto=self._is_crypto),)
        return query.symbols(is_crypto=self._is_crypto)

    def _span(self, query: DataQuery, params: Params) -> Span:
        """Return the asked span, checked against the plan."""
        symbols = self._symbols(query, params)
        today_ns = day_start_ns(query.now_ns, is_crypto=self._is_crypto)
        span = query.span(symbols, day_start_ns=today_ns)
        if not self._is_crypto:
            query.check_adjustment()
            if query.feed() == "sip":
                self._check_sip(query, span)
        return span

    def _check_sip(self, query: DataQuery, span: Span) -> None:
        """Refuse what a plan without the consolidated feed may not see of it."""
        if not self._limits.allows("sip") and span.end_ns > query.now_ns - _WITHHELD_NS:
            raise recent_sip()

    async def _paged(
        self, name: str, kind: str, span: Span, read: Read[Any], params: Params
    ) -> Body:
        found, token = await page(span, kind, read)
        written = {
            symbol: [listed(point, to_rfc3339) for point in points]
            for symbol, points in found.items()
        }
        if "symbol" in params:
            symbol = span.symbols[0]
            return {name: written.get(symbol, []), "symbol": symbol, "next_page_token": token}
        return {name: written, "next_page_token": token}

    def _latest(self, name: str, query: DataQuery, params: Params, read: Any) -> Body:
        query.feed()
        symbols = self._symbols(query, params)
        as_of_ns = self._as_of_ns(query)
        found: dict[str, Body] = {}
        for symbol in symbols:
            history = self._history(symbol)
            latest: Point | Depth | None = read(history, as_of_ns) if history else None
            if latest:
                found[symbol] = listed(latest, to_rfc3339)
        if "symbol" not in params:
            return {name: found}
        symbol = symbols[0]
        if symbol not in found:
            raise bad_request(f"no {name[:-1]} found for {symbol}")
        return {name[:-1]: found[symbol], "symbol": symbol}


class NewsActions:
    """Answer news of all symbols."""

    def __init__(self, board: Board) -> None:
        self._board = board

    async def news(self, query: DataQuery, _params: Params) -> Body:
        """Answer a page of articles, without their content unless it is asked for."""
        span = query.news_span()
        with_content = query.flag("include_content")
        query.flag("exclude_contentless")  # every article here has content
        as_of_ns = min(query.now_ns, self._board.public_ns - 1)
        wanted = set(span.symbols)

        def read(_symbol: str, start_ns: int, end_ns: int) -> Iterator[Any]:
            found = self._board.articles(start_ns, end_ns, as_of_ns)
            for article in reversed(found) if span.newest_first else found:
                if not wanted or not wanted.isdisjoint(article.symbols):
                    yield article

        found, token = await page(span.of_all(), "N", read)
        articles = [listed(article, to_rfc3339) for article in found.get("", [])]
        if not with_content:
            articles = [article | {"content": ""} for article in articles]
        return {"news": articles, "next_page_token": token}


def _book(history: History, as_of_ns: int) -> Depth | None:
    quote = history.last_quote(as_of_ns)
    return full_book(quote) if quote else None


def _snapshot(history: History, as_of_ns: int) -> Body:
    days = history.days(as_of_ns)
    found: dict[str, Point | None] = {
        "latestTrade": history.last_print(as_of_ns),
        "latestQuote": history.last_quote(as_of_ns),
        "minuteBar": history.last_candle(as_of_ns),
        "dailyBar": next(days, None),
        "prevDailyBar": next(days, None),
    }
    return {name: listed(point, to_rfc3339) for name, point in found.items() if point}
