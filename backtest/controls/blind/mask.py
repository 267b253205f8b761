"""Mask a window: another name, other prices, other dates, and news that name nobody.

What is scaled keeps its returns, and a nearest neighbour finds a window again by those alone (see
`attack`): masking is never taken for granted but measured, by asking the model what it sees.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from domain.indicators import UNAVAILABLE
from domain.market import (
    Instrument,
    Window,
    WindowBar,
    WindowNews,
    WindowPosition,
    WindowQuote,
    WindowTrade,
)
from domain.records import NS_PER_S, Record, format_ns, parse_ns

WEEK_NS = 7 * 86_400 * NS_PER_S
WEEKS = (104, 1_040)
"""Dates move back by two to twenty years, in whole weeks: weekday and hour stay."""
LEAST_WORD = 3
DIGITS = 6
"""Significant digits of a masked price as a prompt shows it. The values themselves are not rounded:
a rule that compares a close with its average must decide as it does bright."""

_UNSCALED = {"rsi_14", "roc_10", "adx_14"}
_OF_VOLUME = {"volume_sma_20"}
_GENERIC = {"inc", "corp", "corporation", "company", "common", "stock", "class", "the", "and"}
_GENERIC |= {"holdings", "holding", "group", "plc", "ltd", "limited", "trust", "fund", "shares"}
_GENERIC |= {"ordinary", "international", "usd"}
_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december|"
    "jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec"
)
_DATES = re.compile(
    rf"\b(?:(?:{_MONTHS})\.?\s+\d{{1,2}}(?:st|nd|rd|th)?,?(?:\s+\d{{4}})?|(?:{_MONTHS})\.?\s+\d{{4}}"
    r"|\d{4}-\d\d(?:-\d\d)?|\d{1,2}/\d{1,2}/\d{2,4}|(?:q[1-4]|fy)\s?'?\d{2,4}|(?:19|20)\d\d)\b",
    re.IGNORECASE,
)
_MONEY = re.compile(
    r"[$\u20ac\u00a3]\s?\d[\d,.]*(?:\s?(?:k|m|bn|b|million|billion)\b)?", re.IGNORECASE
)


class Mask(Record, frozen=True):
    """How one symbol is hidden. Prices are times `price_factor`, volumes times `volume_factor`.

    Dates are `weeks` weeks earlier. `tickers` are hidden as they are spelled, `words` of the
    company's name however they are.
    """

    symbol: str
    alias: str
    price_factor: float
    volume_factor: float
    weeks: int
    tickers: tuple[str, ...]
    words: tuple[str, ...]


def masks_of(
    symbols: Sequence[str], seed: int, *, names: Mapping[str, str] | None = None
) -> dict[str, Mask]:
    """Make a mask for each symbol; the same seed makes the same. `names` are the companies'."""
    toss = random.Random(f"{seed}:masks")  # noqa: S311 - a disguise to measure, not a secret
    numbers = toss.sample(range(1, max(100, 2 * len(symbols))), len(symbols))
    return {
        symbol: Mask(
            symbol=symbol,
            alias=f"ASSET_{number:02d}",
            price_factor=2.0 ** toss.uniform(-2.5, 2.5),
            volume_factor=2.0 ** toss.uniform(-2.5, 2.5),
            weeks=toss.randint(*WEEKS),
            tickers=tuple(dict.fromkeys((symbol, symbol.split("/")[0]))),
            words=_words((names or {}).get(symbol, "")),
        )
        for symbol, number in zip(symbols, numbers, strict=True)
    }


def _words(name: str) -> tuple[str, ...]:
    """Return what is distinctive in a company's name."""
    found = re.findall(r"[^\W\d_][\w&'-]*", name)
    kept = [word for word in found if len(word) >= LEAST_WORD and word.lower() not in _GENERIC]
    return tuple(dict.fromkeys(kept))


def masked(window: Window, masks: Mapping[str, Mask]) -> Window:
    """Return the window as a blind agent sees it; the account and the limits stay in dollars."""
    mask = masks[window.symbol]
    return msgspec.structs.replace(
        window,
        symbol=mask.alias,
        as_of=moved(window.as_of, mask),
        bars=tuple(_bar(bar, mask) for bar in window.bars),
        forming_bar=_bar(window.forming_bar, mask) if window.forming_bar else None,
        quote=_quote(window.quote, mask),
        last_trade=_trade(window.last_trade, mask),
        indicators={name: _indicator(name, x, mask) for name, x in window.indicators.items()},
        instrument=_instrument(window, mask),
        news=tuple(_news(n, item, mask, masks) for n, item in enumerate(window.news, start=1)),
        position=_position(window.position, mask),
        wake_reason=scrubbed(window.wake_reason, masks),
        feed="",
    )


def scaled(price: float, mask: Mask) -> float:
    """Return a price as the blind agent sees it."""
    return price * mask.price_factor


def unscaled(price: float, mask: Mask) -> float:
    """Return what a blind agent's price means on the real market."""
    return price / mask.price_factor


def moved(when: str, mask: Mask) -> str:
    """Return an RFC 3339 time so many weeks earlier."""
    return format_ns(parse_ns(when) - mask.weeks * WEEK_NS)


def scrubbed(text: str, masks: Mapping[str, Mask]) -> str:
    """Take out of a text whom, when and how much it is about; names become their masks'."""
    for mask in masks.values():
        for ticker in mask.tickers:
            text = re.sub(rf"(?<!\w){re.escape(ticker)}(?!\w)", mask.alias, text)
        for word in mask.words:
            text = re.sub(rf"\b{re.escape(word)}\b", mask.alias, text, flags=re.IGNORECASE)
    return _MONEY.sub("an amount", _DATES.sub("a date", text))


def _bar(bar: WindowBar, mask: Mask) -> WindowBar:
    return WindowBar(
        t=moved(bar.t, mask),
        o=scaled(bar.o, mask),
        h=scaled(bar.h, mask),
        l=scaled(bar.l, mask),
        c=scaled(bar.c, mask),
        v=bar.v * mask.volume_factor,
        n=bar.n,
        vw=scaled(bar.vw, mask),
    )


def _quote(quote: WindowQuote, mask: Mask) -> WindowQuote:
    return WindowQuote(
        bid=scaled(quote.bid, mask),
        bid_size=quote.bid_size * mask.volume_factor,
        ask=scaled(quote.ask, mask),
        ask_size=quote.ask_size * mask.volume_factor,
        ts_event=moved(quote.ts_event, mask),
        ts_recv=moved(quote.ts_recv, mask),
    )


def _trade(trade: WindowTrade | None, mask: Mask) -> WindowTrade | None:
    if trade is None:
        return None
    return WindowTrade(
        price=scaled(trade.price, mask),
        size=trade.size * mask.volume_factor,
        ts_event=moved(trade.ts_event, mask),
    )


def _indicator(name: str, value: float | None, mask: Mask) -> float | None:
    """Scale what is in prices or volumes; a name that nobody knows is hidden altogether."""
    if value is None or name not in UNAVAILABLE:
        return None
    if name in _UNSCALED:
        return value
    return value * (mask.volume_factor if name in _OF_VOLUME else mask.price_factor)


def _instrument(window: Window, mask: Mask) -> Instrument:
    """Show prices with as many decimals as the masked price has digits."""
    whole = len(f"{window.quote.mid * mask.price_factor:.0f}")
    return msgspec.structs.replace(
        window.instrument,
        symbol=mask.alias,
        name="",
        tick=Decimal(1).scaleb(-max(0, DIGITS - whole)),
    )


def _news(n: int, item: WindowNews, mask: Mask, masks: Mapping[str, Mask]) -> WindowNews:
    return WindowNews(
        id=str(n),
        ts=moved(item.ts, mask),
        headline=scrubbed(item.headline, masks),
        summary=scrubbed(item.summary, masks),
        source="",
    )


def _position(held: WindowPosition | None, mask: Mask) -> WindowPosition | None:
    """Scale a position so that its value in dollars stays what it is."""
    if held is None:
        return None
    factor = Decimal(mask.price_factor)
    stop, target = held.stop_price, held.target_price
    return WindowPosition(
        quantity=_short(held.quantity / factor),
        average_price=_short(held.average_price * factor),
        unrealized_pnl=held.unrealized_pnl,
        stop_price=None if stop is None else _short(stop * factor),
        target_price=None if target is None else _short(target * factor),
        opened_at=None if held.opened_at is None else moved(held.opened_at, mask),
    )


def _short(value: Decimal) -> Decimal:
    return Decimal(f"{value:.{DIGITS}g}")
