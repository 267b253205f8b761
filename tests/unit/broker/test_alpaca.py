"""The Alpaca broker against scripted answers: what each means to whoever asked."""

import pytest

from broker.alpaca import AlpacaBroker, AlpacaBrokerConfig
from domain.errors import BrokerRefused, ConfigError, OrderRejected, OutcomeUnknown
from domain.market import AssetClass
from domain.orders import Order, OrderState
from engine.clock import LiveClock

ORDER = {
    "id": "904837e3-3b76-47ec-b432-046db621571b",
    "client_order_id": "ah-0123-stop-1",
    "submitted_at": "2026-10-08T14:00:00.123456Z",
    "updated_at": "2026-10-08T14:00:00.123456Z",
    "symbol": "AAPL",
    "asset_class": "us_equity",
    "qty": "1",
    "filled_qty": "0",
    "side": "sell",
    "type": "stop",
    "stop_price": "98",
    "time_in_force": "day",
    "status": "new",
    "legs": None,
}
UNIQUE = {"code": 40010001, "message": "client_order_id must be unique"}
NOT_FOUND = {"code": 40410000, "message": "order not found for ah-0123-stop-1"}


@pytest.fixture
async def broker(venue):
    config = AlpacaBrokerConfig(key="K", secret="hidden", rest_url=venue.url, deadline_s=1.0)
    made = AlpacaBroker(config, LiveClock())
    yield made
    await made.aclose()


def order(stop_order):
    return Order(request=stop_order.request, state=OrderState.ACCEPTED, venue_order_id=ORDER["id"])


async def test_a_submission_sends_decimals_as_text_and_reads_the_answer(venue, broker, stop_order):
    """Money never becomes a float on the wire."""
    venue.answer(venue.reply(body=ORDER))
    report = await broker.submit(stop_order)
    assert venue.asked[0].body == {
        "symbol": "AAPL",
        "qty": "1",
        "side": "sell",
        "type": "stop",
        "time_in_force": "day",
        "client_order_id": "ah-0123-stop-1",
        "stop_price": "98",
    }
    assert report.state is OrderState.ACCEPTED


async def test_must_be_unique_is_answered_by_the_order_that_holds_the_name(
    venue, broker, stop_order
):
    """An earlier sending of this very order arrived: that is success."""
    venue.answer(venue.reply(422, UNIQUE), venue.reply(body=ORDER))
    report = await broker.submit(stop_order)
    assert report.venue_order_id == ORDER["id"]
    assert [each.method for each in venue.asked] == ["POST", "GET"]


@pytest.mark.parametrize("second", ["miss", "failure", "refusal"])
async def test_must_be_unique_without_the_order_to_see_stays_unknown(
    venue, broker, stop_order, second
):
    """The order is there whatever the question's fate: never `NotSent`, never a rejection."""
    replies = {
        "miss": venue.reply(404, NOT_FOUND),
        "failure": venue.RESET,
        "refusal": venue.reply(429, {}),
    }
    venue.answer(venue.reply(422, UNIQUE), replies[second])
    with pytest.raises(OutcomeUnknown):
        await broker.submit(stop_order)


async def test_a_success_that_is_no_order_leaves_the_outcome_unknown(venue, broker, stop_order):
    """200 with something else: the venue took it."""
    venue.answer(venue.reply(body={"hello": 1}))
    with pytest.raises(OutcomeUnknown):
        await broker.submit(stop_order)


async def test_a_cancel_goes_to_the_venues_id(venue, broker, stop_order):
    """DELETE by their name, not by ours."""
    venue.answer(venue.reply(204))
    await broker.cancel(order(stop_order))
    assert (venue.asked[0].method, venue.asked[0].path) == ("DELETE", f"/v2/orders/{ORDER['id']}")


async def test_a_cancel_of_a_filled_order_is_refused_in_the_venues_words(venue, broker, stop_order):
    """422 with the state it is in."""
    venue.answer(venue.reply(422, {"code": 42210000, "message": 'order is already in "filled"'}))
    with pytest.raises(OrderRejected):
        await broker.cancel(order(stop_order))


async def test_a_look_up_tells_a_miss_from_a_failure(venue, broker):
    """404 is a miss; everything else proves nothing."""
    venue.answer(venue.reply(404, NOT_FOUND))
    assert await broker.find("ah-0123-stop-1") is None
    for reply in (venue.reply(500, b"<html>"), venue.reply(200, b"<html>"), venue.RESET):
        venue.answer(reply)
        with pytest.raises(BrokerRefused):
            await broker.find("ah-0123-stop-1")


async def test_a_list_with_an_unreadable_order_is_no_list(venue, broker):
    """An order that we overlook would look absent."""
    venue.answer(venue.reply(body=[ORDER, {**ORDER, "id": None}]))
    with pytest.raises(BrokerRefused):
        await broker.open_orders()
    venue.answer(venue.reply(body={"orders": []}))
    with pytest.raises(BrokerRefused):
        await broker.open_orders()


async def test_more_orders_than_a_page_holds_are_all_read(venue, broker):
    """The venue gives 500 at a time: reading one page would lose the rest."""
    pages = [
        [
            {
                **ORDER,
                "id": f"v{n}",
                "submitted_at": f"2026-10-08T14:{n // 60 % 60:02}:{n % 60:02}Z",
            }
            for n in numbers
        ]
        for numbers in (range(500), range(499, 999), range(998, 1100))
    ]
    venue.answer(*(venue.reply(body=page) for page in pages))
    reports = await broker.orders_since("2026-10-08T00:00:00Z")
    assert [report.venue_order_id for report in reports] == [f"v{n}" for n in range(1100)]
    assert len(venue.asked) == 3


async def test_a_symbol_that_the_venue_does_not_know_names_the_setting(venue, broker):
    """A typing mistake in `TRADING_SYMBOLS` is a person's to mend."""
    venue.answer(venue.reply(404, {"code": 40410000, "message": "asset not found for ZZZZ"}))
    with pytest.raises(ConfigError) as error:
        await broker.instrument("ZZZZ")
    assert "TRADING_SYMBOLS" in error.value.line
    venue.answer(venue.reply(401, {"message": "unauthorized."}))
    with pytest.raises(BrokerRefused):
        await broker.instrument("AAPL")


async def test_a_list_of_assets_without_easy_to_borrow_is_read(venue, broker):
    """alpaca-py's own models refuse the whole list."""
    asset = {"class": "us_equity", "symbol": "AAPL", "status": "active", "tradable": True}
    venue.answer(venue.reply(body=[asset]))
    [instrument] = await broker.instruments(AssetClass.STOCK)
    assert instrument.tradable


def test_alpacas_own_addresses_follow_from_paper_or_live():
    """Paper unless told otherwise; the stream stands on the same host."""
    paper = AlpacaBrokerConfig(key="K", secret="hidden")
    live = AlpacaBrokerConfig(key="K", secret="hidden", paper=False)
    assert paper.updates.url == "wss://paper-api.alpaca.markets/stream"
    assert live.updates.url == "wss://api.alpaca.markets/stream"
    assert "hidden" not in repr((paper, paper.rest, paper.updates))


def activity(number):
    return {
        "id": f"2026::{number:03}",
        "activity_type": "FILL",
        "transaction_time": "2026-10-08T14:00:00Z",
        "symbol": "AAPL",
        "qty": "1",
        "price": "100",
        "side": "buy",
        "order_id": "o",
    }


async def test_the_history_is_read_page_by_page_to_its_end(venue, broker):
    """A hundred at a time, each page after the last id of the one before."""
    first = [activity(number) for number in range(100)]
    venue.answer(venue.reply(body=first), venue.reply(body=[activity(100)]))
    found = await broker.activities("2026-10-08T00:00:00Z")
    assert [each.id for each in found[98:]] == ["2026::098", "2026::099", "2026::100"]
    assert "page_token=2026%3A%3A099" in venue.asked[1].path
    assert "direction=asc" in venue.asked[0].path
