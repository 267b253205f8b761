"""Measure the day's loss and the fall from the peak, and lower trading when either is too much.

Both rest on equity, unrealised profit included, and both survive a restart: the day's first equity
and the peak are journaled. One wild reading never trips: a breach must be seen twice, on two
different answers of the venue (phantom halts from one bad equity read are a known failure).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from domain.account import Ledger, drawdown
from domain.limits import Limits, TradingState
from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import NS_PER_S, Record

NEW_YORK = ZoneInfo("America/New_York")


class EquityMarks(Record, frozen=True):
    """What is remembered of equity, in dollars; `day` is the calendar day of `day_start`."""

    day: str
    day_start: Decimal
    peak: Decimal


def day_zone(*, trades_stocks: bool) -> tzinfo:
    """Return where a trading day begins: midnight in New York, or UTC for crypto alone."""
    return NEW_YORK if trades_stocks else UTC


class EquityWatch:
    """Keep the marks, journal them, and lower the trading state on a breach."""

    def __init__(  # noqa: PLR0913 - two limits, their sources and their sink, each named
        self,
        *,
        ledger: Ledger,
        limits: Limits,
        journal: Journal,
        clock: Clock,
        zone: tzinfo,
        lower: Callable[[TradingState, str, str], None],
        marks: EquityMarks | None = None,
    ) -> None:
        self._ledger = ledger
        self._limits = limits
        self._journal = journal
        self._clock = clock
        self._zone = zone
        self._lower = lower
        self._marks = marks
        self._breach: tuple[str, int | None] | None = None

    @property
    def day_pnl(self) -> Decimal | None:
        """Return equity now less equity at the day's start; none before the venue answered."""
        equity = self._ledger.equity
        if equity is None or self._marks is None:
            return None
        return equity - self._marks.day_start

    @property
    def peak(self) -> Decimal | None:
        """Return the highest equity journaled."""
        return None if self._marks is None else self._marks.peak

    @property
    def marks(self) -> EquityMarks | None:
        """Return what is remembered."""
        return self._marks

    def observe(self) -> None:
        """Take the ledger's equity as of now: roll the day, raise the peak, check both limits."""
        equity = self._ledger.equity
        if equity is None or equity <= 0:
            return
        self._update(equity)
        self._check(equity)

    def _update(self, equity: Decimal) -> None:
        day = datetime.fromtimestamp(self._clock.now_ns() // NS_PER_S, self._zone).date()
        old = self._marks
        if old is None or old.day != day.isoformat():
            peak = equity if old is None else max(old.peak, equity)
            self._marks = EquityMarks(day=day.isoformat(), day_start=equity, peak=peak)
        elif equity > old.peak:
            self._marks = EquityMarks(day=old.day, day_start=old.day_start, peak=equity)

    def record(self) -> None:
        """Hand the marks and the equity to the journal, as after each answer of the venue."""
        account, equity, marks = self._ledger.account, self._ledger.equity, self._marks
        if account is None or equity is None or marks is None:
            return
        body = {
            "equity": str(equity),
            "cash": str(account.cash),
            "day": marks.day,
            "day_start": str(marks.day_start),
            "peak": str(marks.peak),
        }
        self._journal.trace(Entry(kind=EntryKind.EQUITY, ref=account.account_id, body=body))

    def _check(self, equity: Decimal) -> None:
        finding = self._finding(equity)
        if finding is None:
            self._breach = None
            return
        code, reason = finding
        answer = self._ledger.account_ts_ns
        if self._breach is None or self._breach[0] != code:
            self._breach = (code, answer)
        elif self._breach[1] != answer:
            self._lower(TradingState.REDUCING, code, reason)

    def _finding(self, equity: Decimal) -> tuple[str, str] | None:
        marks = self._marks
        if marks is None:
            return None
        loss = marks.day_start - equity
        if loss >= marks.day_start * Decimal(repr(self._limits.max_daily_loss)):
            return "DAILY_LOSS_REACHED", f"The day has lost {loss:.2f} USD."
        fall = drawdown(marks.peak, equity)
        if fall >= Decimal(repr(self._limits.max_drawdown)):
            return "DRAWDOWN_REACHED", f"Equity is {fall:.2%} below its peak."
        return None
