"""Trailing, targets and times at the venue: the stop climbs, never falls, and each gap is short."""

import asyncio
from decimal import Decimal

from domain.orders import Leg, OrderState
from engine.orders.protection.rules import ExitRules, Overnight, distance_of
from engine.orders.protection.watching.bare import Cause
from exchange.matching.knobs import FillSize
from feeds.calendar import TradingCalendar

TRAILING = ExitRules(trailing_stop=distance_of("2%"))


async def test_a_crypto_stop_climbs_with_the_price_and_stays_when_it_falls(
    stand, crypto, exits_over
):
    """The stop is taken back, its end awaited, the higher one placed: never two, never a lower."""
    async with exits_over(stand, rules=TRAILING) as guarded:
        await stand.gateway.submit(crypto(stand, take_profit=Decimal(90_000)))
        await stand.until(lambda: guarded.stop_price() == Decimal(49_000))
        for bid, stop in (
            (50_600, 49_588),
            (52_000, 50_960),
            (51_000, 50_960),
            (53_000, 51_940),
            (52_200, 51_940),
        ):
            guarded.move("BTC/USD", float(bid), bid + 10.0)
            await stand.until(lambda stop=stop: guarded.stop_price() == stop)
        prices = [Decimal(each["stop_price"]) for each in guarded.at_venue(type="stop_limit")]
        assert prices == sorted(prices)
        await stand.until(guarded.protected)
        gaps = [gap for gap in guarded.measured if gap[2] is Cause.REPLACED]
        assert len(gaps) == len(prices) - 1
        assert "POSITION_UNPROTECTED" not in guarded.codes()


async def test_the_stop_is_hit_where_it_had_climbed_to(stand, crypto, exits_over):
    """Up and then down: the gain of the way up is kept but for the distance."""
    async with exits_over(stand, rules=TRAILING) as guarded:
        await stand.gateway.submit(crypto(stand, take_profit=Decimal(90_000)))
        await stand.until(guarded.protected)
        guarded.move("BTC/USD", 55_000.0, 55_010.0)
        await stand.until(lambda: guarded.stop_price() == Decimal(53_900))
        guarded.move("BTC/USD", 53_890.0, 53_900.0)
        await guarded.flat()
        (sold,) = guarded.at_venue(side="sell", status="filled")
        assert Decimal(sold["filled_avg_price"]) == Decimal(53_890)


async def test_small_moves_leave_the_stop_where_it_is(stand, crypto, exits_over):
    """Requests are bounded: it moves by a tenth of its distance or not at all."""
    async with exits_over(stand, rules=TRAILING) as guarded:
        await stand.gateway.submit(crypto(stand, take_profit=Decimal(90_000)))
        await stand.until(guarded.protected)
        for step in range(1, 60):
            guarded.move("BTC/USD", 50_000.0 + step, 50_010.0 + step)
            await asyncio.sleep(0)
        await stand.until(lambda: guarded.bands.get("BTC/USD", (0, 0))[1] < 50_200)
        assert len(guarded.at_venue(type="stop_limit")) == 1


async def test_a_bracket_of_whole_shares_trails_as_an_oco(stand, exits_over):
    """Its children go together; what comes after is a pair again, with the same target."""
    async with exits_over(stand, rules=TRAILING) as guarded:
        await stand.gateway.submit(stand.bracket(quantity=Decimal(3), take_profit=Decimal(120)))
        await stand.until(lambda: guarded.stop_price("AAPL") == 98)
        guarded.move("AAPL", 105.0, 105.01)
        await stand.until(lambda: guarded.stop_price("AAPL") == Decimal("102.90"))
        await stand.until(lambda: guarded.protected("AAPL"))
        (target,) = guarded.at_venue(order_class="oco", type="limit")
        assert (target["qty"], Decimal(target["limit_price"])) == ("3", 120)


async def test_a_fraction_of_a_share_trails_on_its_day_stop(stand, exits_over):
    """The venue takes no other order for it."""
    async with exits_over(stand, rules=TRAILING) as guarded:
        await stand.gateway.submit(
            stand.request(quantity=Decimal("0.37"), take_profit=Decimal(140))
        )
        await stand.until(lambda: guarded.stop_price("AAPL") == 98)
        guarded.move("AAPL", 104.0, 104.01)
        await stand.until(lambda: guarded.stop_price("AAPL") == Decimal("101.92"))
        assert guarded.at_venue(status="new")[0]["time_in_force"] == "day"


async def test_a_nearer_target_of_a_person_is_taken_before_the_agents(stand, crypto, exits_over):
    """2 % is reached long before the target that the agents chose."""
    async with exits_over(stand, rules=ExitRules(take_profit=distance_of("2%"))) as guarded:
        await stand.gateway.submit(crypto(stand))
        await stand.until(guarded.protected)
        guarded.move("BTC/USD", 51_100.0, 51_110.0)
        await guarded.flat()
        assert "TAKE_PROFIT" in guarded.codes()


async def test_a_partly_filled_target_keeps_the_rest_protected(stands, crypto, exits_over):
    """The book shows only a tenth: the rest gets its stop back until the next buyer comes."""
    async with (
        stands.trading(fill_size=FillSize.DISPLAYED) as stand,
        exits_over(stand, exit_pace_s=0.3, exit_pace_longest_s=0.3) as guarded,
    ):
        await stand.gateway.submit(crypto(stand))
        await stand.until(guarded.protected)
        now_ns = stand.clock.now_ns()
        stand.venue.on_quote("BTC/USD", 52_100.0, 0.1, 52_110.0, 1.0, now_ns)
        guarded.exits.wake("BTC/USD")
        await stand.until(lambda: 0 < stand.ledger.quantity("BTC/USD") < Decimal("0.41"))
        stand.venue.on_quote("BTC/USD", 51_500.0, 5.0, 51_510.0, 5.0, stand.clock.now_ns())
        guarded.exits.wake("BTC/USD")
        await stand.until(guarded.protected)
        (stop,) = guarded.resting()
        assert Decimal(stop["qty"]) == stand.ledger.quantity("BTC/USD")
        guarded.move("BTC/USD", 52_200.0, 52_210.0)
        await guarded.flat()


async def test_a_position_is_left_when_it_was_held_long_enough(stand, crypto, exits_over):
    """By the symbol's own rule, whatever the price does."""
    rules = {"BTC/USD": ExitRules(max_holding_s=600.0)}
    async with exits_over(stand, by_symbol=rules) as guarded:
        await stand.gateway.submit(crypto(stand))
        await stand.until(guarded.protected)
        stand.wall.skip(590)
        guarded.move("BTC/USD", 50_000.0, 50_010.0)
        await asyncio.sleep(0.2)
        assert guarded.protected()
        stand.wall.skip(11)
        guarded.move("BTC/USD", 50_000.0, 50_010.0)
        await guarded.flat()
        assert "HOLDING_TIME_OVER" in guarded.codes()
        (sold,) = guarded.at_venue(side="sell", status="filled")
        assert sold["client_order_id"] == "ah-d001-flatten-1"


def session(stand, opened_s, closes_s):
    """A calendar of one session, from seconds ago to seconds ahead."""
    now_ns = stand.clock.now_ns()
    return TradingCalendar([(now_ns - opened_s * 10**9, now_ns + closes_s * 10**9)])


async def test_stocks_are_sold_before_the_session_ends_and_crypto_is_kept(
    stand, crypto, exits_over
):
    """OVERNIGHT=flat: five minutes before the close by the venue's own calendar."""
    rules = ExitRules(overnight=Overnight.FLAT)
    async with exits_over(stand, calendar=session(stand, 3600, 400), rules=rules) as guarded:
        await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
        await stand.gateway.submit(crypto(stand, 2))
        await stand.until(lambda: guarded.protected("AAPL") and guarded.protected())
        await asyncio.sleep(0.2)
        assert guarded.protected("AAPL")
        stand.wall.skip(101)
        stand.quote("AAPL", 99.99, 100.0)
        stand.quote("BTC/USD", 50_000.0, 50_010.0)
        guarded.exits.wake("AAPL")
        await stand.until(lambda: stand.ledger.quantity("AAPL") == 0)
        await stand.until(lambda: guarded.exits.plan("AAPL") is None)
        assert "OVERNIGHT_FLAT" in guarded.codes()
        assert stand.ledger.quantity("BTC/USD") > 0
        assert guarded.protected()


async def test_what_was_kept_over_a_night_by_an_engine_that_was_down_goes_at_the_open(
    stand, exits_over
):
    """Nobody was there at the close: the first look of the next session sells."""
    rules = ExitRules(overnight=Overnight.FLAT)
    calendar = session(stand, -30, 20_000)
    async with exits_over(stand, calendar=calendar, rules=rules) as guarded:
        await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
        await stand.until(lambda: guarded.protected("AAPL"))
        stand.wall.skip(31)
        stand.quote("AAPL", 99.99, 100.0)
        guarded.exits.wake("AAPL")
        await stand.until(lambda: stand.ledger.quantity("AAPL") == 0)


async def test_out_of_hours_a_price_beyond_the_stop_sells_nothing(stand, exits_over):
    """Thin quotes after the close would take the stop back, and no order could fill."""
    calendar = session(stand, -3600, 20_000)
    async with exits_over(stand, calendar=calendar) as guarded:
        await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
        await stand.until(lambda: guarded.protected("AAPL"))
        stand.quote("AAPL", 90.0, 110.0)
        guarded.exits.wake("AAPL")
        await asyncio.sleep(0.5)
        assert guarded.protected("AAPL")
        assert len(guarded.at_venue(side="sell")) == 1


async def test_a_halted_market_keeps_its_stop(stand, exits_over):
    """In a halt nothing fills: a stop that was taken back for an exit would be missed after it."""
    async with exits_over(stand) as guarded:
        await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
        await stand.until(lambda: guarded.protected("AAPL"))
        guarded.is_halted = True
        stand.quote("AAPL", 90.0, 90.1)
        guarded.exits.wake("AAPL")
        await asyncio.sleep(0.5)
        assert guarded.protected("AAPL")
        stops = [order for order in stand.book.working() if order.request.leg is Leg.STOP]
        assert [order.state for order in stops] == [OrderState.ACCEPTED]
