"""Weigh an account at every bar without the work of it: most bars come near no limit."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from backtest.run.market.loop import VirtualClock
from domain.account import Ledger
from engine.watching.equity import Calm

_MARGIN = 1e-9
"""Of equity: so near to a limit, sums of floats no longer tell on which side."""


class Scales:
    """Keep prices of holdings back for as long as no limit lies between them.

    `calm` tells how far equity may go before a weighing changes anything. What is kept back is
    marked when somebody else may look (`mark`); from then on the next weighing is a true one.
    """

    def __init__(
        self, ledger: Ledger, clock: VirtualClock, calm: Callable[[], Calm | None]
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._calm = calm
        self._noted: dict[str, float] = {}
        self._held: dict[str, tuple[float, float]] = {}
        self._equity = self._low = self._high = 0.0
        self._until_ns = 0

    def weigh_lightly(self, symbol: str, price: float) -> bool:
        """Note a price of what is held, and return true.

        False, and nothing is noted, where a limit may be met and where nothing is held.
        """
        held = self._held.get(symbol)
        if held is None:
            return False
        quantity, last = held
        equity = self._equity + quantity * (price - last)
        if not (self._low < equity < self._high and self._clock.now < self._until_ns):
            return False
        self._equity = equity
        self._held[symbol] = (quantity, price)
        self._noted[symbol] = price
        return True

    def mark(self) -> None:
        """Mark holdings at the prices noted; quantities and limits may be others from here on."""
        self._held.clear()
        for symbol, price in self._noted.items():
            self._ledger.mark(symbol, Decimal(repr(price)))
        self._noted.clear()

    def read(self) -> None:
        """Read quantities and limits after a true weighing, before anybody does anything else."""
        self._held.clear()
        calm, equity = self._calm(), self._ledger.equity
        if calm is None or equity is None:
            return
        self._equity, self._until_ns = float(equity), calm.until_ns
        margin = self._equity * _MARGIN
        self._low, self._high = float(calm.low) + margin, float(calm.high) - margin
        for symbol, position in self._ledger.positions.items():
            price = self._ledger.price(symbol)
            self._held[symbol] = (float(position.quantity), float(price))
