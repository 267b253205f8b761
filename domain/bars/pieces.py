"""Keep the prints of one piece of a candle, packed, and fold them into a bar's values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import fsum
from struct import Struct
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from domain.bars.prints import Print, PrintKind
from domain.market import Bar
from domain.records import NS_PER_S

KEEP_PRINTS = 8_192
"""Prints kept singly in one piece, and in all pieces behind it; older ones are only sums."""
CALM_PRINTS = 256
CALM_S = 10
"""A piece with fewer prints than that is looked after this many seconds of market time later."""

PRINT = np.dtype([("stamp", ">u8"), ("id", "<i8"), ("price", "<f8"), ("size", "<f8")])
"""A kept print. Its time is a MessagePack timestamp 64, as it comes off the wire: nanoseconds in
the upper 30 bits, seconds in the lower 34."""
_PRINT = Struct("<8sqdd")
pack_print = _PRINT.pack
"""Pack (stamp, id, price, size) as one `PRINT`."""
_unpack_print = _PRINT.unpack
_INF = float("inf")
_SECONDS = (1 << 34) - 1

Prints = NDArray[np.void]


def pack_stamp(ts_ns: int) -> bytes:
    """Return a time as a MessagePack timestamp 64; it holds the years 1970 to 2514."""
    seconds, nanoseconds = divmod(ts_ns, NS_PER_S)
    return (nanoseconds << 34 | seconds).to_bytes(8, "big")


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

    `prints` set prices, `extras` count for volume alone; both are packed `PRINT`s in the order in
    which they came. Folding sorts them, drops doubles and what is no price, and counts both in
    `rejects`. A caller in a hurry appends a packed print to `prints` itself while its second lies
    in `[first_s, fence_s)`: that is all `take` does with most prints.
    """

    __slots__ = ("_cache", "_cached_at", "base", "end", "extras", "fence_s", "first_s",
                 "is_venue_stale", "prints", "rejects", "spilled", "start", "venue")  # fmt: skip

    def __init__(self, start: int, end: int, rejects: Counter[str]) -> None:
        self.start = start
        self.end = end
        self.first_s = start // NS_PER_S
        self.fence_s = 0
        self.prints = bytearray()
        self.extras = bytearray()
        self.base: Summary | None = None
        self.spilled: Print | None = None
        self.venue: Bar | None = None
        self.is_venue_stale = False
        self.rejects = rejects
        self._cache: Summary | None = None
        self._cached_at = 0

    def take(self, item: Print) -> None:
        """Keep one print that counts."""
        kept = self.prints if item.kind is PrintKind.FULL else self.extras
        kept += pack_print(pack_stamp(item.ts), item.trade_id, item.price, item.size)

    def remove(self, trade_id: int, price: float, size: float) -> int | None:
        """Take a print out by id, price and size; returns its time, None when it is not here."""
        for kept in (self.prints, self.extras):
            rows = np.frombuffer(bytes(kept), PRINT)
            same = (rows["id"] == trade_id) & (rows["price"] == price) & (rows["size"] == size)
            found = np.flatnonzero(same)
            if len(found):
                ts = int(_times(rows[found[-1:]])[0])
                kept[:] = np.delete(rows, found[-1]).tobytes()
                self._cached_at = -1
                return ts
        return None

    def mark(self, ts: int) -> None:
        """Open the fast path for a while of market time; a flood comes by here to be folded."""
        wait_s = 1 if not self.size or self.size > CALM_PRINTS else CALM_S
        self.fence_s = min(self.end // NS_PER_S, ts // NS_PER_S + wait_s)
        if self.size > KEEP_PRINTS:
            self.spill()

    def shut(self) -> None:
        """Close the fast path: from now on a print revises a closed bar."""
        self.fence_s = 0

    def spill(self) -> None:
        """Fold the kept prints into sums; corrections can no longer find them.

        A piece that has none left stays as it is: every closing asks all of the last minutes'.
        """
        if not self.size:
            return
        summary = self.own()
        if summary is not None:
            self.spilled = self.newest()
            self.base = summary
            self.prints.clear()
            self.extras.clear()
            self._cached_at = -1

    def drop_sums(self) -> None:
        """Forget what was folded: a back-fill brings every print of this piece again."""
        self.base = None
        self._cached_at = -1

    @property
    def size(self) -> int:
        """Return how many prints are kept singly."""
        return (len(self.prints) + len(self.extras)) // PRINT.itemsize

    def newest(self) -> Print | None:
        """Return the newest print that sets a price, None without one."""
        if not self.prints:
            return self.spilled
        rows = self._sound(self.prints)
        if not len(rows):
            return self.spilled
        _, trade_id, price, size = rows[-1].item()
        newest = Print(int(_times(rows[-1:])[0]), trade_id, price, size, PrintKind.FULL)
        return newest if self.spilled is None else max(newest, self.spilled)

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

    def _fold(self) -> Summary | None:
        if not self.prints and not self.extras:
            return self.base
        if len(self.prints) == PRINT.itemsize and not self.extras and self.base is None:
            return self._fold_one()
        rows, extras = self._sound(self.prints), self._sound(self.extras)
        unpriced = extras["size"].tolist()
        if not len(rows):
            return self.base and self.base._replace(
                volume=fsum((self.base.volume, *unpriced)),
                trade_count=self.base.trade_count + len(unpriced),
            )
        prices, sizes = rows["price"], rows["size"].tolist()
        times = _times(rows[[0, -1]]).tolist()
        priced = fsum(sizes)
        summary = Summary(
            first=(times[0], int(rows["id"][0])),
            last=(times[1], int(rows["id"][-1])),
            open=float(prices[0]),
            high=float(prices.max()),
            low=float(prices.min()),
            close=float(prices[-1]),
            volume=fsum((*sizes, *unpriced)),
            trade_count=len(sizes) + len(unpriced),
            vwap=fsum((prices * rows["size"]).tolist()) / priced,
            priced_volume=priced,
        )
        return summary if self.base is None else combine((self.base, summary))

    def _fold_one(self) -> Summary | None:
        """Fold a single print, as most seconds have: an array for it costs ten times as much."""
        stamp, trade_id, price, size = _unpack_print(self.prints)
        if not (0.0 < price < _INF and 0.0 < size < _INF):
            self.rejects["trade_invalid"] += 1
            self.prints.clear()
            return None
        word = int.from_bytes(stamp, "big")
        key = ((word & _SECONDS) * NS_PER_S + (word >> 34), trade_id)
        return Summary(key, key, price, price, price, price, size, 1, price * size / size, size)

    def _sound(self, kept: bytearray) -> Prints:
        """Return the kept prints sorted by (time, id), each once, and keep them so."""
        rows = np.frombuffer(bytes(kept), PRINT)
        times = _times(rows)
        prices, sizes = rows["price"], rows["size"]
        is_sound = (prices > 0) & (prices < np.inf) & (sizes > 0) & (sizes < np.inf)
        if is_sound.all() and (times[1:] > times[:-1]).all():
            return rows
        self.rejects["trade_invalid"] += int((~is_sound).sum())
        rows, times = rows[is_sound], times[is_sound]
        order = np.lexsort((rows["id"], times))
        rows, times = rows[order], times[order]
        is_new = np.ones(len(rows), bool)
        is_new[1:] = (times[1:] != times[:-1]) | (rows["id"][1:] != rows["id"][:-1])
        self.rejects["duplicate"] += int((~is_new).sum())
        rows = rows[is_new]
        kept[:] = rows.tobytes()
        return rows


def _times(rows: Prints) -> NDArray[np.int64]:
    """Return the prints' times in nanoseconds."""
    stamps = rows["stamp"].astype(np.uint64)
    seconds = (stamps & np.uint64(_SECONDS)).astype(np.int64)
    return seconds * NS_PER_S + (stamps >> np.uint64(34)).astype(np.int64)
