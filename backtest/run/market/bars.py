"""Play bars to the venue and to the engine, so that neither knows what a bar has not shown yet.

A bar of symbol s from `start` to `end` is told as five moments of event time:

| When | What | Who hears |
|---|---|---|
| start + settle | its open, as quote and print | venue; engine if it holds or works |
| start + I/3 | its first extreme | likewise |
| start + 2I/3 | its second extreme | likewise |
| end, or before the next bar where markets pause | its close; then the whole bar | all |

`settle` stands for the time that a decision on the bar before takes: the open is what an order then
meets. Which extreme comes first is against us: the low when we are long, the high when we are short
or flat. Between two points the price moves straight, so a stop between them triggers at its price.
A bar's numbers reach a decision only whole, at its end. Where nothing is held and no order works
the points in between concern nobody and are left out.

A bar at whose end nobody wakes, no order works and no limit comes near passes in silence: it is
counted, and told to venue and engine together with those after it, before anybody does anything.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from backtest.records import Series
from backtest.run.market.charges import Turnover
from backtest.run.market.loop import NEVER, VirtualLoop
from backtest.run.market.scales import Scales
from domain.market import Bar, MarketEvent, NewsItem, Quote, StatusChanged
from domain.records import NS_PER_S
from exchange.matching.book import Book
from exchange.simulated import SimulatedBroker
from feeds.store import RollingStore

_DAY_S = 86_400
_DAY_NS = _DAY_S * NS_PER_S
_STATISTICS_DAYS = 20
_ENDLESS = 1e12
_OPEN, _FIRST, _SECOND, _CLOSE = range(4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pacing:
    """How bars lie in time. `settle_s` after a bar's start its open stands.

    Where the market pauses (`lead_s` set), a bar is told no earlier than `lead_s` before the next
    one begins: a decision is made when it can be acted upon, and rests on nothing later.
    """

    settle_s: float
    lead_s: float | None


class Hearer(Protocol):
    """What the player asks and tells of the engine."""

    def sign(self, symbol: str) -> int:
        """Return which way we are: 1 long, -1 short, 0 flat."""
        ...

    def watches(self, symbol: str) -> bool:
        """Tell whether we hold something and act upon prices between two closes."""
        ...

    def wants(self, track: Track) -> bool:
        """Tell whether somebody wakes at the close of the track's bar."""
        ...

    def weigh(self, symbol: str, price: float) -> None:
        """Mark what is held of the symbol, and let the guard weigh the account."""
        ...


class Track:
    """One symbol's bars and how far they are told."""

    __slots__ = (
        "at", "book", "close", "high", "is_plain", "low", "n", "open", "passed", "phase", "price",
        "series", "shown", "sized_at", "start", "symbol", "told_ns", "volume",
    )  # fmt: skip

    def __init__(self, series: Series, book: Book, pacing: Pacing) -> None:
        self.series = series
        self.symbol = series.symbol
        self.book = book
        self.start: list[int] = series.ts_ns.tolist()
        self.open: list[float] = series.open.tolist()
        self.high: list[float] = series.high.tolist()
        self.low: list[float] = series.low.tolist()
        self.close: list[float] = series.close.tolist()
        self.volume: list[float] = series.volume.tolist()
        self.told_ns = told_times(series, pacing)
        self.is_plain = plain_bars(series)
        self.n = len(self.start)
        self.at = 0
        self.phase = _OPEN
        self.price = self.open[0]
        self.sized_at = -1
        self.shown = self.passed = 0
        """How many bars the engine was shown, and how many have passed, in silence or not."""

    def silent(self) -> list[Bar]:
        """Return the bars that passed in silence; they count as shown from here on."""
        since, until = self.shown, self.passed
        self.shown = until
        columns = (self.start, self.open, self.high, self.low, self.close, self.volume)
        rows = zip(*(column[since:until] for column in columns), strict=True)
        make, symbol, interval_s = Bar, self.symbol, self.series.interval_s
        return [make(symbol, interval_s, *row, 0, 0.0) for row in rows]  # type: ignore[call-arg]


def told_times(series: Series, pacing: Pacing) -> list[int]:
    """Return when each bar is told whole, nanoseconds: its end, or shortly before the next one."""
    ends = series.ts_ns + series.interval_s * NS_PER_S
    if pacing.lead_s is not None and len(ends) > 1:
        before = series.ts_ns[1:] - round(pacing.lead_s * NS_PER_S)
        ends[:-1] = np.maximum(ends[:-1], before)
    times: list[int] = ends.tolist()
    return times


def plain_bars(series: Series) -> list[bool]:
    """Tell of each bar whether its numbers can be true and it follows the last one without a gap.

    All others are looked at singly.
    """
    low, high = series.low, series.high
    is_sound = (low > 0) & (low <= high) & (high < np.inf) & (series.volume >= 0)
    for column in (series.open, series.close):
        is_sound &= (low <= column) & (column <= high)
    is_sound &= (series.volume < np.inf) & (series.ts_ns % NS_PER_S == 0)
    steps = np.diff(series.ts_ns, prepend=series.ts_ns[:1])
    told: list[bool] = (is_sound & (steps == series.interval_s * NS_PER_S)).tolist()
    return told


class BarMarket:
    """A market of bars (`backtest.run.market.loop.Market`), in the order of event time."""

    def __init__(  # noqa: PLR0913 - what moves with the market, each named
        self,
        tracks: Sequence[Track],
        *,
        broker: SimulatedBroker,
        store: RollingStore,
        loop: VirtualLoop,
        hearer: Hearer,
        scales: Scales,
        pacing: Pacing,
        half_spread_bps: float,
        volume_cap: float,
        events: Sequence[MarketEvent] = (),
        ended: Callable[[], None],
    ) -> None:
        self.tracks = {track.symbol: track for track in tracks}
        self._broker = broker
        self._venue = broker.venue
        self._store = store
        self._loop = loop
        self._clock = loop.clock
        self._hearer = hearer
        self._scales = scales
        self._ended = ended
        self._settle_ns = round(pacing.settle_s * NS_PER_S)
        self._half = half_spread_bps / 10_000
        self._cap = volume_cap
        self._has_volume = {track.symbol: any(track.volume) for track in tracks}
        self._order = [(self._time(track), n, track) for n, track in enumerate(tracks)]
        heapq.heapify(self._order)
        self._events = deque(sorted(events, key=_event_ns))
        self._event_at = _event_ns(self._events[0]) if self._events else NEVER
        self._beaten_ns = loop.clock.now
        self._silent: list[Track] = []

    @property
    def next_ns(self) -> int:
        """Return when the next moment is to be told."""
        return min(self._order[0][0], self._event_at) if self._order else NEVER

    def play(self, until_ns: int) -> None:
        """Tell moments up to that time, until somebody has something to do."""
        while not self._loop.ready and self._order and self.next_ns <= until_ns:
            if self._event_at <= self._order[0][0]:
                self._clock.now = max(self._clock.now, self._event_at)
                self._tell_event()
            else:
                self._play_next(until_ns)
        self._break_silence()

    def _play_next(self, until_ns: int) -> None:
        """Tell the track whose moment it is, for as long as no other has anything before it."""
        order, clock, ready = self._order, self._clock, self._loop.ready
        now_ns, number, track = order[0]
        # Of a heap's rows but the first, the least is one of the two behind it.
        others = (row[0] for row in order[1:3])
        limit_ns = min(self._event_at, until_ns + 1, *others)
        while True:
            clock.now = max(clock.now, now_ns)
            self._tell(track, limit_ns)
            if track.at == track.n:
                heapq.heappop(order)
                if not order:
                    self._ended()
                return
            now_ns = self._time(track)
            if ready or now_ns >= limit_ns:
                heapq.heapreplace(order, (now_ns, number, track))
                return

    def turnover(self, symbol: str) -> Turnover:
        """Return daily volatility and volume over the last twenty days of closed bars."""
        track = self.tracks[symbol]
        series = track.series
        a_day = max(1, round(_DAY_S / series.interval_s)) if series.interval_s < _DAY_S else 1
        since_ns = track.start[min(track.at, track.n - 1)] - 2 * _STATISTICS_DAYS * _DAY_NS
        first = max(bisect_right(track.start, since_ns), track.at - _STATISTICS_DAYS * a_day)
        closes = series.close[first : track.at]
        days = max(1, len({ns // _DAY_NS for ns in track.start[first : track.at]}))
        if len(closes) < 3:  # noqa: PLR2004 - a deviation needs two returns
            return Turnover(0.0, 0.0)
        deviation = float(np.std(np.diff(np.log(closes)), ddof=1))
        bars_a_day = len(closes) / days
        volume = float(np.sum(series.volume[first : track.at])) / days
        return Turnover(deviation * float(np.sqrt(bars_a_day)), volume)

    def _time(self, track: Track) -> int:
        """Return when a track's next moment comes."""
        at, phase = track.at, track.phase
        if phase == _CLOSE:
            return track.told_ns[at]
        third = track.series.interval_s * NS_PER_S // 3
        offset = self._settle_ns if phase == _OPEN else phase * third
        return min(track.start[at] + offset, track.told_ns[at])

    def _tell(self, track: Track, limit_ns: int) -> None:
        phase, at = track.phase, track.at
        if phase == _CLOSE:
            self._tell_ends(track, limit_ns)
        elif not (track.book.open or self._hearer.watches(track.symbol)):
            track.phase = _CLOSE
        else:
            if phase == _OPEN:
                self._show(track, track.open[at])
            else:
                self._move(track, self._extreme(track, is_first=phase == _FIRST))
            track.phase = phase + 1

    def _extreme(self, track: Track, *, is_first: bool) -> float:
        """Return the high or the low, whichever is against us first."""
        is_long = self._hearer.sign(track.symbol) > 0
        return track.low[track.at] if is_long is is_first else track.high[track.at]

    def _tell_ends(self, track: Track, limit_ns: int) -> None:
        """Tell a bar's end, and those behind it for as long as bars pass in silence.

        One does when nobody wakes at its end, no order works and the venue has nothing to do.
        """
        hearer, clock, ready, book = self._hearer, self._clock, self._loop.ready, track.book
        due_ns = self._venue.next_ns
        is_watched = hearer.watches(track.symbol)
        track.phase = _OPEN
        while True:
            at = track.at
            is_awake = hearer.wants(track)
            is_silent = track.is_plain[at] and clock.now < due_ns and not book.open
            if is_awake or is_watched or not is_silent:
                self._tell_end(track, is_shown=is_awake or is_watched)
                track.at = at + 1
                return
            self._pass(track)
            track.at = at = at + 1
            if ready or at == track.n or track.told_ns[at] >= limit_ns:
                return
            clock.now = track.told_ns[at]

    def _tell_end(self, track: Track, *, is_shown: bool) -> None:
        """Tell a bar's end singly; `is_shown`: somebody in the engine looks at its close."""
        self._break_silence()
        at, symbol = track.at, track.symbol
        price = track.close[at]
        bar = Bar(
            symbol, track.series.interval_s, track.start[at],
            track.open[at], track.high[at], track.low[at], price, track.volume[at], 0, 0.0,
        )  # fmt: skip
        is_held = self._hearer.sign(symbol) != 0
        if track.book.open:
            self._move(track, price)
        else:
            track.price = price
            self._venue_sees(track, at, self._clock.now)
        if is_shown:
            self._engine_sees(track)
        self._store.apply((bar,))
        track.shown = track.passed = at + 1
        if is_held or self._clock.now - self._beaten_ns >= _DAY_NS:
            self._weigh(track)

    def _pass(self, track: Track) -> None:
        """Count a bar that passes in silence."""
        price = track.price = track.close[track.at]
        if track.passed == track.shown:
            self._silent.append(track)
        track.passed = track.at + 1
        now_ns, symbol = self._clock.now, track.symbol
        if self._scales.weigh_lightly(symbol, price):
            self._beaten_ns = now_ns
        elif now_ns - self._beaten_ns >= _DAY_NS or self._hearer.sign(symbol) != 0:
            self._weigh(track)

    def _weigh(self, track: Track) -> None:
        """Have the account weighed: where something is held, and once a day in any case."""
        self._break_silence()
        self._beaten_ns = self._clock.now
        self._hearer.weigh(track.symbol, track.price)

    def _break_silence(self) -> None:
        """Tell venue and engine of what has passed, as if it had been told all the time."""
        self._scales.mark()
        if not self._silent:
            return
        for track in self._silent:
            last = track.passed - 1
            last_ns = track.told_ns[last]
            self._venue_sees(track, last, last_ns)
            self._store.apply_run(track.symbol, track.silent(), last_ns)
        self._silent.clear()

    def _move(self, track: Track, price: float) -> None:
        """Let the price go there, halting at each stop on the way."""
        book = track.book
        while True:
            is_fall = price < track.price
            stop = book.fall_gate if is_fall else book.rise_gate
            is_on_the_way = price < stop < track.price if is_fall else track.price < stop < price
            if not is_on_the_way:
                break
            self._show(track, stop)
        self._show(track, price)

    def _show(self, track: Track, price: float) -> None:
        track.price = price
        self._venue_sees(track, track.at, self._clock.now)
        self._engine_sees(track)

    def _venue_sees(self, track: Track, at: int, now_ns: int) -> None:
        """Show the venue where the price stands, in bar `at`."""
        price, size = track.price, self._left(track, at)
        half = self._half * price
        self._venue.on_quote(track.symbol, price - half, size, price + half, size, now_ns)
        self._venue.on_trade(track.symbol, price, size, now_ns)

    def _engine_sees(self, track: Track) -> None:
        now_ns, book = self._clock.now, track.book
        quote = Quote(
            track.symbol, book.bid, book.bid_size, book.ask, book.ask_size, now_ns, now_ns
        )
        self._store.apply((quote,))

    def _left(self, track: Track, at: int) -> float:
        """Return how much of a bar may still be ours: a share of its volume, less what was taken.

        Where no volume is told at all there is nothing to take a share of, and all is there.
        """
        if not self._cap or not self._has_volume[track.symbol]:
            return _ENDLESS
        if track.sized_at == at:
            return min(track.book.bid_size, track.book.ask_size)
        track.sized_at = at
        return self._cap * track.volume[at]

    def _tell_event(self) -> None:
        """Tell news to the engine, halts to both."""
        self._break_silence()
        event = self._events.popleft()
        self._event_at = _event_ns(self._events[0]) if self._events else NEVER
        if isinstance(event, StatusChanged):
            self._broker.set_status(event.symbol, is_halted=event.is_halted)
        self._store.apply((event,))


def _event_ns(event: MarketEvent) -> int:
    assert isinstance(event, NewsItem | StatusChanged)
    return event.ts_event
