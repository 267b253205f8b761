"""Daily loss and drawdown: measured on equity, doubted once, remembered over restarts."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC
from decimal import Decimal

import pytest

from domain.account import Account, Activity, Ledger
from domain.errors import NotSent
from domain.limits import Limits, TradingState
from domain.records import NS_PER_S, parse_ns
from engine.clock import ManualClock
from engine.watching.equity import DAWN_S, NEW_YORK, EquityMarks, EquityWatch, day_zone
from engine.watching.transfers import Transfers

NOON = parse_ns("2026-10-08T16:00:00Z")
LIMITS = Limits(max_daily_loss=0.03, max_drawdown=0.10)


class Traces:
    """A journal's ear for traces."""

    def __init__(self):
        self.entries = []

    def trace(self, *entries):
        self.entries += entries


class Jumpy(ManualClock):
    """A wall clock that may be set ahead; what has passed meanwhile it still knows."""

    ahead_ns = 0

    def now_ns(self):
        return super().now_ns() + self.ahead_ns

    def jump(self, seconds):
        self.ahead_ns += seconds * NS_PER_S


class Watched:
    """A watch over a ledger whose equity a test sets."""

    def __init__(self, marks=None, zone=UTC, transfers=None):
        self.clock = Jumpy(NOON)
        self.ledger = Ledger()
        self.journal = Traces()
        self.lowered = []
        self.skew_ns = 0
        self.watch = EquityWatch(
            ledger=self.ledger,
            limits=LIMITS,
            journal=self.journal,
            clock=self.clock,
            zone=zone,
            lower=self._lower,
            marks=marks,
            skew_ns=lambda: self.skew_ns,
            transfers=None
            if transfers is None
            else Transfers(
                transfers, self.clock, known=None if marks is None else marks.known_transfers
            ),
        )

    def _lower(self, state, code, _line):
        """Lower once, as the gate does."""
        if (state, code) not in self.lowered:
            self.lowered.append((state, code))

    async def say(self, equity):
        """Let the venue answer with an equity, a second later."""
        await self.clock.advance(1)
        money = Decimal(equity)
        account = Account(
            account_id="a",
            equity=money,
            cash=money,
            buying_power=money,
            non_marginable_buying_power=money,
            last_equity=money,
        )
        self.ledger.correct(account, [], self.clock.now_ns())
        self.watch.observe()
        await self.clock.advance(0)
        self.watch.observe()


async def test_a_loss_of_the_day_is_believed_when_it_is_said_twice():
    """One wild reading has halted bots before: the second answer decides."""
    watched = Watched()
    await watched.say(100_000)
    await watched.say(96_900)
    assert watched.lowered == []
    await watched.say(96_900)
    assert watched.lowered == [(TradingState.REDUCING, "DAILY_LOSS_REACHED")]


async def test_a_wild_reading_that_heals_trips_nothing():
    """The phantom halt."""
    watched = Watched()
    for equity in (100_000, 10, 100_000, 10, 100_000):
        await watched.say(equity)
    assert watched.lowered == []


async def test_looking_again_at_the_same_answer_is_no_second_reading():
    """The guard looks every second; the venue answers every thirty."""
    watched = Watched()
    await watched.say(100_000)
    await watched.say(90_000)
    watched.watch.observe()
    watched.watch.observe()
    assert watched.lowered == []


async def test_drawdown_counts_from_the_journaled_peak():
    """A restart does not forget how high it stood."""
    marks = EquityMarks(day="2026-10-08", day_start=Decimal(91_000), peak=Decimal(101_000))
    watched = Watched(marks)
    await watched.say(90_500)
    await watched.say(90_500)
    assert watched.lowered == [(TradingState.REDUCING, "DRAWDOWN_REACHED")]


@pytest.mark.parametrize(("zone", "rolls"), [(UTC, False), (NEW_YORK, True)])
async def test_the_day_begins_where_the_market_is(zone, rolls):
    """At 04:30 UTC a new day has begun in New York; in UTC it is hours old."""
    watched = Watched(zone=zone)
    await watched.clock.advance((parse_ns("2026-10-09T03:30:00Z") - NOON) / NS_PER_S)
    await watched.say(100_000)
    await watched.clock.advance(3600)
    await watched.say(99_000)
    await watched.clock.advance(DAWN_S)
    await watched.say(99_000)
    assert watched.watch.day_pnl == (0 if rolls else -1_000)


async def test_a_clock_that_jumps_ahead_for_a_while_begins_no_day():
    """The day's loss was forgotten at once, and the limit could be lost a second time."""
    watched = Watched()
    await watched.say(100_000)
    await watched.say(97_500)
    watched.clock.jump(24 * 3600)
    await watched.say(97_500)
    watched.skew_ns = 24 * 3600 * NS_PER_S
    await watched.clock.advance(DAWN_S)
    await watched.say(97_500)
    assert watched.watch.day_pnl == -2_500
    await watched.say(96_900)
    await watched.say(96_900)
    assert watched.lowered == [(TradingState.REDUCING, "DAILY_LOSS_REACHED")]


async def test_a_new_day_begins_with_the_equity_it_was_first_seen_with():
    """It counts a little later; what was lost in between is today's."""
    watched = Watched()
    await watched.say(100_000)
    await watched.clock.advance((parse_ns("2026-10-09T00:00:00Z") - NOON) / NS_PER_S)
    await watched.say(99_000)
    await watched.clock.advance(DAWN_S)
    await watched.say(98_500)
    assert watched.watch.day_pnl == -500


async def test_a_process_that_starts_on_a_new_day_waits_only_for_the_venues_time():
    """Yesterday's loss must not stand against the first entries of today."""
    watched = Watched(
        EquityMarks(day="2026-10-07", day_start=Decimal(100_000), peak=Decimal(100_000))
    )
    watched.skew_ns = None
    await watched.say(98_000)
    assert watched.watch.day_pnl == -2_000
    watched.skew_ns = 0
    await watched.say(98_000)
    assert watched.watch.day_pnl == 0


def test_stocks_live_by_new_york_and_crypto_alone_by_utc():
    """DESIGN, Account: where the day starts."""
    assert day_zone(trades_stocks=True) is NEW_YORK
    assert day_zone(trades_stocks=False) is UTC


async def test_marks_are_journaled_whole():
    """What a restart needs stands in every entry."""
    watched = Watched()
    await watched.say(100_000)
    watched.watch.record()
    body = watched.journal.entries[-1].body
    assert (body["day"], body["day_start"], body["peak"]) == ("2026-10-08", "100000", "100000")


async def test_an_equity_that_is_no_number_of_dollars_is_not_looked_at():
    """Zero and below are not a loss of everything but a broken answer."""
    watched = Watched()
    await watched.say(100_000)
    await watched.say(0)
    await watched.say(0)
    assert watched.lowered == []


class Paid:
    """A venue's list of activities, by hand; `is_down` makes it fail."""

    def __init__(self):
        self.rows = []
        self.asked = []
        self.is_down = False

    async def __call__(self, since):
        self.asked.append(since)
        if self.is_down:
            raise NotSent("no network")
        return self.rows

    def pay(self, name, amount, kind="CSD"):
        row = Activity(id=name, kind=kind, ts="2026-10-08T00:00:00Z", amount=Decimal(amount))
        self.rows.append(row)


@pytest.fixture
async def paid():
    """A venue that tells of transfers."""
    return Paid()


@asynccontextmanager
async def following(paid, marks=None):
    """A watch that asks the venue for transfers whenever money moves."""
    watched = Watched(marks, transfers=paid)
    task = asyncio.create_task(watched.watch.follow_transfers())
    yield watched
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_withdrawal_is_no_loss(paid):
    """Half of the money leaves; nothing was lost, and the fall from the peak is none."""
    async with following(paid) as watched:
        await watched.say(100_000)
        paid.pay("w", -50_000, "CSW")
        for _ in range(3):
            await watched.say(50_000)
        assert watched.lowered == []
        assert watched.watch.day_pnl == 0
        assert watched.watch.peak == 50_000


async def test_a_deposit_hides_no_loss(paid):
    """The day has lost 4 %; paying in as much again leaves the loss where it was."""
    async with following(paid) as watched:
        await watched.say(100_000)
        await watched.say(96_000)
        paid.pay("d", 100_000)
        await watched.say(196_000)
        await watched.say(196_000)
        assert watched.lowered == [(TradingState.REDUCING, "DAILY_LOSS_REACHED")]
        assert watched.watch.day_pnl == -4_000


async def test_a_deposit_is_no_new_peak_and_hides_no_fall(paid):
    """A fall is a fraction: what is paid in falls and rises with the rest."""
    marks = EquityMarks(day="2026-10-08", day_start=Decimal(93_000), peak=Decimal(100_000))
    async with following(paid, marks) as watched:
        await watched.say(92_000)
        paid.pay("d", 92_000)
        for _ in range(2):
            await watched.say(184_000)
        assert watched.watch.peak == 200_000


async def test_each_transfer_counts_once(paid):
    """The venue shows the same lines again with every question."""
    async with following(paid) as watched:
        await watched.say(100_000)
        paid.pay("d", 10_000)
        for equity in (110_000, 100_000, 110_000, 100_000):
            await watched.say(equity)
        assert watched.watch.day_pnl == -10_000


async def test_transfers_of_before_the_first_start_are_no_news(paid):
    """A new journal begins with the account as it is."""
    paid.pay("d", 100_000)
    async with following(paid) as watched:
        await watched.say(100_000)
        await watched.say(100_000)
        assert watched.watch.day_pnl == 0


async def test_a_transfer_while_we_were_down_is_counted_at_the_restart(paid):
    """The journal knows which transfers it has seen."""
    marks = EquityMarks(
        day="2026-10-08", day_start=Decimal(100_000), peak=Decimal(100_000), known_transfers=("a",)
    )
    paid.pay("a", 5_000)
    paid.pay("b", -40_000, "CSW")
    async with following(paid, marks) as watched:
        for _ in range(3):
            await watched.say(60_000)
        assert watched.lowered == []
        assert watched.watch.day_pnl == 0
        body = watched.journal.entries[-1].body
        assert (body["transfers"], body["known_transfers"]) == ("-40000", ("a", "b"))


async def test_a_transfer_of_yesterday_is_in_the_new_days_start(paid):
    """Counted again, a deposit of the night would be the morning's loss."""
    marks = EquityMarks(
        day="2026-10-07", day_start=Decimal(100_000), peak=Decimal(100_000), known_transfers=()
    )
    paid.pay("d", 100_000)
    async with following(paid, marks) as watched:
        for _ in range(3):
            await watched.say(200_000)
        assert watched.watch.day_pnl == 0
        assert watched.lowered == []


async def test_a_venue_that_does_not_tell_lets_the_loss_stand(paid):
    """Fail closed: without proof of a withdrawal a person looks at it."""
    async with following(paid) as watched:
        await watched.say(100_000)
        paid.is_down = True
        for _ in range(3):
            await watched.say(50_000)
        assert (TradingState.REDUCING, "DAILY_LOSS_REACHED") in watched.lowered


async def test_a_transfer_listed_before_it_moved_the_cash_waits_for_it(paid):
    """Counted early, a deposit that is on its way would be a loss of its size."""
    async with following(paid) as watched:
        for _ in range(2):
            await watched.say(100_000)
        paid.pay("d", 50_000)
        await watched.say(101_000)
        await watched.say(101_000)
        assert watched.watch.day_pnl == 1_000
        await watched.say(151_000)
        assert watched.watch.day_pnl == 1_000
        assert watched.lowered == []


async def test_fees_and_dividends_are_results(paid):
    """Only what is paid in or out is left out of the profit."""
    async with following(paid) as watched:
        await watched.say(100_000)
        paid.pay("f", -1_000, "FEE")
        await watched.say(99_000)
        assert watched.watch.day_pnl == -1_000


@pytest.mark.parametrize(
    ("code", "equity"), [("DAILY_LOSS_REACHED", 96_000), ("DRAWDOWN_REACHED", 90_500)]
)
async def test_a_loss_that_was_resumed_counts_anew_from_there(code, equity):
    """Otherwise the next look would lower again, and no person could ever resume a drawdown."""
    marks = EquityMarks(
        day="2026-10-08",
        day_start=Decimal(100_000 if code == "DAILY_LOSS_REACHED" else 91_000),
        peak=Decimal(101_000),
    )
    watched = Watched(marks)
    await watched.say(equity)
    await watched.say(equity)
    assert watched.lowered == [(TradingState.REDUCING, code)]
    watched.lowered.clear()
    watched.watch.resumed(code)
    assert watched.journal.entries[-1].body["day"] == "2026-10-08"
    for _ in range(3):
        await watched.say(equity)
    assert watched.lowered == []
    await watched.say(equity * 9 // 10)
    await watched.say(equity * 9 // 10)
    assert watched.lowered


async def test_resuming_something_else_forgives_no_loss():
    """The wires' codes are not equity's."""
    watched = Watched()
    await watched.say(100_000)
    await watched.say(96_000)
    watched.watch.resumed("CONSECUTIVE_LOSSES")
    await watched.say(96_000)
    assert watched.lowered == [(TradingState.REDUCING, "DAILY_LOSS_REACHED")]


async def test_a_clock_set_back_over_midnight_begins_no_day_twice():
    """The first day's loss would be forgotten."""
    watched = Watched(
        EquityMarks(day="2026-10-09", day_start=Decimal(100_000), peak=Decimal(100_000))
    )
    await watched.say(99_000)
    assert watched.watch.day_pnl == -1_000


async def test_a_days_start_and_a_new_peak_are_journaled_as_they_happen():
    """A `kill -9` a second after midnight must not move the day's start."""
    watched = Watched()
    for equity in (100_000, 100_050, 100_200):
        await watched.say(equity)
    assert [entry.body["peak"] for entry in watched.journal.entries] == ["100000", "100200"]
