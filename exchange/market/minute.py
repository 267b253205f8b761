"""One minute of one symbol: what happened in it, what was public when, and the bar it makes.

Every source of the market, whatever it plays, is a function from a minute to this record. History
and the live stream both read it, which is why they cannot disagree. Bars are made here and not by
the bot's own aggregator: one that is shared would hide a misread rule.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from msgspec.structs import replace

from exchange.market.columns import NO_PRINTS, NO_QUOTES, Prints, Quotes, Rows
from exchange.market.records import (
    Amendment,
    Cancellation,
    Candle,
    MarketMessage,
    Notice,
    Print,
)

NS_PER_S = 1_000_000_000
NS_PER_MINUTE = 60 * NS_PER_S

# A print may come late and still belong here, but never later than this after the minute's end.
LATEST_NS = 30 * NS_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Minute:
    """Prints and quotes that happened in [start, start + 60 s), and the notices about them."""

    symbol: str
    start_ns: int
    prints: Prints = NO_PRINTS
    quotes: Quotes = NO_QUOTES
    notices: tuple[Notice, ...] = ()

    def messages(self, lo_ns: int, hi_ns: int) -> list[MarketMessage]:
        """Return what becomes public in [lo, hi), in order.

        At one moment a notice goes first, because it may resume trading, then a quote, then the
        prints that it explains.
        """
        found: list[MarketMessage] = []
        found.extend(n for n in self.notices if lo_ns <= n.published_ns < hi_ns)
        found.extend(self.quotes.records(self.symbol, _between(self.quotes.rows, lo_ns, hi_ns)))
        found.extend(self.prints.records(self.symbol, _between(self.prints.rows, lo_ns, hi_ns)))
        found.sort(key=_published)
        return found

    def known_prints(self, as_of_ns: int) -> Iterator[Print]:
        """Yield the prints as REST tells them at `as_of_ns`, taken-back ones marked, by time."""
        amended = {a.amended_id: a for a in self._amendments(as_of_ns)}
        rows = self.prints.rows
        for found in self.prints.records(self.symbol, rows[rows["published"] <= as_of_ns]):
            amendment = amended.get(found.trade_id)
            if amendment is None:
                yield found
            else:
                yield from _retold(found, amendment)

    def candle(self, as_of_ns: int, *, kind: Literal["b", "u"] = "b") -> Candle | None:
        """Return the bar made of what is public at `as_of_ns`, None without a valid print.

        A crypto minute without prints makes a bar of the quote's mid prices with volume 0, as
        Alpaca's crypto bars do; its sign here is a slash in the symbol.
        """
        rows = self._standing(as_of_ns)
        candle = _of_prints(self, rows, kind, as_of_ns)
        if candle is None and "/" in self.symbol:
            candle = _of_quotes(self, kind, as_of_ns)
        return candle

    def _amendments(self, as_of_ns: int) -> list[Amendment]:
        return [n for n in self.notices if isinstance(n, Amendment) and n.published_ns <= as_of_ns]

    def _standing(self, as_of_ns: int) -> Rows:
        """Return the rows that count at `as_of_ns`: public, not taken back, corrected."""
        rows = self.prints.rows
        rows = rows[rows["published"] <= as_of_ns]
        for amendment in self._amendments(as_of_ns):
            hit = rows["id"] == amendment.amended_id
            if isinstance(amendment, Cancellation):
                rows = rows[~hit]
            else:
                rows["price"][hit] = amendment.corrected_price
                rows["size"][hit] = amendment.corrected_size
        return rows


def _published(message: MarketMessage) -> int:
    return message.published_ns


def _between(rows: Rows, lo_ns: int, hi_ns: int) -> Rows:
    published = rows["published"]
    return rows[(published >= lo_ns) & (published < hi_ns)]


def _retold(found: Print, amendment: Amendment) -> Iterator[Print]:
    """Yield the taken-back print under its mark, then what replaced it."""
    if isinstance(amendment, Cancellation):
        yield replace(found, update="canceled")
        return
    yield replace(found, update="incorrect")
    yield replace(
        found,
        update="corrected",
        published_ns=amendment.published_ns,
        trade_id=amendment.corrected_id,
        price=amendment.corrected_price,
        size=amendment.corrected_size,
        conditions=amendment.corrected_conditions,
    )


def _passing(minute: Minute, rows: Rows, rule: str) -> Rows:
    """Return the rows whose label passes the rule."""
    told = np.array([getattr(label, rule) for label in minute.prints.labels] or [True], np.bool_)
    passed: Rows = rows[told[rows["label"]]]
    return passed


def _of_prints(minute: Minute, rows: Rows, kind: Literal["b", "u"], as_of_ns: int) -> Candle | None:
    prices = _passing(minute, rows, "updates_price")["price"]
    counted = _passing(minute, rows, "updates_volume")
    if not len(prices):
        return None
    volume = float(counted["size"].sum())
    traded = float((counted["price"] * counted["size"]).sum())
    return Candle(
        minute.symbol,
        minute.start_ns,
        as_of_ns,
        kind,
        float(prices[0]),
        float(prices.max()),
        float(prices.min()),
        float(prices[-1]),
        round(volume, 9),
        len(counted),
        round(traded / volume, 6) if volume else 0.0,
    )


def _of_quotes(minute: Minute, kind: Literal["b", "u"], as_of_ns: int) -> Candle | None:
    rows = minute.quotes.rows
    rows = rows[rows["published"] <= as_of_ns]
    if not len(rows):
        return None
    mids = (rows["bid"] + rows["ask"]) / 2
    return Candle(
        minute.symbol,
        minute.start_ns,
        as_of_ns,
        kind,
        float(mids[0]),
        float(mids.max()),
        float(mids.min()),
        float(mids[-1]),
        0.0,
        0,
        0.0,
    )
