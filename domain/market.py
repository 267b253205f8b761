"""Name what the market says: quotes, trades, bars, news, and the window one decision sees.

Prices here are `float`: they are observations. Order prices and quantities are `Decimal` and live
in `domain.orders`; `domain.pricing` is the one door between the two.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from domain.records import Record, digest

WINDOW_SCHEMA = 1
MAX_NEWS = 10


class AssetClass(StrEnum):
    """What a symbol is; crypto symbols carry a slash (`BTC/USD`)."""

    STOCK = "stock"
    CRYPTO = "crypto"


def asset_class_of(symbol: str) -> AssetClass:
    """Tell the class from the symbol's spelling: a slash means crypto."""
    return AssetClass.CRYPTO if "/" in symbol else AssetClass.STOCK


class Event(msgspec.Struct, frozen=True, gc=False):
    """Base of market events on the hot path; times are UTC nanoseconds."""


class Quote(Event, frozen=True, gc=False):
    """Best bid and ask; a price of 0 means no quote on that side. Sizes in shares or coins."""

    symbol: str
    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_event: int
    ts_recv: int

    @property
    def mid(self) -> float:
        """Return the middle of the spread."""
        return (self.bid + self.ask) / 2

    @property
    def spread_bps(self) -> float:
        """Return the spread in basis points of the mid price."""
        return (self.ask - self.bid) / self.mid * 10_000


class Trade(Event, frozen=True, gc=False):
    """A print on the market. `conditions` are the venue's sale condition codes."""

    symbol: str
    price: float
    size: float
    ts_event: int
    ts_recv: int
    trade_id: int = 0
    exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""


class Bar(Event, frozen=True, gc=False):
    """A candle; `ts_event` is its start. `is_quote_mid` marks a crypto bar without a trade."""

    symbol: str
    interval_s: int
    ts_event: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trade_count: int
    vwap: float
    is_quote_mid: bool = False


class TradeCorrected(Event, frozen=True, gc=False):
    """The venue replaced a print by another."""

    symbol: str
    ts_event: int
    original_id: int
    original_price: float
    original_size: float
    corrected_id: int
    corrected_price: float
    corrected_size: float
    corrected_conditions: tuple[str, ...] = ()


class TradeCanceled(Event, frozen=True, gc=False):
    """The venue took a print back."""

    symbol: str
    ts_event: int
    trade_id: int
    price: float
    size: float


class StatusChanged(Event, frozen=True, gc=False):
    """Trading in a symbol was halted or resumed by its market."""

    symbol: str
    ts_event: int
    is_halted: bool
    code: str = ""
    reason: str = ""


class NewsItem(Event, frozen=True):
    """One article. Its text is data from strangers: cleaned and capped before it is kept."""

    id: str
    ts_event: int
    headline: str
    summary: str
    source: str
    symbols: tuple[str, ...]


MarketEvent = Quote | Trade | Bar | TradeCorrected | TradeCanceled | StatusChanged | NewsItem


class SessionPhase(StrEnum):
    """Whether the symbol's market trades now."""

    OPEN = "open"
    CLOSED = "closed"
    ALWAYS = "always"


class WindowBar(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A closed bar as a row of a window file: [t, o, h, l, c, v, n, vw]."""

    t: str
    o: float
    h: float
    l: float  # noqa: E741 - the wire's own name for the low
    c: float
    v: float
    n: int
    vw: float


class WindowQuote(Record, frozen=True):
    """The quote a decision saw; times as RFC 3339 text."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_event: str
    ts_recv: str

    @property
    def mid(self) -> float:
        """Return the middle of the spread."""
        return (self.bid + self.ask) / 2

    @property
    def spread_bps(self) -> float:
        """Return the spread in basis points of the mid price."""
        return (self.ask - self.bid) / self.mid * 10_000


class WindowTrade(Record, frozen=True):
    """The last print a decision saw."""

    price: float
    size: float
    ts_event: str


class WindowNews(Record, frozen=True):
    """An article as a window keeps it, already cleaned and capped."""

    id: str
    ts: str
    headline: str
    summary: str
    source: str


class WindowPosition(Record, frozen=True):
    """Our position at the time of the window; `quantity` is signed."""

    quantity: Decimal
    average_price: Decimal
    unrealized_pnl: Decimal
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    opened_at: str | None = None


class WindowAccount(Record, frozen=True):
    """The account a decision saw, in dollars, net of what is already reserved.

    `allowance` is what code allows one entry in this symbol to cost before the stop is known.
    """

    equity: Decimal
    cash: Decimal
    buying_power: Decimal
    day_pnl: Decimal
    exposure: Decimal = Decimal(0)
    symbol_exposure: Decimal = Decimal(0)
    open_orders: int = 0
    trading_state: str = "active"


class Instrument(Record, frozen=True):
    """How a symbol may be quoted and sized at the venue.

    `tick` is the price increment at or above one dollar (stocks: 0.01, below one dollar 0.0001),
    `lot` the quantity increment, `min_notional` in dollars.
    """

    symbol: str
    asset_class: AssetClass
    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    fractionable: bool = False
    shortable: bool = False
    tradable: bool = True
    min_quantity: Decimal = Decimal(0)
    max_notional: Decimal | None = None
    name: str = ""


class Floors(Record, frozen=True):
    """The least confidence and score that let a decision go on, 0..1."""

    confidence: float = 0.55
    score: float = 0.5


class Window(Record, frozen=True):
    """Everything one decision saw. The input of the graph, of Studio, of replay and of tests.

    `bars` are closed, oldest first, at most `MARKET_HISTORY_LIMIT`. `limits` is
    `domain.risk.Limits` in plain form, so a window file alone decides what a decision may do.
    """

    symbol: str
    asset_class: AssetClass
    as_of: str
    interval_s: int
    session: SessionPhase
    bars: tuple[WindowBar, ...]
    quote: WindowQuote
    indicators: dict[str, float | None]
    n_bars_seen: int
    account: WindowAccount
    limits: dict[str, Any]
    floors: Floors
    instrument: Instrument
    prompts: dict[str, str]
    decision_id: str
    wake_reason: str
    feed: str = ""
    forming_bar: WindowBar | None = None
    last_trade: WindowTrade | None = None
    news: tuple[WindowNews, ...] = ()
    position: WindowPosition | None = None

    @property
    def digest(self) -> str:
        """Return the sha256 of the canonical window: its name in the journal."""
        return digest(self)


class TapeLine(msgspec.Struct, frozen=True):
    """One line of a tape: receive time, channel, and the frame's messages as Alpaca's JSON."""

    r: int
    c: str
    f: list[dict[str, Any]]
