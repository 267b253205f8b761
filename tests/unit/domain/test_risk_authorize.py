"""The verdict as one step: what it reserves, and what goes or stays whatever else is down."""

from __future__ import annotations

import ast
from collections.abc import Callable
from decimal import Decimal
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import domain
import domain.orders
from domain.account import Ledger
from domain.decisions import Action, Intent, intent_of
from domain.errors import ConfigError
from domain.market import (
    Window,
    WindowPosition,
)
from domain.orders import (
    Leg,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderState,
    Side,
    apply,
    fill_of,
)
from domain.records import format_ns, plain
from domain.risk import (
    AuthorizedOrder,
    Code,
    Denied,
    Limits,
    TradingState,
    authorize,
    facts_of_window,
    preview,
)


def test_verdict_reads_the_ledger_and_not_the_facts(gate):
    """A view taken before an await would be check-then-act."""
    rich = gate.ledger().snapshot("AAPL", now_ns=gate.now)
    answer = gate.verdict(facts=replace(gate.facts, account=rich), book=Ledger())
    assert isinstance(answer, Denied)


def test_two_runs_that_saw_the_same_room_cannot_both_have_it(gate):
    """Limits were check-then-act races; here the check reserves in the same step."""
    book, limits = gate.ledger(), Limits(max_exposure_fraction=0.01)
    first = replace(gate.entry, quantity=Decimal("0.6"))
    second = replace(first, symbol="MSFT", client_order_id="ah-second-entry-1")
    facts = replace(
        gate.facts,
        allowed_symbols=frozenset({"AAPL", "MSFT"}),
        instrument=replace(gate.stock, symbol="MSFT"),
        quote=replace(gate.quote, symbol="MSFT"),
    )
    assert isinstance(authorize(first, gate.facts, limits, book), AuthorizedOrder)
    answer = authorize(second, facts, limits, book)
    assert gate.failed(answer) == {Code.EXPOSURE_LIMIT_EXCEEDED}


def test_same_decision_twice_is_one_order(gate):
    """Every quote after warm-up started another analysis, and a crash doubled orders."""
    book = gate.ledger()
    assert isinstance(gate.verdict(book=book), AuthorizedOrder)
    assert Code.DUPLICATE_ORDER in gate.failed(gate.verdict(book=book))


def test_denial_is_the_same_value_each_time(gate):
    facts = replace(gate.facts, is_link_up=False)
    assert gate.verdict(facts=facts) == gate.verdict(facts=facts)


def test_probe_cash_account_cannot_buy_a_hundred_times_its_cash(gate):
    book = gate.ledger(account=replace(gate.account, buying_power=Decimal(10_000)))
    answer = gate.verdict(
        replace(gate.entry, quantity=Decimal(10_000)), gate.facts, gate.huge, book
    )
    assert Code.BUYING_POWER_EXCEEDED in gate.failed(answer)


def test_probe_margin_account_cannot_buy_a_hundred_times_its_cash(gate):
    """Elsewhere this filled: a margin account returned before any check."""
    margin = replace(gate.account, multiplier=Decimal(4), buying_power=Decimal(40_000))
    request = replace(gate.entry, quantity=Decimal(10_000))
    answer = gate.verdict(request, gate.facts, gate.huge, gate.ledger(account=margin))
    assert Code.BUYING_POWER_EXCEEDED in gate.failed(answer)


def test_probe_reducing_while_flat_cannot_open(gate):
    """Elsewhere this filled."""
    assert gate.verdict(facts=gate.reducing).code is Code.REDUCE_ONLY
    for leg in (Leg.REDUCE, Leg.STOP, Leg.FLATTEN):
        answer = gate.verdict(gate.exit(leg, Side.BUY, "10"), gate.reducing)
        assert gate.failed(answer) == {Code.CROSSES_ZERO}


@pytest.mark.parametrize("leg", [Leg.REDUCE, Leg.STOP, Leg.TARGET, Leg.FLATTEN])
def test_probe_reducing_long_ten_cannot_sell_thirty(gate, leg):
    """Elsewhere this filled and turned the position to -20."""
    answer = gate.verdict(gate.exit(leg, Side.SELL, "30"), gate.reducing, book=gate.ledger("10"))
    assert gate.failed(answer) == {Code.CROSSES_ZERO}
    entry = replace(gate.short, quantity=Decimal(30))
    assert gate.verdict(entry, gate.reducing, book=gate.ledger("10")).code is Code.REDUCE_ONLY


def test_probe_reducing_long_ten_cannot_buy_one_more(gate):
    assert gate.verdict(facts=gate.reducing, book=gate.ledger("10")).code is Code.REDUCE_ONLY
    more = gate.exit(Leg.REDUCE, Side.BUY, "1")
    assert gate.failed(gate.verdict(more, gate.reducing, book=gate.ledger("10"))) == {
        Code.CROSSES_ZERO
    }


def test_probe_halted_cannot_buy(gate):
    halted = replace(gate.facts, trading_state=TradingState.HALTED)
    assert gate.verdict(facts=halted).code is Code.TRADING_HALTED


def test_reducing_long_ten_may_sell_ten(gate):
    answer = gate.verdict(
        gate.exit(Leg.REDUCE, Side.SELL, "10"), gate.reducing, book=gate.ledger("10")
    )
    assert isinstance(answer, AuthorizedOrder)


@pytest.mark.parametrize("leg", [Leg.STOP, Leg.TARGET, Leg.FLATTEN])
@pytest.mark.parametrize("side", Side)
def test_protection_goes_with_everything_down(gate, leg, side):
    """Exits waited for a model's approval, and hung for ever when it failed."""
    book = gate.ledger("-10" if side is Side.BUY else "10")
    assert isinstance(
        gate.verdict(gate.exit(leg, side, "10"), gate.down, book=book), AuthorizedOrder
    )


def test_close_by_the_agents_stops_at_halt_journal_feed_and_age(gate):
    sell, down = gate.exit(Leg.REDUCE, Side.SELL, "10"), replace(gate.down, quote=gate.quote)
    answer = gate.verdict(sell, down, book=gate.ledger("10"))
    assert gate.failed(answer) == {
        Code.TRADING_HALTED,
        Code.NOT_RECONCILED,
        Code.JOURNAL_DOWN,
        Code.FEED_STALE,
        Code.QUOTE_STALE,
        Code.DECISION_STALE,
    }


def test_exit_sent_again_under_its_own_name_is_authorized_again(gate):
    """Law 3: an exit is posted again with the same id; "must be unique" settles it."""
    book, stop = gate.ledger("10"), gate.exit(Leg.STOP, Side.SELL, "10")
    assert isinstance(gate.verdict(stop, book=book), AuthorizedOrder)
    assert isinstance(gate.verdict(stop, book=book), AuthorizedOrder)
    assert len(book.reservations) == 1


def test_second_exit_of_the_same_shares_waits_for_the_first(gate):
    book = gate.ledger("10")
    assert isinstance(
        gate.verdict(gate.exit(Leg.STOP, Side.SELL, "10"), book=book), AuthorizedOrder
    )
    answer = gate.verdict(gate.exit(Leg.FLATTEN, Side.SELL, "1"), book=book)
    assert gate.failed(answer) == {Code.CROSSES_ZERO}
    book.release(gate.exit(Leg.STOP, Side.SELL, "10").client_order_id)
    assert isinstance(
        gate.verdict(gate.exit(Leg.FLATTEN, Side.SELL, "10"), book=book), AuthorizedOrder
    )


@settings(deadline=None, max_examples=150)
@given(
    st.integers(-10, 10),
    st.lists(
        st.tuples(st.sampled_from([Leg.REDUCE, Leg.STOP, Leg.FLATTEN]), st.sampled_from(Side)),
        max_size=4,
    ),
    st.data(),
)
def test_exits_never_cross_zero_whatever_fills_in_whatever_order(gate, start, wishes, data):
    book, authorized = gate.ledger(str(start)), []
    for number, (leg, side) in enumerate(wishes, start=1):
        quantity = str(data.draw(st.integers(1, 12)))
        answer = gate.verdict(gate.exit(leg, side, quantity, number), book=book)
        if isinstance(answer, AuthorizedOrder):
            order = Order(request=answer.request, state=OrderState.ACCEPTED)
            book.apply(None, order)
            authorized.append(order)
    held = Decimal(start)
    for order in data.draw(st.sampled_from(list(permutations(authorized)))):
        part = data.draw(st.integers(1, int(order.request.quantity)))
        event = OrderEvent(
            kind=OrderEventKind.PARTIALLY_FILLED,
            client_order_id=order.client_order_id,
            ts_event=format_ns(gate.now),
            execution_id=order.client_order_id,
            fill_quantity=Decimal(part),
            fill_price=Decimal(100),
        )
        book.apply(order, apply(order, event), fill_of(order, event))
        now = book.quantity("AAPL")
        assert now * start >= 0
        assert abs(now) <= abs(held)
        held = now


def test_stop_that_could_never_be_reached_is_refused(gate):
    """A stop on the far side of its entry, or so wide that it protects nothing."""
    above = gate.verdict(replace(gate.entry, stop_loss=Decimal("101.00")))
    assert Code.STOP_ON_WRONG_SIDE in gate.failed(above)
    assert Code.STOP_DISTANCE in gate.failed(
        gate.verdict(replace(gate.entry, stop_loss=Decimal("1.00")))
    )


def test_entry_without_a_stop_cannot_be_sent(gate):
    """After failed repairs a real position stood without any stop."""
    answer = gate.verdict(replace(gate.entry, stop_loss=None))
    assert {Code.STOP_ON_WRONG_SIDE, Code.STOP_DISTANCE} <= gate.failed(answer)


def test_sell_means_what_the_position_says():
    """The signal was always "buy", so shorts and exits became buys."""
    assert intent_of(Action.SELL, 1) is Intent.CLOSE_LONG
    assert intent_of(Action.SELL, 0) is Intent.OPEN_SHORT
    assert intent_of(Action.BUY, -1) is Intent.CLOSE_SHORT
    assert intent_of(Action.BUY, 1) is Intent.ALREADY_IN_POSITION


def test_window_alone_decides_what_its_order_may_do(gate):
    facts, limits = facts_of_window(gate.window)
    assert limits == gate.limits
    checks = preview(gate.entry, facts, limits)
    assert [check.code for check in checks if not check.passed] == []
    small = replace(gate.window, limits=plain(replace(gate.limits, max_order_amount=Decimal(50))))
    facts, limits = facts_of_window(small)
    (check,) = [check for check in preview(gate.entry, facts, limits) if not check.passed]
    assert (check.code, check.value, check.limit) == (
        Code.NOTIONAL_EXCEEDS_MAX,
        "90.02 USD",
        "50.00 USD",
    )


def test_window_with_a_position_previews_its_close(gate):
    held = WindowPosition(quantity=Decimal(3), average_price=Decimal(99), unrealized_pnl=Decimal(3))
    facts, limits = facts_of_window(replace(gate.window, position=held))
    whole = preview(gate.exit(Leg.REDUCE, Side.SELL, "3"), facts, limits)
    assert all(check.passed for check in whole)
    over = preview(gate.exit(Leg.REDUCE, Side.SELL, "4"), facts, limits)
    assert [check.code for check in over if not check.passed] == [Code.CROSSES_ZERO]


BREAKERS: list[Callable[[Window], Window]] = [
    lambda window: replace(window, limits={"max_order_amount": "much"}),
    lambda window: replace(window, as_of="today"),
    lambda window: replace(window, account=replace(window.account, trading_state="on")),
]


@pytest.mark.parametrize("broken", BREAKERS)
def test_window_that_cannot_be_read_is_a_named_error(gate, broken):
    with pytest.raises(ConfigError, match="window of AAPL cannot be read"):
        facts_of_window(broken(gate.window))


def test_no_module_but_the_verdict_holds_the_seal():
    """Law 1, read from the source: the seal is named in one module of the domain."""
    root = Path(domain.__file__).parent
    holders = set()
    for path in root.rglob("*.py"):
        names = {
            node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)
        }
        if "_SEAL" in names:
            holders.add(path.relative_to(root).as_posix())
    assert holders == {"risk/authorize.py"}


def test_unchecked_order_cannot_be_written_down(gate):
    """Only `authorize` holds the seal, and it has one home."""
    with pytest.raises(TypeError, match="authorize alone"):
        AuthorizedOrder(request=gate.entry, authorized_at="", seal=object())
    assert not hasattr(domain.orders, "AuthorizedOrder")


def test_orders_know_nothing_of_the_verdict_on_them():
    """The seal once stood among the orders and asked the verdict's module back: a circle."""
    for module in Path(domain.orders.__file__).parent.glob("*.py"):
        assert "domain.risk import" not in module.read_text(encoding="utf-8"), module.name
