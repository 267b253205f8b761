"""Protection through a restart: what the journal and the venue tell is all there is."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from domain.orders import Leg
from engine.orders.protection.rules import ExitRules, distance_of
from engine.orders.protection.watching.bare import Cause
from engine.restart import remember

PAIR = "BTC/USD"
FAR = Decimal(90_000)
TRAILING = ExitRules(trailing_stop=distance_of("2%"))


@pytest.fixture
def reborn(stands, exits_over):
    """`async with reborn(at, **config) as (stand, guarded)`: a second life on the same journal."""

    @asynccontextmanager
    async def again(at, **config):
        stand = await stands.stand(at=at, owned=frozenset({PAIR}))
        reader = stand.journal.reader
        memory = await remember(reader.orders, reader.states, reader.decisions, {PAIR, "AAPL"})
        stand.book.restore(memory.orders)
        async with stand.gateway:
            following = asyncio.create_task(stand.reconciler.follow())
            try:
                await stand.until(lambda: stand.reconciler.is_link_up)
                stand.gateway.resume()
                async with exits_over(stand, restored=memory.held, **config) as guarded:
                    yield stand, guarded
            finally:
                following.cancel()
                await asyncio.wait({following})

    return again


@asynccontextmanager
async def life(stands, exits_over, at, **config):
    """Run a first life, which ends without a word."""
    async with stands.trading(at=at) as stand:
        async with exits_over(stand, **config) as guarded:
            yield stand, guarded
        await stand.close_journal()


async def test_a_trailing_stop_stays_where_it_had_climbed_to(stands, exits_over, crypto, reborn):
    """The high-water mark is in the stops that were sent; the price has fallen meanwhile."""
    at = await stands.venue()
    async with life(stands, exits_over, at, rules=TRAILING) as (stand, guarded):
        await stand.gateway.submit(crypto(stand, take_profit=FAR))
        await stand.until(guarded.protected)
        guarded.move(PAIR, 55_000.0, 55_010.0)
        await stand.until(lambda: guarded.stop_price() == 53_900)
    async with reborn(at, rules=TRAILING) as (stand, guarded):
        await stand.until(guarded.protected)
        assert guarded.exits.plan(PAIR).stop == 53_900
        guarded.move(PAIR, 54_500.0, 54_510.0)
        await asyncio.sleep(0.2)
        assert guarded.stop_price() == 53_900
        guarded.move(PAIR, 57_000.0, 57_010.0)
        await stand.until(lambda: guarded.stop_price() == Decimal(55_860))


async def test_a_restart_between_the_old_stop_and_the_new_one(stands, exits_over, crypto, reborn):
    """The stop was taken back, the higher one never left: it is placed where it had been, at least.

    Not posted before the end, so the level is that of the last stop that was written down.
    """
    at = await stands.venue()
    async with life(stands, exits_over, at, rules=TRAILING) as (stand, guarded):
        await stand.gateway.submit(crypto(stand, take_profit=FAR))
        await stand.until(guarded.protected)
        guarded.move(PAIR, 55_000.0, 55_010.0)
        await stand.until(lambda: guarded.stop_price() == 53_900)
    venue = at[0]
    (stop,) = guarded.resting()
    venue.cancel(stop["id"])
    async with reborn(at, rules=TRAILING) as (stand, guarded):
        await stand.until(lambda: guarded.stop_price() == 53_900)
        await stand.until(guarded.protected)
        await stand.until(lambda: any(gap[2] is Cause.RESTART for gap in guarded.measured))
        assert max(seconds for _, seconds, _ in guarded.measured) < 5
        names = [each["client_order_id"] for each in guarded.at_venue(type="stop_limit")]
        assert len(set(names)) == len(names)


async def test_the_holding_time_counts_from_before_the_restart(stands, exits_over, crypto, reborn):
    """The first execution is in the journal; ten minutes are over while nobody ran."""
    rules = ExitRules(max_holding_s=600.0)
    at = await stands.venue()
    async with life(stands, exits_over, at, rules=rules) as (stand, guarded):
        await stand.gateway.submit(crypto(stand, take_profit=FAR))
        await stand.until(guarded.protected)
        opened_at = guarded.exits.plan(PAIR).opened_at
        stand.wall.skip(300)
    async with reborn(at, rules=rules) as (stand, guarded):
        assert guarded.exits.plan(PAIR).opened_at == opened_at
        stand.wall.skip(301)
        guarded.move(PAIR, 50_000.0, 50_010.0)
        await guarded.flat()
        assert "HOLDING_TIME_OVER" in guarded.codes()


async def test_rules_that_changed_meanwhile_count_and_loosen_nothing(
    stands, exits_over, crypto, reborn
):
    """A person tightens and later takes the rule back: the stop stays where it was."""
    at = await stands.venue()
    async with life(stands, exits_over, at) as (stand, guarded):
        await stand.gateway.submit(crypto(stand, take_profit=FAR))
        await stand.until(lambda: guarded.stop_price() == 49_000)
    async with reborn(at, rules=ExitRules(stop_loss=distance_of("1%"))) as (stand, guarded):
        await stand.until(lambda: guarded.stop_price() == 49_500)
        await stand.close_journal()
    async with reborn(at) as (stand, guarded):
        await stand.until(guarded.protected)
        assert guarded.exits.plan(PAIR).stop == guarded.stop_price() == 49_500


async def test_a_gap_while_nobody_ran_is_sold_after_the_restart(stands, exits_over, crypto, reborn):
    """The stop limit was triggered and left behind while the process was down."""
    at = await stands.venue()
    async with life(stands, exits_over, at) as (stand, guarded):
        await stand.gateway.submit(crypto(stand, take_profit=FAR))
        await stand.until(guarded.protected)
        stand.quote(PAIR, 45_000.0, 45_010.0)
        stand.trade(PAIR, 45_000.0)
        assert stand.venue.positions()
    async with reborn(at) as (stand, guarded):
        await guarded.flat()
        assert "STOP_PASSED" in guarded.codes()


async def test_an_exit_that_was_cut_is_finished(stands, exits_over, crypto, reborn):
    """The stop was cancelled for a target, and the process died before it sold."""
    at = await stands.venue()
    async with life(stands, exits_over, at) as (stand, guarded):
        await stand.gateway.submit(crypto(stand))
        await stand.until(guarded.protected)
        (stop,) = [order for order in stand.book.working() if order.request.leg is Leg.STOP]
        guarded.exits.is_suspended = True
        await stand.gateway.cancel(stop, "free the quantity for an exit")
        await stand.until(lambda: not stand.book.working())
        stand.quote(PAIR, 52_100.0, 52_110.0)
    async with reborn(at) as (stand, guarded):
        await guarded.flat()
        (sold,) = guarded.at_venue(side="sell", status="filled")
        assert sold["client_order_id"] == "ah-d001-target-1"


async def test_stops_of_a_position_that_went_while_nobody_ran_are_taken_back(
    stands, exits_over, reborn
):
    """Somebody closed by hand: what would open a short is cancelled first thing."""
    at = await stands.venue()
    async with life(stands, exits_over, at) as (stand, guarded):
        await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
        await stand.until(lambda: guarded.protected("AAPL"))
    venue = at[0]
    (stop,) = guarded.resting("AAPL")
    venue.cancel(stop["id"])
    body = {"symbol": "AAPL", "side": "sell", "type": "market", "time_in_force": "day"}
    venue.submit({**body, "qty": "0.37"})
    async with reborn(at) as (stand, guarded):
        await stand.until(lambda: not stand.book.working())
        await stand.until(lambda: guarded.exits.plan("AAPL") is None)
        assert not guarded.resting("AAPL")
