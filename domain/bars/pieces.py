"""Keep the prints of one piece of a candle, and fold them into a bar's values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from math import fsum
from operator import mul
from typing import NamedTuple

from domain.bars.prints import Print, PrintKind
from domain.market import Bar
from domain.records import NS_PER_S

KEEP_PRINTS = 8_192
"""Prints kept singly in one piece, and in all pieces behind it; older ones are only sums."""


class Summary(NamedTuple):
    """A bar's values without its place. `first` and `last` are the keys of open and close."""

    first: tuple[int, int]
    last: tuple[int, int]
    open: float
    high: float
    low: float
    close: float
    volume: float
    trade_count: int
    vwap: float
    priced_volume: float


def combine(parts: Sequence[Summary]) -> Summary:
    """Fold values into one: extremes, sums, and prices weighted by volume.

    Source of the weighting: Alpaca, "Market Data FAQ", how longer bars are made of minute bars.
    """
    first = min(parts, key=lambda part: part.first)
    last = max(parts, key=lambda part: part.last)
    priced = fsum(part.priced_volume for part in parts)
    weighted = fsum(part.vwap * part.priced_volume for part in parts)
    return Summary(
        first=first.first,
        last=last.last,
        open=first.open,
        high=max(part.high for part in parts),
        low=min(part.low for part in parts),
        close=last.close,
        volume=fsum(part.volume for part in parts),
        trade_count=sum(part.trade_count for part in parts),
        vwap=weighted / priced if priced else last.vwap,
        priced_volume=priced,
    )


class Piece:
    """The prints of one minute, or of a whole interval that is not made of minutes.

    `prints` and `extras` are flat, four values a print (time, id, price, size): those that set
    prices, and those that count for volume alone. A caller in a hurry may append to `prints` and
    set `last_ts` itself while `last_ts < ts < fence`; `Candles.add` does the same.
    """

    __slots__ = ("_cache", "_cached_at", "_seen", "_seen_upto", "base", "end", "extras", "fence",
                 "is_ordered", "is_venue_stale", "last_extra_ts", "last_ts", "prints", "start",
                 "venue")  # fmt: skip

    def __init__(self, start: int, end: int) -> None:
        self.start = start
        self.end = end
        self.fence = end
        self.last_ts = start - 1
        self.last_extra_ts = start - 1
        self.prints: list[float] = []
        self.extras: list[float] = []
        self.base: Summary | None = None
        self.venue: Bar | None = None
        self.is_venue_stale = False
        self.is_ordered = True
        self._cached_at = -1
        self._cache: Summary | None = None
        self._seen: set[tuple[float, float]] = set()
        self._seen_upto = [0, 0]

    def take(self, item: Print) -> bool:
        """Keep one print; False when it is already here."""
        ts = item.ts
        is_full = item.kind is PrintKind.FULL
        is_late = ts <= (self.last_ts if is_full else self.last_extra_ts)
        if is_late and self._has(ts, item.trade_id):
            return False
        if is_full:
            self.prints += item[:4]
            self.is_ordered = self.is_ordered and not is_late
            self.last_ts = max(ts, self.last_ts)
        else:
            self.extras += item[:4]
            self.last_extra_ts = max(ts, self.last_extra_ts)
        return True

    def remove(self, trade_id: int, price: float, size: float) -> int | None:
        """Take a print out by id, price and size; returns its time, None when it is not here."""
        for prints in (self.prints, self.extras):
            for at in range(len(prints) - 4, -1, -4):
                if prints[at + 1 : at + 4] == [trade_id, price, size]:
                    ts = int(prints[at])
                    del prints[at : at + 4]
                    self._forget()
                    return ts
        return None

    def mark(self, ts: int) -> None:
        """Move the fence a second of market time on, so that a flood comes by here to be folded."""
        self.fence = min(self.end, ts + NS_PER_S)
        if self.size > KEEP_PRINTS:
            self.spill()

    def spill(self) -> None:
        """Fold the kept prints into sums; corrections can no longer find them."""
        self.base = self.own()
        if self.base is not None:
            self.prints.clear()
            self.extras.clear()
            self._forget()

    def drop_sums(self) -> None:
        """Forget what was folded: a back-fill brings every print of this piece again."""
        self.base = None
        self._forget()

    @property
    def size(self) -> int:
        """Return how many prints are kept singly."""
        return (len(self.prints) + len(self.extras)) // 4

    def own(self) -> Summary | None:
        """Return the values of our own prints; None while none of them may set a price."""
        if self._cached_at != self.size:
            self._cache = self._fold()
            self._cached_at = self.size
        return self._cache

    def values(self) -> Summary | None:
        """Return the venue's values when it sent a bar, else our own."""
        bar = self.venue
        if bar is None:
            return self.own()
        key = (bar.ts_event, 0)
        prices = (bar.open, bar.high, bar.low, bar.close)
        return Summary(key, key, *prices, bar.volume, bar.trade_count, bar.vwap, bar.volume)

    def agrees(self) -> bool:
        """Tell whether the venue's bar is what our prints make, so that ours may replace it."""
        own, bar = self.own(), self.venue
        return (
            own is not None
            and bar is not None
            and own[2:7] == (bar.open, bar.high, bar.low, bar.close, bar.volume)
        )

    def _forget(self) -> None:
        self._cached_at = -1
        self._seen = set()
        self._seen_upto = [0, 0]

    def _has(self, ts: int, trade_id: int) -> bool:
        """Tell whether a print of this time and id is here; constant time, amortised."""
        for index, prints in enumerate((self.prints, self.extras)):
            upto = self._seen_upto[index]
            if upto < len(prints):
                self._seen.update(zip(prints[upto::4], prints[upto + 1 :: 4], strict=True))
                self._seen_upto[index] = len(prints)
        return (ts, trade_id) in self._seen

    def _fold(self) -> Summary | None:
        prints, extras = self.prints, self.extras
        if not prints:
            return self.base and self.base._replace(
                volume=fsum(chain((self.base.volume,), extras[3::4])),
                trade_count=self.base.trade_count + len(extras) // 4,
            )
        prices, sizes = prints[2::4], prints[3::4]
        first, last = 0, len(prices) - 1
        if not self.is_ordered:
            keys = list(zip(prints[0::4], prints[1::4], strict=True))
            first, last = keys.index(min(keys)), keys.index(max(keys))
        priced = fsum(sizes)
        summary = Summary(
            first=(int(prints[4 * first]), int(prints[4 * first + 1])),
            last=(int(prints[4 * last]), int(prints[4 * last + 1])),
            open=prices[first],
            high=max(prices),
            low=min(prices),
            close=prices[last],
            volume=fsum(chain(sizes, extras[3::4])),
            trade_count=len(prices) + len(extras) // 4,
            vwap=fsum(map(mul, prices, sizes)) / priced,
            priced_volume=priced,
        )
        return summary if self.base is None else combine((self.base, summary))
