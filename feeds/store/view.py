"""Show one symbol as of now."""

from __future__ import annotations

from typing import NamedTuple

from domain.market import AssetClass, Quote, WindowBar, WindowNews, WindowTrade
from domain.records import Record


class Glance(NamedTuple):
    """What the gate asks of one symbol's market: cheaper than a view, and as fresh."""

    quote: Quote | None
    is_stale: bool
    is_halted: bool


class MarketView(Record, frozen=True):
    """One symbol as of now: what a window and the gate's facts are made of.

    `bars` are the last closed ones, oldest first; `n_closed` counts every closed bar, back-filled
    ones included. `last_recv_ns` is the monotonic time of the last message, None before the first.
    """

    symbol: str
    asset_class: AssetClass
    interval_s: int
    bars: tuple[WindowBar, ...]
    forming_bar: WindowBar | None
    quote: Quote | None
    last_trade: WindowTrade | None
    indicators: dict[str, float | None]
    n_bars_seen: int
    n_closed: int
    is_warm: bool
    is_stale: bool
    is_halted: bool
    news: tuple[WindowNews, ...]
    last_recv_ns: int | None

    @property
    def atr(self) -> float | None:
        """Return the average true range, None when it is not available."""
        return self.indicators["atr_14"]
