"""Daily loss and drawdown: measured on equity, doubted once, remembered over restarts."""

from datetime import UTC
from decimal import Decimal

import pytest

from domain.account import Account, Ledger
from domain.limits import Limits, TradingState
from domain.records import NS_PER_S, parse_ns
from engine.clock import ManualClock
from engine.watching.equity import NEW_YORK, EquityMarks, EquityWatch, day_zone

NOON = parse_ns("2026-10-08T16:00:00Z")
LIMITS = Limits(max_daily_loss=0.03, max_drawdown=0.10)


class Traces:
    """A journal's ear for traces."""

    def __init__(self):
        self.entries = []

    def trace(self, *entries):
        self.entries += entries


class Watched:
    """A watch over a ledger whose equity a test sets."""

    def __init__(self, marks=None, zone=UTC):
        self.clock = ManualClock(NOON)
        self.ledger = Ledger()
        self.journal = Traces()
        self.lowered = []
        self.watch = EquityWatch(
            ledger=self.ledger,
            limits=LIMITS,
            journal=self.journal,
            clock=self.clock,
            zone=zone,
            lower=lambda state, code, _reason: self.lowered.append((state, code)),
            marks=marks,
        )

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
    assert watched.watch.day_pnl == (0 if rolls else -1_000)


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
