"""What is asked again of an order that was written ahead: nothing where no fact has moved."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from domain.limits import TradingState
from domain.market import SessionPhase
from domain.orders import Leg, OrderEventKind, OrderState, Side
from engine.clock import ManualClock
from engine.orders.delivery.points import Point


@asynccontextmanager
async def standing(stands, meanwhile=lambda stand, facts: None):
    """A stand whose facts stand still; `meanwhile` moves some while the next order is written.

    Yields the stand and the facts that were read, in order: the verdict's, then one for the
    comparison, then one more where the checks are asked again.
    """
    made, read, moved = [], [], {}

    def at(point):
        if point is Point.WRITTEN_AHEAD:
            meanwhile(made[0], moved)

    async with stands.trading(points=at) as stand:
        made.append(stand)
        stand.clock = ManualClock(stand.clock.now_ns())
        plainly = stand.facts

        def facts(request):
            read.append(replace(plainly(request), **moved))
            return read[-1]

        stand.facts = facts
        yield stand, read


async def test_where_nothing_moved_the_checks_are_not_asked_twice(stands):
    """A market that is played stands still while an order is written."""
    async with standing(stands) as (stand, read):
        order = await stand.gateway.submit(stand.resting())
        assert order.state is not OrderState.REJECTED
        assert len(read) == 2
        assert read[0] == replace(read[1], orders_last_minute=0), "its own count alone has moved"


def by_quote(stand, moved):
    """Let the market move five per cent away from what the decision saw."""
    moved["window_mid"] = moved["venue_mid"] = 100.0
    stand.quote("AAPL", 104.99, 105.01)


def by_fact(**facts):
    """Let some facts be others from now on."""
    return lambda _stand, moved: moved.update(facts)


@pytest.mark.parametrize(
    ("meanwhile", "code"),
    [
        (by_fact(trading_state=TradingState.REDUCING), "REDUCE_ONLY"),
        (by_fact(trading_state=TradingState.HALTED), "TRADING_HALTED"),
        (by_fact(is_symbol_halted=True), "MARKET_CLOSED"),
        (by_fact(is_link_up=False), "FEED_STALE"),
        (by_fact(phase=SessionPhase.CLOSED), "MARKET_CLOSED"),
        (by_fact(is_reconciled=False), "NOT_RECONCILED"),
        (by_fact(day_pnl=-90_000), "DAILY_LOSS_REACHED"),
        (by_fact(quote=None), "QUOTE_MISSING"),
        (by_quote, "PRICE_MOVED"),
    ],
)
async def test_a_fact_that_moved_while_the_order_was_written_holds_it_back(stands, meanwhile, code):
    """The clock stands still, and yet the checks are asked again: on that one fact."""
    async with standing(stands, meanwhile) as (stand, read):
        order = await stand.gateway.submit(stand.resting())
        assert len(read) == 3
        assert (order.state, code in order.reason) == (OrderState.REJECTED, True), order.reason
        assert stand.posts() == []


async def test_an_order_of_unknown_outcome_holds_back_what_was_being_written(stands):
    """A stop of the symbol loses its answer: whether anything is held is not known any more."""

    def lose(stand, _moved):
        stop = stand.book.open(stand.exit(9))
        stand.book.note(stop, OrderEventKind.SUBMIT_UNKNOWN, "the answer is lost")

    async with standing(stands, lose) as (stand, read):
        order = await stand.gateway.submit(stand.resting())
        assert "NOT_RECONCILED" in order.reason
        assert (len(read), stand.posts()) == (3, [])


async def test_equity_that_moved_is_looked_at_and_lets_an_order_go_that_still_may(stands):
    """What moved is asked about; what it says decides."""

    def fill_elsewhere(stand, _moved):
        account = stand.ledger.account
        stand.ledger.correct(
            replace(account, equity=account.equity - 1), None, stand.clock.now_ns()
        )

    async with standing(stands, fill_elsewhere) as (stand, read):
        order = await stand.gateway.submit(stand.resting())
        assert len(read) == 3
        assert order.state is not OrderState.REJECTED
        assert len(stand.posts()) == 1


async def test_time_that_passed_is_a_fact_too(stands):
    """A live clock never stands still: there the checks are always asked again."""

    def tick(stand, _moved):
        stand.clock._now += 1

    async with standing(stands, tick) as (stand, read):
        await stand.gateway.submit(stand.resting())
        assert len(read) == 3


async def test_an_exit_that_was_written_while_the_position_went_is_not_sent(stands):
    """Of an exit too little is asked again, but never that: it would cross zero."""
    gone = []

    def sold(stand, _moved):
        if gone:
            held = stand.ledger.positions["AAPL"]
            stand.ledger._holdings.fill("AAPL", -held.quantity, held.average_price, None)

    async with standing(stands, sold) as (stand, read):
        await stand.hold()
        gone.append(True)
        read.clear()
        stop = await stand.gateway.submit(stand.exit(5, leg=Leg.STOP, side=Side.SELL))
        assert len(read) == 3
        assert stop.state is OrderState.REJECTED


async def test_an_order_that_was_not_written_or_was_withdrawn_leaves_nothing_behind(stands):
    """The facts of a verdict go with its order: there is no place where they could stay."""
    async with standing(stands) as (stand, read):
        sending = asyncio.create_task(stand.gateway.submit(stand.resting(1)))
        while not stand.book.working():  # noqa: ASYNC110 - a step of the loop is all it takes
            await asyncio.sleep(0)
        await stand.gateway.cancel_entries("halt")
        assert (await sending).state is OrderState.REJECTED
        assert len(read) == 1, "an order that ended meanwhile is asked nothing"
        await stand.close_journal()
        denied = await stand.gateway.submit(stand.resting(2))
        assert denied.code == "JOURNAL_DOWN"
        assert len(read) == 2
        assert stand.ledger.reservations == {}
        kept = [name for name, value in vars(stand.gateway).items() if isinstance(value, dict)]
        assert all(not getattr(stand.gateway, name) for name in kept)
