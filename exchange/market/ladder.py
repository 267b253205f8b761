"""Build a crypto order book around a quote, level by level, and say what changed between two."""

import math
from zlib import crc32

from exchange.market.records import Depth, TopOfBook

Levels = dict[float, float]  # size by price

_LEVELS = 10
_STEP_SHARE = 1e-4  # of the price: levels stand about a basis point apart
_MEAN_USD = 20_000.0


class Ladder:
    """Hold one symbol's book as its subscribers know it, and publish it in full or as deltas."""

    def __init__(self) -> None:
        self._bids: Levels = {}
        self._asks: Levels = {}

    def follow(self, quote: TopOfBook) -> Depth | None:
        """Move to a new quote; return the levels that changed (size 0 is gone), None if none."""
        bids, asks = levels(quote)
        changed = (_changes(self._bids, bids), _changes(self._asks, asks))
        self._bids, self._asks = bids, asks
        return _depth(quote, *changed, is_full=False) if any(changed) else None


def full_book(quote: TopOfBook) -> Depth:
    """Return the whole book around a quote."""
    return _depth(quote, *levels(quote), is_full=True)


def levels(quote: TopOfBook) -> tuple[Levels, Levels]:
    """Return bids and offers: the quote itself, then round prices away from it.

    Sizes at round prices depend on the price alone, so a small move of the quote changes few.
    """
    step = 10.0 ** math.floor(math.log10(max(quote.bid, quote.ask, 1e-6) * _STEP_SHARE))
    bids = _side(quote.symbol, quote.bid, quote.bid_size, -step)
    asks = _side(quote.symbol, quote.ask, quote.ask_size, step)
    return bids, asks


def _side(symbol: str, best: float, size: float, step: float) -> Levels:
    if best <= 0:
        return {}
    found = {best: size}
    decimals = max(0, -math.floor(math.log10(abs(step))))
    away = 1 if step > 0 else -1
    nth = round(best / abs(step)) - away
    while len(found) < _LEVELS:
        nth += away
        price = round(nth * abs(step), decimals)
        if price <= 0:
            break
        if (price - best) * away > 0:
            found[price] = _size(symbol, price)
    return found


def _size(symbol: str, price: float) -> float:
    """Return the size that always rests at a price."""
    share = crc32(f"{symbol}{price}".encode()) / (1 << 32)
    return max(round(_MEAN_USD * (0.2 + 1.6 * share) / price, 6), 1e-6)


def _changes(before: Levels, after: Levels) -> Levels:
    gone = {price: 0.0 for price in before if price not in after}
    return gone | {price: size for price, size in after.items() if before.get(price) != size}


def _depth(quote: TopOfBook, bids: Levels, asks: Levels, *, is_full: bool) -> Depth:
    return Depth(
        symbol=quote.symbol,
        ts_event=quote.ts_event,
        published_ns=quote.published_ns,
        bids=tuple(sorted(bids.items(), reverse=True)),
        asks=tuple(sorted(asks.items())),
        is_full=is_full,
    )
