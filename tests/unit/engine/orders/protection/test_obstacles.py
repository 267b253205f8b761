"""What stands between a position and its stop: refusals, losses, gaps, a dead feed, a dead disk."""

import asyncio
from decimal import Decimal

import msgspec

from domain.errors import JournalError
from domain.orders import Leg, OrderState, OrderType, Side
from engine.control import ProtectedBy
from engine.orders.protection.watching.bare import Cause
from exchange.matching.knobs import FillSize

WASH = {
    "code": 40310000,
    "message": "potential wash trade detected. use complex orders",
    "existing_order_id": "8cf3d1a5-3a3a-4d0c-8a77-0c4f5e6d7b80",
    "reject_reason": "opposite side market/stop order exists",
}
HELD = {
    "code": 40310000,
    "message": "insufficient qty available for order (requested: 0.37, available: 0)",
    "available": "0",
    "existing_qty": "0.37",
    "held_for_orders": "0.37",
}


def refuse_stops(stand, body, times):
    """Let the venue refuse so many stops."""
    left = [stand.script.failure(403, body)] * times

    async def rule(request, _answer=None):
        is_post = (request.method, request.path) == ("POST", "/v2/orders")
        is_stop = "-stop-" in str(request.body)
        return left.pop() if is_post and is_stop and left else None

    stand.script.before.append(rule)
    return left


async def test_a_resting_buy_of_ours_does_not_block_the_stop(guarded, stand):
    """The venue calls it a wash trade: the remainder goes first, its end is awaited, then the stop.

    The buy is one whose answer was lost, so only a look at the venue finds it.
    """
    await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
    await stand.until(lambda: guarded.protected("AAPL"))
    (stop,) = guarded.resting("AAPL")
    stand.venue.cancel(stop["id"])
    body = {
        "symbol": "AAPL",
        "qty": "1",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "limit_price": "99.00",
        "client_order_id": "ah-d777-entry-1",
    }
    lost = stand.venue.submit(body)
    await stand.until(lambda: stand.posts(403))
    await stand.until(lambda: guarded.protected("AAPL"))
    assert {o["status"] for o in guarded.at_venue(id=lost["id"])} == {"canceled"}
    assert len(guarded.resting("AAPL")) == 1


async def test_a_wash_refusal_is_overcome_and_its_gap_measured(guarded, stand, crypto):
    """The refused stop is sent again under a new name, and the time without one is known."""
    refuse_stops(stand, WASH, 2)
    await stand.gateway.submit(crypto(stand))
    await stand.until(guarded.protected)
    names = [each.body["client_order_id"] for each in stand.posts(403)]
    assert names == ["ah-d001-stop-1", "ah-d001-stop-2"]
    (gap,) = [gap for gap in guarded.measured if gap[2] is Cause.FILL]
    assert gap[1] >= 0.5
    assert "STOP_REJECTED" in guarded.codes()


async def test_a_held_quantity_is_freed_before_the_stop_is_sent_again(guarded, stand):
    """A forgotten stop of ours holds the shares: found at the venue, taken back, replaced."""
    await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
    await stand.until(lambda: guarded.protected("AAPL"))
    (stop,) = guarded.resting("AAPL")
    stand.venue.cancel(stop["id"])
    forgotten = stand.venue.submit(
        {
            "symbol": "AAPL",
            "qty": "0.2",
            "side": "sell",
            "type": "stop",
            "time_in_force": "day",
            "stop_price": "90.00",
            "client_order_id": "ah-d001-stop-99",
        }
    )
    await stand.until(lambda: guarded.stop_price("AAPL") == 98)
    assert guarded.resting("AAPL")[0]["qty"] == "0.37"
    assert {o["status"] for o in guarded.at_venue(id=forgotten["id"])} == {"canceled"}


async def test_a_new_position_does_not_wait_for_what_the_last_one_was_refused(
    stands, crypto, exits_over
):
    """After a hundred refusals the next try is a minute away: the next position stood bare so long.

    What is left out of a refused stop, its target, was left out of the new one too.
    """
    near = {"code": 42210000, "message": "stop price must be <= base_price - 0.01"}
    async with (
        stands.trading() as stand,
        exits_over(stand, retry_s=60.0, retry_longest_s=60.0) as guarded,
    ):
        left = refuse_stops(stand, near, 1)
        await stand.gateway.submit(crypto(stand))
        await stand.until(lambda: "STOP_REJECTED" in guarded.codes())
        assert not left
        guarded.move("BTC/USD", 48_000.0, 48_010.0)
        await guarded.flat()
        guarded.move("BTC/USD", 50_000.0, 50_010.0)
        await stand.gateway.submit(crypto(stand, 2))
        async with asyncio.timeout(15):
            await stand.until(guarded.protected)
        assert guarded.stop_price() == 49_000


async def test_the_gap_of_a_stop_that_the_venue_lost_is_measured(guarded, stand, crypto):
    """Accepted, resting, then dead by event: placed again, and the time without it is known."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(guarded.protected)
    (stop,) = guarded.resting()
    stand.venue.cancel(stop["id"])
    await stand.until(lambda: len(guarded.at_venue(type="stop_limit")) == 2)
    await stand.until(guarded.protected)
    await stand.until(lambda: any(gap[2] is Cause.LOST for gap in guarded.measured))


async def test_an_expired_day_stop_rests_again_for_the_next_session(guarded, stand):
    """The venue takes a fraction's stop for the day alone; it queues one after the close."""
    await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
    await stand.until(lambda: guarded.protected("AAPL"))
    stand.wall.skip(6 * 3600 + 60)
    stand.venue.advance()
    await stand.until(lambda: len(guarded.at_venue(type="stop")) == 2)
    await stand.until(lambda: guarded.protected("AAPL"))
    first, second = guarded.at_venue(type="stop")
    assert (first["status"], second["status"]) == ("expired", "accepted")


async def test_a_gap_through_the_stop_limit_is_sold_again_and_again_until_out(
    stands, crypto, exits_over
):
    """Triggered and left behind: marketable orders inside the collar, priced anew each time."""
    async with (
        stands.trading(fill_size=FillSize.DISPLAYED) as stand,
        exits_over(stand) as guarded,
    ):
        await stand.gateway.submit(crypto(stand))
        await stand.until(guarded.protected)
        for bid in (45_000.0, 44_000.0, 43_000.0):
            left = stand.ledger.quantity("BTC/USD")
            now_ns = stand.clock.now_ns()
            stand.venue.on_quote("BTC/USD", bid, 0.2, bid + 10, 1.0, now_ns)
            stand.venue.on_trade("BTC/USD", bid, 0.1, now_ns)
            guarded.exits.wake("BTC/USD")
            await stand.until(lambda left=left: stand.ledger.quantity("BTC/USD") < left)
        await guarded.flat()
        exits = guarded.at_venue(side="sell", type="limit", time_in_force="ioc")
        assert len(exits) >= 3
        for order in exits:
            filled = order["filled_avg_price"]
            assert filled is None or Decimal(filled) >= Decimal(order["limit_price"])
            assert Decimal(order["limit_price"]) >= Decimal(43_000) * Decimal("0.979")
        assert guarded.codes().count("STOP_PASSED") == 1


async def test_exits_that_find_no_buyer_are_spaced(guarded, stand, crypto):
    """A market without bids would else take the whole budget of requests."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(guarded.protected)
    refusal = stand.script.failure(403, {"code": 40310000, "message": "no trading now"})

    async def rule(request, _answer=None):
        is_exit = request.method == "POST" and '"limit"' in str(request.body).replace("'", '"')
        return refusal if is_exit and "stop_price" not in str(request.body) else None

    stand.script.before.append(rule)
    guarded.move("BTC/USD", 45_000.0, 45_010.0)
    await stand.until(lambda: len(stand.posts(403)) >= 3)
    before = len(stand.posts(403))
    await asyncio.sleep(0.5)
    assert len(stand.posts(403)) - before <= 3
    stand.script.before.remove(rule)
    await guarded.flat()


async def test_a_dead_feed_does_not_keep_an_exit_in(stand, crypto, exits_over):
    """The last quote is old: the venue's own value of the position is asked for and sold at."""
    async with exits_over(stand, quote_max_age_s=1.0) as guarded:
        await stand.gateway.submit(crypto(stand))
        await stand.until(guarded.protected)
        frozen = guarded.quote("BTC/USD")
        guarded.seams.__dict__["quote"] = lambda _symbol: frozen
        stand.wall.skip(5)
        stand.quote("BTC/USD", 47_000.0, 47_010.0)
        stand.trade("BTC/USD", 47_000.0)
        stand.wall.skip(5)
        guarded.exits.wake("BTC/USD")
        await stand.until(lambda: not stand.venue.positions())


async def test_protection_needs_no_disk(guarded, stand, crypto):
    """Journal and spool both gone: the stop goes out all the same, and the operator is told."""

    def no_spool(*_entries):
        raise JournalError("The spool cannot be used.")

    object.__setattr__(stand.gateway._written, "_spool", no_spool)
    await stand.gateway.submit(crypto(stand))
    await stand.until(guarded.protected)
    (stop,) = guarded.resting()
    await stand.close_journal()
    stand.venue.cancel(stop["id"])
    await stand.until(lambda: len(guarded.at_venue(type="stop_limit")) == 2)
    await stand.until(guarded.protected)
    guarded.move("BTC/USD", 52_100.0, 52_110.0)
    await stand.until(lambda: not stand.venue.positions())


async def test_a_position_without_a_stop_is_told_of_at_the_bar(guarded, stand, crypto):
    """One alert a gap, and `/positions` says who watches: the engine while it sees a price."""
    left = refuse_stops(stand, HELD, 1000)
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: "POSITION_UNPROTECTED" in guarded.codes())
    assert guarded.exits.protected_by("BTC/USD") is ProtectedBy.ENGINE
    assert guarded.exits.bare_for_s()["BTC/USD"] > 1
    guarded.exits.is_suspended = True
    assert guarded.exits.protected_by("BTC/USD") is ProtectedBy.NONE
    guarded.exits.is_suspended = False
    left.clear()
    guarded.exits.wake_all()
    await stand.until(guarded.protected)
    assert guarded.codes().count("POSITION_UNPROTECTED") == 1
    assert guarded.exits.bare_for_s() == {}


async def test_a_position_that_a_gap_made_too_small_keeps_its_stop(guarded, stand, crypto):
    """Below the venue's ten dollars no order could be sent anew: the one that rests must stay.

    It was cancelled as the stop of a position that is gone, and the plan was forgotten: when the
    price came back nobody protected it.
    """
    facts = stand.facts
    stand.facts = lambda request: msgspec.structs.replace(facts(request), atr=5_000.0)
    small = {"quantity": Decimal("0.00025"), "stop_loss": Decimal(45_000)}
    await stand.gateway.submit(crypto(stand, take_profit=Decimal(90_000), **small))
    await stand.until(guarded.protected)
    guarded.move("BTC/USD", 35_000.0, 35_010.0)
    await asyncio.sleep(0.5)
    assert len(guarded.resting()) == 1
    assert guarded.exits.plan("BTC/USD") is not None
    guarded.move("BTC/USD", 50_000.0, 50_010.0)
    await stand.until(lambda: not stand.venue.positions())


async def test_a_stop_that_sells_a_position_that_is_gone_is_taken_back(guarded, stand):
    """A stop left behind would open a short. Somebody sold by hand."""
    await stand.gateway.submit(stand.request(quantity=Decimal(3)))
    await stand.until(lambda: guarded.protected("AAPL"))
    (stop,) = [order for order in stand.book.working() if order.request.leg is Leg.STOP][:1]
    assert stop.request.order_type in {OrderType.LIMIT, OrderType.STOP}
    assert stop.request.side is Side.SELL
    await stand.gateway.cancel(stop, "make room")
    stand.venue.submit(
        {
            "symbol": "AAPL",
            "qty": "3",
            "side": "sell",
            "type": "market",
            "time_in_force": "day",
        }
    )
    await stand.until(lambda: not stand.venue.positions())
    stand.wall.skip(30)
    for _ in range(3):
        stand.wall.skip(11)
        await stand.look()
    await stand.until(lambda: stand.ledger.quantity("AAPL") == 0)
    await stand.until(lambda: not guarded.resting("AAPL"))
    states = {order.state for order in stand.book.working()}
    assert OrderState.ACCEPTED not in states


async def test_a_stop_within_a_cent_of_the_market_rests_without_its_target(guarded, stand):
    """The venue refuses both as one order, for as long as the price stands there; the engine sells.

    Over a weekend that was three days without a stop, asked for again every five seconds.
    """
    await stand.gateway.submit(stand.bracket(quantity=Decimal(3)))
    await stand.until(lambda: guarded.protected("AAPL"))
    guarded.move("AAPL", 98.002, 98.008)
    (stop,) = guarded.resting("AAPL")
    stand.venue.cancel(stop["id"])
    await stand.until(lambda: guarded.stop_price("AAPL") == 98)
    await stand.until(lambda: guarded.protected("AAPL"))
    (alone,) = guarded.resting("AAPL")
    assert (alone["order_class"], alone["type"], alone["qty"]) == ("", "stop", "3")
    assert len(stand.posts(422)) == 1
    guarded.move("AAPL", 104.2, 104.3)
    await guarded.flat("AAPL")
    assert "TAKE_PROFIT" in guarded.codes()
