"""Read what a fetch has kept: bars as tables to check, ticks as moments in their order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # likewise

from backtest.data.checks.series import Origin, Period
from backtest.data.fetching.columns import events_of
from backtest.data.fetching.parts import PartNote, read_note
from backtest.data.fetching.plan import LENGTHS
from backtest.data.reading.bars import SymbolBars
from backtest.data.ticks import Moment
from domain.errors import ConfigError
from domain.market import MarketEvent, NewsItem
from feeds.pages import Kind

ALPACA = Origin(source="Alpaca market data", licence="Alpaca's data agreement")
_ROWS = 5_000
_BARS = ("open", "high", "low", "close", "volume")


def has_bars(folder: Path) -> bool:
    """Tell whether a fetch has kept bars there."""
    return bool(_datasets(folder, Kind.BARS))


def bars_of_cache(folder: Path, interval_s: int | None) -> Iterator[tuple[SymbolBars, Origin]]:
    """Yield each symbol's bars of one length, oldest first.

    Without `interval_s` the folder must hold one length alone; else the longest that makes it
    serves. Raises `ConfigError` where there is none, or where a part is damaged.
    """
    lengths = {each: LENGTHS[each.name.split("-")[1]] for each in _datasets(folder, Kind.BARS)}
    chosen = _length(folder, set(lengths.values()), interval_s)
    for dataset in (each for each, length in lengths.items() if length == chosen):
        origin = replace(ALPACA, source=f"{ALPACA.source}, {dataset.name}", interval_s=chosen)
        for symbol in sorted(path for path in dataset.iterdir() if path.is_dir()):
            if paths := sorted(symbol.glob("*.parquet")):
                yield _bars(dataset, paths), origin


def moments_of_cache(folder: Path, symbols: Sequence[str], period: Period) -> Iterator[Moment]:
    """Yield trades, quotes and news of the symbols (none named: all), merged by their times.

    A few thousand rows of each symbol and kind are in memory at a time.
    """
    kinds = (Kind.NEWS, Kind.QUOTES, Kind.TRADES)
    lines = [
        _events(kind, sorted(path.glob("*.parquet")), symbols, period)
        for kind in kinds
        for dataset in _datasets(folder, kind)
        for path in sorted(dataset.iterdir())
        if path.is_dir()
    ]
    if not lines:
        raise _nothing(folder)
    for ts_ns, group in groupby(heapq.merge(*lines, key=itemgetter(0)), key=itemgetter(0)):
        yield Moment(ts_ns, _once(event for _, event in group))


def _once(events: Iterable[MarketEvent]) -> list[MarketEvent]:
    """Leave out an article that another symbol's news has brought already."""
    ids: set[str] = set()
    kept = []
    for event in events:
        if isinstance(event, NewsItem):
            if event.id in ids:
                continue
            ids.add(event.id)
        kept.append(event)
    return kept


def _datasets(folder: Path, kind: Kind) -> list[Path]:
    if not folder.is_dir():
        raise _nothing(folder)
    found = folder.glob(f"{kind.value}*")
    return sorted(path for path in found if path.is_dir() and path.name.split("-")[0] == kind.value)


def _length(folder: Path, there: set[int], asked: int | None) -> int:
    if not there:
        raise _nothing(folder)
    fitting = [each for each in there if asked is not None and asked % each == 0 and each <= asked]
    if len(there) == 1:
        return there.pop()
    if not fitting:
        names = [text for text, s in LENGTHS.items() if s in there]
        raise ConfigError(
            f"{folder} holds bars of {', '.join(names)}.",
            remedy="Say which with --interval.",
            code="INTERVAL_MISSING",
        )
    return max(fitting)


def _bars(dataset: Path, paths: Sequence[Path]) -> SymbolBars:
    """Join one symbol's parts; a row's number counts through all of them."""
    notes = [_noted(path) for path in paths]
    table = pa.concat_tables([_read(path) for path in paths])
    columns = {name: np.asarray(table.column(name).to_numpy(), np.float64) for name in _BARS}
    symbol = notes[0].symbol
    return SymbolBars(
        symbol=symbol,
        file=f"{dataset.name}/{symbol}",
        rows=np.arange(1, len(table) + 1),
        ts_ns=np.asarray(table.column("time").cast(pa.int64()).to_numpy()),
        **columns,
        has_range=True,
        has_volume=bool(columns["volume"].any()),
    )


def _events(
    kind: Kind, paths: Sequence[Path], symbols: Sequence[str], period: Period
) -> Iterator[tuple[int, MarketEvent]]:
    for path in paths:
        note = _noted(path)
        is_other = bool(symbols) and note.symbol not in symbols
        if is_other or note.end_ns <= period.start_ns or note.start_ns >= period.end_ns:
            continue
        for batch in _batches(path):
            for ts_ns, event in events_of(kind, batch):
                if period.start_ns <= ts_ns < period.end_ns:
                    yield ts_ns, event


def _batches(path: Path) -> Iterator[Any]:
    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=_ROWS)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path) from error


def _noted(path: Path) -> PartNote:
    note = read_note(path)
    if note is None:
        raise _damaged(path)
    return note


def _read(path: Path) -> Any:
    try:
        return pq.read_table(path).replace_schema_metadata(None)
    except (OSError, pa.ArrowException) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ConfigError:
    return ConfigError(
        f"{path} is no whole part of a fetch.",
        remedy="Delete it and run `autohedge fetch` again.",
        code="CACHE_DAMAGED",
    )


def _nothing(folder: Path) -> ConfigError:
    return ConfigError(
        f"{folder} holds nothing that `autohedge fetch` has kept.",
        remedy="Run `autohedge fetch SYMBOL --from DATE` first.",
        code="CACHE_EMPTY",
    )
