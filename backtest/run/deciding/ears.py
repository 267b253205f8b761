"""Hear bars close in a backtest: wake the dispatcher, or let a policy say whether to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from backtest.policy import Policy
from backtest.run.deciding.columns import ColumnsView
from backtest.run.market.bars import Track
from domain.account import Position
from domain.market import Bar
from domain.ports import Clock
from engine.orders.protection.seams import BAND_OWNER
from engine.watching.market import MarketEars

NO_WISH = -1.0


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


class Wishes:
    """Ask each symbol's policy at every close, and keep what it wants until the desk asks.

    Nothing further happens, and nothing is journaled, while what it wants is what it has.
    """

    def __init__(
        self, make: Callable[[str], Policy], views: dict[str, ColumnsView], clock: Clock
    ) -> None:
        self._views = views
        self._targets = {symbol: make(symbol).target for symbol in views}
        self._clock = clock
        self._wanted = dict.fromkeys(views, NO_WISH)
        self.positions: Mapping[str, Position]

    def of(self, symbol: str) -> float:
        """Return the share of equity that a symbol's policy asked for last."""
        return self._wanted[symbol]

    def is_news(self, track: Track) -> bool:
        """Ask the policy about a bar that has just ended; true when it wants a change."""
        symbol, view = track.symbol, self._views[track.symbol]
        view.n = track.at + 1
        view.price = track.close[track.at]
        view.now_ns = self._clock.now_ns()
        target = self._targets[symbol](view)
        if target is None:
            self._wanted[symbol] = NO_WISH
            return False
        self._wanted[symbol] = target
        return (target > 0) is not (symbol in self.positions)


def _unheard(_kind: str, _body: object) -> None:
    """Show nothing to nobody."""
