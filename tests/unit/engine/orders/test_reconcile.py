"""Our view against the venue's, over real sockets: what was missed, lost, strange or not ours."""

import asyncio
import gc
from decimal import Decimal

import pytest

from domain.orders import Leg, OrderState, OrderType, TimeInForce, client_order_id
from domain.ports import EntryKind
from engine.orders.looks import Trigger

ORDERS = "/v2/orders"
POSITIONS = "/v2/positions"


def codes(result):
    return [finding.code for finding in result.differences]


def deaf(stand):
    """Cut the stream's events off, as a lost link does: nothing is told, nothing replayed."""
    stand.script.events = lambda _event: ()


def elsewhere(stand, side, quantity, symbol="AAPL"):
    """Trade as a person would, in the venue's own dashboard."""
    life = "gtc" if "/" in symbol else "day"
    fields = {"symbol": symbol, "qty": str(quantity), "side": side, "type": "market"}
    return stand.venue.submit({**fields, "time_in_force": life})


async def looked(stand, condition, times=8):
    """Look every four seconds of event time until the last result satisfies the condition."""
    for _ in range(times):
        result = await stand.look()
        if condition(result):
            return result
        stand.wall.skip(4)
    pytest.fail(f"never so in {times} looks: {result}")


async def test_a_first_look_at_a_quiet_account_is_clean(stand):
    """Nothing working, nothing held: entries may begin, and the journal says so."""
    assert not stand.reconciler.is_clean
    result = await stand.look()
    assert (result.clean, result.is_conclusive, result.differences) == (True, True, ())
    assert stand.reconciler.is_clean
    assert stand.reconciler.last_clean_ns is not None
    [entry] = await stand.entries(EntryKind.RECONCILIATION)
    assert entry.body["clean"] is True
    assert stand.kinds().count("reconciled") == 1


async def test_a_fill_missed_while_the_stream_was_away_is_recovered(stand):
    """The stream has no replay: the order itself tells what it filled."""
    deaf(stand)
    request = stand.resting()
    await stand.gateway.submit(request)
    stand.quote("AAPL", 99.5, 99.55)
    assert stand.ledger.quantity("AAPL") == 0
    result = await stand.look()
    assert stand.state(request) is OrderState.FILLED
    assert stand.ledger.quantity("AAPL") == 1
    assert result.clean
    fills = await stand.entries(EntryKind.FILL)
    assert [fill.body["quantity"] for fill in fills] == ["1"]


async def test_positions_that_trail_a_recovered_fill_are_not_believed(stand):
    """The venue's positions lag its own fills: a sale must not be undone, nor called a person's."""
    await stand.hold(5)
    stand.wall.skip(60)
    await stand.look()
    deaf(stand)
    stale = stand.venue.positions()
    sale = stand.exit(
        leg=Leg.REDUCE,
        client_order_id=client_order_id("d001", Leg.REDUCE, 1),
        quantity=Decimal(2),
        order_type=OrderType.LIMIT,
        stop_price=None,
        limit_price=Decimal("99.90"),
        time_in_force=TimeInForce.DAY,
    )
    stand.script.after.append(stand.script.answers(ORDERS, stand.script.failure(), method="POST"))
    await stand.gateway.submit(sale)
    await stand.until(lambda: stand.state(sale) is OrderState.FILLED)
    stand.script.before.append(stand.script.answers(POSITIONS, stand.script.failure(200, stale)))
    await stand.look()
    assert stand.ledger.quantity("AAPL") == 3
    stand.wall.skip(30)
    result = await stand.look()
    assert (result.clean, result.differences) == (True, ())
    assert stand.ledger.quantity("AAPL") == 3
    assert not stand.ownership.is_reducing("AAPL")


async def test_looking_twice_finds_nothing_the_second_time(stand):
    """Reconciling converges in one pass: no fill, no event, no difference is made twice."""
    deaf(stand)
    await stand.gateway.submit(stand.bracket(quantity=Decimal(2)))
    await stand.look()
    before = await stand.entries(EntryKind.ORDER_EVENT)
    result = await stand.look()
    assert result.clean
    assert len(await stand.entries(EntryKind.ORDER_EVENT)) == len(before)
    assert stand.ledger.quantity("AAPL") == 2


async def test_the_end_of_an_order_missed_by_the_stream_is_found_by_its_id(stand):
    """It is not in the list of working orders any more: the venue is asked for it."""
    deaf(stand)
    request = stand.resting()
    order = await stand.gateway.submit(request)
    stand.venue.cancel(stand.book.get(order.client_order_id).venue_order_id)
    result = await stand.look()
    assert stand.state(request) is OrderState.CANCELED
    assert result.clean


async def test_many_missed_ends_are_asked_for_at_once(stand):
    """Fifty orders ended while we were away: one question, not fifty."""
    await stand.hold(8)
    stops = [stand.exit(n, quantity=Decimal(1)) for n in range(1, 9)]
    for each in stops:
        await stand.gateway.submit(each)
    deaf(stand)
    stand.venue.cancel_all()
    await stand.look()
    assert {stand.state(each) for each in stops} == {OrderState.CANCELED}
    asked = stand.venue.record.requests("GET", "/v2/orders:by_client_order_id")
    assert asked == []


async def test_a_failed_question_is_never_read_as_flat(stand):
    """The venue answers 503 for positions: what we hold stays what it was."""
    await stand.hold(3)
    await stand.look()
    assert stand.reconciler.is_clean
    away = [stand.script.failure(503)] * 3
    stand.script.before.append(stand.script.answers(POSITIONS, *away))
    result = await stand.look()
    assert not result.is_conclusive
    assert stand.ledger.quantity("AAPL") == 3
    assert stand.reconciler.is_clean


async def test_a_list_of_orders_that_fails_declares_nothing_missing(stand):
    """An unreadable list is no empty list."""
    request = stand.resting()
    await stand.gateway.submit(request)
    broken = [stand.script.failure(200, b"<html>")] * 2
    stand.script.before.append(stand.script.answers(ORDERS, *broken, method="GET"))
    for _ in range(2):
        assert not (await stand.look()).is_conclusive
    assert stand.state(request) is OrderState.ACCEPTED


async def test_positions_that_vanish_for_a_moment_are_not_believed(stand):
    """Paper was seen to lose positions for a cycle; a position believed gone loses its stop."""
    await stand.hold(3)
    await stand.look()
    stand.wall.skip(60)
    gone = [stand.script.failure(200, [])] * 2
    stand.script.before.append(stand.script.answers(POSITIONS, *gone))
    for _ in range(4):
        result = await stand.look()
        assert stand.ledger.quantity("AAPL") == 3
        stand.wall.skip(4)
    assert result.clean
    assert stand.alerts == []


async def test_a_position_that_stays_gone_is_believed_and_said_once(stand):
    """Somebody closed it by hand: after the grace the venue is right, the symbol is reducing."""
    await stand.hold(3)
    stand.wall.skip(11)
    await stand.look()
    deaf(stand)
    stand.venue.close_position("AAPL")
    result = await looked(stand, lambda _: stand.ledger.quantity("AAPL") == 0)
    assert "MANUAL_TRADE" in codes(result)
    assert stand.ownership.is_reducing("AAPL")
    assert [alert[0] for alert in stand.alerts].count("MANUAL_TRADE") == 1


async def test_a_difference_that_stands_keeps_entries_out_until_it_is_settled(stand):
    """While nobody knows what is held, nothing is opened."""
    await stand.hold(3)
    stand.wall.skip(11)
    await stand.look()
    deaf(stand)
    stand.venue.close_position("AAPL")
    doubted = await looked(stand, lambda result: not result.clean)
    assert codes(doubted) == ["POSITION_DIFFERS"]
    assert not stand.reconciler.is_clean
    await looked(stand, lambda result: result.clean)
    assert stand.reconciler.is_clean


async def test_a_manual_trade_in_a_symbol_of_ours_sets_it_to_reducing(stand):
    """One line, no halt: the rest goes on, and a person lets entries in again."""
    await stand.hold(3)
    stand.wall.skip(11)
    await stand.look()
    elsewhere(stand, "buy", 2)
    result = await looked(stand, lambda result: "MANUAL_TRADE" in codes(result))
    assert result.clean
    assert stand.ledger.quantity("AAPL") == 5
    assert stand.ownership.is_reducing("AAPL")
    denied = await stand.gateway.submit(stand.request(7))
    assert denied.code == "REDUCE_ONLY"
    stand.ownership.resume("AAPL")
    assert not stand.ownership.is_reducing("AAPL")


async def test_a_position_of_before_the_first_start_is_listed_and_left_alone(stands):
    """It is somebody's: entries in its symbol are denied, and it is never touched."""
    at = await stands.venue()
    venue = at[0]
    venue.submit(
        {"symbol": "AAPL", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}
    )
    async with stands.trading(at=at) as stand:
        result = await stand.look()
        assert codes(result) == ["FOREIGN_POSITION"]
        assert result.clean
        denied = await stand.gateway.submit(stand.request())
        assert denied.code == "FOREIGN_POSITION"
        assert 499 < stand.ledger.exposure("AAPL") <= 500
        assert stand.adopted == []


async def test_a_position_to_adopt_is_journaled_and_handed_to_protection(stands):
    """`ADOPT_POSITIONS=yes`: it gets an origin that its stop can be named after."""
    at = await stands.venue()
    at[0].submit(
        {"symbol": "AAPL", "qty": "5", "side": "buy", "type": "market", "time_in_force": "day"}
    )
    async with stands.trading(at=at, adopt=True) as stand:
        result = await stand.look()
        assert codes(result) == ["POSITION_ADOPTED"]
        [(position, origin)] = stand.adopted
        assert (position.symbol, position.quantity) == ("AAPL", 5)
        [entry] = await stand.entries(EntryKind.ORIGIN)
        assert (entry.ref, entry.body["kind"]) == (origin, "adoption")
        assert not stand.ownership.is_foreign("AAPL")


async def test_what_the_journal_can_explain_is_ours_at_a_restart(stands):
    """A position of ours is no stranger because the process is new."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await first.hold(2)
    await first.close_journal()
    async with stands.trading(at=at, owned=frozenset({"AAPL"})) as second:
        result = await second.look()
        assert result.differences == ()
        assert second.ledger.quantity("AAPL") == 2


async def test_a_coin_position_is_one_with_its_settings_symbol(stands):
    """BTCUSD at the venue, BTC/USD in settings: the published code took it for a ghost."""
    at = await stands.venue()
    async with stands.trading(at=at, owned=frozenset({"BTC/USD"})) as stand:
        elsewhere(stand, "buy", "0.01", "BTC/USD")
        result = await looked(stand, lambda _: stand.ledger.quantity("BTC/USD") > 0)
        assert set(stand.ledger.positions) == {"BTC/USD"}
        assert result.clean


async def test_a_fee_taken_in_coin_is_no_difference(stand):
    """A buy of 0.5 leaves a little less: the ledger follows without a word."""
    entry = stand.request(
        1,
        symbol="BTC/USD",
        quantity=Decimal("0.5"),
        limit_price=Decimal(50_010),
        reference_price=Decimal(50_000),
        stop_loss=Decimal(49_000),
        take_profit=Decimal(53_000),
        time_in_force=TimeInForce.IOC,
    )
    deaf(stand)
    await stand.gateway.submit(entry)
    await stand.look()
    result = await stand.look()
    assert (result.clean, stand.alerts) == (True, [])
    assert stand.ledger.quantity("BTC/USD") == Decimal(stand.venue.position("BTCUSD")["qty"])


async def test_orders_outside_our_symbols_are_never_touched_and_count(stand):
    """They are listed, and their dollars count against the exposure limit."""
    foreign = {"symbol": "MSFT", "qty": "1", "side": "buy", "type": "limit"}
    stand.venue.submit({**foreign, "limit_price": "300", "time_in_force": "day"})
    result = await stand.look()
    assert result.clean
    assert [report.symbol for report in stand.reconciler.foreign_orders] == ["MSFT"]
    assert stand.book.working() == []
    assert stand.ledger.exposure() == 300


async def test_an_order_of_ours_that_memory_lost_is_taken_up_again(stands):
    """A crash after the POST, a journal restored from an older copy: the name tells it is ours."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await first.gateway.submit(first.resting())
    await first.close_journal()
    async with stands.trading(at=at) as second:
        result = await second.look()
        assert codes(result) == ["ORDER_ADOPTED"]
        assert result.clean
        [order] = second.book.working()
        assert (order.request.leg, order.request.decision_id) == (Leg.ENTRY, "d001")
        await second.gateway.cancel(order, "test")
        await second.until(lambda: second.book.working() == [])


async def test_an_order_taken_up_again_has_the_story_that_the_journal_knows(stands):
    """What was asked for (stop, target) is in the journal, not at the venue."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        order = await first.gateway.submit(first.resting())

    async def recall(name):
        return order if name == order.client_order_id else None

    await first.close_journal()
    async with stands.trading(at=at, recall=recall) as second:
        await second.look()
        [found] = second.book.working()
        assert found.request.stop_loss == Decimal("98.00")


async def test_an_order_that_the_venue_lost_is_given_up_after_a_while(stand):
    """Its protection is then made anew; one miss is not enough."""
    await stand.hold()
    stop = stand.exit()
    await stand.gateway.submit(stop)
    await stand.look()
    unknown = {"code": 40410000, "message": "order not found"}

    async def forget(request, _answer=None):
        if request.path.startswith("/v2/orders:by"):
            return stand.script.failure(404, unknown)
        if request.path == ORDERS and request.method == "GET":
            return stand.script.failure(200, [])
        return None

    stand.script.before.append(forget)
    first = await stand.look()
    assert codes(first) == ["ORDER_MISSING"]
    assert not stand.reconciler.is_clean
    assert stand.book.get(stop.client_order_id).is_working
    await looked(stand, lambda result: "ORDER_VANISHED" in codes(result), times=10)
    assert stand.state(stop) is OrderState.CANCELED
    assert stand.book.get(stop.client_order_id).reason == "VANISHED"


async def test_an_order_of_unknown_outcome_is_left_to_its_look_up(stand):
    """Two judges of one order would contradict each other."""
    stand.script.before.append(stand.script.answers(ORDERS, stand.script.failure(), method="POST"))
    request = stand.resting()
    await stand.gateway.submit(request)
    result = await stand.look()
    assert result.clean
    assert stand.state(request) is OrderState.UNKNOWN


async def test_a_cut_of_the_stream_keeps_entries_out_until_a_look_behind_it(stand):
    """On each reconnect: there is no replay, so nothing is known until asked."""
    await stand.look()
    assert stand.reconciler.is_clean
    looking = asyncio.create_task(stand.reconciler.run())
    await stand.until(lambda: stand.reconciler.last.trigger is not Trigger.OPERATOR)
    looks = len([kind for kind in stand.kinds() if kind == "reconciled"])
    for client in list(stand.streams):
        client.transport.abort()
    await stand.until(lambda: any(alert[0] == "ORDER_STREAM_LOST" for alert in stand.alerts))
    await stand.until(lambda: stand.reconciler.is_clean)
    assert stand.kinds().count("reconciled") > looks
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_the_end_of_an_order_is_followed_by_a_look(stand):
    """REST corrects the account after each terminal order."""
    looking = asyncio.create_task(stand.reconciler.run())
    await stand.until(lambda: stand.reconciler.last is not None)
    asked_ns = stand.ledger.account_ts_ns
    await stand.gateway.submit(stand.request())
    await stand.until(lambda: stand.reconciler.last.trigger is Trigger.ORDER_ENDED)
    assert stand.ledger.account_ts_ns > asked_ns
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_time_alone_makes_it_look_again(stand):
    """An account view older than its limit denies entries: the timer keeps it young."""
    looking = asyncio.create_task(stand.reconciler.run())
    await stand.until(
        lambda: stand.reconciler.last is not None and stand.reconciler.last.trigger is Trigger.TIMER
    )
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_a_strangers_trade_in_a_symbol_of_ours_is_looked_at_once(stand):
    """Its event comes by our own stream: no need to wait for the timer."""
    looking = asyncio.create_task(stand.reconciler.run())
    await stand.until(lambda: stand.reconciler.last is not None)
    elsewhere(stand, "buy", 2)
    await stand.until(lambda: stand.reconciler.last.trigger is Trigger.STRANGER)
    await stand.until(lambda: stand.ownership.is_foreign("AAPL"))
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking


async def test_with_the_journal_down_looking_goes_on(stand):
    """What is found cannot be written, and is found all the same."""
    await stand.close_journal()
    assert (await stand.look()).clean


async def test_a_stop_filled_while_we_were_away_is_found_with_its_profit(stands):
    """The restart: the order ended, the position is gone, and the books agree at once."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await first.hold()
        stop = await first.gateway.submit(first.exit())
        entry = first.book.get("ah-d900-entry-1")
    await first.close_journal()
    at[0].on_trade("AAPL", 97.5, 100.0, at[0].clock.now_ns())
    at[0].on_quote("AAPL", 97.4, 1000.0, 97.5, 1000.0, at[0].clock.now_ns())
    second = await stands.stand(at=at, owned=frozenset({"AAPL"}))
    second.book.restore([entry, stop])
    result = await second.look()
    assert result.clean
    assert second.book.get(stop.client_order_id).state is OrderState.FILLED
    assert second.ledger.quantity("AAPL") == 0
    assert second.book.working() == []


async def test_refreshing_corrects_money_and_coins_and_nothing_else(stand):
    """Crypto fees leave in coin and no event tells: protection asks before it sells."""
    await stand.hold()
    reduce = stand.exit(
        leg=Leg.REDUCE,
        client_order_id=client_order_id("d001", Leg.REDUCE, 1),
        order_type=OrderType.LIMIT,
        stop_price=None,
        limit_price=Decimal("99.90"),
        time_in_force=TimeInForce.DAY,
    )
    await stand.gateway.submit(reduce)
    before = len(stand.venue.record.requests("GET"))
    await stand.reconciler.refresh()
    asked = [each.path for each in stand.venue.record.requests("GET")[before:]]
    assert sorted(asked) == sorted([POSITIONS, "/v2/account"])


async def test_positions_that_ask_at_once_share_one_answer(stand):
    """At a restart with 50 positions each asked for itself, one after the other: 34 questions."""
    before = len(stand.venue.record.requests("GET"))
    await asyncio.gather(*(stand.reconciler.refresh() for _ in range(10)))
    asked = [each.path for each in stand.venue.record.requests("GET")[before:]]
    assert asked.count(POSITIONS) == 2, "the first was put before the others came"
    await stand.reconciler.refresh()
    asked = [each.path for each in stand.venue.record.requests("GET")[before:]]
    assert asked.count(POSITIONS) == 3, "who comes later asks anew"


async def test_a_look_that_is_cancelled_at_once_leaves_no_question_unasked(stand):
    """Two questions were made before their tasks began: a stop left them unawaited, with noise."""
    looking = asyncio.create_task(stand.reconciler.refresh())
    await asyncio.sleep(0)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    gc.collect()  # an unawaited coroutine would warn here, and warnings are errors


async def test_a_burst_of_ended_orders_is_one_look(stand):
    """Each look costs three requests of the minute's budget."""
    await stand.hold(6)
    await stand.look()
    stops = [stand.exit(n) for n in range(1, 7)]
    for each in stops:
        await stand.gateway.submit(each)
    looking = asyncio.create_task(stand.reconciler.run())
    await stand.until(lambda: stand.reconciler.last.trigger is not Trigger.OPERATOR)
    before = len(stand.venue.record.requests("GET", POSITIONS))
    stand.venue.cancel_all()
    await stand.until(lambda: stand.reconciler.last.trigger is Trigger.ORDER_ENDED)
    assert len(stand.venue.record.requests("GET", POSITIONS)) <= before + 2
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
