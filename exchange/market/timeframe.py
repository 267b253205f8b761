"""Cut time into the bars that REST can ask for, and merge smaller bars into them."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from math import fsum
from typing import Literal

from exchange.market.hours import Hours
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.records import Candle
from exchange.matching.sessions import NEW_YORK, to_ns

Unit = Literal["Min", "Hour", "Day", "Week", "Month"]

_TEXT = re.compile(r"(\d{1,2})(Min|T|Hour|H|Day|D|Week|W|Month|M)\Z")
_UNITS: dict[str, Unit] = {
    "Min": "Min",
    "T": "Min",
    "Hour": "Hour",
    "H": "Hour",
    "Day": "Day",
    "D": "Day",
    "Week": "Week",
    "W": "Week",
    "Month": "Month",
    "M": "Month",
}
# Source: Alpaca's market data API, parameter `timeframe`.
_ALLOWED: dict[Unit, Iterable[int]] = {
    "Min": range(1, 60),
    "Hour": range(1, 24),
    "Day": (1,),
    "Week": (1,),
    "Month": (1, 2, 3, 4, 6, 12),
}


@dataclass(frozen=True, slots=True)
class Timeframe:
    """A bar's length, such as 5 Min."""

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> "Timeframe":
        """Read Alpaca's spelling; raises `ValueError` for a length that it does not serve."""
        match = _TEXT.match(text)
        if match is None:
            raise ValueError(f"invalid timeframe: {text}")
        count, unit = int(match[1]), _UNITS[match[2]]
        if count not in _ALLOWED[unit]:
            raise ValueError(f"invalid timeframe: {text}")
        return cls(count, unit)

    @property
    def is_intraday(self) -> bool:
        """Tell whether such bars are merged from minutes rather than from days."""
        return self.unit in ("Min", "Hour")

    def start_ns(self, ts_ns: int, hours: Hours) -> int:
        """Return the start of the bar that a moment belongs to; days begin as the symbol's do."""
        day_ns = hours.day_start_ns(ts_ns)
        if self.is_intraday:
            width = self.count * NS_PER_MINUTE * (60 if self.unit == "Hour" else 1)
            return day_ns + (ts_ns - day_ns) // width * width
        if self.unit == "Day":
            return day_ns
        zone = UTC if hours.is_crypto else NEW_YORK
        day = datetime.fromtimestamp(day_ns // NS_PER_S, zone)
        if self.unit == "Week":
            return to_ns((day - timedelta(days=day.weekday())).replace(hour=0))
        first = (day.month - 1) // self.count * self.count + 1
        return to_ns(day.replace(month=first, day=1, hour=0))


def merged(candles: Iterable[Candle], frame: Timeframe, hours: Hours) -> Iterator[Candle]:
    """Merge bars that come in time's order, or against it, into those of a timeframe."""
    key: Callable[[Candle], int] = lambda c: frame.start_ns(c.ts_event, hours)  # noqa: E731
    for start_ns, group in groupby(candles, key):
        yield merge(start_ns, sorted(group, key=lambda c: c.ts_event))


def merge(start_ns: int, candles: list[Candle]) -> Candle:
    """Make one bar of several, oldest first; never of none."""
    volume = fsum(c.volume for c in candles)
    traded = fsum(c.volume * c.vwap for c in candles)
    return Candle(
        candles[0].symbol,
        start_ns,
        candles[-1].published_ns,
        candles[0].kind,
        candles[0].open,
        max(c.high for c in candles),
        min(c.low for c in candles),
        candles[-1].close,
        round(volume, 9),
        sum(c.trade_count for c in candles),
        round(traded / volume, 6) if volume else 0.0,
    )
