"""Bring all symbols' markets together: what becomes public next, and everyone's past."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from heapq import merge as merge_sorted

from exchange.market.history import BAR_DELAY_NS, History, as_kind
from exchange.market.minute import LATEST_NS, NS_PER_MINUTE, NS_PER_S
from exchange.market.records import Article, Candle, MarketMessage
from exchange.market.source import Source

_AHEAD_NS = NS_PER_S  # messages are drawn this far ahead, so that a short step costs nothing


class Board:
    """Play the sources side by side and answer for their past.

    `advance` is the only thing that moves; `between` and the histories can be asked at any time.
    `with_days` tells whether anyone wants daily bars, which cost a whole day's minutes once.
    """

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        start_ns: int,
        with_days: Callable[[], bool] = lambda: True,
    ) -> None:
        self._sources = {source.symbol: source for source in sources}
        self.histories = {symbol: History(source) for symbol, source in self._sources.items()}
        self.with_days = with_days
        self.public_ns = start_ns
        self._drawn_ns = start_ns
        self._drawn: deque[MarketMessage] = deque()

    def advance(self, now_ns: int) -> list[MarketMessage]:
        """Return what became public since the last call, in order, up to and with `now_ns`."""
        found: list[MarketMessage] = []
        while (due := self._next_switch()) and due[0] <= now_ns:
            switch_ns, source = due
            found.extend(self._until(switch_ns))
            source.switch()
            self.histories[source.symbol].forget()
        found.extend(self._until(now_ns + 1))
        return found

    def between(self, lo_ns: int, hi_ns: int) -> list[MarketMessage]:
        """Return what becomes public in [lo, hi), in order; a pure function of the sources."""
        streams = [self._of_symbol(symbol, lo_ns, hi_ns) for symbol in self._sources]
        return list(merge_sorted(*streams, key=_published))

    def articles(self, start_ns: int, end_ns: int, as_of_ns: int) -> list[Article]:
        """Return everyone's news of a span, oldest first."""
        streams = [h.articles(start_ns, end_ns, as_of_ns) for h in self.histories.values()]
        return list(merge_sorted(*streams, key=_published))

    def _next_switch(self) -> tuple[int, Source] | None:
        due = [(s.switch_ns, s) for s in self._sources.values() if s.switch_ns is not None]
        return min(due, key=lambda pair: pair[0], default=None)

    def _until(self, hi_ns: int) -> Iterator[MarketMessage]:
        """Take what is public before `hi`, drawing ahead, but never past a source's switch."""
        if hi_ns > self._drawn_ns:
            due = self._next_switch()
            ahead_ns = max(hi_ns, self._drawn_ns + _AHEAD_NS)
            drawn_ns = max(hi_ns, min(ahead_ns, due[0])) if due else ahead_ns
            self._drawn.extend(self.between(self._drawn_ns, drawn_ns))
            self._drawn_ns = drawn_ns
        while self._drawn and self._drawn[0].published_ns < hi_ns:
            yield self._drawn.popleft()
        self.public_ns = hi_ns

    def _of_symbol(self, symbol: str, lo_ns: int, hi_ns: int) -> list[MarketMessage]:
        """Return one symbol's messages of a span; late ones still belong to the minute before."""
        source = self._sources[symbol]
        found: list[MarketMessage] = []
        first = max((lo_ns - NS_PER_MINUTE) // NS_PER_MINUTE, source.first_minute)
        last = (hi_ns - 1) // NS_PER_MINUTE
        for minute in range(first, last + 1):
            found.extend(source.minute(minute).messages(lo_ns, hi_ns))
            found.extend(self._candles(symbol, minute, lo_ns, hi_ns))
        found.sort(key=_published)
        return found

    def _candles(self, symbol: str, minute: int, lo_ns: int, hi_ns: int) -> Iterator[Candle]:
        """Yield the bars about a minute that fall due in [lo, hi)."""
        history = self.histories[symbol]
        end_ns = (minute + 1) * NS_PER_MINUTE
        closes_ns, updates_ns = end_ns + BAR_DELAY_NS, end_ns + LATEST_NS
        is_due = lo_ns <= closes_ns < hi_ns
        if is_due and (closed := history.minute_candle(minute, closes_ns)):
            yield as_kind(closed, "b", closes_ns)
            if self.with_days() and (day := history.day(closes_ns)):
                yield as_kind(day, "d", closes_ns)
        if lo_ns <= updates_ns < hi_ns:
            before, after = (history.minute_candle(minute, t) for t in (closes_ns, updates_ns))
            if after and (before is None or _figures(before) != _figures(after)):
                yield as_kind(after, "u", updates_ns)


def _published(message: MarketMessage) -> int:
    return message.published_ns


def _figures(candle: Candle) -> tuple[float, ...]:
    figures = (candle.open, candle.high, candle.low, candle.close)
    return (*figures, candle.volume, candle.trade_count, candle.vwap)
