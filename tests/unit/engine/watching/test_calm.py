"""Calm: how far equity may go before it has to be looked at, held against what looking does."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.account import Account, Activity, Ledger, Position
from domain.limits import Limits
from domain.records import NS_PER_S, parse_ns
from engine.clock import ManualClock, settle
from engine.watching.equity import MONEY_MOVED, NEW_YORK, EquityMarks, EquityWatch
from engine.watching.transfers import Transfers

NOON = parse_ns("2026-10-08T16:00:00Z")
MIDNIGHT = parse_ns("2026-10-09T04:00:00Z")
HELD = 1_000
CENT = Decimal("0.01")
LIMIT = st.decimals("0.01", "1", places=2).map(float)


class Journal:
    """A journal's ear for traces."""

    def __init__(self):
        self.entries = []

    def trace(self, *entries):
        self.entries += entries


class Watched:
    """A watch over an account of 50,000 dollars in cash and a position worth as much.

    A test sets equity by the position's price, as the market does; no order moves the account.
    """

    def __init__(self, *, loss=0.03, fall=0.10, marks=None, transfers=None):
        self.clock = ManualClock(NOON)
        self.ledger = Ledger(("AAPL",))
        self.journal = Journal()
        self.lowered = []
        self.skew_ns = 0
        self.watch = EquityWatch(
            ledger=self.ledger,
            limits=Limits(max_daily_loss=loss, max_drawdown=fall),
            journal=self.journal,
            clock=self.clock,
            zone=NEW_YORK,
            lower=lambda *told: self.lowered.append(told),
            marks=marks,
            skew_ns=lambda: self.skew_ns,
            transfers=None if transfers is None else Transfers(transfers, self.clock),
        )

    def answer(self, cash=50_000):
        """Let the venue answer: the position stands at fifty dollars."""
        money, cash = Decimal(cash + 50 * HELD), Decimal(cash)
        account = Account(
            account_id="a",
            equity=money,
            cash=cash,
            buying_power=cash,
            non_marginable_buying_power=cash,
            last_equity=money,
        )
        held = Position(
            symbol="AAPL",
            quantity=Decimal(HELD),
            average_price=Decimal(50),
            available=Decimal(HELD),
            market_price=Decimal(50),
        )
        self.ledger.correct(account, [held], self.clock.now_ns())

    def stand(self, equity):
        """Move the market to where the account is worth so much."""
        self.ledger.mark("AAPL", (Decimal(equity) - self.ledger.account.cash) / HELD)
        assert self.ledger.equity == Decimal(equity)

    def look(self, equity):
        """Observe it; tells whether anything changed, or stands open now."""
        self.stand(equity)
        before = self.watch.marks, len(self.journal.entries), self.watch.wants_look
        self.watch.observe()
        after = self.watch.marks, len(self.journal.entries), self.watch.wants_look
        return before != after or self.watch.calm() is None


def equities(low=52_000, high=150_000):
    """Equities in whole cents; the position's price is never below nought."""
    return st.decimals(low, high, places=2)


@given(loss=LIMIT, fall=LIMIT, way=st.lists(equities(), min_size=1, max_size=5), to=equities())
def test_within_calm_looking_changes_nothing_and_just_outside_it_does(loss, fall, way, to):
    """Whatever the day has been, on either side of either limit."""
    watched = Watched(loss=loss, fall=fall)
    watched.answer()
    for equity in way:
        watched.look(equity)
    calm = watched.watch.calm()
    assume(calm is not None)
    if calm.low < to < calm.high:
        assert not watched.look(to)
        assert watched.watch.calm() == calm
    else:
        assert to == calm.high or watched.look(to)
        assert not watched.lowered


@given(loss=LIMIT, fall=LIMIT, up=equities(100_000))
def test_calm_ends_at_the_nearer_limit_and_at_the_peak(loss, fall, up):
    """To the cent: a cent inside nothing changes, at the limit a breach is open."""

    def at_peak():
        watched = Watched(loss=loss, fall=fall)
        watched.answer()
        watched.look(100_000)
        watched.look(up)
        return watched

    low, high = at_peak().watch.calm().low, at_peak().watch.calm().high
    assert low == max(100_000 * (1 - Decimal(repr(loss))), up * (1 - Decimal(repr(fall))))
    assert high == up
    assert at_peak().look(up + CENT)
    assume(low >= 52_000)
    above, at = low.quantize(CENT) + CENT, low.quantize(CENT, "ROUND_FLOOR")
    assert above >= high or not at_peak().look(above)
    assert at_peak().look(at)


@pytest.mark.parametrize("skew_s", [0, 90, -90])
def test_calm_ends_with_the_day(skew_s):
    """At midnight in New York by the venue's clock, to the nanosecond."""
    watched = Watched()
    watched.skew_ns = skew_s * NS_PER_S
    watched.answer()
    watched.look(100_000)
    calm = watched.watch.calm()
    assert calm.until_ns == MIDNIGHT + watched.skew_ns
    watched.clock._now = calm.until_ns - 1
    assert not watched.look(99_000)
    watched.clock._now = calm.until_ns
    assert watched.look(99_000)


def test_nothing_is_calm_before_the_first_look_and_while_something_is_open():
    """An account that is unknown, a day that dawns, a breach that waits for a second answer."""
    watched = Watched()
    assert watched.watch.calm() is None
    watched.answer()
    assert watched.watch.calm() is None
    watched.look(100_000)
    assert watched.watch.calm() is not None
    watched.look(96_000)
    assert watched.watch.wants_look
    assert watched.watch.calm() is None
    watched.look(100_000)
    assert watched.watch.calm() is not None
    watched.clock._now = MIDNIGHT
    assert watched.watch.calm() is None
    watched.look(100_000)
    watched.clock._now -= NS_PER_S
    assert watched.watch.calm() is None, "the new day was seen, and is not over with"


def test_no_equity_is_calm_where_more_was_paid_out_than_the_day_began_with():
    """What is left is profit alone, and every look finds the day's limit passed."""
    marks = EquityMarks(
        day="2026-10-08",
        day_start=Decimal(100_000),
        peak=Decimal(100_000),
        transfers=Decimal(-150_000),
    )
    watched = Watched(marks=marks)
    watched.answer()
    assert watched.watch.calm() is None
    assert watched.look(99_000)


class Told:
    """A venue that was paid nothing, or does not tell yet."""

    def __init__(self):
        self.may_tell = asyncio.Event()

    async def __call__(self, _since):
        await self.may_tell.wait()
        return [Activity(id="d", kind="INT", ts="2026-10-08T00:00:00Z", amount=Decimal(0))]


@given(moved=st.decimals("-400", "400", places=2), to=equities(60_000, 110_000))
def test_cash_that_moved_bounds_calm_from_below(moved, to):
    """Half a per cent of equity asks for transfers: of a smaller equity a smaller sum does."""

    async def play():
        told = Told()
        watched = Watched(loss=1.0, fall=0.9, transfers=told)
        following = asyncio.create_task(watched.watch.follow_transfers())
        watched.answer()
        watched.look(100_000)
        watched.watch.observe()
        assert watched.watch.calm() is None, "the venue has not answered yet"
        told.may_tell.set()
        await settle()
        assert watched.watch.calm() is None, "a new day asks once more what was paid before it"
        watched.watch.observe()
        await settle()
        assert watched.watch.calm() is not None
        watched.answer(50_000 + moved)
        calm = watched.watch.calm()
        assert calm.low >= abs(moved) / MONEY_MOVED
        if calm.low < to < calm.high:
            assert not watched.look(to)
        elif to != calm.high:
            at_threshold = to == abs(moved) / MONEY_MOVED
            assert at_threshold or watched.look(to)
        following.cancel()
        await asyncio.wait({following})

    asyncio.run(play())
