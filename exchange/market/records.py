"""Say what the venue publishes: one record a message type, with the time it becomes public.

`ts_event` is when it happened and `published_ns` when subscribers and REST may first see it, both
UTC nanoseconds of the venue's clock. They differ for late prints, for bars, and for news.
"""

from typing import Literal

import msgspec


class Published(msgspec.Struct, frozen=True, gc=False):
    """Base of everything that the venue publishes."""

    symbol: str
    ts_event: int
    published_ns: int


class Print(Published, frozen=True, gc=False):
    """A trade on the market. `taker` is B or S for crypto, empty for stocks.

    `update` is REST's `u`: empty while the print stands, else canceled, incorrect or corrected.
    """

    price: float
    size: float
    trade_id: int
    exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""
    taker: str = ""
    update: str = ""


class TopOfBook(Published, frozen=True, gc=False):
    """The best bid and offer; a price of 0 means no quote on that side. Sizes in shares, coins."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    bid_exchange: str = ""
    ask_exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""


class Candle(Published, frozen=True, gc=False):
    """A bar; `ts_event` is its start. `kind` is the stream's `T`: minute, updated minute, day."""

    kind: Literal["b", "u", "d"]
    open: float
    high: float
    low: float
    close: float
    volume: float
    trade_count: int
    vwap: float


class Halt(Published, frozen=True, gc=False):
    """A trading status: a halt, or its end when `is_halted` is false."""

    is_halted: bool
    reason_code: str
    reason: str
    tape: str


class Band(Published, frozen=True, gc=False):
    """The limit-up-limit-down prices of a share."""

    up: float
    down: float
    tape: str


class Cancellation(Published, frozen=True, gc=False):
    """A print taken back; `action` is C for a cancel, E for an error."""

    trade_id: int
    price: float
    size: float
    exchange: str
    tape: str
    action: str = "C"

    @property
    def amended_id(self) -> int:
        """Return the id of the print that this is about."""
        return self.trade_id


class Correction(Published, frozen=True, gc=False):
    """A print replaced by another."""

    original_id: int
    original_price: float
    original_size: float
    original_conditions: tuple[str, ...]
    corrected_id: int
    corrected_price: float
    corrected_size: float
    corrected_conditions: tuple[str, ...]
    exchange: str
    tape: str

    @property
    def amended_id(self) -> int:
        """Return the id of the print that this is about."""
        return self.original_id


class Depth(Published, frozen=True, gc=False):
    """A crypto order book or what changed in it: (price, size) with the best first, 0 is gone."""

    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    is_full: bool


class Article(Published, frozen=True, gc=False):
    """A news item; `symbol` is its first symbol, `ts_event` when it was written."""

    article_id: int
    headline: str
    summary: str
    content: str
    author: str
    source: str
    url: str
    symbols: tuple[str, ...]


Amendment = Cancellation | Correction
Notice = Halt | Band | Cancellation | Correction | Article
MarketMessage = Print | TopOfBook | Candle | Depth | Notice
