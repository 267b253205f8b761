"""Money and holdings against the journal: what explains a difference, and what halts for one."""

import asyncio
from decimal import Decimal

import pytest
from msgspec.structs import replace

from domain.errors import BrokerRefused
from domain.orders import Leg, OrderState, OrderType, TimeInForce, client_order_id
from domain.ports import EntryKind
from engine.clock import ScaledClock
from engine.orders.looks import Pace, ReconcilerConfig, Reconciliation, Trigger
from engine.restart import remember
from exchange.faults import Answer

ACCOUNT, ACTIVITIES, POSITIONS = "/v2/account", "/v2/account/activities", "/v2/positions"


def codes(result):
    return [finding.code for finding in result.differences]


def deaf(stand):
    """Cut the stream's events off: nothing is told, nothing replayed."""
    stand.script.events = lambda _event: ()


def elsewhere(stand, side, quantity, symbol="AAPL"):
    """Trade as a person would, in the venue's own dashboard."""
    fields = {"symbol": symbol, "qty": str(quantity), "side": side, "type": "market"}
    return stand.venue.submit({**fields, "time_in_force": "gtc" if "/" in symbol else "day"})


async def watched(stand, times=8):
    """Look every four seconds of event time; returns the last result."""
    for _ in range(times):
        result = await stand.look()
        stand.wall.skip(4)
    return result


async def settled(stand):
    """Trade a little, let the venue's lag pass, and agree."""
    await stand.hold(3)
    stand.wall.skip(11)
    assert (await stand.look()).clean


def told(stand, path, change):
    """Have the venue's answers to one path say something else from now on."""

    async def rule(request, answer):
        if request.path != path or request.method != "GET" or answer.status != 200:
            return None
        return Answer(status=200, body=change(answer.body))

    stand.script.after.append(rule)


def less_cash(body):
    return {**body, "cash": str(Decimal(body["cash"]) - 50)}


def two_more(body):
    return [{**row, "qty": str(Decimal(row["qty"]) + 2)} for row in body]


async def test_cash_that_no_fill_explains_halts_when_it_stays(stand):
    """Fifty dollars less and nothing in the history: entries stop, and one line says why."""
    await settled(stand)
    told(stand, ACCOUNT, less_cash)
    result = await watched(stand)
    assert codes(result) == ["CASH_DIFFERS"]
    assert not stand.reconciler.is_clean
    [(code, line)] = set(stand.halts)
    assert code == "CASH_DIFFERS"
    assert "Cash: ours 99700.00, the venue's 99650.00" in line
    assert "autohedge reconcile" in line
    assert [alert[0] for alert in stand.alerts] == ["CASH_DIFFERS"]


async def test_cash_that_comes_back_within_the_venues_lag_is_nothing(stand):
    """The account trails its own fills by seconds."""
    await settled(stand)
    trailing = {**stand.venue.account(), "cash": "1"}
    stand.script.before.append(stand.script.answers(ACCOUNT, Answer(status=200, body=trailing)))
    assert (await watched(stand)).clean
    assert (stand.halts, stand.alerts) == ([], [])


async def test_money_that_others_moved_is_explained_by_the_venues_history(stand):
    """Another program buys a symbol that is not ours: the cash is less, and nobody is told."""
    await settled(stand)
    elsewhere(stand, "buy", 2, "MSFT")
    result = await watched(stand)
    assert (result.clean, result.differences, stand.halts) == (True, (), [])
    assert stand.reconciler.accounts.mark.cash == Decimal(stand.venue.account()["cash"])


async def test_a_history_that_cannot_be_read_explains_nothing(stand):
    """The same purchase, and the question for it fails: what stays must not be waved through."""
    await settled(stand)
    elsewhere(stand, "buy", 2, "MSFT")
    away = [stand.script.failure(503)] * 50
    stand.script.before.append(stand.script.answers(ACTIVITIES, *away))
    assert codes(await watched(stand)) == ["CASH_DIFFERS"]
    stand.script.before.clear()
    assert (await watched(stand, 2)).clean


async def test_a_position_that_nothing_explains_halts_when_it_stays(stand):
    """Five where our fills come to three, and no execution of anybody's behind it."""
    await settled(stand)
    told(stand, POSITIONS, two_more)
    result = await watched(stand)
    assert "POSITION_DIFFERS" in codes(result)
    assert not result.clean
    [(code, line)] = set(stand.halts)
    assert (code, line.split(",")[0]) == ("POSITION_DIFFERS", "AAPL: ours 3")
    assert "the venue's 5" in line


async def test_a_position_that_vanishes_unexplained_is_kept_and_halts(stand):
    """Believed gone it would lose its stop: an empty list without a sale is no proof of flat."""
    await settled(stand)
    told(stand, POSITIONS, lambda _body: [])
    result = await watched(stand)
    assert "POSITION_DIFFERS" in codes(result)
    assert stand.ledger.quantity("AAPL") == 3
    assert {code for code, _ in stand.halts} == {"POSITION_DIFFERS"}


async def test_a_trade_of_somebody_elses_reduces_and_does_not_halt(stand):
    """The history shows who did it: that symbol takes no entries, the rest goes on."""
    await settled(stand)
    elsewhere(stand, "buy", 2)
    result = await watched(stand)
    assert (result.clean, stand.halts) == (True, [])
    assert stand.ownership.is_reducing("AAPL")
    assert [alert[0] for alert in stand.alerts] == ["MANUAL_TRADE"]
    assert stand.reconciler.accounts.mark.positions == {"AAPL": Decimal(5)}


async def test_a_pairs_fee_leaves_in_coins_without_a_word(stand):
    """Bought at the venue's default fee: ledger, fill and venue agree to the last digit."""
    buy = stand.request(
        1,
        symbol="BTC/USD",
        quantity=Decimal("0.5"),
        limit_price=Decimal(50_010),
        reference_price=Decimal(50_000),
        stop_loss=Decimal(49_000),
        take_profit=Decimal(53_000),
        time_in_force=TimeInForce.IOC,
    )
    await stand.gateway.submit(buy)
    held = Decimal(stand.venue.position("BTCUSD")["qty"])
    await stand.until(lambda: stand.ledger.quantity("BTC/USD") == held)
    result = await watched(stand)
    assert (result.clean, stand.alerts, stand.halts) == (True, [], [])
    assert held == Decimal("0.49875")
    assert stand.ledger.fees == Decimal("62.5")


async def test_a_repair_takes_the_venues_word_and_writes_it_down(stand):
    """A person looked: the venue is right, the record says who said so, and nothing was sent."""
    await settled(stand)
    told(stand, POSITIONS, two_more)
    told(stand, ACCOUNT, less_cash)
    await watched(stand)
    posts = len(stand.posts())
    result = await stand.reconciler.repair("test")
    assert (result.clean, result.differences) == (True, ())
    assert stand.ledger.quantity("AAPL") == 5
    assert len(stand.posts()) == posts
    [action] = await stand.entries(EntryKind.OPERATOR_ACTION)
    accepted = action.body["args"]["accepted"]
    assert action.body["actor"] == "test"
    assert {each["code"] for each in accepted} == {"POSITION_DIFFERS", "CASH_DIFFERS"}
    assert (await watched(stand)).clean


async def test_a_repair_without_the_venues_answer_repairs_nothing(stand):
    """Silence is no word that could be accepted."""
    await settled(stand)
    stand.script.before.append(stand.script.answers(POSITIONS, stand.script.failure(503)))
    with pytest.raises(BrokerRefused, match="nothing was repaired"):
        await stand.reconciler.repair("test")
    assert await stand.entries(EntryKind.OPERATOR_ACTION) == []


async def remembered(stand):
    """Read what a restart reads."""
    await stand.entries()
    reader = stand.journal.reader
    return await remember(reader.orders, reader.states, reader.decisions, ["AAPL", "BTC/USD"])


async def test_what_was_agreed_is_held_against_the_venue_after_a_restart(stands):
    """Sold by hand while we were away: the first answer alone would have been believed."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await settled(first)
        known = await remembered(first)
    await first.close_journal()
    assert known.mark.positions == {"AAPL": Decimal(3)}
    elsewhere(first, "sell", 2)
    options = {"owned": known.owned, "mark": known.mark, "since": known.since}
    async with stands.trading(at=at, **options) as second:
        await watched(second)
        assert second.ownership.is_reducing("AAPL")
        assert [alert[0] for alert in second.alerts] == ["MANUAL_TRADE"]
        assert second.halts == []


async def test_shares_gone_without_a_trace_over_a_restart_halt(stands):
    """The journal has three, the venue one, and its history no sale."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await settled(first)
        known = await remembered(first)
    await first.close_journal()
    told(first, POSITIONS, lambda body: [{**row, "qty": "1"} for row in body])
    options = {"owned": known.owned, "mark": known.mark, "since": known.since}
    async with stands.trading(at=at, **options) as second:
        result = await watched(second)
        assert codes(result) == ["POSITION_DIFFERS"]
        assert {code for code, _ in second.halts} == {"POSITION_DIFFERS"}


async def test_fills_of_after_the_mark_are_counted_over_a_restart(stands):
    """Killed before the next quiet look: the fills since are in the journal, and explain all."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await settled(first)
        sale = first.exit(
            leg=Leg.REDUCE,
            client_order_id=client_order_id("d001", Leg.REDUCE, 1),
            order_type=OrderType.LIMIT,
            stop_price=None,
            limit_price=Decimal("99.90"),
            time_in_force=TimeInForce.DAY,
        )
        await first.gateway.submit(sale)
        await first.until(lambda: first.ledger.quantity("AAPL") == 2)
        known = await remembered(first)
    await first.close_journal()
    assert [fill.quantity for fill in known.since] == [1]
    options = {"owned": known.owned, "mark": known.mark, "since": known.since}
    async with stands.trading(at=at, **options) as second:
        result = await watched(second)
        assert (result.clean, result.differences, second.halts) == (True, (), [])


async def test_what_an_order_of_unknown_outcome_filled_is_no_stranger_at_the_start(stands):
    """Killed between POST and answer: the position was called foreign before the look-up."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        request = first.request()
        order = await first.gateway.submit(request)
    await first.close_journal()
    second = await stands.stand(at=at)
    sent = replace(
        order,
        state=OrderState.UNKNOWN,
        venue_order_id=None,
        filled_quantity=Decimal(0),
        executed_quantity=Decimal(0),
        average_price=None,
        executions=(),
    )
    second.book.restore([sent])
    result = await second.reconciler.reconcile(Trigger.START)
    assert codes(result) == []
    assert second.alerts == []
    assert second.ledger.quantity("AAPL") == 1
    assert not second.ownership.is_foreign("AAPL")


async def test_a_look_up_that_misses_at_the_start_leaves_the_question_open(stands):
    """The venue shows the position before it shows the order: nothing is called foreign yet."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        order = await first.gateway.submit(first.request())
    await first.close_journal()
    second = await stands.stand(at=at)
    unknown = replace(
        order,
        state=OrderState.UNKNOWN,
        venue_order_id=None,
        filled_quantity=Decimal(0),
        executed_quantity=Decimal(0),
        average_price=None,
        executions=(),
    )
    second.book.restore([unknown])
    miss = second.script.failure(404, {"code": 40410000, "message": "order not found"})
    second.script.before.append(second.script.answers("/v2/orders:by", miss))
    first_look = await second.reconciler.reconcile(Trigger.START)
    assert codes(first_look) == []
    again = await second.reconciler.reconcile(Trigger.START)
    assert codes(again) == []
    assert not second.ownership.is_foreign("AAPL")


async def test_an_entry_looks_only_when_what_is_believed_is_too_old(stand):
    """Sixty seconds is the default age: younger than that memory serves, at no request."""
    await stand.look()
    before = len(stand.venue.record.requests("GET", ACCOUNT))
    await stand.reconciler.before_entry(60)
    assert len(stand.venue.record.requests("GET", ACCOUNT)) == before
    stand.wall.skip(61)
    await stand.reconciler.before_entry(60)
    assert stand.reconciler.last.trigger is Trigger.ENTRY
    assert len(stand.venue.record.requests("GET", ACCOUNT)) == before + 1


def look(**changes):
    fields = {
        "ts": "2026-10-08T14:00:00.000000000Z",
        "trigger": Trigger.TIMER,
        "clean": True,
        "is_conclusive": True,
    }
    return Reconciliation(**(fields | changes))


async def test_questions_that_fail_are_asked_less_and_less_often():
    """A venue that was away for an hour was asked, and the log written, every two seconds."""
    pace = Pace(ReconcilerConfig(), ScaledClock(lambda: 0, speed=1))
    pauses = []
    for _ in range(6):
        pace.looked(look(clean=False, is_conclusive=False))
        pauses.append(pace.pause_s)
    assert pauses == [2, 4, 8, 16, 30, 30]
    pace.looked(look())
    pace.looked(look(clean=False, is_conclusive=False))
    assert pace.pause_s == 2


async def test_at_twenty_times_real_speed_the_venue_is_asked_by_the_wall():
    """Thirty seconds of a soak pass in a second and a half; the venue's minute does not."""
    config = ReconcilerConfig(interval_s=0.2, interval_wall_s=0.2)
    pace, loop = Pace(config, ScaledClock(lambda: 0, speed=20)), asyncio.get_running_loop()
    began = loop.time()
    assert await pace.rest(asyncio.Event(), look())
    assert loop.time() - began >= 0.199


async def test_looks_after_ended_orders_keep_within_their_share_of_the_minute():
    """Orders end many times a minute in a soak: the third look waits for the first to be old."""
    config = ReconcilerConfig(settle_s=0.0, spacing_s=0.0, looks_per_minute=2)
    pace = Pace(config, ScaledClock(lambda: 0, speed=20))
    pace.looked(look())
    await pace.space(Trigger.ORDER_ENDED)
    pace.looked(look())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await pace.space(Trigger.ORDER_ENDED)
    await pace.space(Trigger.LINK_UP)


async def test_shares_out_of_nothing_are_not_believed(stand):
    """A stop of their size was refused, and the smaller one gone: the position stood bare."""
    await settled(stand)
    told(stand, POSITIONS, two_more)
    await watched(stand)
    assert stand.ledger.quantity("AAPL") == 3


async def test_a_venue_that_does_not_answer_leaves_the_view_old_before_an_entry(stand):
    """The age is what denies the entry; a failed question must not make it young."""
    await stand.look()
    asked_ns = stand.ledger.account_ts_ns
    stand.wall.skip(61)
    stand.script.before.append(stand.script.answers(ACCOUNT, stand.script.failure(503)))
    await stand.reconciler.before_entry(60)
    assert stand.ledger.account_ts_ns == asked_ns
