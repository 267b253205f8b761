"""Answer what one symbol's past looks like at a given moment, from its source's minutes."""

from collections.abc import Iterator

from msgspec.structs import replace

from exchange.market.columns import PrintLabel
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.records import Article, Candle, Print, TopOfBook
from exchange.market.source import Source
from exchange.market.timeframe import Timeframe, merged

BAR_DELAY_NS = 100_000_000
"""A bar becomes public this long after its minute (source: Alpaca's forum says 20 to 100 ms)."""

# Past this nothing about a minute changes any more (late prints, cancels, corrections).
_SETTLED_NS = 60 * NS_PER_S
_DAY = Timeframe(1, "Day")


class History:
    """One symbol's past. Spans are closed at both ends; `as_of_ns` hides what is not public yet.

    Records come oldest first, or newest first on request.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._settled: dict[int, Candle | None] = {}
        self._older_days: list[Candle] | None = None

    def forget(self) -> None:
        """Drop what was kept: the source has started over."""
        self._settled.clear()
        self._older_days = None

    def prints(
        self, start_ns: int, end_ns: int, as_of_ns: int, *, newest_first: bool = False
    ) -> Iterator[Print]:
        """Yield the prints of a span by time, those taken back under their mark."""
        for minute in self._minutes(start_ns, end_ns, as_of_ns, newest_first=newest_first):
            found = [
                p
                for p in self._source.minute(minute).known_prints(as_of_ns)
                if start_ns <= p.ts_event <= end_ns
            ]
            yield from reversed(found) if newest_first else found

    def quotes(
        self, start_ns: int, end_ns: int, as_of_ns: int, *, newest_first: bool = False
    ) -> Iterator[TopOfBook]:
        """Yield the quotes of a span by time."""
        last_ns = min(end_ns, as_of_ns)
        for minute in self._minutes(start_ns, end_ns, as_of_ns, newest_first=newest_first):
            quotes = self._source.minute(minute).quotes
            ts = quotes.rows["ts"]
            rows = quotes.rows[(ts >= start_ns) & (ts <= last_ns)]
            rows = rows[::-1] if newest_first else rows
            yield from quotes.records(self._source.symbol, rows)

    def candles(
        self,
        frame: Timeframe,
        start_ns: int,
        end_ns: int,
        as_of_ns: int,
        *,
        newest_first: bool = False,
    ) -> Iterator[Candle]:
        """Yield the bars that start in a span; the newest may still be growing by minutes."""
        hours = self._source.hours
        first_ns = frame.start_ns(start_ns, hours) if start_ns > 0 else 0
        pieces = self._pieces(frame, first_ns, as_of_ns, newest_first=newest_first)
        for candle in merged(pieces, frame, hours):
            if start_ns <= candle.ts_event <= end_ns:
                yield candle
            elif (candle.ts_event < start_ns) if newest_first else (candle.ts_event > end_ns):
                return

    def day(self, as_of_ns: int) -> Candle | None:
        """Return the running day's bar, None before its first minute."""
        start_ns = self._source.hours.day_start_ns(as_of_ns)
        return next(self.candles(_DAY, start_ns, start_ns, as_of_ns), None)

    def days(self, as_of_ns: int) -> Iterator[Candle]:
        """Yield the daily bars, newest first."""
        return self.candles(_DAY, 0, as_of_ns, as_of_ns, newest_first=True)

    def last_candle(self, as_of_ns: int) -> Candle | None:
        """Return the newest closed minute's bar."""
        one = Timeframe(1, "Min")
        return next(self.candles(one, 0, as_of_ns, as_of_ns, newest_first=True), None)

    def last_quote(self, as_of_ns: int) -> TopOfBook | None:
        """Return the newest quote."""
        return next(self.quotes(0, as_of_ns, as_of_ns, newest_first=True), None)

    def last_print(self, as_of_ns: int) -> Print | None:
        """Return the newest print that stands and is a last price."""
        found = self.prints(0, as_of_ns, as_of_ns, newest_first=True)
        return next((p for p in found if not p.update and is_last_price(p)), None)

    def articles(self, start_ns: int, end_ns: int, as_of_ns: int) -> Iterator[Article]:
        """Yield the news of a span, oldest first."""
        last_ns = min(end_ns, as_of_ns)
        for minute in self._minutes(start_ns, end_ns, as_of_ns):
            for article in self._source.articles(minute):
                if start_ns <= article.published_ns <= last_ns:
                    yield article

    def minute_candle(self, minute: int, as_of_ns: int) -> Candle | None:
        """Return a minute's bar as it is public at a moment."""
        if as_of_ns < (minute + 1) * NS_PER_MINUTE + _SETTLED_NS:
            return self._source.minute(minute).candle(as_of_ns)
        if minute not in self._settled:
            self._settled[minute] = self._source.minute(minute).candle(as_of_ns)
        return self._settled[minute]

    def _pieces(
        self, frame: Timeframe, start_ns: int, as_of_ns: int, *, newest_first: bool
    ) -> Iterator[Candle]:
        """Yield what the bars of a timeframe are merged from: minutes, and older days."""
        closed_ns = as_of_ns - NS_PER_MINUTE - BAR_DELAY_NS
        minutes = self._minutes(start_ns, closed_ns, closed_ns, newest_first=newest_first)
        fresh = (c for minute in minutes if (c := self.minute_candle(minute, as_of_ns)))
        if frame.is_intraday:
            yield from fresh
            return
        older = [c for c in self._days_before() if c.ts_event >= start_ns]
        if newest_first:
            yield from fresh
            yield from reversed(older)
        else:
            yield from older
            yield from fresh

    def _days_before(self) -> list[Candle]:
        if self._older_days is None:
            self._older_days = self._source.older_days()
        return self._older_days

    def _minutes(
        self, start_ns: int, end_ns: int, as_of_ns: int, *, newest_first: bool = False
    ) -> range:
        first = max(start_ns // NS_PER_MINUTE, self._source.first_minute)
        last = min(end_ns, as_of_ns) // NS_PER_MINUTE
        return range(last, first - 1, -1) if newest_first else range(first, last + 1)


def is_last_price(found: Print) -> bool:
    """Tell whether a print updates the last price."""
    return PrintLabel(found.exchange, found.conditions, found.tape).updates_price


def as_kind(candle: Candle, kind: str, published_ns: int) -> Candle:
    """Return the bar as the stream sends it under another type."""
    return replace(candle, kind=kind, published_ns=published_ns)
