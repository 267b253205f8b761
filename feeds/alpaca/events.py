"""Turn the venue's messages into our records."""

from __future__ import annotations

from domain.market import (
    Bar,
    MarketEvent,
    NewsItem,
    Quote,
    StatusChanged,
    Trade,
    TradeCanceled,
    TradeCorrected,
)
from feeds.alpaca.wire import (
    BarMessage,
    CancelMessage,
    CorrectionMessage,
    NewsMessage,
    QuoteMessage,
    StatusMessage,
    TradeMessage,
    WireMessage,
    stamp_ns,
)

# Source: Alpaca, "Real-time Stock Data", status codes: the CTA plan (tapes A, B) halts with 2 and
# F (limit up, limit down) and resumes with 3; the UTP plan (tape C) halts with H and P (volatility
# pause) and resumes with T. Other codes (price indication, imbalance, quote resumption) change
# nothing: trading is halted until it is resumed.
HALTED = frozenset("2FHP")
RESUMED = frozenset("3T")


def to_event(message: WireMessage, ts_recv: int) -> MarketEvent | None:
    """Turn a message into our record, None for what is not market news.

    Raises `ValueError` for an unreadable time.
    """
    match message:
        case QuoteMessage():
            return quote_event(message, ts_recv)
        case TradeMessage():
            return trade_event(message, ts_recv)
        case BarMessage():
            return bar_event(message, message.symbol, 60)
        case StatusMessage():
            return _status_event(message)
        case CorrectionMessage():
            return _correction_event(message)
        case CancelMessage():
            ts = stamp_ns(message.t)
            return TradeCanceled(message.symbol, ts, message.trade_id, message.price, message.size)
        case NewsMessage():
            return news_event(message)
        case _:
            return None


def quote_event(message: QuoteMessage, ts_recv: int) -> Quote:
    """Turn a quote into our record."""
    m = message
    return Quote(m.symbol, m.bid, m.bid_size, m.ask, m.ask_size, stamp_ns(m.t), ts_recv)


def trade_event(message: TradeMessage, ts_recv: int) -> Trade:
    """Turn a print into our record."""
    return Trade(
        message.symbol,
        message.price,
        message.size,
        stamp_ns(message.t),
        ts_recv,
        message.trade_id,
        message.exchange,
        message.conditions or (),
        message.tape,
    )


def bar_event(message: BarMessage, symbol: str, interval_s: int) -> Bar:
    """Turn a bar of the stream or of REST into our record."""
    return Bar(
        symbol, interval_s, stamp_ns(message.t),
        message.open, message.high, message.low, message.close,
        message.volume, message.trade_count, message.vwap,
        is_quote_mid="/" in symbol and message.volume == 0,
    )  # fmt: skip


def _status_event(message: StatusMessage) -> StatusChanged | None:
    code = message.status_code
    if code not in HALTED | RESUMED:
        return None
    reason = message.reason_code or message.status
    return StatusChanged(message.symbol, stamp_ns(message.t), code in HALTED, code, reason)


def _correction_event(message: CorrectionMessage) -> TradeCorrected:
    return TradeCorrected(
        message.symbol,
        stamp_ns(message.t),
        message.original_id,
        message.original_price,
        message.original_size,
        message.corrected_id,
        message.corrected_price,
        message.corrected_size,
        message.corrected_conditions or (),
    )


def news_event(message: NewsMessage) -> NewsItem:
    """Turn an article into our record, its text as it came."""
    return NewsItem(
        str(message.id),
        stamp_ns(message.created_at),
        message.headline,
        message.summary,
        message.source,
        message.symbols,
    )
