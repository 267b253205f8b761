"""Change what the market says on the streams; matching and REST keep the truth.

Made-up prints, bars and amendments are on the stream alone, so a client that asks REST afterwards
learns what really stands.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from exchange.clock import NS_PER_S
from exchange.faults.fault import Fault
from exchange.faults.kinds import FaultKind
from exchange.market.records import (
    Cancellation,
    Candle,
    Correction,
    Halt,
    MarketMessage,
    Print,
    TopOfBook,
)

_MADE_UP_ID = 1 << 40  # above every id of a source, so that it collides with none
_LATE_BY = 1.001
_CROSSED_BY = 0.001
_MINUTE_S = 60


def can_strike(kind: FaultKind, message: MarketMessage) -> bool:
    """Tell whether the fault has something to do with this kind of message."""
    match kind:
        case FaultKind.LATE_TRADE:
            return isinstance(message, Candle) and message.kind == "b"
        case FaultKind.CORRECTION | FaultKind.TRADE_CANCELED:
            return isinstance(message, Print)
        case FaultKind.CROSSED_QUOTE | FaultKind.ZERO_QUOTE:
            return isinstance(message, TopOfBook)
        case FaultKind.CLOCK_SKEW | FaultKind.HALT:
            return isinstance(message, Print | TopOfBook)
        case _:
            return False


def struck(fault: Fault, message: MarketMessage) -> list[MarketMessage]:
    """Return what is published in place of a message that the fault can strike."""
    match message:
        case Candle():
            return [message, *_late(message)]
        case Print():
            return _PRINTS[fault.kind](message, fault)
        case TopOfBook():
            return _QUOTES[fault.kind](message, fault)
        case _:
            return [message]


def status(message: MarketMessage, *, is_halted: bool) -> Halt:
    """Return a halt of a message's symbol at the message's time, or its end."""
    at_ns = message.published_ns
    code, words = ("T12", "Halt: News Pending") if is_halted else ("T3", "News and Resumption")
    return Halt(message.symbol, at_ns, at_ns, is_halted, code, words, "C")


def _late(bar: Candle) -> list[MarketMessage]:
    """Return a print late in the bar's minute, above its high, and the bar with it."""
    price = round(bar.high * _LATE_BY, 2)
    size = 10.0
    print_ = Print(
        symbol=bar.symbol,
        ts_event=bar.ts_event + (_MINUTE_S - 1) * NS_PER_S,
        published_ns=bar.published_ns,
        price=price,
        size=size,
        trade_id=_MADE_UP_ID + bar.ts_event // (_MINUTE_S * NS_PER_S),
        exchange="V",
        conditions=("@",),
        tape="C",
        taker="B",
    )
    volume = bar.volume + size
    updated = replace(
        bar,
        kind="u",
        high=price,
        close=price,
        volume=volume,
        trade_count=bar.trade_count + 1,
        vwap=round((bar.vwap * bar.volume + price * size) / volume, 6),
    )
    return [print_, updated]


def _corrected(message: Print, _fault: Fault) -> list[MarketMessage]:
    correction = Correction(
        symbol=message.symbol,
        ts_event=message.ts_event,
        published_ns=message.published_ns,
        original_id=message.trade_id,
        original_price=message.price,
        original_size=message.size,
        original_conditions=message.conditions,
        corrected_id=message.trade_id + _MADE_UP_ID,
        corrected_price=round(message.price * (1 - _CROSSED_BY), 2),
        corrected_size=message.size,
        corrected_conditions=message.conditions,
        exchange=message.exchange,
        tape=message.tape,
    )
    return [message, correction]


def _canceled(message: Print, _fault: Fault) -> list[MarketMessage]:
    taken_back = Cancellation(
        symbol=message.symbol,
        ts_event=message.ts_event,
        published_ns=message.published_ns,
        trade_id=message.trade_id,
        price=message.price,
        size=message.size,
        exchange=message.exchange,
        tape=message.tape,
    )
    return [message, taken_back]


def _skewed(message: Print | TopOfBook, fault: Fault) -> list[MarketMessage]:
    return [replace(message, ts_event=message.ts_event + int(fault.lasts_s * NS_PER_S))]


def _halted(message: Print | TopOfBook, _fault: Fault) -> list[MarketMessage]:
    return [message, status(message, is_halted=True)]


def _crossed(message: TopOfBook, _fault: Fault) -> list[MarketMessage]:
    bid, ask = message.ask * (1 + _CROSSED_BY), message.bid * (1 - _CROSSED_BY)
    return [replace(message, bid=round(bid, 2), ask=round(ask, 2))]


def _emptied(message: TopOfBook, _fault: Fault) -> list[MarketMessage]:
    return [replace(message, bid=0.0, bid_size=0.0, ask=0.0, ask_size=0.0)]


_PRINTS: dict[FaultKind, Callable[[Print, Fault], list[MarketMessage]]] = {
    FaultKind.CORRECTION: _corrected,
    FaultKind.TRADE_CANCELED: _canceled,
    FaultKind.CLOCK_SKEW: _skewed,
    FaultKind.HALT: _halted,
}
_QUOTES: dict[FaultKind, Callable[[TopOfBook, Fault], list[MarketMessage]]] = {
    FaultKind.CROSSED_QUOTE: _crossed,
    FaultKind.ZERO_QUOTE: _emptied,
    FaultKind.CLOCK_SKEW: _skewed,
    FaultKind.HALT: _halted,
}
