"""Judge what the market sends, and bring records into the wire's form."""

from __future__ import annotations

import math
from collections.abc import Iterable

from domain.bars import Sessions
from domain.market import AssetClass, Bar, MarketEvent, Quote, SessionPhase, Trade
from domain.ports import Calendar
from domain.records import NS_PER_S
from feeds.alpaca.wire import QuoteMessage, TradeMessage, WireMessage, stamp_ns, to_stamp


def sessions_of(calendar: Calendar) -> Sessions:
    """Ask the calendar for a stock's sessions; one that never closes bounds nothing."""

    def bounds(ts_ns: int) -> tuple[int, int] | None:
        if calendar.phase(AssetClass.STOCK, ts_ns) is SessionPhase.ALWAYS:
            return (0, 1 << 63)
        return calendar.session_bounds(AssetClass.STOCK, ts_ns)

    return bounds


def quote_reason(m: QuoteMessage) -> str | None:
    """Say why a quote cannot stand, None when its prices can."""
    bid, ask = m.bid, m.ask
    if not (0.0 <= bid < math.inf and 0.0 <= ask < math.inf):
        return "quote_invalid"
    if bid == 0.0 or ask == 0.0:
        return "quote_one_sided"
    return "quote_crossed" if bid > ask else None


def mids_at_edges(quotes: Iterable[QuoteMessage], step_ns: int) -> list[tuple[int, float]]:
    """Return (time, middle price) of the last quote before each edge of bars, and of the last."""
    mids: list[tuple[int, float]] = []
    for m in quotes:
        if quote_reason(m) is None:
            ts = stamp_ns(m.t)
            if mids and mids[-1][0] // step_ns == ts // step_ns:
                mids.pop()
            mids.append((ts, (m.bid + m.ask) / 2))
    return mids


def is_sound(bar: Bar) -> bool:
    """Tell whether a bar's numbers can be true."""
    low, high, inf = bar.low, bar.high, math.inf
    return (
        0.0 < low <= bar.open <= high < inf
        and low <= bar.close <= high
        and 0.0 <= bar.volume < inf
        and 0.0 <= bar.vwap < inf
        and 0 <= bar.trade_count < inf
        and bar.ts_event % NS_PER_S == 0
    )


def to_message(event: MarketEvent) -> WireMessage | MarketEvent:
    """Turn quotes and trades into the wire's form, which the hot path takes; others stay."""
    if isinstance(event, Quote):
        return QuoteMessage(
            symbol=event.symbol,
            bid=event.bid,
            bid_size=event.bid_size,
            ask=event.ask,
            ask_size=event.ask_size,
            t=to_stamp(event.ts_event),
        )
    if isinstance(event, Trade):
        return TradeMessage(
            symbol=event.symbol,
            trade_id=event.trade_id,
            exchange=event.exchange,
            price=event.price,
            size=event.size,
            conditions=event.conditions,
            tape=event.tape,
            t=to_stamp(event.ts_event),
        )
    return event
