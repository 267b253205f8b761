"""Answer what the windows ask of the rest of the engine."""

from __future__ import annotations

from decimal import Decimal

from domain.limits import Code, TradingState
from domain.market import asset_class_of
from engine.building.outside import Outside
from engine.control import ControlRefused
from engine.orders.ownership import Ownership
from engine.orders.reconcile import Reconciler
from engine.trading import STARTABLE, TradingGate
from engine.watching.equity import EquityWatch


class EngineStanding:
    """Answer the windows' questions about the engine (`engine.deciding.windows.Standing`)."""

    def __init__(self, outside: Outside, gate: TradingGate) -> None:
        self._outside = outside
        self._gate = gate
        self.ownership: Ownership
        self.reconciler: Reconciler
        self.equity: EquityWatch

    def trading_state(self) -> TradingState:
        """Return the trading state."""
        return self._gate.state

    def entries_possible(self, symbol: str) -> bool:
        """Tell whether a run of a flat symbol could lead to an order at all."""
        outside = self._outside
        phase = outside.calendar.phase(asset_class_of(symbol), outside.clock.now_ns())
        return (
            self.trading_state() is TradingState.ACTIVE
            and self.is_reconciled()
            and self.is_journal_up()
            and not self.is_reducing(symbol)
            and not self.is_foreign(symbol)
            and phase != "closed"
            and not outside.store.is_stale(symbol)
            and not outside.store.is_halted(symbol)
        )

    def not_yet(self, symbol: str) -> ControlRefused | None:
        """Say why an approved entry could not go just now, though it may in a moment.

        Trading that a loss, a fault or a person has lowered is another matter: the gate says it.
        """
        if self.trading_state() is not TradingState.ACTIVE:
            return _start_first() if self._gate.standing.code in STARTABLE else None
        if not self.is_reconciled():
            return ControlRefused(
                "Our books and the venue do not agree yet; the order goes on waiting for you.",
                remedy="Approve again when GET /status says is_reconciled.",
                code=Code.NOT_RECONCILED,
            )
        if self._outside.store.is_stale(symbol):
            return ControlRefused(
                f"There is no live market data of {symbol}; the order goes on waiting for you.",
                remedy="POST /start if the session is stopped; else approve again when data flows.",
                code=Code.FEED_STALE,
            )
        return None

    def is_reducing(self, symbol: str) -> bool:
        """Tell whether somebody else traded the symbol."""
        return self.ownership.is_reducing(symbol)

    def is_foreign(self, symbol: str) -> bool:
        """Tell whether a position that is not ours stands in the symbol."""
        return self.ownership.is_foreign(symbol)

    def is_reconciled(self) -> bool:
        """Tell whether the last look at the venue agreed."""
        return self.reconciler.is_clean

    def is_journal_up(self) -> bool:
        """Tell whether the journal takes entries."""
        return self._outside.journal.is_up

    def skew_ns(self) -> int | None:
        """Return our clock less the venue's."""
        return self._outside.venue.skew_ns()

    def day_pnl(self) -> Decimal | None:
        """Return equity now less equity at the day's start."""
        return self.equity.day_pnl

    def peak_equity(self) -> Decimal | None:
        """Return the highest equity journaled."""
        return self.equity.peak


def _start_first() -> ControlRefused:
    return ControlRefused(
        "The session is stopped; the order goes on waiting for you.",
        remedy="POST /start, then approve again.",
        code="SESSION_STOPPED",
    )
