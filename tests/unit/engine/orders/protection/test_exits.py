"""Protection of positions, against the local exchange over real sockets."""

import asyncio
from decimal import Decimal

from domain.orders import Leg, Side
from domain.risk import Denied
from exchange.matching.knobs import FillSize


async def test_a_crypto_fill_gets_a_stop_for_what_the_fee_left(guarded, stand, crypto):
    """The fee leaves in coin, so a stop for the bought quantity would be refused."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: guarded.protected("BTC/USD"))
    (stop,) = guarded.at_venue(type="stop_limit")
    held = Decimal(stand.venue.positions()[0]["qty"])
    assert Decimal(stop["qty"]) == held < Decimal("0.5")
    assert stop["time_in_force"] == "gtc"
    await stand.until(lambda: guarded.bands.get("BTC/USD") == (49_000.0, 52_000.0))
    assert guarded.measured[0][1] > 0


async def test_a_fractional_share_gets_a_day_stop(guarded, stand):
    """The venue takes fractions only as simple DAY orders."""
    await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
    await stand.until(lambda: guarded.protected("AAPL"))
    (stop,) = guarded.at_venue(type="stop")
    assert (stop["qty"], stop["time_in_force"], stop["order_class"]) == ("0.37", "day", "")


async def test_a_bracket_protects_itself(guarded, stand):
    """No second stop is sent beside the bracket's own."""
    await stand.gateway.submit(stand.bracket(quantity=Decimal(3)))
    await stand.until(lambda: guarded.protected("AAPL"))
    await asyncio.sleep(0.2)
    assert len(stand.posts()) == 1
    assert len(guarded.at_venue(side="sell")) == 2


async def test_the_rest_of_a_partly_filled_bracket_is_cancelled_and_the_part_protected(
    stands, exits_over
):
    """A bracket's children sleep until the whole entry is filled; a part may not wait so long."""
    async with (
        stands.trading(fill_size=FillSize.DISPLAYED) as stand,
        exits_over(stand) as guarded,
    ):
        stand.venue.on_quote("AAPL", 99.99, 1000.0, 100.0, 2.0, stand.clock.now_ns())
        await stand.gateway.submit(stand.bracket(quantity=Decimal(5)))
        await stand.until(lambda: guarded.protected("AAPL"))
        (parent,) = guarded.at_venue(order_class="oco", type="limit")
        assert parent["qty"] == "2"
        await stand.until(lambda: guarded.measured)
        assert guarded.measured[0][1] > 0


async def test_a_reached_target_sells_and_leaves_nothing_working(guarded, stand, crypto):
    """Crypto has no bracket: the engine takes the stop back, sells, and is done."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: guarded.protected("BTC/USD"))
    stand.quote("BTC/USD", 52_100.0, 52_110.0)
    guarded.exits.wake("BTC/USD")
    await stand.until(lambda: not stand.venue.positions())
    await stand.until(lambda: not stand.book.working())
    await stand.until(lambda: guarded.exits.plan("BTC/USD") is None)
    sold = guarded.at_venue(symbol="BTC/USD", side="sell", status="filled")
    assert [Decimal(order["filled_avg_price"]) for order in sold] == [Decimal(52_100)]


async def test_a_price_that_falls_through_the_stop_limit_is_sold_by_the_engine(
    guarded, stand, crypto
):
    """A gap can leave a stop limit behind, triggered and unfilled: nobody else would sell."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: guarded.protected("BTC/USD"))
    stand.quote("BTC/USD", 47_000.0, 47_010.0)
    stand.trade("BTC/USD", 47_000.0)
    await stand.until(lambda: not stand.venue.positions())
    await stand.until(lambda: not stand.book.working())


async def test_a_stop_that_the_venue_loses_is_placed_again(guarded, stand, crypto):
    """Somebody cancels the stop at the venue: the position is bare for one look."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: guarded.protected("BTC/USD"))
    (stop,) = guarded.at_venue(type="stop_limit")
    stand.venue.cancel(stop["id"])
    await stand.until(lambda: len(guarded.at_venue(type="stop_limit")) == 2)
    await stand.until(lambda: guarded.protected("BTC/USD"))
    names = [order["client_order_id"] for order in guarded.at_venue(type="stop_limit")]
    assert names == ["ah-d001-stop-1", "ah-d001-stop-2"]


async def test_closing_takes_the_stop_back_first_and_sells_everything(guarded, stand):
    """The agents close: the quantity is the position's, whatever the request said."""
    await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
    await stand.until(lambda: guarded.protected("AAPL"))
    close = stand.request(
        2,
        leg=Leg.REDUCE,
        side=Side.SELL,
        quantity=Decimal("0.5"),
        limit_price=Decimal("99.98"),
        stop_loss=None,
        take_profit=None,
    )
    result = await guarded.exits.close(close)
    assert not isinstance(result, Denied)
    await stand.until(lambda: not stand.venue.positions())
    await stand.until(lambda: not stand.book.working())
    (stop,) = guarded.at_venue(type="stop")
    assert stop["status"] == "canceled"


async def test_a_close_that_finds_no_buyer_gives_the_stop_back(guarded, stand, crypto):
    """An exit may fail; the protection it took down comes back."""

    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: guarded.protected("BTC/USD"))
    close = crypto(
        stand,
        2,
        leg=Leg.REDUCE,
        side=Side.SELL,
        limit_price=Decimal(50_100),
        stop_loss=None,
        take_profit=None,
    )
    await guarded.exits.close(close)
    await stand.until(lambda: len(guarded.at_venue(type="stop_limit", status="new")) == 1)
    await stand.until(lambda: guarded.protected("BTC/USD"))
    assert stand.ledger.quantity("BTC/USD") > 0


async def test_a_close_that_rests_is_taken_back_and_the_stop_with_it(guarded, stand):
    """A share's close is a DAY order, valid for a minute: while it waited no stop rested."""
    await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
    await stand.until(lambda: guarded.protected("AAPL"))
    waiting = stand.request(
        2, leg=Leg.REDUCE, side=Side.SELL, limit_price=Decimal("100.40"), stop_loss=None,
        take_profit=None,
    )  # fmt: skip
    close = await guarded.exits.close(waiting)
    assert not isinstance(close, Denied)
    assert close.is_working
    await stand.until(lambda: guarded.protected("AAPL"))
    assert stand.ledger.quantity("AAPL") == Decimal("0.37")
    assert len(guarded.resting("AAPL")) == 1


async def test_suspended_exits_leave_a_position_bare_until_a_person_resumes(guarded, stand, crypto):
    """Cancel-all with `protective` means what it says, and a resume takes it back."""
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: guarded.protected("BTC/USD"))
    guarded.exits.is_suspended = True
    (stop,) = [order for order in stand.book.working() if order.request.leg is Leg.STOP]
    await stand.gateway.cancel(stop, "cancel-all")
    await stand.until(lambda: not stand.book.working())
    await asyncio.sleep(0.2)
    assert not stand.book.working()
    guarded.exits.is_suspended = False
    guarded.exits.wake_all()
    await stand.until(lambda: guarded.protected("BTC/USD"))


async def test_a_refused_stop_is_tried_again_ever_more_slowly(guarded, stand, crypto):
    """After a crash a stop of the wrong size was sent twenty times a second, for ever."""
    body = {"code": 40310000, "message": "insufficient balance for BTC"}
    refusals = [stand.script.failure(403, body) for _ in range(50)]

    def is_stop(request):
        return "-stop-" in str(request.body)

    async def refuse(request, _answer=None):
        is_post = (request.method, request.path) == ("POST", "/v2/orders")
        return refusals.pop() if is_post and is_stop(request) and refusals else None

    stand.script.before.append(refuse)
    await stand.gateway.submit(crypto(stand))
    await stand.until(lambda: len(refusals) <= 47)
    await asyncio.sleep(0.5)
    assert len(refusals) >= 45
    refusals.clear()
    await stand.until(lambda: guarded.protected("BTC/USD"))
