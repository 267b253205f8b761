"""The way out of an order, against the local exchange over real sockets."""

import asyncio
from decimal import Decimal

import pytest

from domain.errors import InvariantBroken
from domain.orders import (
    DECLARED_ABSENT,
    Leg,
    OrderEventKind,
    OrderState,
    OrderType,
    TimeInForce,
    client_order_id,
)
from domain.ports import EntryKind
from domain.records import NS_PER_S, format_ns
from domain.risk import Denied, Limits, TradingState
from engine.orders.delivery.points import Point
from exchange.matching.knobs import FillSize

BY_ID = "/v2/orders:by_client_order_id"
ORDERS = "/v2/orders"


def lost(stand, *, has_effect, times=1):
    """Answer the next POSTs by a gateway time-out, before or after their effect."""
    rules = stand.script.after if has_effect else stand.script.before
    failures = [stand.script.failure()] * times
    rules.append(stand.script.answers(ORDERS, *failures, method="POST"))


def unseen(stand, times):
    """Let the venue not show an order by its id for so many questions."""
    body = {"code": 40410000, "message": "order not found"}
    misses = [stand.script.failure(404, body)] * times
    stand.script.before.append(stand.script.answers(BY_ID, *misses))


def roomy(**changes):
    """Limits that stand in nobody's way here."""
    return Limits(
        max_order_amount=Decimal(50_000),
        max_position_fraction=10.0,
        max_exposure_fraction=10.0,
        max_risk_per_trade=1.0,
        **({"unknown_window_s": 0.4} | changes),
    )


async def test_an_entry_is_authorized_written_ahead_sent_and_filled(stand):
    """The straight way: one POST, one fill, one position, and the journal knows it all."""
    order = await stand.gateway.submit(stand.request())
    await stand.until(lambda: stand.ledger.quantity("AAPL") == 1)
    assert stand.book.get(order.client_order_id).state is OrderState.FILLED
    assert len(stand.posts()) == 1
    kinds = [entry.kind for entry in await stand.entries()]
    assert kinds.index(EntryKind.GATE) < kinds.index(EntryKind.INTENT)
    assert kinds.index(EntryKind.INTENT) < kinds.index(EntryKind.ORDER_EVENT)
    assert kinds.count(EntryKind.FILL) == 1
    assert {"order_submitted", "order_updated", "fill_received"} <= set(stand.kinds())


async def test_a_submission_is_not_a_fill(stand):
    """The published code counted one as the other: a waiting order moves no position."""
    await stand.gateway.submit(stand.resting())
    assert stand.ledger.quantity("AAPL") == 0
    assert stand.ledger.exposure("AAPL") > 0
    assert stand.state(stand.resting()) is OrderState.ACCEPTED


async def test_what_a_limit_denies_never_leaves_and_is_written_down(stand):
    """A denial is a value with a code, journaled with every check, and nothing is reserved."""
    stand.trading_state = TradingState.HALTED
    denied = await stand.gateway.submit(stand.request())
    assert isinstance(denied, Denied)
    assert denied.code == "TRADING_HALTED"
    assert stand.posts() == []
    assert stand.ledger.reservations == {}
    [gate] = await stand.entries(EntryKind.GATE)
    assert (gate.body["authorized"], gate.body["code"]) == (False, "TRADING_HALTED")
    assert stand.published[-1] == (
        "order_denied",
        {
            "client_order_id": "ah-d001-entry-1",
            "decision_id": "d001",
            "symbol": "AAPL",
            "purpose": "entry",
            "code": "TRADING_HALTED",
            "value": denied.value,
            "limit": denied.limit,
        },
    )


async def test_twenty_orders_at_the_same_moment_do_not_slip_past_one_limit(stands):
    """Limits of the published code were check-then-act races; here checking reserves."""
    async with stands.trading(limits=roomy(max_open_orders=1)) as stand:
        requests = [
            stand.resting(n, symbol=symbol, **extra)
            for n, (symbol, extra) in enumerate(
                [
                    ("AAPL", {}),
                    (
                        "BTC/USD",
                        {
                            "quantity": Decimal("0.01"),
                            "limit_price": Decimal(49900),
                            "stop_loss": Decimal(49_000),
                            "take_profit": Decimal(52_000),
                            "time_in_force": TimeInForce.GTC,
                        },
                    ),
                ]
                * 10
            )
        ]
        results = await asyncio.gather(*(stand.gateway.submit(each) for each in requests))
        sent = [each for each in results if not isinstance(each, Denied)]
        assert len(sent) == 1
        codes = {each.code.value for each in results if isinstance(each, Denied)}
        assert codes == {"OPEN_ORDERS_LIMIT", "DUPLICATE_ORDER"}
        assert len(stand.posts()) == 1


async def test_the_same_order_twice_is_sent_once(stand):
    """The name of an order is a function of its origin: a second copy is denied here already."""
    first, second = await asyncio.gather(
        stand.gateway.submit(stand.resting()), stand.gateway.submit(stand.resting())
    )
    assert first.state is OrderState.ACCEPTED
    assert second.code == "DUPLICATE_ORDER"
    assert len(stand.posts()) == 1


async def test_an_exit_by_a_known_name_is_denied_as_well(stand):
    """Few codes bind an exit, but no name is used twice."""
    await stand.hold()
    await stand.gateway.submit(stand.exit())
    again = await stand.gateway.submit(stand.exit())
    assert again.code == "DUPLICATE_ORDER"


async def test_a_rejected_order_is_over_and_releases_what_it_held(stand):
    """A rejected order of the published code stayed pending for ever."""
    refusal = {"code": 40310000, "message": "insufficient buying power"}
    stand.script.before.append(
        stand.script.answers(ORDERS, stand.script.failure(403, refusal), method="POST")
    )
    order = await stand.gateway.submit(stand.request())
    assert order.state is OrderState.REJECTED
    assert order.reason == "insufficient buying power"
    assert stand.ledger.reservations == {}
    assert len(stand.posts()) == 1


async def test_a_refused_key_ends_the_order_and_nothing_is_unknown(stand):
    """401 comes before the venue reads an order."""
    stand.script.before.append(
        stand.script.answers(
            ORDERS, stand.script.failure(401, {"message": "unauthorized."}), method="POST"
        )
    )
    order = await stand.gateway.submit(stand.request())
    assert order.state is OrderState.REJECTED
    assert "key" in order.reason


# What a lost answer means


async def test_a_post_whose_answer_is_lost_is_looked_up_and_not_sent_again(stand):
    """A 504 after acceptance: the published code sent a second order."""
    lost(stand, has_effect=True)
    request = stand.resting()
    await stand.gateway.submit(request)
    await stand.until(lambda: stand.state(request) is OrderState.ACCEPTED)
    assert len(stand.posts()) == 1
    assert len(stand.at_venue()) == 1


async def test_a_connection_cut_after_sending_is_looked_up_and_not_sent_again(stand):
    """The request arrived, its answer did not: the same as a time-out."""
    stand.door.swallows = True
    request = stand.resting()
    order = await stand.gateway.submit(request)
    assert order.state is not OrderState.REJECTED
    stand.door.swallows = False
    await stand.until(lambda: stand.state(request) is OrderState.ACCEPTED)
    assert len(stand.posts()) == 1


async def test_an_entry_that_the_venue_never_had_is_declared_absent_after_the_window(stand):
    """A clean miss after the whole window is proof; it is never sent again."""
    lost(stand, has_effect=False)
    request = stand.resting()
    order = await stand.gateway.submit(request)
    assert order.state is OrderState.UNKNOWN
    await stand.until(lambda: stand.state(request) is OrderState.REJECTED)
    assert stand.book.get(request.client_order_id).reason == DECLARED_ABSENT
    assert len(stand.posts()) == 1
    assert stand.at_venue() == []
    assert ("alert_raised", "ORDER_ABSENT") in [
        (kind, body.get("code")) for kind, body in stand.published
    ]


async def test_an_absent_entry_holds_its_reservation_until_a_clean_reconciliation(stand):
    """Until the venue's whole list agrees, the money counts as spent."""
    lost(stand, has_effect=False)
    request = stand.resting()
    await stand.gateway.submit(request)
    await stand.until(lambda: stand.state(request) is OrderState.REJECTED)
    assert request.client_order_id in stand.ledger.reservations
    assert (await stand.look()).clean
    assert stand.ledger.reservations == {}


async def test_a_miss_soon_after_a_lost_post_is_no_proof(stand):
    """The venue shows an order late: several misses within the window decide nothing."""
    lost(stand, has_effect=True)
    unseen(stand, 4)
    stand.script.events = lambda _event: ()
    request = stand.resting()
    await stand.gateway.submit(request)
    await stand.until(lambda: stand.state(request) is OrderState.ACCEPTED)
    assert len(stand.posts()) == 1


async def test_with_the_venue_away_nothing_is_declared_absent(stand):
    """Failed questions prove nothing, however many: the order stays unknown until an answer."""
    lost(stand, has_effect=True)
    stand.script.events = lambda _event: ()
    away = [stand.script.failure(503)] * 12
    stand.script.before.append(stand.script.answers(BY_ID, *away))
    request = stand.resting()
    await stand.gateway.submit(request)
    asked = stand.venue.record
    await stand.until(lambda: len(asked.requests("GET", BY_ID)) >= 10)
    assert stand.state(request) is OrderState.UNKNOWN
    await stand.until(lambda: stand.state(request) is OrderState.ACCEPTED)


async def test_an_unknown_outcome_blocks_new_entries_in_its_symbol_alone(stand):
    """What may have been bought already must not be bought again; other symbols go on."""
    lost(stand, has_effect=False)
    await stand.gateway.submit(stand.resting(1))
    blocked = await stand.gateway.submit(stand.resting(2))
    assert blocked.code == "NOT_RECONCILED"
    crypto = stand.resting(
        3,
        symbol="BTC/USD",
        quantity=Decimal("0.01"),
        limit_price=Decimal(49_900),
        stop_loss=Decimal(49_000),
        take_profit=Decimal(52_000),
        time_in_force=TimeInForce.GTC,
    )
    assert (await stand.gateway.submit(crypto)).state is OrderState.ACCEPTED


async def test_the_stream_settles_an_unknown_order_before_the_look_up_does(stand):
    """Whoever tells first: the fill arrives by stream while the answer is lost."""
    lost(stand, has_effect=True)
    unseen(stand, 1000)
    request = stand.request()
    await stand.gateway.submit(request)
    await stand.until(lambda: stand.ledger.quantity("AAPL") == 1)
    assert stand.state(request) is OrderState.FILLED


# Exits are sent again, with the same name


async def test_an_exit_whose_post_never_arrived_is_sent_again_with_the_same_id(stand):
    """A stop that got lost leaves a bare position: it is repeated at once, and counts once."""
    await stand.hold()
    lost(stand, has_effect=False)
    stop = stand.exit()
    await stand.gateway.submit(stop)
    await stand.until(lambda: stand.state(stop) is OrderState.ACCEPTED)
    names = [post.body["client_order_id"] for post in stand.posts()[1:]]
    assert names == [stop.client_order_id] * 2
    assert len(stand.at_venue()) == 2


async def test_an_exit_sent_twice_is_settled_by_must_be_unique(stand):
    """The first sending arrived and is not shown yet: the venue itself refuses the second copy."""
    await stand.hold()
    lost(stand, has_effect=True)
    stand.script.events = lambda _event: ()
    unseen(stand, 2)
    stop = stand.exit()
    await stand.gateway.submit(stop)
    await stand.until(lambda: stand.state(stop) is OrderState.ACCEPTED)
    assert [post.status for post in stand.posts()[1:]] == [504, 422]
    stops = [order for order in stand.at_venue() if order["side"] == "sell"]
    assert len(stops) == 1


async def test_an_exit_is_not_repeated_once_nothing_is_left_to_close(stand):
    """A stop for a position that is gone would open a short one."""
    await stand.hold()

    async def close_and_fail(request):
        if request.method != "POST":
            return None
        for seconds in (20, 40):
            stand.ledger.correct(None, [], stand.clock.now_ns() + seconds * NS_PER_S)
        return stand.script.failure()

    stand.script.before.append(close_and_fail)
    stop = stand.exit()
    await stand.gateway.submit(stop)
    assert stand.ledger.quantity("AAPL") == 0
    await stand.until(lambda: stand.state(stop) is OrderState.REJECTED)
    assert len(stand.posts(504)) == 1


async def test_an_absent_exit_lets_go_of_the_quantity_at_once(stand):
    """The next attempt of a stop must not be denied for the one that never was."""
    await stand.hold()
    lost(stand, has_effect=False, times=1000)
    past = format_ns(stand.clock.now_ns() - 1)
    stop = stand.exit(valid_until=past)
    await stand.gateway.submit(stop)
    await stand.until(lambda: stand.state(stop) is OrderState.REJECTED)
    stand.script.before.clear()
    second = stand.exit(client_order_id=client_order_id("d001", Leg.STOP, 2))
    assert (await stand.gateway.submit(second)).state is OrderState.ACCEPTED


# What did not leave is tried again


async def test_an_order_that_did_not_leave_is_sent_when_the_venue_is_back(stand):
    """Refused connections are safe to retry; the venue sees the order once."""
    await stand.door.shut()
    request = stand.resting()
    order = await stand.gateway.submit(request)
    assert order.state is OrderState.SUBMITTING
    await stand.door.open()
    await stand.until(lambda: stand.state(request) is OrderState.ACCEPTED)
    assert len(stand.posts()) == 1


async def test_an_entry_that_cannot_leave_is_given_up_after_some_tries(stand):
    """It was never sent, so nothing is unknown and nothing stays reserved."""
    await stand.door.shut()
    request = stand.resting()
    await stand.gateway.submit(request)
    await stand.until(lambda: stand.state(request) is OrderState.REJECTED)
    assert stand.book.get(request.client_order_id).reason.startswith("not sent")
    assert stand.ledger.reservations == {}
    await stand.door.open()
    assert stand.posts() == []


async def test_a_rate_limited_entry_waits_as_long_as_the_venue_asks(stand):
    """429 proves that nothing moved: the same order goes out later."""
    limited = stand.script.failure(429, {"message": "rate limit exceeded"}, **{"Retry-After": "0"})
    stand.script.before.append(stand.script.answers(ORDERS, limited, method="POST"))
    request = stand.resting()
    await stand.gateway.submit(request)
    await stand.until(lambda: stand.state(request) is OrderState.ACCEPTED)
    assert [post.status for post in stand.posts()] == [429, 200]


async def test_a_rate_limit_longer_than_the_orders_life_ends_it(stand):
    """A price of a minute ago is not sent."""
    limited = stand.script.failure(429, {"message": "slow"}, **{"Retry-After": "30"})
    stand.script.before.append(stand.script.answers(ORDERS, limited, method="POST"))
    soon = format_ns(stand.clock.now_ns() + 5 * NS_PER_S)
    order = await stand.gateway.submit(stand.resting(valid_until=soon))
    assert order.state is OrderState.REJECTED
    assert stand.ledger.reservations == {}


async def test_a_rate_limited_exit_does_not_wait_for_the_venues_whole_pause(stand):
    """A bare position asks again soon: the venue only refuses, it does not punish."""
    await stand.hold()
    limited = stand.script.failure(429, {"message": "slow"}, **{"Retry-After": "30"})
    stand.script.before.append(stand.script.answers(ORDERS, limited, limited, method="POST"))
    stop = stand.exit()
    await stand.gateway.submit(stop)
    await stand.until(lambda: stand.state(stop) is OrderState.ACCEPTED)
    assert [post.status for post in stand.posts()[1:]] == [429, 429, 200]


async def test_an_entry_waiting_for_its_next_try_meets_the_limits_again(stand):
    """Trading was halted meanwhile: the retry is not sent."""
    limited = stand.script.failure(429, {"message": "slow"}, **{"Retry-After": "0"})
    stand.script.before.append(stand.script.answers(ORDERS, limited, method="POST"))
    request = stand.resting()
    await stand.gateway.submit(request)
    stand.trading_state = TradingState.HALTED
    await stand.until(lambda: stand.state(request) is OrderState.REJECTED)
    assert stand.book.get(request.client_order_id).reason == "not sent: TRADING_HALTED"
    assert stand.posts(200) == []


# The journal


async def test_with_the_journal_down_nothing_is_opened(stand):
    """Nothing may be sent that a restart would not know of."""
    await stand.close_journal()
    denied = await stand.gateway.submit(stand.request())
    assert denied.code == "JOURNAL_DOWN"
    assert stand.posts() == []
    assert stand.ledger.reservations == {}


async def test_with_the_journal_down_protection_goes_out_through_the_spool(stand, tmp_path):
    """A bare position is worse than a late record: verdict and intent are synced beside it."""
    await stand.hold()
    await stand.close_journal()
    order = await stand.gateway.submit(stand.exit())
    assert order.state is OrderState.ACCEPTED
    spools = [path.read_text() for path in tmp_path.iterdir() if "spool" in path.name]
    assert any('"intent"' in text and order.client_order_id in text for text in spools)


async def test_the_intent_is_on_disk_before_the_venue_hears_of_the_order(stand):
    """The write-ahead, seen from the venue: at the POST the journal already knows."""
    seen = []

    async def look(request):
        if request.method == "POST":
            stored = await stand.journal.reader.entries_after(0)
            seen.extend(entry.ref for entry in stored if entry.kind is EntryKind.INTENT)

    stand.script.before.append(look)
    await stand.gateway.submit(stand.resting())
    assert seen == ["ah-d001-entry-1"]


# Cancels


async def test_a_cancel_ends_the_order_and_is_asked_once(stand):
    """Asking twice at once is one DELETE."""
    order = await stand.gateway.submit(stand.resting())
    await asyncio.gather(*(stand.gateway.cancel(order, "test") for _ in range(3)))
    await stand.until(lambda: stand.state(stand.resting()) is OrderState.CANCELED)
    assert len(stand.cancels()) == 1
    assert stand.ledger.reservations == {}


async def test_a_cancel_that_never_arrived_is_asked_again(stand):
    """The order is still working at the venue: the gateway stays with it."""
    order = await stand.gateway.submit(stand.resting())
    stand.script.before.append(
        stand.script.answers("/v2/orders/", stand.script.failure(), method="DELETE")
    )
    await stand.gateway.cancel(order, "test")
    await stand.until(lambda: stand.state(stand.resting()) is OrderState.CANCELED)
    assert [each.status for each in stand.cancels()] == [504, 204]


async def test_a_cancel_whose_event_is_lost_is_found_by_asking(stand):
    """The stream has no replay."""
    order = await stand.gateway.submit(stand.resting())
    stand.script.events = lambda _event: ()
    await stand.gateway.cancel(order, "test")
    await stand.until(lambda: stand.state(stand.resting()) is OrderState.CANCELED)
    assert len(stand.cancels()) == 1


async def test_a_cancel_that_comes_too_late_finds_the_fill(stand):
    """422: the order is filled. What it bought is counted, though its event was lost."""
    stand.script.events = lambda _event: ()
    order = await stand.gateway.submit(stand.resting())
    stand.quote("AAPL", 99.5, 99.55)
    await stand.gateway.cancel(order, "test")
    assert stand.state(stand.resting()) is OrderState.FILLED
    assert stand.ledger.quantity("AAPL") == 1


async def test_an_order_of_unknown_outcome_is_cancelled_once_it_is_found(stand):
    """It cannot be cancelled by a name that the venue has not told yet; the wish is kept."""
    lost(stand, has_effect=True)
    stand.script.events = lambda event: () if event["event"] == "new" else (event,)
    unseen(stand, 3)
    order = await stand.gateway.submit(stand.resting())
    assert order.state is OrderState.UNKNOWN
    await stand.gateway.cancel(order, "halt")
    await stand.until(lambda: stand.state(stand.resting()) is OrderState.CANCELED)


async def test_an_order_that_waits_for_its_next_try_is_withdrawn(stand):
    """Cancelling what has not left sends nothing at all."""
    await stand.door.shut()
    order = await stand.gateway.submit(stand.resting())
    order = await stand.gateway.cancel(order, "halt")
    assert order.state is OrderState.REJECTED
    assert order.reason.startswith("not sent: withdrawn")
    await stand.door.open()
    assert stand.posts() == []


async def test_cancelling_entries_keeps_protection(stand):
    """A halt takes back what would open and nothing that closes."""
    await stand.hold()
    stop = await stand.gateway.submit(stand.exit(1))
    crypto = stand.resting(
        2,
        symbol="BTC/USD",
        quantity=Decimal("0.01"),
        limit_price=Decimal(49_900),
        stop_loss=Decimal(49_000),
        take_profit=Decimal(52_000),
        time_in_force=TimeInForce.GTC,
    )
    await stand.gateway.submit(crypto)
    cancelled = await stand.gateway.cancel_entries("halt")
    assert [order.client_order_id for order in cancelled] == [crypto.client_order_id]
    await stand.until(lambda: stand.state(crypto) is OrderState.CANCELED)
    assert stand.book.get(stop.client_order_id).is_working


async def test_an_entry_lives_no_longer_than_its_time(stands):
    """The venue bounds no GTC or DAY limit of ours: the engine does."""
    async with stands.trading(limits=roomy(entry_ttl_s=0.2)) as stand:
        await stand.gateway.submit(stand.resting())
        await stand.until(lambda: stand.state(stand.resting()) is OrderState.CANCELED)
        assert stand.book.get("ah-d001-entry-1").filled_quantity == 0


async def test_resting_protection_has_no_time_limit(stands):
    """Only entries grow old."""
    async with stands.trading(limits=roomy(entry_ttl_s=0.1)) as stand:
        await stand.hold()
        await stand.gateway.submit(stand.exit())
        done, _ = await asyncio.wait({asyncio.create_task(asyncio.sleep(0.3))})
        assert done
        assert stand.state(stand.exit()) is OrderState.ACCEPTED
        assert stand.cancels() == []


# Partial fills, fees, groups


async def test_an_ioc_that_fills_in_part_and_ends_canceled_keeps_its_coins(stands):
    """The published code saw "canceled" and forgot what had been bought."""
    async with stands.trading(fill_size=FillSize.DISPLAYED) as stand:
        stand.venue.on_quote("BTC/USD", 49_990.0, 1.0, 50_000.0, 0.2, stand.clock.now_ns())
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
        await stand.gateway.submit(entry)
        await stand.until(lambda: stand.state(entry) is OrderState.CANCELED)
        order = stand.book.get(entry.client_order_id)
        assert order.filled_quantity == Decimal("0.2")
        held = stand.ledger.quantity("BTC/USD")
        assert Decimal("0.199") < held <= Decimal("0.2")
        await stand.reconciler.refresh()
        told = Decimal(stand.venue.position("BTCUSD")["qty"])
        assert stand.ledger.quantity("BTC/USD") == told
        assert stand.ledger.reservations == {}


async def test_the_children_of_a_bracket_are_ours_and_the_targets_fill_reaches_the_profit(stand):
    """Their names are the venue's; take-profit fills never reached the published code's profit."""
    entry = stand.bracket(quantity=Decimal(2))
    await stand.gateway.submit(entry)
    await stand.until(lambda: stand.ledger.quantity("AAPL") == 2)
    children = [o for o in stand.book.working("AAPL") if o.parent_client_order_id]
    assert {o.request.leg for o in children} == {Leg.STOP, Leg.TARGET}
    assert all(o.parent_client_order_id == entry.client_order_id for o in children)
    stop = next(o for o in children if o.request.leg is Leg.STOP)
    assert stop.request.stop_price == Decimal("98.00")
    stand.quote("AAPL", 104.5, 104.6)
    await stand.until(lambda: stand.book.working() == [])
    assert stand.ledger.quantity("AAPL") == 0
    assert stand.ledger.realized_pnl >= 8
    fills = [entry.body for entry in await stand.entries(EntryKind.FILL)]
    assert [(fill["leg"], fill["quantity"]) for fill in fills] == [("entry", "2"), ("target", "2")]


async def test_cancelling_a_bracket_takes_its_children_along(stand):
    """One cancel ends the group."""
    entry = stand.bracket(limit_price=Decimal("99.60"))
    order = await stand.gateway.submit(entry)
    await stand.until(lambda: len(stand.book.working()) == 3)
    await stand.gateway.cancel(order, "test")
    await stand.until(lambda: stand.book.working() == [])
    assert len(stand.cancels()) == 1


async def test_a_fill_that_comes_before_the_answer_of_its_post_counts_once(stand):
    """Paper fills in three milliseconds: the event overtakes the answer."""
    gate = asyncio.Event()

    async def hold_back(request, _answer):
        if request.method == "POST":
            await gate.wait()

    stand.script.after.append(hold_back)
    sending = asyncio.create_task(stand.gateway.submit(stand.request()))
    await stand.until(lambda: stand.ledger.quantity("AAPL") == 1)
    assert stand.state(stand.request()) is OrderState.FILLED
    gate.set()
    assert (await sending).state is OrderState.FILLED
    assert stand.ledger.quantity("AAPL") == 1
    assert len(await stand.entries(EntryKind.FILL)) == 1


async def test_a_reduce_goes_out_although_trading_is_reducing(stand):
    """Closing by decision is bound by fewer codes than opening."""
    await stand.hold()
    stand.trading_state = TradingState.REDUCING
    reduce = stand.exit(
        leg=Leg.REDUCE,
        client_order_id=client_order_id("d001", Leg.REDUCE, 1),
        order_type=OrderType.LIMIT,
        stop_price=None,
        limit_price=Decimal("99.90"),
        time_in_force=TimeInForce.DAY,
    )
    await stand.gateway.submit(reduce)
    await stand.until(lambda: stand.ledger.quantity("AAPL") == 0)


# Tasks, turns, restarts


async def test_a_caller_that_is_cancelled_does_not_cut_the_sending(stand):
    """A run's deadline, or stop, ends the waiting and never the submission."""
    gate = asyncio.Event()

    async def hold_back(request, _answer):
        if request.method == "POST":
            await gate.wait()

    stand.script.after.append(hold_back)
    sending = asyncio.create_task(stand.gateway.submit(stand.resting()))
    await stand.until(lambda: len(stand.at_venue()) == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    gate.set()
    await stand.until(lambda: stand.state(stand.resting()) is OrderState.ACCEPTED)


async def test_leaving_waits_for_what_is_being_sent_and_leaves_no_task(stands):
    """No order becomes unknown by our own stopping, and nothing trades on afterwards."""
    gate = asyncio.Event()

    async def hold_back(request, _answer):
        if request.method == "POST":
            await gate.wait()

    stand = await stands.stand()
    before = asyncio.all_tasks()
    stand.script.after.append(hold_back)
    async with stand.gateway:
        sending = asyncio.create_task(stand.gateway.submit(stand.resting()))
        await stand.until(lambda: len(stand.at_venue()) == 1)
        asyncio.get_running_loop().call_later(0.05, gate.set)
    assert (await sending).state is OrderState.ACCEPTED
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert {task.get_name() for task in left if ":" in task.get_name()} == set()


async def test_a_gateway_that_does_not_run_sends_nothing(stands):
    """Without its task group nobody would look an order up."""
    stand = await stands.stand()
    with pytest.raises(InvariantBroken):
        await stand.gateway.submit(stand.request())
    assert stand.ledger.reservations == {}


async def test_an_entry_waits_while_somebody_holds_its_symbols_turn(stand):
    """Cancel, wait, protect: no entry slips in between, and the holder itself may send."""
    await stand.hold()
    async with stand.gateway.turn("AAPL"):
        waiting = asyncio.create_task(stand.gateway.submit(stand.request(5)))
        stop = await stand.gateway.submit(stand.exit())
        assert stop.state is OrderState.ACCEPTED
        assert not waiting.done()
    assert (await waiting).code == "DUPLICATE_ORDER"


async def test_a_crash_between_write_ahead_and_answer_loses_and_doubles_nothing(stands):
    """The order reached the venue; the process died before it knew. The next one asks."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await first.gateway.submit(first.resting())
        request = first.resting()
    await first.close_journal()
    second = await stands.stand(at=at)
    second.book.open(request)
    async with second.gateway:
        second.gateway.resume()
        assert second.state(request) is OrderState.UNKNOWN
        await second.until(lambda: second.state(request) is OrderState.ACCEPTED)
        assert len(second.posts()) == 1


async def test_a_crash_before_the_post_is_declared_absent_and_never_sent(stands):
    """Its prices are of before the crash."""
    stand = await stands.stand()
    request = stand.resting()
    stand.book.open(request)
    async with stand.gateway:
        stand.gateway.resume()
        await stand.until(lambda: stand.state(request) is OrderState.REJECTED)
        assert stand.posts() == []


async def test_an_order_long_past_is_absent_at_the_first_clean_miss(stands):
    """Nothing is sent after an order's time, so hours later nobody need wait the window again."""
    stand = await stands.stand(limits=roomy(unknown_window_s=300.0))
    old = stand.resting(valid_until=format_ns(stand.clock.now_ns() - 600 * NS_PER_S))
    stand.book.open(old)
    async with stand.gateway:
        stand.gateway.resume()
        await stand.until(lambda: stand.state(old) is OrderState.REJECTED)


async def test_a_stop_cut_by_a_crash_is_sent_again_once_the_position_is_known(stands):
    """Not before: a stop for a position that nobody has confirmed could open one."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        await first.hold()
    await first.close_journal()
    second = await stands.stand(at=at, limits=roomy(unknown_window_s=300.0))
    stop = second.exit()
    second.book.open(stop)
    async with second.gateway:
        second.gateway.resume()
        await second.until(lambda: len(second.venue.record.requests("GET", BY_ID)) >= 2)
        assert second.state(stop) is OrderState.UNKNOWN
        await second.look()
        await second.until(lambda: second.state(stop) is OrderState.ACCEPTED)


async def test_a_cancel_cut_by_a_crash_is_asked_again(stands):
    """An order that was to go must not stay because the process did not."""
    at = await stands.venue()
    async with stands.trading(at=at) as first:
        order = await first.gateway.submit(first.resting())
        order = first.book.note(order, OrderEventKind.PENDING_CANCEL, "halt")
    await first.close_journal()
    second = await stands.stand(at=at)
    second.book.restore([order])
    async with second.gateway:
        second.gateway.resume()
        await second.until(lambda: not second.book.working())
        assert len(second.cancels()) == 1


async def test_every_point_of_the_way_is_passed_in_order(stands):
    """The proof kills the process at these; none may be skipped. Events are heard elsewhere."""
    passed = []
    async with stands.trading(points=passed.append) as stand:
        await stand.gateway.submit(stand.resting())
    assert passed == [point for point in Point if point is not Point.HEARD]


async def test_an_entry_that_was_being_written_when_a_halt_came_is_not_sent(stands):
    """A process that is stopped between the verdict and the sending may wake up halted."""
    halts = []

    def at(point):
        if point is Point.WRITTEN_AHEAD:
            halts[0]()

    async with stands.trading(points=at) as stand:
        halts.append(lambda: setattr(stand, "trading_state", TradingState.HALTED))
        order = await stand.gateway.submit(stand.resting())
        assert order.state is OrderState.REJECTED
        assert "TRADING_HALTED" in order.reason
        assert stand.posts() == []
        assert stand.ledger.reservations == {}


async def test_an_entry_that_was_being_written_when_a_loss_lowered_trading_is_not_sent(stands):
    """Only a halt was asked for again after the disk: a trip to reducing let the entry out."""
    trips = []

    def at(point):
        if point is Point.WRITTEN_AHEAD:
            trips[0]()

    async with stands.trading(points=at) as stand:
        trips.append(lambda: setattr(stand, "trading_state", TradingState.REDUCING))
        order = await stand.gateway.submit(stand.resting())
        assert order.state is OrderState.REJECTED
        assert "REDUCE_ONLY" in order.reason
        assert stand.posts() == []
        assert stand.ledger.reservations == {}


async def test_an_entry_withdrawn_while_it_was_being_written_is_told_to_nobody_as_sent(stands):
    """Watchers heard "order_submitted" of an order that had been withdrawn already."""
    async with stands.trading() as stand:
        sending = asyncio.create_task(stand.gateway.submit(stand.resting()))
        while not stand.book.working():  # noqa: ASYNC110 - a step of the loop is all it takes
            await asyncio.sleep(0)
        await stand.gateway.cancel_entries("halt")
        order = await sending
        assert order.state is OrderState.REJECTED
        assert "order_submitted" not in stand.kinds()
        assert stand.posts() == []


async def test_orders_at_the_same_moment_do_not_slip_past_the_rate(stands):
    """Orders were counted when they had been written: those of one commit all passed."""
    async with stands.trading(limits=roomy(max_orders_per_minute=1)) as stand:
        pair = stand.request(
            2,
            symbol="BTC/USD",
            quantity=Decimal("0.01"),
            limit_price=Decimal(49_900),
            stop_loss=Decimal(49_000),
            take_profit=Decimal(52_000),
            time_in_force=TimeInForce.GTC,
        )
        results = await asyncio.gather(
            stand.gateway.submit(stand.resting(1)), stand.gateway.submit(pair)
        )
        [denied] = [each for each in results if isinstance(each, Denied)]
        assert denied.code == "ORDER_RATE_EXCEEDED"
        assert len(stand.posts()) == 1
