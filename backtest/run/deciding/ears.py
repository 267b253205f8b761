"""Hear bars close in a backtest: wake the dispatcher, or let a policy say whether to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from math import fsum

import numpy as np

from backtest.policy import Policy
from backtest.records import Floats, Ints
from backtest.run.deciding.columns import ColumnsView
from backtest.run.market.bars import Track
from backtest.run.market.charges import Turnover
from domain.account import Position
from domain.market import Bar
from domain.records import NS_PER_S
from engine.orders.protection.seams import BAND_OWNER
from engine.watching.market import MarketEars

NO_WISH = -1.0
_RECENT = 2_000
_DAY_S = 86_400


class PlayedEars(MarketEars):
    """The engine's ears where bars are played: there are no watchers, and bands wake exits alone.

    What an agent may decide upon between two bars is a price of the middle of a bar, told in an
    order that nobody knows; so only a close wakes the agents.
    """

    def __init__(self) -> None:
        super().__init__(_unheard)
        self.is_awake = True
        """Whether a close is passed on; a policy that wants nothing new lets it pass."""

    def bar_closed(self, bar: Bar) -> None:
        """Wake the dispatcher."""
        if self.is_awake and self.wakes is not None:
            self.wakes.bar_closed(bar)

    def band_left(self, symbol: str, owner: str, mid: float) -> None:
        """Wake the exits whose level was reached."""
        if owner == BAND_OWNER:
            super().band_left(symbol, owner, mid)


class TickEars(MarketEars):
    """The engine's ears where ticks are played: everything as live, and the closes are kept."""

    def __init__(self) -> None:
        super().__init__(_unheard)
        self._closes: defaultdict[str, list[tuple[int, float, float]]] = defaultdict(list)

    def bar_closed(self, bar: Bar) -> None:
        """Keep the close, and wake the dispatcher."""
        told_ns = bar.ts_event + bar.interval_s * NS_PER_S
        self._closes[bar.symbol].append((told_ns, bar.close, bar.volume))
        super().bar_closed(bar)

    def prices(self, symbols: Iterable[str]) -> dict[str, tuple[Ints, Floats]]:
        """Return by symbol when each close was known, and the closes."""
        return {
            symbol: (
                np.array([row[0] for row in self._closes[symbol]], dtype=np.int64),
                np.array([row[1] for row in self._closes[symbol]], dtype=np.float64),
            )
            for symbol in symbols
        }

    def turnover(self, symbol: str) -> Turnover:
        """Return daily volatility and volume of the last bars; nothing before there are three."""
        rows = self._closes[symbol][-_RECENT:]
        if len(rows) < 3:  # noqa: PLR2004 - a deviation needs two returns
            return Turnover(0.0, 0.0)
        closes = np.array([row[1] for row in rows])
        days = max(1.0, (rows[-1][0] - rows[0][0]) / (_DAY_S * NS_PER_S))
        deviation = float(np.std(np.diff(np.log(closes)), ddof=1)) * float(
            np.sqrt(len(closes) / days)
        )
        return Turnover(deviation, fsum(row[2] for row in rows) / days)


class Wishes:
    """Ask each symbol's policy at every close, and keep what it wants until the desk asks.

    Nothing further happens, and nothing is journaled, while what it wants is what it has.
    """

    def __init__(self, make: Callable[[str], Policy], views: dict[str, ColumnsView]) -> None:
        self._asked = {symbol: (view, make(symbol).target) for symbol, view in views.items()}
        self._wanted = dict.fromkeys(views, NO_WISH)
        self.positions: Mapping[str, Position]

    def of(self, symbol: str) -> float:
        """Return the share of equity that a symbol's policy asked for last."""
        return self._wanted[symbol]

    def is_news(self, track: Track) -> bool:
        """Ask the policy about a bar that has just ended; true when it wants a change."""
        symbol, at = track.symbol, track.at
        view, ask = self._asked[symbol]
        view.n = at + 1
        view.price = track.close[at]
        target = ask(view)
        if target is None:
            self._wanted[symbol] = NO_WISH
            return False
        self._wanted[symbol] = target
        return (target > 0) is not (symbol in self.positions)


def _unheard(_kind: str, _body: object) -> None:
    """Show nothing to nobody."""
