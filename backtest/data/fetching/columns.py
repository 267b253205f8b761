"""Write market records as Arrow tables, and read them back, each kind with columns of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped] # it ships no types

from domain.market import MarketEvent, NewsItem, Quote, Trade
from feeds.pages import HistoryRecord, Kind

_TIME = ("time", pa.timestamp("ns", tz="UTC"))
_SYMBOL = ("symbol", pa.string())
_FIELDS: dict[Kind, dict[str, Any]] = {
    Kind.BARS: {
        **dict.fromkeys(("open", "high", "low", "close", "volume"), pa.float64()),
        "trade_count": pa.int64(),
        "vwap": pa.float64(),
    },
    Kind.TRADES: {
        "price": pa.float64(),
        "size": pa.float64(),
        "trade_id": pa.int64(),
        "exchange": pa.string(),
        "conditions": pa.list_(pa.string()),
        "tape": pa.string(),
    },
    Kind.QUOTES: dict.fromkeys(("bid", "bid_size", "ask", "ask_size"), pa.float64()),
    Kind.NEWS: {
        **dict.fromkeys(("id", "headline", "summary", "source"), pa.string()),
        "symbols": pa.list_(pa.string()),
    },
}
"""The fields of our records that each kind keeps, beside its time and the symbol asked for."""

SCHEMAS = {kind: pa.schema([_TIME, _SYMBOL, *fields.items()]) for kind, fields in _FIELDS.items()}


def table_of(kind: Kind, symbol: str, records: Sequence[HistoryRecord]) -> Any:
    """Return records as a table; prices are the very floats that came."""
    columns: list[list[Any]] = [[record.ts_event for record in records], [symbol] * len(records)]
    columns += [[getattr(record, name) for record in records] for name in _FIELDS[kind]]
    schema = SCHEMAS[kind]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def events_of(kind: Kind, batch: Any) -> Iterator[tuple[int, MarketEvent]]:
    """Yield (time, event) of each row of a batch; a backtest hears of it when it happened."""
    rows = batch.to_pydict()
    times = batch.column("time").cast(pa.int64()).to_pylist()
    fields = [rows[name] for name in _FIELDS[kind]]
    make = _MAKERS[kind]
    for ts_ns, symbol, values in zip(times, rows["symbol"], zip(*fields, strict=True), strict=True):
        yield ts_ns, make(symbol, ts_ns, values)


def _trade(symbol: str, ts_ns: int, row: tuple[Any, ...]) -> MarketEvent:
    price, size, trade_id, exchange, conditions, tape = row
    return Trade(symbol, price, size, ts_ns, ts_ns, trade_id, exchange, tuple(conditions), tape)


def _quote(symbol: str, ts_ns: int, row: tuple[Any, ...]) -> MarketEvent:
    bid, bid_size, ask, ask_size = row
    return Quote(symbol, bid, bid_size, ask, ask_size, ts_ns, ts_ns)


def _news(_symbol: str, ts_ns: int, row: tuple[Any, ...]) -> MarketEvent:
    name, headline, summary, source, symbols = row
    return NewsItem(name, ts_ns, headline, summary, source, tuple(symbols))


_MAKERS: dict[Kind, Callable[[str, int, tuple[Any, ...]], MarketEvent]] = {
    Kind.TRADES: _trade,
    Kind.QUOTES: _quote,
    Kind.NEWS: _news,
}
