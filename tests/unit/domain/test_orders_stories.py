"""Whole lives of orders as a venue may tell them: lost, doubled, late, out of order, taken back.

Each story is made from the truth (which executions there were, at what price) and then told badly.
Whatever way it was told, a last look-up must leave order, fills, cash and position at the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.account import Account, FeeSchedule, Ledger
from domain.orders import (
    REVISING,
    TERMINAL,
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
    revisions_of,
)
from domain.records import NS_PER_S, format_ns

NAME = "ah-0123456789abcdef01234567-entry-1"
NOW = 1_795_000_000 * NS_PER_S
ASKED = Decimal(12)
ACCOUNT = Account(
    account_id="paper",
    equity=Decimal(10_000),
    cash=Decimal(10_000),
    buying_power=Decimal(20_000),
    non_marginable_buying_power=Decimal(10_000),
    last_equity=Decimal(10_000),
)
LAWS = settings(deadline=None, max_examples=200)
ROUNDING = Decimal("0.000001")


@dataclass(frozen=True)
class Told:
    """One way of telling a story, with the truth behind it."""

    symbol: str
    side: Side
    events: tuple[OrderEvent, ...]
    filled: Decimal
    cost: Decimal

    @property
    def sent(self) -> Order:
        return Order(
            request=OrderRequest(
                decision_id="0123456789abcdef01234567",
                leg=Leg.ENTRY,
                symbol=self.symbol,
                side=self.side,
                quantity=ASKED,
                order_type=OrderType.LIMIT,
                time_in_force=TimeInForce.IOC,
                reference_price=Decimal(100),
                valid_until=format_ns(NOW),
                client_order_id=NAME,
                limit_price=Decimal(100),
            ),
            state=OrderState.SUBMITTING,
        )


def report(state: OrderState, filled: Decimal, cost: Decimal, at: int, symbol: str, side: Side):
    return OrderReport(
        client_order_id=NAME,
        venue_order_id="venue-1",
        symbol=symbol,
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force="ioc",
        state=state,
        quantity=ASKED,
        filled_quantity=filled,
        average_price=cost / filled if filled else None,
        ts_submitted=format_ns(NOW),
        ts_updated=format_ns(NOW + at),
    )


@st.composite
def stories(draw, symbols=("AAPL", "BTC/USD"), has_busts=False) -> Told:
    """Tell of one order: some executions, an end or a bust, then all of it badly told."""
    symbol, side = draw(st.sampled_from(symbols)), draw(st.sampled_from(Side))
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=4).filter(lambda s: sum(s) <= 12))
    prices = draw(st.lists(st.integers(90, 110), min_size=len(sizes), max_size=len(sizes)))
    filled = cost = Decimal(0)
    at, events = 0, []

    def told(kind, state, **fields):
        view = report(state, filled, cost, at, symbol, side)
        return OrderEvent(
            kind=kind,
            client_order_id=NAME,
            ts_event=format_ns(NOW + at),
            report=view,
            **fields,
        )

    events.append(told(OrderEventKind.ACCEPTED, OrderState.ACCEPTED))
    for i, (size, price) in enumerate(zip(sizes, prices, strict=True)):
        at += NS_PER_S
        filled, cost = filled + size, cost + size * price
        is_whole = filled == ASKED
        events.append(
            told(
                OrderEventKind.FILLED if is_whole else OrderEventKind.PARTIALLY_FILLED,
                OrderState.FILLED if is_whole else OrderState.PARTIALLY_FILLED,
                execution_id=f"x{i}",
                fill_quantity=Decimal(size),
                fill_price=Decimal(price),
            )
        )
        if draw(st.booleans()):
            events.append(told(OrderEventKind.REPORTED, events[-1].report.state))
    if filled < ASKED:
        at += NS_PER_S
        events.append(told(OrderEventKind.CANCELED, OrderState.CANCELED, execution_id="c1"))
    if has_busts:
        at += NS_PER_S
        undone = draw(st.integers(0, len(sizes) - 1))
        filled, cost = filled - sizes[undone], cost - sizes[undone] * prices[undone]
        name = draw(st.sampled_from((f"x{undone}", "b1")))
        kind = OrderEventKind.TRADE_BUSTED
        events.append(told(kind, OrderState.CANCELED, execution_id=name))
    at += NS_PER_S
    end = OrderState.FILLED if filled == ASKED else OrderState.CANCELED
    last = told(OrderEventKind.REPORTED, end)
    heard = draw(st.lists(st.sampled_from(events), max_size=12))
    return Told(symbol=symbol, side=side, events=(*heard, last), filled=filled, cost=cost)


def fills_of(order: Order, event: OrderEvent):
    """Return every fill the event makes, new ones and those that undo."""
    found = fill_of(order, event)
    return (found,) if found else revisions_of(order, event)


@LAWS
@given(stories())
def test_however_a_story_is_told_its_last_word_is_the_truth(story):
    order = story.sent
    for event in story.events:
        order = apply(order, event)
    assert order.filled_quantity == story.filled
    assert abs(order.average_price * order.filled_quantity - story.cost) < ROUNDING
    assert order.state in TERMINAL


@LAWS
@given(stories())
def test_several_executions_found_by_one_look_up_cost_what_they_cost(story):
    """The fills' own prices add up to the venue's total, whichever of them were lost on the way."""
    order, quantity, cost = story.sent, Decimal(0), Decimal(0)
    for event in story.events:
        for fill in fills_of(order, event):
            quantity += fill.quantity
            cost += fill.quantity * fill.price
        order = apply(order, event)
    assert quantity == story.filled
    assert abs(cost - story.cost) < ROUNDING


@LAWS
@given(stories(has_busts=True))
def test_with_a_bust_told_anywhere_the_fills_still_add_up_to_the_order(story):
    """The bust names the execution it undoes, or one of its own: both are on record."""
    order, quantity, cost = story.sent, Decimal(0), Decimal(0)
    for event in story.events:
        for fill in fills_of(order, event):
            sign = fill.side.sign * story.side.sign
            quantity += sign * fill.quantity
            cost += sign * fill.quantity * fill.price
        order = apply(order, event)
        assert quantity == order.filled_quantity
    assert order.filled_quantity >= 0
    has_heard = any(event.kind in REVISING for event in story.events)
    if has_heard:
        assert (quantity, abs(cost - story.cost) < ROUNDING) == (story.filled, True)


@LAWS
@given(stories(has_busts=True))
def test_a_story_told_twice_is_the_story_told_once(story):
    once = story.sent
    for event in story.events:
        once = apply(once, event)
    twice = once
    for event in story.events:
        twice = apply(twice, event)
    assert twice.filled_quantity == once.filled_quantity
    assert twice.state is once.state


@LAWS
@given(stories(has_busts=True))
def test_quantity_falls_and_ends_open_only_by_what_takes_back(story):
    order = story.sent
    for event in story.events:
        after = apply(order, event)
        if event.kind not in REVISING:
            assert after.filled_quantity >= order.filled_quantity
            if order.state in TERMINAL and not is_absent(order):
                assert after.state in {order.state, OrderState.FILLED}
        order = after


@LAWS
@given(stories())
def test_cash_and_position_of_the_ledger_reconcile_with_the_fills_and_their_fees(story):
    """Money out plus coins in, at what they cost, less fees, is nothing lost and nothing made."""
    ledger, order = Ledger(["AAPL", "BTC/USD"]), story.sent
    ledger.correct(ACCOUNT, [], NOW - NS_PER_S)
    ledger.reserve(order.request)
    fills = []
    for event in story.events:
        after, fill = apply(order, event), fill_of(order, event)
        if fill is not None:
            fill = ledger.charged(after, fill)
            fills.append(fill)
        ledger.apply(order, after, fill)
        order = after
    assert sum(fill.quantity for fill in fills) == story.filled
    assert ledger.quantity(story.symbol) == sum(fill.change for fill in fills)
    assert abs(ledger.cash - (ACCOUNT.cash + sum(fill.cash for fill in fills))) < ROUNDING
    rate = FeeSchedule().dearest if story.symbol == "BTC/USD" else Decimal(0)
    assert abs(ledger.fees - story.cost * rate) <= Decimal("0.00001")
    in_dollars = ledger.cash - ACCOUNT.cash + story.side.sign * story.cost
    in_coins = sum(fill.fee_in_coins * fill.price for fill in fills)
    assert abs(in_dollars + ledger.fees - in_coins) < ROUNDING


@LAWS
@given(stories(symbols=("AAPL",), has_busts=True))
def test_cash_follows_what_was_taken_back(story):
    """A busted trade gives its money back, and its shares with it."""
    ledger, order = Ledger(["AAPL"]), story.sent
    ledger.correct(ACCOUNT, [], NOW - NS_PER_S)
    for event in story.events:
        after, fill = apply(order, event), fill_of(order, event)
        ledger.apply(order, after, fill)
        order = after
    cost = (order.average_price or Decimal(0)) * order.filled_quantity
    assert abs(ledger.cash - (ACCOUNT.cash - story.side.sign * cost)) < ROUNDING
    assert ledger.quantity("AAPL") == story.side.sign * order.filled_quantity


def told(kind, at, filled, cost, **fields):
    view = report(OrderState.PARTIALLY_FILLED, Decimal(filled), Decimal(cost), at, "AAPL", Side.BUY)
    return OrderEvent(
        kind=kind, client_order_id=NAME, ts_event=format_ns(NOW + at), report=view, **fields
    )


SENT = Told(symbol="AAPL", side=Side.BUY, events=(), filled=Decimal(0), cost=Decimal(0)).sent


def test_a_bust_under_an_id_of_its_own_is_not_undone_by_the_fill_told_late():
    """A look-up had counted the fill, the bust came as b1: then x1 itself was counted anew."""
    order = apply(SENT, told(OrderEventKind.REPORTED, 2, 4, 400))
    order = apply(order, told(OrderEventKind.TRADE_BUSTED, 9, 0, 0, execution_id="b1"))
    assert order.filled_quantity == 0
    late = told(
        OrderEventKind.PARTIALLY_FILLED,
        1,
        4,
        400,
        execution_id="x1",
        fill_quantity=Decimal(4),
        fill_price=Decimal(100),
    )
    assert apply(order, late) is order
    after = replace(late, execution_id="x2", ts_event=format_ns(NOW + 11))
    assert apply(order, after).filled_quantity == 4


def test_an_execution_busted_before_it_was_told_is_never_counted():
    """The stream was reordered: x1 came behind its own bust, without the venue's view."""
    bust = OrderEvent(
        kind=OrderEventKind.TRADE_BUSTED,
        client_order_id=NAME,
        ts_event=format_ns(NOW + 5),
        execution_id="x1",
        fill_quantity=Decimal(4),
    )
    fill = OrderEvent(
        kind=OrderEventKind.PARTIALLY_FILLED,
        client_order_id=NAME,
        ts_event=format_ns(NOW),
        execution_id="x1",
        fill_quantity=Decimal(4),
        fill_price=Decimal(100),
    )
    order = apply(apply(SENT, bust), fill)
    assert order.filled_quantity == 0


def test_a_corrected_price_is_traded_back_and_anew():
    """Struck out alone, the corrected execution was missing from profit for good."""
    order = apply(SENT, told(OrderEventKind.REPORTED, 1, 4, 400))
    correction = told(OrderEventKind.TRADE_CORRECTED, 5, 4, 404, execution_id="x1")
    back, anew = revisions_of(order, correction)
    assert (back.side, back.quantity, back.price) == (Side.SELL, 4, 100)
    assert (anew.side, anew.quantity, anew.price) == (Side.BUY, 4, 101)
    assert back.execution_id != anew.execution_id
