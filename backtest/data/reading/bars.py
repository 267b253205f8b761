"""Take the bars of each symbol out of a table, as rows that the checks can name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from backtest.data.reading.columns import Names, find_names
from backtest.data.reading.files import RawTable
from backtest.data.reading.times import Times, market_midnights, read_times
from backtest.data.remarks import DataWarning, Odd, RowRef, time_text
from backtest.records import Floats, Ints
from domain.errors import ConfigError
from domain.market import AssetClass, asset_class_of

DAY_NS = 86_400_000_000_000
_MIDNIGHTS = tuple(hours * DAY_NS // 24 for hours in (0, 4, 5))
"""Midnights of UTC and of New York in summer and winter, by UTC's clock."""
_FIELDS = ("rows", "ts_ns", "open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolBars:
    """One symbol's bars as a file has them, unchecked: columns of one length, in the file's order.

    Without `has_range` the file knows closes alone, and open, high and low are that close. Without
    `has_volume` every volume is 0, which means unknown.
    """

    symbol: str
    file: str
    rows: Ints
    ts_ns: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    has_range: bool
    has_volume: bool

    def take(self, at: Ints | NDArray[np.bool_] | slice) -> SymbolBars:
        """Return these rows alone, in that order."""
        return replace(self, **{name: getattr(self, name)[at] for name in _FIELDS})

    def ref(self, at: int, value: object) -> RowRef:
        """Name a row, with what stands there."""
        return RowRef(
            file=self.file,
            row=int(self.rows[at]),
            symbol=self.symbol,
            time=self.time(at),
            value=str(value),
        )

    def time(self, at: int) -> str:
        """Write when a row is: its date alone where all rows are days."""
        are_days = bool(np.isin(self.ts_ns % DAY_NS, _MIDNIGHTS).all())
        return time_text(int(self.ts_ns[at]), is_day=are_days)

    def warning(self, code: Odd, what: str, refs: Sequence[RowRef], n_rows: int) -> DataWarning:
        """Warn of something in these bars; `refs` are the first of `n_rows` rows."""
        return DataWarning(
            code=code,
            symbol=self.symbol,
            message=f"{self.symbol}: {what}.",
            rows=tuple(refs),
            n_rows=n_rows,
        )

    def __len__(self) -> int:
        return len(self.ts_ns)


def bars_by_symbol(table: RawTable, zone: str | None, symbol: str) -> Iterator[SymbolBars]:
    """Yield each symbol's bars; one without a column for it is called `symbol`."""
    names = find_names(table.columns, table.file)
    times = read_times(table.texts(names.time), zone, table.where)
    numbers = {ours: table.numbers(theirs) for ours, theirs in names.numbers.items()}
    for name, at in _parts(table, names, symbol):
        picked = {ours: values[at] for ours, values in numbers.items()}
        yield _bars(table, name, (table.rows[at], _placed(times.ts_ns[at], times, name)), picked)


def closes_by_symbol(
    table: RawTable, zone: str | None, symbols: Sequence[str]
) -> Iterator[SymbolBars]:
    """Yield the flat bars of a wide table: a first column of times, then one of closes a symbol.

    Empty cells before a symbol's first close, and after its last, are days before and after its
    listing and are left out.
    """
    times = read_times(table.texts(table.columns[0]), zone, table.where)
    for symbol in symbols:
        closes = table.numbers(symbol)
        known = np.flatnonzero(~np.isnan(closes))
        listed = slice(known[0], known[-1] + 1) if len(known) else slice(0, 0)
        ts_ns = _placed(times.ts_ns[listed], times, symbol)
        yield _bars(table, symbol, (table.rows[listed], ts_ns), {"close": closes[listed]})


def symbol_of(file: str) -> str:
    """Guess a symbol from a file's name: `BTC-USD.csv` and `BTC_USD.csv` are BTC/USD."""
    stem = PurePath(file).name.partition(".")[0].upper()
    base, _, quote = stem.replace("_", "-").partition("-")
    return f"{base}/{quote}" if quote in {"USD", "USDT", "USDC", "EUR", "BTC"} else stem


def _parts(table: RawTable, names: Names, symbol: str) -> Iterator[tuple[str, Ints | slice]]:
    if names.symbol is None:
        yield symbol, slice(None)
        return
    texts = table.texts(names.symbol)
    if not len(texts):
        return
    order = np.argsort(texts, kind="stable")
    found, starts = np.unique(texts[order], return_index=True)
    for name, at in zip(found, np.split(order, starts[1:]), strict=True):
        if not name:
            raise ConfigError(
                f"{table.where(int(at[0]))} names no symbol.",
                remedy="Mend or remove that row.",
                code="SYMBOL_MISSING",
            )
        yield str(name), at


def _bars(
    table: RawTable, symbol: str, at: tuple[Ints, Ints], numbers: dict[str, Floats]
) -> SymbolBars:
    close = numbers["close"]
    volume = numbers.get("volume")
    return SymbolBars(
        symbol=symbol,
        file=table.file,
        rows=at[0],
        ts_ns=at[1],
        open=numbers.get("open", close),
        high=numbers.get("high", close),
        low=numbers.get("low", close),
        close=close,
        volume=np.zeros(len(close)) if volume is None else volume,
        has_range="open" in numbers,
        has_volume=volume is not None and bool((volume != 0).any()),
    )


def _placed(ts_ns: Ints, times: Times, symbol: str) -> Ints:
    """Return a symbol's instants: dates become the midnight of its market.

    A stock's days stamped with midnight UTC are dates too: that midnight is the evening before in
    New York.
    """
    is_stock = asset_class_of(symbol) is AssetClass.STOCK
    are_dates = times.are_dates or (is_stock and bool((ts_ns % DAY_NS == 0).all()))
    return market_midnights(ts_ns, symbol) if are_dates else ts_ns
