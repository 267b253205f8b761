"""Write what the venue publishes in Alpaca's words (source: its market data stream pages).

The stream puts `T` first and `S` second, which the Go client relies on; REST leaves both out. How
a time is written is the codec's business and comes in as `stamp`.
"""

from collections.abc import Callable
from typing import Any, assert_never

from exchange.market.records import (
    Article,
    Band,
    Cancellation,
    Candle,
    Correction,
    Depth,
    Halt,
    MarketMessage,
    Print,
    TopOfBook,
)

Stamp = Callable[[int], Any]
Fields = dict[str, Any]

_HALTED = {"A": ("2", "Trading Halt"), "C": ("H", "Trading Halt")}
_RESUMED = {"A": ("3", "Trading Resumption"), "C": ("T", "Trading Resumption")}
_CHANNELS: dict[type[MarketMessage], str] = {
    Print: "trades",
    TopOfBook: "quotes",
    Depth: "orderbooks",
    Halt: "statuses",
    Band: "lulds",
    Correction: "corrections",
    Cancellation: "cancelErrors",
    Article: "news",
}
_CANDLE_CHANNELS = {"b": "bars", "u": "updatedBars", "d": "dailyBars"}


def channel_of(message: MarketMessage) -> str:
    """Return the channel that carries a message."""
    if isinstance(message, Candle):
        return _CANDLE_CHANNELS[message.kind]
    return _CHANNELS[type(message)]


def told(message: MarketMessage, stamp: Stamp) -> Fields:
    """Write a message for the stream."""
    kind, fields = _written(message, stamp)
    if isinstance(message, Article):
        return {"T": kind, **fields}
    return {"T": kind, "S": message.symbol, **fields}


def told_with_receipt(message: MarketMessage, stamp: Stamp) -> Fields:
    """Write a message for the stream, with the undocumented key `r` on trades and quotes."""
    fields = told(message, stamp)
    if isinstance(message, Print | TopOfBook):
        fields["r"] = stamp(message.published_ns)
    return fields


def listed(message: Print | TopOfBook | Candle | Depth | Article, stamp: Stamp) -> Fields:
    """Write a message for REST."""
    fields = _written(message, stamp)[1]
    if isinstance(message, Print) and message.update:
        fields["u"] = message.update
    if isinstance(message, Depth):
        fields.pop("r", None)
    if isinstance(message, Article):
        fields["images"] = []
    return fields


def _written(message: MarketMessage, stamp: Stamp) -> tuple[str, Fields]:
    match message:
        case Print():
            return "t", _print(message, stamp)
        case TopOfBook():
            return "q", _quote(message, stamp)
        case Candle():
            return message.kind, _candle(message, stamp)
        case Depth():
            return "o", _depth(message, stamp)
        case Halt():
            return "s", _halt(message, stamp)
        case Band():
            return "l", _band(message, stamp)
        case Correction():
            return "c", _correction(message, stamp)
        case Cancellation():
            return "x", _cancellation(message, stamp)
        case Article():
            return "n", _article(message, stamp)
        case _:
            assert_never(message)


def _print(m: Print, stamp: Stamp) -> Fields:
    if _is_crypto(m.symbol):
        return {"i": m.trade_id, "p": m.price, "s": m.size, "tks": m.taker, "t": stamp(m.ts_event)}
    return {
        "i": m.trade_id,
        "x": m.exchange,
        "p": m.price,
        "s": int(m.size),
        "c": list(m.conditions),
        "z": m.tape,
        "t": stamp(m.ts_event),
    }


def _quote(m: TopOfBook, stamp: Stamp) -> Fields:
    if _is_crypto(m.symbol):
        sides = {"bp": m.bid, "bs": m.bid_size, "ap": m.ask, "as": m.ask_size}
        return {**sides, "t": stamp(m.ts_event)}
    return {
        "bx": m.bid_exchange,
        "bp": m.bid,
        "bs": int(m.bid_size),
        "ax": m.ask_exchange,
        "ap": m.ask,
        "as": int(m.ask_size),
        "c": list(m.conditions),
        "z": m.tape,
        "t": stamp(m.ts_event),
    }


def _candle(m: Candle, stamp: Stamp) -> Fields:
    volume = m.volume if _is_crypto(m.symbol) else int(m.volume)
    return {
        "o": m.open,
        "h": m.high,
        "l": m.low,
        "c": m.close,
        "v": volume,
        "n": m.trade_count,
        "vw": m.vwap,
        "t": stamp(m.ts_event),
    }


def _depth(m: Depth, stamp: Stamp) -> Fields:
    bids, asks = ([{"p": p, "s": s} for p, s in side] for side in (m.bids, m.asks))
    fields = {"t": stamp(m.ts_event), "b": bids, "a": asks}
    return fields | {"r": True} if m.is_full else fields


def _halt(m: Halt, stamp: Stamp) -> Fields:
    table = _HALTED if m.is_halted else _RESUMED
    code, text = table.get(m.tape, table["C"])
    return {
        "sc": code,
        "sm": text,
        "rc": m.reason_code,
        "rm": m.reason,
        "z": m.tape,
        "t": stamp(m.ts_event),
    }


def _band(m: Band, stamp: Stamp) -> Fields:
    return {"u": m.up, "d": m.down, "i": "B", "z": m.tape, "t": stamp(m.ts_event)}


def _correction(m: Correction, stamp: Stamp) -> Fields:
    return {
        "x": m.exchange,
        "oi": m.original_id,
        "op": m.original_price,
        "os": int(m.original_size),
        "oc": list(m.original_conditions),
        "ci": m.corrected_id,
        "cp": m.corrected_price,
        "cs": int(m.corrected_size),
        "cc": list(m.corrected_conditions),
        "z": m.tape,
        "t": stamp(m.ts_event),
    }


def _cancellation(m: Cancellation, stamp: Stamp) -> Fields:
    return {
        "i": m.trade_id,
        "x": m.exchange,
        "p": m.price,
        "s": int(m.size),
        "a": m.action,
        "z": m.tape,
        "t": stamp(m.ts_event),
    }


def _article(m: Article, stamp: Stamp) -> Fields:
    return {
        "id": m.article_id,
        "headline": m.headline,
        "summary": m.summary,
        "author": m.author,
        "created_at": stamp(m.ts_event),
        "updated_at": stamp(m.published_ns),
        "url": m.url,
        "content": m.content,
        "symbols": list(m.symbols),
        "source": m.source,
    }


def _is_crypto(symbol: str) -> bool:
    return "/" in symbol
