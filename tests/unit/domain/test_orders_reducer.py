"""The order's life as one pure function: its laws, and the stories that taught them."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations, product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvariantBroken
from domain.orders import (
    DECLARED_ABSENT,
    TERMINAL,
    TRANSITIONS,
    Leg,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    apply,
    fill_of,
    is_absent,
)

NAME = "ah-0123456789abcdef01234567-entry-1"
REQUEST = OrderRequest(
    decision_id="0123456789abcdef01234567",
    leg=Leg.ENTRY,
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(10),
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    reference_price=Decimal(100),
    valid_until="2026-11-20T15:00:00.000000000Z",
    client_order_id=NAME,
    limit_price=Decimal(100),
)
SENT = Order(request=REQUEST, state=OrderState.SUBMITTING)
REVISING = {OrderEventKind.TRADE_BUSTED, OrderEventKind.TRADE_CORRECTED}


def event(kind: OrderEventKind, **fields) -> OrderEvent:
    fields.setdefault("ts_event", "2026-11-20T14:30:00Z")
    return OrderEvent(kind=kind, client_order_id=NAME, **fields)


def fill(execution_id: str, quantity: int, price: str = "100", **fields) -> OrderEvent:
    kind = fields.pop("kind", OrderEventKind.PARTIALLY_FILLED)
    return event(
        kind,
        execution_id=execution_id,
        fill_quantity=Decimal(quantity),
        fill_price=Decimal(price),
        **fields,
    )


def report(state: OrderState, filled: int = 0, **fields) -> OrderReport:
    return OrderReport(
        client_order_id=NAME,
        venue_order_id="venue-1",
        symbol="AAPL",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force="day",
        state=state,
        quantity=fields.pop("quantity", Decimal(10)),
        filled_quantity=Decimal(filled),
        average_price=fields.pop("average_price", Decimal(100) if filled else None),
        **fields,
    )


def reported(state: OrderState, filled: int = 0, **fields) -> OrderEvent:
    return event(OrderEventKind.REPORTED, report=report(state, filled, **fields))


def run(order: Order, *events: OrderEvent) -> Order:
    for each in events:
        order = apply(order, each)
    return order


quantities = st.none() | st.integers(0, 12).map(Decimal)
reports = st.none() | st.builds(
    report, st.sampled_from(OrderState), st.integers(0, 10), quantity=st.just(Decimal(10))
)
events = st.builds(
    event,
    st.sampled_from(OrderEventKind),
    execution_id=st.none() | st.sampled_from(["x1", "x2", "x3"]),
    fill_quantity=quantities,
    fill_price=st.none() | st.integers(90, 110).map(Decimal),
    report=reports,
    reason=st.sampled_from(["", "insufficient buying power"]),
)


def is_reachable(state, filled):
    """Tell whether the reducer can have left it so: what is filled has the last word."""
    if state is OrderState.PARTIALLY_FILLED:
        return filled > 0
    return state is not OrderState.ACCEPTED or filled == 0


orders = st.builds(
    lambda state, filled, unseen, seen: Order(
        request=REQUEST,
        state=state,
        filled_quantity=Decimal(filled),
        executed_quantity=Decimal(max(0, filled - unseen)),
        average_price=Decimal(100) if filled else None,
        executions=tuple(seen),
    ),
    st.sampled_from(OrderState),
    st.integers(0, 10),
    st.integers(0, 10),
    st.sets(st.sampled_from(["x1", "x2"])),
).filter(lambda order: is_reachable(order.state, order.filled_quantity))
LAWS = settings(deadline=None, max_examples=300)


def test_table_answers_every_event_in_every_state():
    assert set(TRANSITIONS) == set(product(OrderState, OrderEventKind))


def test_no_row_of_the_table_reopens_a_terminal_order_but_a_bust():
    for (state, kind), after in TRANSITIONS.items():
        if state in TERMINAL and kind not in REVISING:
            assert after in {state, OrderState.FILLED}


@LAWS
@given(orders, events)
def test_reducer_is_total_and_keeps_what_was_asked(order, what):
    after = apply(order, what)
    assert after.request is order.request
    assert after.filled_quantity >= 0
    assert after.executed_quantity <= after.filled_quantity


@LAWS
@given(orders, events)
def test_filled_quantity_falls_only_by_a_bust_or_a_correction(order, what):
    after = apply(order, what)
    if what.kind not in REVISING:
        assert after.filled_quantity >= order.filled_quantity


@LAWS
@given(orders, events)
def test_terminal_order_reopens_only_by_a_bust_or_a_correction(order, what):
    after = apply(order, what)
    if order.state in TERMINAL and what.kind not in REVISING and not is_absent(order):
        assert after.state in {order.state, OrderState.FILLED}


@LAWS
@given(orders, events)
def test_an_event_twice_equals_the_event_once(order, what):
    once = apply(order, what)
    assert apply(once, what) == once


@LAWS
@given(orders, events)
def test_fill_is_exactly_what_the_event_added(order, what):
    found = fill_of(order, what)
    added = apply(order, what).filled_quantity - order.filled_quantity
    assert (found.quantity if found else Decimal(0)) == max(Decimal(0), added)
    assert found is None or found.price > 0


@LAWS
@given(st.lists(events, max_size=8))
def test_fills_of_a_story_add_up_to_the_filled_quantity_but_for_busts(story):
    order, total = SENT, Decimal(0)
    for what in (each for each in story if each.kind not in REVISING):
        found = fill_of(order, what)
        total += found.quantity if found else 0
        order = apply(order, what)
    assert total == order.filled_quantity


@LAWS
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_executions_in_any_order_and_doubled_fill_the_same_quantity(sizes):
    story = [fill(f"x{i}", size) for i, size in enumerate(sizes)]
    whole = min(Decimal(sum(sizes)), REQUEST.quantity)
    for order in permutations(story):
        assert run(SENT, *order, *order).filled_quantity == whole


@LAWS
@given(orders, events)
def test_working_state_says_what_is_filled(order, what):
    after = apply(order, what)
    if after is not order and after.state is OrderState.PARTIALLY_FILLED:
        assert 0 < after.filled_quantity < 10
    if after is not order and after.state is OrderState.ACCEPTED:
        assert after.filled_quantity == 0


def test_fill_that_overtakes_the_answer_of_the_post_is_not_lost():
    """Market orders fill 3 to 4 ms after the venue takes them, before the POST returns."""
    done = run(
        SENT,
        fill("x1", 10, kind=OrderEventKind.FILLED, report=report(OrderState.FILLED, 10)),
        reported(OrderState.ACCEPTED),
    )
    assert (done.state, done.filled_quantity) == (OrderState.FILLED, 10)
    assert done.venue_order_id == "venue-1"


def test_fill_that_comes_after_the_cancel_counts_and_the_order_stays_canceled():
    """An IOC that ended "canceled" left its coins untracked in the published system."""
    canceled = run(SENT, event(OrderEventKind.ACCEPTED), event(OrderEventKind.CANCELED))
    late = fill("x1", 4)
    after = apply(canceled, late)
    assert (after.state, after.filled_quantity) == (OrderState.CANCELED, 4)
    assert fill_of(canceled, late).quantity == 4


def test_last_fill_after_a_cancel_makes_the_order_filled():
    canceled = run(SENT, fill("x1", 6), event(OrderEventKind.CANCELED))
    after = apply(canceled, fill("x2", 4, kind=OrderEventKind.FILLED))
    assert (after.state, after.filled_quantity) == (OrderState.FILLED, 10)


def test_partial_fill_then_cancel_keeps_filled_quantity():
    after = run(SENT, fill("x1", 3), event(OrderEventKind.CANCELED))
    assert (after.state, after.filled_quantity, after.remaining) == (OrderState.CANCELED, 3, 7)


def test_cumulative_quantities_are_not_booked_as_increments():
    """A venue that repeats the total in each partial fill doubled positions elsewhere."""
    after = run(
        SENT,
        fill("x1", 3, report=report(OrderState.PARTIALLY_FILLED, 3)),
        fill("x2", 7, report=report(OrderState.PARTIALLY_FILLED, 7)),
    )
    assert after.filled_quantity == 7


def test_look_up_that_ran_ahead_swallows_the_executions_behind_it():
    ahead = run(SENT, reported(OrderState.PARTIALLY_FILLED, 7))
    assert fill_of(ahead, fill("x1", 3)) is None
    assert run(ahead, fill("x1", 3), fill("x2", 4)).filled_quantity == 7
    assert run(ahead, fill("x1", 3), fill("x2", 4), fill("x3", 2)).filled_quantity == 9


def test_look_up_that_trails_is_ignored():
    known = run(SENT, fill("x1", 6))
    assert apply(known, reported(OrderState.ACCEPTED, 0)) is known


def test_submission_is_not_a_fill():
    after = run(SENT, event(OrderEventKind.ACCEPTED))
    assert (after.state, after.filled_quantity) == (OrderState.ACCEPTED, 0)


def test_rejected_order_does_not_stay_pending():
    after = run(SENT, event(OrderEventKind.REJECTED, reason="insufficient buying power"))
    assert (after.state, after.reason) == (OrderState.REJECTED, "insufficient buying power")
    assert not after.is_working


def test_lost_cancel_is_found_by_a_look_up():
    pending = run(SENT, event(OrderEventKind.ACCEPTED), event(OrderEventKind.PENDING_CANCEL))
    assert apply(pending, event(OrderEventKind.ACCEPTED)).state is OrderState.PENDING_CANCEL
    assert apply(pending, reported(OrderState.ACCEPTED)).state is OrderState.ACCEPTED


def test_refused_cancel_returns_to_what_was_filled():
    pending = run(SENT, fill("x1", 2), event(OrderEventKind.PENDING_CANCEL))
    after = apply(pending, event(OrderEventKind.CANCEL_REJECTED))
    assert after.state is OrderState.PARTIALLY_FILLED


def test_unknown_order_waits_and_any_sign_of_life_settles_it():
    unknown = run(SENT, event(OrderEventKind.SUBMIT_UNKNOWN))
    assert unknown.state is OrderState.UNKNOWN
    assert unknown.is_working
    assert apply(unknown, reported(OrderState.UNKNOWN)).state is OrderState.UNKNOWN
    assert apply(unknown, reported(OrderState.ACCEPTED)).state is OrderState.ACCEPTED


def test_order_declared_absent_that_turns_up_alive_is_tracked_again():
    """Absence is our verdict, not the venue's: a working order must never be forgotten."""
    absent = run(SENT, event(OrderEventKind.SUBMIT_UNKNOWN), event(OrderEventKind.DECLARED_ABSENT))
    assert (absent.state, absent.reason) == (OrderState.REJECTED, DECLARED_ABSENT)
    alive = apply(absent, reported(OrderState.ACCEPTED))
    assert (alive.state, alive.reason) == (OrderState.ACCEPTED, "")
    assert apply(absent, fill("x1", 4)).state is OrderState.PARTIALLY_FILLED
    assert apply(absent, event(OrderEventKind.SUBMIT_UNKNOWN, reason="late")) is absent


def test_accepted_order_cannot_be_declared_absent():
    accepted = run(SENT, event(OrderEventKind.ACCEPTED))
    assert apply(accepted, event(OrderEventKind.DECLARED_ABSENT)).state is OrderState.ACCEPTED


def test_bust_takes_back_once_and_reopens():
    filled = run(SENT, fill("x1", 6), fill("x2", 4, kind=OrderEventKind.FILLED))
    bust = event(OrderEventKind.TRADE_BUSTED, execution_id="x2", fill_quantity=Decimal(4))
    after = run(filled, bust, bust)
    assert (after.state, after.filled_quantity) == (OrderState.PARTIALLY_FILLED, 6)
    assert fill_of(filled, bust) is None


def test_busted_execution_told_again_is_not_counted_again():
    first = fill("x1", 10, kind=OrderEventKind.FILLED, report=report(OrderState.FILLED, 10))
    bust = event(
        OrderEventKind.TRADE_BUSTED, execution_id="x1", report=report(OrderState.CANCELED, 0)
    )
    after = run(SENT, first, bust, first)
    assert (after.state, after.filled_quantity) == (OrderState.CANCELED, 0)
    assert after.average_price is None


def test_correction_with_a_report_takes_the_venues_numbers():
    filled = run(SENT, fill("x1", 10, kind=OrderEventKind.FILLED))
    told = report(OrderState.FILLED, 8, average_price=Decimal("99.5"), quantity=Decimal(8))
    after = apply(filled, event(OrderEventKind.TRADE_CORRECTED, execution_id="x1", report=told))
    assert (after.filled_quantity, after.average_price) == (8, Decimal("99.5"))
    assert after.state is OrderState.FILLED


def test_average_price_weighs_executions():
    after = run(SENT, fill("x1", 4, "100"), fill("x2", 4, "101"))
    assert after.average_price == Decimal("100.5")


def test_catching_up_prices_the_missing_part_by_the_venues_average():
    known = run(SENT, fill("x1", 5, "100"))
    found = fill_of(known, reported(OrderState.FILLED, 10, average_price=Decimal(101)))
    assert (found.quantity, found.price) == (5, Decimal(102))
    assert found.execution_id == f"{NAME}:10"


def test_report_that_comes_late_leaves_the_average_alone():
    known = run(SENT, reported(OrderState.PARTIALLY_FILLED, 7, average_price=Decimal(101)))
    told = report(OrderState.PARTIALLY_FILLED, 3, average_price=Decimal(99))
    assert apply(known, fill("x1", 3, "99", report=told)).average_price == 101


def test_fill_that_brings_lost_ones_along_is_priced_by_what_all_of_them_cost():
    """x1 (4 at 100) was lost; x2 (2 at 106) comes with the venue's average of 102 over six."""
    told = report(OrderState.PARTIALLY_FILLED, 6, average_price=Decimal(102))
    found = fill_of(SENT, fill("x2", 2, "106", report=told))
    assert (found.quantity, found.price, found.execution_id) == (6, 102, "x2")


def test_terminal_word_in_any_report_is_final():
    after = apply(SENT, fill("x1", 3, report=report(OrderState.CANCELED, 3)))
    assert (after.state, after.filled_quantity) == (OrderState.CANCELED, 3)


def test_fill_event_that_its_own_report_calls_partial_leaves_the_order_working():
    told = report(OrderState.PARTIALLY_FILLED, 4)
    after = apply(SENT, fill("x1", 4, kind=OrderEventKind.FILLED, report=told))
    assert (after.state, after.filled_quantity) == (OrderState.PARTIALLY_FILLED, 4)


def test_stop_that_the_venue_shrank_is_filled_at_its_smaller_size():
    """A take profit that fills in part shrinks its sibling stop."""
    told = report(OrderState.FILLED, 6, quantity=Decimal(6))
    after = apply(SENT, fill("x1", 6, kind=OrderEventKind.FILLED, report=told))
    assert (after.state, after.filled_quantity) == (OrderState.FILLED, 6)


def test_number_that_is_none_says_nothing():
    poisoned = fill("x1", 3, report=report(OrderState.PARTIALLY_FILLED, 3))
    told = msgspec.structs.replace(poisoned.report, filled_quantity=Decimal("NaN"))
    assert apply(SENT, msgspec.structs.replace(poisoned, report=told)) is SENT


def test_event_of_another_order_breaks_the_book():
    other = OrderEvent(kind=OrderEventKind.FILLED, client_order_id="ah-other", ts_event="")
    with pytest.raises(InvariantBroken):
        apply(SENT, other)
