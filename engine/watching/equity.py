"""Measure the day's loss and the fall from the peak, and lower trading when either is too much.

Both rest on equity, unrealised profit included, and both survive a restart: the day's first equity
and the peak are journaled. One wild reading never trips: a breach must be seen twice, on two
different answers of the venue (phantom halts from one bad equity read are a known failure), and the
venue is asked for transfers between: a withdrawal is no loss, and a deposit hides none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from domain.account import Ledger, daily_loss, drawdown
from domain.limits import LOWERS_TO, Limits, TradingState, Trip
from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import NS_PER_S, Record, plain
from engine.clock import woken_within
from engine.watching.transfers import Transfers
from engine.watching.tripwires import line_of

NEW_YORK = ZoneInfo("America/New_York")

MONEY_MOVED = Decimal("0.005")
"""The share of equity by which cash must change between two questions to ask for transfers."""

ASK_AGAIN_S = 30.0
"""After a question for transfers that failed. Meanwhile a withdrawal trips: a person looks."""

DAWN_S = 150.0
"""How long a new day must last before it counts: the venue's time is asked for every 60 s."""

RECORD_RISE = Decimal("0.001")
"""By how much the peak must have risen to be journaled before the next record is due."""


class EquityMarks(Record, frozen=True):
    """What is remembered of equity, in dollars; `day` is the calendar day of `day_start`.

    `transfers` is what was paid in (or out, negative) since the day's start, `known_transfers` the
    venue's ids of what is counted already, `cash_asked` the cash as of that. `losses_in_a_row` are
    closed trades.
    """

    day: str
    day_start: Decimal
    peak: Decimal
    transfers: Decimal = Decimal(0)
    cash_asked: Decimal | None = None
    known_transfers: tuple[str, ...] | None = None
    losses_in_a_row: int = 0


class _Dawn(Record, frozen=True):
    """A new day as it was first seen: with which equity, and since when (monotonic)."""

    day: str
    equity: Decimal
    since_ns: int


class Calm(Record, frozen=True):
    """Equities in dollars between which, and a time until which, an observation changes nothing."""

    low: Decimal
    high: Decimal
    until_ns: int


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
        transfers: Transfers | None = None,
        skew_ns: Callable[[], int | None] = lambda: None,
        dawn_s: float = DAWN_S,
    ) -> None:
        self._skew_ns = skew_ns
        self._dawn: _Dawn | None = None
        self._has_known_time = False
        self._ledger = ledger
        self._journal = journal
        self._clock = clock
        self._zone = zone
        self._lower = lower
        self._marks = marks
        self._breach: tuple[Trip, int | None] | None = None
        self._transfers = transfers
        self._cash_asked: Decimal | None = None
        self._is_doubted = False
        self._is_day_new = False
        self._doubt = asyncio.Event()
        self._recorded_peak = Decimal(0)
        self._day = ""
        self._day_from_ns = self._day_until_ns = 0
        self._most_loss = Decimal(repr(limits.max_daily_loss))
        self._deepest = Decimal(repr(limits.max_drawdown))
        self._dawn_s = dawn_s
        self.losses_in_a_row: Callable[[], int] = lambda: 0
        """Ask for what else a restart needs, set by whoever counts it."""

    @property
    def day_pnl(self) -> Decimal | None:
        """Return the day's result net of transfers; none before the venue answered."""
        equity, marks = self._ledger.equity, self._marks
        if equity is None or marks is None:
            return None
        return equity - marks.day_start - marks.transfers

    @property
    def peak(self) -> Decimal | None:
        """Return the highest equity journaled."""
        return None if self._marks is None else self._marks.peak

    @property
    def marks(self) -> EquityMarks | None:
        """Return what is remembered."""
        return self._marks

    @property
    def wants_look(self) -> bool:
        """Tell that a limit is passed which only another answer of the venue can confirm."""
        return self._breach is not None and self._breach[1] == self._ledger.account_ts_ns

    def observe(self) -> None:
        """Take the ledger's equity as of now: roll the day, raise the peak, check both limits."""
        equity = self._ledger.equity
        if equity is None or equity <= 0:
            return
        self._ask_when_money_moved(equity)
        self._update(equity)
        self._check(equity)

    def calm(self) -> Calm | None:
        """Return how far equity may go unobserved, as long as no order and no answer moves it.

        None while something is open: a breach, a doubt, a day that has not begun for good. None too
        where more was paid out than the day began with: every look finds a loss then.
        """
        marks, account = self._marks, self._ledger.account
        is_open = self._breach or self._dawn or self._is_doubted
        if marks is None or account is None or is_open or marks.day != self._today():
            return None
        asked = account.cash if self._transfers is None else self._cash_asked
        if asked is None:
            return None
        start = marks.day_start + marks.transfers
        least = min(marks.day_start, start)
        if least <= 0:
            return None
        lows = (
            start - least * self._most_loss,
            marks.peak * (1 - self._deepest),
            abs(account.cash - asked) / MONEY_MOVED,
        )
        return Calm(
            low=max(lows),
            high=marks.peak,
            until_ns=self._day_until_ns + (self._skew_ns() or 0),
        )

    async def follow_transfers(self) -> None:
        """Ask the venue for transfers whenever money may have moved, until cancelled."""
        while self._transfers is not None:
            await self._doubt.wait()
            self._doubt.clear()
            while not self._settle(await self._transfers.look()):
                await woken_within(self._doubt, self._clock, ASK_AGAIN_S)
                self._doubt.clear()

    def resumed(self, code: str) -> None:
        """Count anew from here what a person has looked at and resumed."""
        equity, marks = self._ledger.equity, self._marks
        if equity is None or marks is None:
            return
        if code == Trip.DAILY_LOSS_REACHED:
            marks = replace(marks, day_start=equity - marks.transfers)
        elif code == Trip.DRAWDOWN_REACHED:
            marks = replace(marks, peak=equity)
        else:
            return
        self._marks, self._breach = marks, None
        self.record()

    def _update(self, equity: Decimal) -> None:
        """Roll the day, never back; raise the peak. What a restart needs is journaled at once."""
        day, old = self._today(), self._marks
        if old is None:
            self._begin(EquityMarks(day=day, day_start=equity, peak=equity))
        elif (start := self._dawns(day, equity, old)) is not None:
            self._begin(replace(old, day=day, day_start=start, transfers=Decimal(0)))
        elif equity > old.peak and not self._is_doubted:
            self._marks = replace(old, peak=equity)
            if equity > self._recorded_peak * (1 + RECORD_RISE):
                self.record()

    def _today(self) -> str:
        """Return the day by the venue's clock, as far as it is known how far ours is off."""
        now_ns = self._clock.now_ns() - (self._skew_ns() or 0)
        if not self._day_from_ns <= now_ns < self._day_until_ns:
            self._day = self._read_day(now_ns // NS_PER_S)
        return self._day

    def _read_day(self, now_s: int) -> str:
        """Return the day of a time, and remember from when until when it lasts."""
        today = datetime.fromtimestamp(now_s, self._zone).date()
        begins, ends = (
            datetime.combine(day, time(0), self._zone).timestamp()
            for day in (today, today + timedelta(days=1))
        )
        self._day_from_ns, self._day_until_ns = int(begins) * NS_PER_S, int(ends) * NS_PER_S
        return today.isoformat()

    def _dawns(self, day: str, equity: Decimal, old: EquityMarks) -> Decimal | None:
        """Return the equity at a new day's start once it is one, else none.

        A clock that jumps ahead would forget the day's loss: the day has to last for longer than
        the venue goes without being asked for its time. A process that starts on it waits only
        until it has been asked.
        """
        is_told = self._skew_ns() is not None and not self._has_known_time
        self._has_known_time |= is_told
        if day <= old.day:
            self._dawn = None
            return None
        now_ns = self._clock.monotonic_ns()
        if self._dawn is None or self._dawn.day != day:
            self._dawn = _Dawn(day=day, equity=equity, since_ns=now_ns)
        has_lasted = now_ns - self._dawn.since_ns >= self._dawn_s * NS_PER_S
        return self._dawn.equity if is_told or has_lasted else None

    def _begin(self, marks: EquityMarks) -> None:
        """Begin a day; the next observation asks what was paid before it."""
        self._marks, self._cash_asked = marks, None
        self._is_day_new = True
        self.record()

    def _ask_when_money_moved(self, equity: Decimal) -> None:
        """Doubt the equity while cash has moved for reasons that the venue has not told yet."""
        account = self._ledger.account
        if self._transfers is None or account is None or self._is_doubted:
            return
        before = self._cash_asked
        if before is None or abs(account.cash - before) > equity * MONEY_MOVED:
            self._cash_asked = account.cash
            self._is_doubted = True
            self._doubt.set()

    def _settle(self, amount: Decimal | None) -> bool:
        """Take transfers into the marks; false when the venue is to be asked again.

        Losses stay dollars and falls stay fractions. What was paid before the day's start is in its
        equity already; what the venue lists before it has moved the cash waits until it has.
        """
        self._is_doubted = False
        equity, account, marks = self._ledger.equity, self._ledger.account, self._marks
        if amount is None or equity is None or account is None or marks is None:
            return False
        moved = None if marks.cash_asked is None else account.cash - marks.cash_asked
        if moved is not None and abs(moved) < abs(amount) / 2:
            return False
        assert self._transfers is not None
        self._transfers.accept()
        before, peak = equity - amount, marks.peak
        if amount != 0:
            peak = max(equity, peak * equity / before if before > 0 else equity)
        settled = replace(
            marks,
            transfers=marks.transfers + (0 if self._is_day_new else amount),
            peak=peak,
            cash_asked=account.cash,
            known_transfers=self._transfers.known,
        )
        self._is_day_new = False
        self._marks = settled
        if settled != marks:
            self.record()
        return True

    def record(self) -> None:
        """Hand the marks and the equity to the journal, as after each answer of the venue."""
        account, equity, marks = self._ledger.account, self._ledger.equity, self._marks
        if account is None or equity is None or marks is None:
            return
        self._recorded_peak = marks.peak
        marks = replace(marks, losses_in_a_row=self.losses_in_a_row())
        body = {"equity": str(equity), "cash": str(account.cash), **plain(marks)}
        self._journal.trace(Entry(kind=EntryKind.EQUITY, ref=account.account_id, body=body))

    def _check(self, equity: Decimal) -> None:
        finding = self._finding(equity)
        if finding is None:
            self._breach = None
            return
        trip, words = finding
        answer = self._ledger.account_ts_ns
        if self._breach is None or self._breach[0] != trip:
            self._breach = (trip, answer)
        elif self._breach[1] != answer and not self._is_doubted:
            self._lower(LOWERS_TO[trip], trip, line_of(trip, words))

    def _finding(self, equity: Decimal) -> tuple[Trip, str] | None:
        marks = self._marks
        if marks is None:
            return None
        loss = daily_loss(marks.day_start, equity, marks.transfers)
        most = self._most_loss
        start = min(marks.day_start, marks.day_start + marks.transfers)
        if loss >= start * most:
            words = f"The day has lost {loss:.2f} USD of {start:.2f} (MAX_DAILY_LOSS is {most})"
            return Trip.DAILY_LOSS_REACHED, words
        fall, deepest = drawdown(marks.peak, equity), self._deepest
        if fall >= deepest:
            words = f"Equity is {fall:.2%} below its peak of {marks.peak:.2f} USD"
            return Trip.DRAWDOWN_REACHED, f"{words} (MAX_DRAWDOWN is {deepest})"
        return None
