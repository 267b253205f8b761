"""One symbol at the venue: its latest quote and trade, and whether it is halted."""

from typing import NamedTuple


class LatestQuote(NamedTuple):
    """The national best bid and offer; a price of 0 means no quote on that side."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_ns: int


class LatestTrade(NamedTuple):
    """The last print that updates the last price."""

    price: float
    size: float
    ts_ns: int


class Book:
    """Hold one symbol's latest quote and trade."""

    __slots__ = ("halted", "quote", "symbol", "trade")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.quote: LatestQuote | None = None
        self.trade: LatestTrade | None = None
        self.halted = False
