"""The account in memory: what orders hold, what fills move, whom to believe."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.account import Account, Ledger, Position
from domain.market import AssetClass
from domain.orders import (
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
)
from domain.records import NS_PER_S, format_ns

NOW = 1_795_000_000 * NS_PER_S
ACCOUNT = Account(
    account_id="paper",
    equity=Decimal(10_000),
    cash=Decimal(10_000),
    buying_power=Decimal(20_000),
    non_marginable_buying_power=Decimal(9_900),
    last_equity=Decimal(10_000),
)


def request(name: str = "ah-1-entry-1", leg: Leg = Leg.ENTRY, **fields) -> OrderRequest:
    terms = {
        "decision_id": "1",
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.DAY,
        "reference_price": Decimal(100),
        "limit_price": Decimal(100),
        "valid_until": format_ns(NOW),
    }
    return OrderRequest(client_order_id=name, leg=leg, **(terms | fields))


def exit_(name: str, quantity: int, **fields) -> Order:
    parent = fields.pop("parent", None)
    asked = request(name, Leg.STOP, side=Side.SELL, quantity=Decimal(quantity), **fields)
    return Order(request=asked, state=OrderState.ACCEPTED, parent_client_order_id=parent)


def position(quantity: str, price: str = "100", symbol: str = "AAPL", **fields) -> Position:
    held = Decimal(quantity)
    return Position(
        symbol=symbol, quantity=held, average_price=Decimal(price), available=held, **fields
    )


def ledger(*positions: Position, known: tuple[str, ...] = ("AAPL", "BTC/USD")) -> Ledger:
    book = Ledger(known)
    book.correct(ACCOUNT, positions, NOW)
    return book


def step(book: Ledger, order: Order, kind: OrderEventKind, **fields) -> Order:
    """Play one event through the reducer into the ledger, as the engine does."""
    fields.setdefault("ts_event", format_ns(NOW + NS_PER_S))
    event = OrderEvent(kind=kind, client_order_id=order.client_order_id, **fields)
    after = apply(order, event)
    book.apply(order, after, fill_of(order, event))
    return after


def fill(book: Ledger, order: Order, quantity: str, price: str = "100", **fields) -> Order:
    fields.setdefault("execution_id", f"x{order.filled_quantity}")
    return step(
        book,
        order,
        fields.pop("kind", OrderEventKind.PARTIALLY_FILLED),
        fill_quantity=Decimal(quantity),
        fill_price=Decimal(price),
        **fields,
    )


def opened(book: Ledger, asked: OrderRequest | None = None) -> Order:
    asked = asked or request()
    book.reserve(asked)
    order = Order(request=asked, state=OrderState.SUBMITTING)
    book.apply(None, order, None)
    return order


def test_reservation_holds_notional_exposure_and_slot_until_the_order_ends():
    book = ledger()
    order = opened(book)
    assert (book.exposure(), book.exposure("AAPL"), book.open_order_count) == (1_000, 1_000, 1)
    assert book.buying_power(AssetClass.STOCK) == 19_000
    step(book, order, OrderEventKind.CANCELED)
    assert (book.exposure(), book.open_order_count) == (0, 0)
    assert book.buying_power(AssetClass.STOCK) == 20_000


def test_order_that_never_left_releases_and_may_be_asked_again():
    book = ledger()
    book.reserve(request())
    book.release("ah-1-entry-1")
    view = book.snapshot("AAPL", now_ns=NOW, client_order_id="ah-1-entry-1")
    assert (view.open_orders, view.is_known_order) == (0, False)


def test_release_lets_go_of_that_order_alone():
    book = ledger()
    book.reserve(request())
    book.reserve(request("ah-2-entry-1", symbol="MSFT"))
    book.release("ah-2-entry-1")
    assert list(book.reservations) == ["ah-1-entry-1"]
    assert book.exposure() == 1_000


def test_ended_order_is_remembered_by_name():
    book = ledger()
    step(book, opened(book), OrderEventKind.REJECTED)
    assert book.snapshot("AAPL", now_ns=NOW, client_order_id="ah-1-entry-1").is_known_order


def test_order_declared_absent_holds_its_reservation_until_it_is_released():
    """Absence is declared after 30 s of looking; only a clean reconciliation proves it."""
    book = ledger()
    unknown = step(book, opened(book), OrderEventKind.SUBMIT_UNKNOWN)
    assert book.snapshot("AAPL", now_ns=NOW).has_unknown_order
    step(book, unknown, OrderEventKind.DECLARED_ABSENT)
    assert (book.exposure(), book.working_orders) == (1_000, ())
    book.release("ah-1-entry-1")
    assert book.exposure() == 0


def test_fill_turns_what_was_reserved_into_a_position_without_a_gap():
    book = ledger()
    order = opened(book)
    order = fill(book, order, "4")
    assert (book.quantity("AAPL"), book.exposure()) == (4, 1_000)
    assert book.buying_power(AssetClass.STOCK) == 19_000
    fill(book, order, "6", kind=OrderEventKind.FILLED)
    assert (book.quantity("AAPL"), book.exposure(), book.open_order_count) == (10, 1_000, 0)
    assert book.buying_power(AssetClass.STOCK) == 19_000


def test_partial_fill_of_an_order_that_ends_canceled_stays_in_the_position():
    """An IOC that ended "canceled" left its coins untracked in the published system."""
    book = ledger()
    order = fill(book, opened(book), "3")
    step(book, order, OrderEventKind.CANCELED)
    assert (book.quantity("AAPL"), book.exposure()) == (3, 300)


def test_fill_after_the_cancel_still_reaches_the_position():
    book = ledger()
    order = step(book, opened(book), OrderEventKind.CANCELED)
    fill(book, order, "2")
    assert (book.quantity("AAPL"), book.open_order_count) == (2, 0)


def test_event_told_twice_moves_the_position_once():
    book = ledger()
    order = opened(book)
    after = fill(book, order, "3", execution_id="x1")
    fill(book, after, "3", execution_id="x1")
    assert book.quantity("AAPL") == 3


def test_take_profit_reaches_the_realized_profit():
    """Take-profit fills never reached the profit of the published system."""
    book = ledger(position("10"))
    target = exit_("ah-1-target-1", 10, limit_price=Decimal(104))
    fill(book, target, "10", "104", kind=OrderEventKind.FILLED)
    assert (book.quantity("AAPL"), book.realized_pnl) == (0, 40)


def test_bust_gives_back_at_the_price_it_was_booked():
    book = ledger()
    order = fill(book, opened(book), "4", "100", execution_id="x1")
    order = fill(book, order, "4", "102", execution_id="x2")
    step(
        book,
        order,
        OrderEventKind.TRADE_BUSTED,
        execution_id="x2",
        report=report_of(order, "4", "100"),
    )
    assert book.quantity("AAPL") == 4
    assert book.equity == Decimal(10_000) + 4 * (Decimal(102) - 100)
    book.mark("AAPL", Decimal(100))
    assert book.equity == 10_000
    assert book.realized_pnl + book.position("AAPL").unrealized_pnl == 0


def report_of(order: Order, filled: str, average: str) -> OrderReport:
    return OrderReport(
        client_order_id=order.client_order_id,
        venue_order_id="v",
        symbol=order.symbol,
        side=order.request.side,
        order_type=order.request.order_type,
        time_in_force="day",
        state=OrderState.PARTIALLY_FILLED,
        quantity=order.request.quantity,
        filled_quantity=Decimal(filled),
        average_price=Decimal(average),
    )


def test_fees_leave_the_equity():
    book = ledger()
    order = opened(book)
    event = OrderEvent(
        kind=OrderEventKind.PARTIALLY_FILLED,
        client_order_id=order.client_order_id,
        ts_event=format_ns(NOW),
        execution_id="x1",
        fill_quantity=Decimal(4),
        fill_price=Decimal(100),
    )
    done = fill_of(order, event)
    book.apply(order, apply(order, event), replace(done, fee=Decimal("1.25")))
    assert (book.fees, book.equity) == (Decimal("1.25"), Decimal("9998.75"))


sides = st.sampled_from(Side)
amounts = st.integers(1, 9).map(str)
prices = st.integers(50, 150).map(str)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(sides, amounts, prices, st.booleans()), max_size=8), prices)
def test_ledger_agrees_with_the_sum_of_fills_and_conserves_equity(story, mark):
    """Through reducer and ledger, whatever partials and cancels: position and equity add up."""
    book, held, paid = ledger(), Decimal(0), Decimal(0)
    for number, (side, amount, price, is_whole) in enumerate(story):
        asked = request(f"ah-{number}-entry-1", side=side, quantity=Decimal(amount))
        order = opened(book, asked)
        part = Decimal(amount) if is_whole else (Decimal(amount) / 2)
        fill(book, order, str(part), price)
        held += part * side.sign
        paid += part * side.sign * Decimal(price)
    book.mark("AAPL", Decimal(mark))
    assert book.quantity("AAPL") == held
    expected = 10_000 - paid + held * Decimal(mark)
    assert book.equity == expected
    assert len(book.working_orders) == sum(not is_whole for *_, is_whole in story)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 200)), max_size=8))
def test_exposure_counts_every_working_entry_as_filled(story):
    book = ledger(position("5"))
    for number, (amount, price) in enumerate(story):
        name, limit = f"ah-{number}-entry-1", Decimal(price)
        book.reserve(request(name, quantity=Decimal(amount), limit_price=limit))
    assert book.exposure() == 500 + sum(amount * price for amount, price in story)
    assert book.open_order_count == len(story)


def test_protection_adds_no_exposure_and_uses_no_slot():
    book = ledger(position("10"))
    book.track(exit_("ah-1-stop-1", 10))
    assert (book.exposure(), book.open_order_count) == (1_000, 0)
    assert book.position("AAPL").available == 0


def test_available_is_what_no_working_exit_would_close():
    book = ledger(position("10"), position("-10", symbol="MSFT"))
    book.track(exit_("ah-1-stop-1", 4))
    book.track(exit_("ah-2-stop-1", 4, symbol="MSFT"))
    assert book.position("AAPL").available == 6
    assert book.position("MSFT").available == -10


def test_exits_that_exclude_each_other_count_once():
    book = ledger(position("10"))
    book.track(exit_("ah-1-stop-1", 10, parent="ah-1-entry-1"))
    book.track(exit_("ah-1-target-1", 10, parent="ah-1-entry-1"))
    assert book.pending_quantity("AAPL", Side.SELL) == 10
    assert book.pending_quantity("AAPL") == -10
    book.track(exit_("ah-2-reduce-1", 3))
    assert book.pending_quantity("AAPL", Side.SELL) == 13


def test_crypto_is_checked_against_cash_that_is_no_margin():
    book = ledger()
    assert book.buying_power(AssetClass.CRYPTO) == 9_900
    assert book.buying_power(AssetClass.STOCK) == 20_000


def test_short_entry_takes_three_percent_more_buying_power():
    book = ledger()
    book.reserve(request(side=Side.SELL))
    assert book.buying_power(AssetClass.STOCK) == 20_000 - 1_030


def test_position_in_the_venues_spelling_is_ours_and_is_not_bought_again():
    """`BTCUSD` in positions and `BTC/USD` in settings never matched."""
    book = ledger(position("0.5", "60000", symbol="BTCUSD"))
    assert book.quantity("BTC/USD") == Decimal("0.5")
    assert list(book.positions) == ["BTC/USD"]
    assert book.snapshot("BTC/USD", now_ns=NOW).position_quantity == Decimal("0.5")


def test_coins_bought_are_what_the_venue_says_is_left_after_its_fee():
    """Alpaca takes crypto fees from the coins: 1 bought at 25 bps is 0.9975 held."""
    book = ledger()
    asked = request(symbol="BTC/USD", quantity=Decimal(1), limit_price=Decimal(1_000))
    fill(book, opened(book, asked), "1", "1000", position_quantity=Decimal("0.9975"))
    assert book.quantity("BTC/USD") == Decimal("0.9975")


def test_streamed_fill_that_rest_has_counted_already_is_not_counted_twice():
    book = ledger()
    order = opened(book)
    book.correct(ACCOUNT, [position("10")], NOW + 60 * NS_PER_S)
    fill(book, order, "10", kind=OrderEventKind.FILLED, ts_event=format_ns(NOW + NS_PER_S))
    assert book.quantity("AAPL") == 10


def test_older_execution_that_comes_late_is_part_of_the_newer_ones_position():
    book = ledger()
    order = fill(
        book,
        opened(book),
        "6",
        execution_id="x2",
        position_quantity=Decimal(10),
        ts_event=format_ns(NOW + 2 * NS_PER_S),
    )
    fill(
        book,
        order,
        "4",
        execution_id="x1",
        position_quantity=Decimal(4),
        ts_event=format_ns(NOW + NS_PER_S),
    )
    assert book.quantity("AAPL") == 10


def test_two_executions_of_one_nanosecond_both_count():
    book = ledger()
    order = fill(book, opened(book), "4", execution_id="x1", position_quantity=Decimal(4))
    fill(book, order, "6", execution_id="x2", position_quantity=Decimal(10))
    assert book.quantity("AAPL") == 10


def streamed(book: Ledger) -> None:
    """Buy ten, with the venue's own word for the position, one second after `NOW`."""
    fill(
        book,
        opened(book),
        "10",
        kind=OrderEventKind.FILLED,
        position_quantity=Decimal(10),
    )


def test_rest_that_trails_a_fresh_fill_is_not_believed():
    """Alpaca's positions lag its own fills by seconds; flat is not flat yet."""
    book = ledger()
    streamed(book)
    (told,) = book.correct(ACCOUNT, [], NOW + 3 * NS_PER_S)
    assert (told.ours, told.venue, told.is_applied) == (10, 0, False)
    assert book.quantity("AAPL") == 10


def test_rest_that_takes_off_a_fee_is_believed_at_once():
    """The fee on a fresh fill is no lag: protection must not ask for coins that are gone."""
    book = ledger()
    streamed(book)
    assert book.correct(ACCOUNT, [position("9.975")], NOW + 3 * NS_PER_S)[0].is_applied
    assert book.quantity("AAPL") == Decimal("9.975")
    assert not book.correct(ACCOUNT, [position("9.8")], NOW + 3 * NS_PER_S)[0].is_applied


def test_fill_found_by_a_look_up_doubts_positions_that_trail_it():
    """A look-up tells no position; its fill is as fresh as the venue's time of it."""
    book = ledger()
    order = opened(book)
    told = report_of(order, "10", "100")
    done = OrderState.FILLED
    step(book, order, OrderEventKind.REPORTED, report=replace(told, state=done))
    assert not book.correct(ACCOUNT, [position("4")], NOW + 3 * NS_PER_S)[0].is_applied
    assert book.quantity("AAPL") == 10


def test_fill_found_by_a_look_up_that_rest_had_counted_is_put_right_by_the_next_answer():
    """The stream was cut; positions were asked in between and knew the fill already."""
    book = ledger()
    order = opened(book)
    book.correct(ACCOUNT, [position("13")], NOW + 5 * NS_PER_S)
    step(book, order, OrderEventKind.REPORTED, report=report_of(order, "10", "100"))
    assert book.correct(ACCOUNT, [position("13")], NOW + 30 * NS_PER_S)[0].is_applied
    assert book.quantity("AAPL") == 13


@pytest.mark.parametrize("held", ["10", "9.975"], ids=["whole", "net of a fee"])
def test_fill_found_by_a_look_up_that_explains_what_rest_brought_is_not_added_again(held: str):
    """Killed between post and answer: the restart held twice the coins, and no stop fitted them."""
    book = ledger()
    order = opened(book)
    book.correct(ACCOUNT, [position(held)], NOW + 3 * NS_PER_S)
    after = step(book, order, OrderEventKind.REPORTED, report=report_of(order, "10", "100"))
    assert after.filled_quantity == 10
    assert book.quantity("AAPL") == Decimal(held)


def test_what_rest_brought_explains_one_fill_and_no_second():
    """Two entries of one size: the first was counted, the second is new."""
    book = ledger()
    first, second = opened(book), opened(book, request("ah-2-entry-1"))
    book.correct(ACCOUNT, [position("10")], NOW + 3 * NS_PER_S)
    for order in (first, second):
        step(book, order, OrderEventKind.REPORTED, report=report_of(order, "10", "100"))
    assert book.quantity("AAPL") == 20


def test_a_fill_after_the_answer_is_added_whatever_rest_brought():
    """What happened after the question cannot be part of the answer."""
    book = ledger()
    order = opened(book)
    book.correct(ACCOUNT, [position("10")], NOW)
    step(book, order, OrderEventKind.REPORTED, report=report_of(order, "10", "100"))
    assert book.quantity("AAPL") == 20


def test_rest_is_believed_once_the_lag_is_over():
    book = ledger()
    streamed(book)
    assert not book.correct(ACCOUNT, [position("4")], NOW + 10 * NS_PER_S)[0].is_applied
    assert book.correct(ACCOUNT, [position("4")], NOW + 11 * NS_PER_S)[0].is_applied


def test_position_that_vanishes_is_believed_when_it_is_said_twice():
    """Paper positions have been seen to vanish for one answer."""
    book = ledger(position("10"))
    assert not book.correct(ACCOUNT, [], NOW + 60 * NS_PER_S)[0].is_applied
    assert book.quantity("AAPL") == 10
    assert book.correct(ACCOUNT, [], NOW + 90 * NS_PER_S)[0].is_applied
    assert book.quantity("AAPL") == 0


def test_position_that_vanishes_once_and_returns_was_never_gone():
    book = ledger(position("10"))
    book.correct(ACCOUNT, [], NOW + 60 * NS_PER_S)
    assert book.correct(ACCOUNT, [position("10")], NOW + 90 * NS_PER_S) == ()
    assert not book.correct(ACCOUNT, [], NOW + 120 * NS_PER_S)[0].is_applied
    assert book.quantity("AAPL") == 10


def test_missed_close_streams_in_late_but_before_rest_says_it_twice():
    book = ledger(position("10"))
    book.correct(ACCOUNT, [], NOW + 60 * NS_PER_S)
    fill(
        book,
        exit_("ah-1-stop-1", 10),
        "10",
        kind=OrderEventKind.FILLED,
        position_quantity=Decimal(0),
    )
    assert book.quantity("AAPL") == 0


def test_manual_trade_is_taken_over_at_once_and_reported():
    book = ledger(position("10"))
    (told,) = book.correct(ACCOUNT, [position("15")], NOW + 60 * NS_PER_S)
    assert (told.ours, told.venue, told.is_applied) == (10, 15, True)
    assert book.quantity("AAPL") == 15


def test_failed_question_is_never_read_as_flat():
    book = ledger(position("10"))
    book.correct(None, None, NOW + 60 * NS_PER_S)
    assert (book.quantity("AAPL"), book.account_ts_ns) == (10, NOW)


def test_answer_that_is_no_number_is_a_failed_question():
    book = ledger(position("10"))
    broken = replace(ACCOUNT, equity=Decimal("NaN"))
    book.correct(broken, [position("NaN")], NOW + 60 * NS_PER_S)
    assert (book.quantity("AAPL"), book.equity, book.account_ts_ns) == (10, 10_000, NOW)


def test_average_price_of_zero_keeps_the_one_we_know():
    book = ledger(position("10", "97"))
    book.correct(ACCOUNT, [position("10", "0")], NOW + 60 * NS_PER_S)
    assert book.position("AAPL").average_price == 97


def test_mark_moves_equity_and_unrealized_profit():
    book = ledger(position("10", market_price=Decimal(100)))
    book.mark("AAPL", Decimal(103))
    assert (book.equity, book.position("AAPL").unrealized_pnl) == (10_030, 30)


@pytest.mark.parametrize("price", ["NaN", "0", "-5", "Infinity"])
def test_mark_that_is_no_price_is_ignored(price):
    book = ledger(position("10", market_price=Decimal(100)))
    book.mark("AAPL", Decimal(price))
    assert book.equity == 10_000


def test_foreign_orders_and_positions_count_in_the_exposure():
    book = ledger(position("3", "50", symbol="TSLA"))
    foreign = OrderReport(
        client_order_id="by-hand",
        venue_order_id="v",
        symbol="TSLA",
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force="gtc",
        state=OrderState.ACCEPTED,
        quantity=Decimal(2),
        filled_quantity=Decimal(1),
        limit_price=Decimal(40),
    )
    closing = replace(foreign, side=Side.SELL)
    book.correct(None, None, NOW, foreign_orders=[foreign, closing])
    assert (book.exposure(), book.exposure("TSLA"), book.exposure("AAPL")) == (190, 190, 0)
    elsewhere = replace(foreign, symbol="NVDA")
    book.correct(None, None, NOW, foreign_orders=[elsewhere])
    assert (book.exposure(), book.exposure("NVDA")) == (190, 40)


def test_window_shows_the_account_net_of_what_is_reserved():
    book = ledger(position("2", market_price=Decimal(110)))
    fill(book, exit_("ah-3-reduce-1", 1, symbol="TSLA"), "1", "60")
    book.correct(None, [position("2", market_price=Decimal(110))], NOW + 60 * NS_PER_S)
    book.correct(None, [position("2", market_price=Decimal(110))], NOW + 90 * NS_PER_S)
    book.reserve(request("ah-2-entry-1", symbol="MSFT"))
    shown = book.window_account("MSFT", trading_state="active", day_pnl=Decimal(-5))
    assert (shown.buying_power, shown.exposure, shown.symbol_exposure) == (19_000, 1_220, 1_000)
    assert (shown.open_orders, shown.day_pnl, shown.cash) == (1, -5, 10_060)
    held = book.window_position("AAPL", stop_price=Decimal(95))
    assert (held.quantity, held.unrealized_pnl, held.stop_price) == (2, 20, 95)
    assert book.window_position("MSFT") is None


def test_ledger_that_never_heard_of_the_account_knows_nothing():
    book = Ledger()
    view = book.snapshot("AAPL", now_ns=NOW)
    assert (view.equity, view.buying_power, view.age_ns, view.is_blocked) == (None,) * 3 + (True,)
    assert book.window_account("AAPL", trading_state="active", day_pnl=Decimal(0)) is None
