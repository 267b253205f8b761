"""The verdict: every code, every input corrupted in turn, and the holes other engines left open."""

from __future__ import annotations

import ast
from collections.abc import Callable
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

import domain
from domain.account import Account, Ledger, Position
from domain.decisions import Action, Intent, intent_of
from domain.errors import ConfigError
from domain.market import (
    AssetClass,
    Floors,
    Instrument,
    Quote,
    SessionPhase,
    Window,
    WindowAccount,
    WindowPosition,
    WindowQuote,
)
from domain.orders import (
    AuthorizedOrder,
    Leg,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
    apply,
    fill_of,
)
from domain.records import NS_PER_S, format_ns, plain
from domain.risk import (
    BINDS,
    Code,
    Denied,
    Facts,
    Limits,
    TradingState,
    authorize,
    facts_of_window,
    preview,
)

NOW = 1_795_000_000 * NS_PER_S
HOUR = 3_600 * NS_PER_S
STOCK = Instrument(
    symbol="AAPL",
    asset_class=AssetClass.STOCK,
    tick=Decimal("0.01"),
    lot=Decimal("0.000000001"),
    min_notional=Decimal(1),
    min_quantity=Decimal(0),
    max_notional=Decimal(200_000),
    fractionable=True,
    shortable=True,
)
COIN = replace(STOCK, symbol="BTC/USD", asset_class=AssetClass.CRYPTO, min_notional=Decimal(10))
QUOTE = Quote("AAPL", 100.00, 200, 100.02, 300, NOW, NOW)
ENTRY = OrderRequest(
    decision_id="0123456789abcdef01234567",
    leg=Leg.ENTRY,
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal("0.9"),
    order_type=OrderType.LIMIT,
    time_in_force=TimeInForce.DAY,
    reference_price=Decimal("100.01"),
    valid_until=format_ns(NOW + 60 * NS_PER_S),
    client_order_id="ah-0123456789abcdef01234567-entry-1",
    limit_price=Decimal("100.02"),
    stop_loss=Decimal("98.02"),
    take_profit=Decimal("104.02"),
)
FACTS = Facts(
    now_ns=NOW,
    trading_state=TradingState.ACTIVE,
    is_symbol_reducing=False,
    is_reconciled=True,
    is_journal_up=True,
    is_link_up=True,
    phase=SessionPhase.OPEN,
    is_symbol_halted=False,
    since_open_ns=HOUR,
    to_close_ns=HOUR,
    allowed_symbols=frozenset({"AAPL", "BTC/USD"}),
    is_foreign=False,
    instrument=STOCK,
    quote=QUOTE,
    quote_age_ns=NS_PER_S // 5,
    feed="iex",
    window_mid=100.0,
    atr=1.0,
    decision_age_ns=5 * NS_PER_S,
    skew_ns=-NS_PER_S // 10,
    day_pnl=Decimal(-20),
    peak_equity=Decimal(10_100),
    orders_last_minute=1,
)
LIMITS = Limits()
ACCOUNT = Account(
    account_id="paper",
    equity=Decimal(10_000),
    cash=Decimal(10_000),
    buying_power=Decimal(20_000),
    non_marginable_buying_power=Decimal(10_000),
    last_equity=Decimal(10_000),
    shorting_enabled=True,
)
DOWN = Facts(instrument=STOCK)
"""Nothing is known, nothing is up: every default fails closed."""


def ledger(quantity: str = "0", account: Account = ACCOUNT, symbol: str = "AAPL") -> Ledger:
    book, held = Ledger(["AAPL", "BTC/USD"]), Decimal(quantity)
    position = Position(
        symbol=symbol, quantity=held, average_price=Decimal(100), available=abs(held)
    )
    book.correct(account, [position], NOW - NS_PER_S)
    return book


def exit_(leg: Leg, side: Side, quantity: str, number: int = 1, **fields: Any) -> OrderRequest:
    """Return a limit exit of whole or fractional shares, named after its leg and number."""
    terms = {"stop_loss": None, "take_profit": None, "quantity": Decimal(quantity)}
    name = f"ah-0123456789abcdef01234567-{leg}-{number}"
    limit = Decimal("100.00") if side is Side.SELL else Decimal("100.02")
    terms |= {"client_order_id": name, "leg": leg, "side": side, "limit_price": limit}
    return replace(ENTRY, **(terms | fields))


def verdict(
    request: OrderRequest = ENTRY,
    facts: Facts = FACTS,
    limits: Limits = LIMITS,
    book: Ledger | None = None,
) -> AuthorizedOrder | Denied:
    return authorize(request, facts, limits, book or ledger())


def failed(answer: AuthorizedOrder | Denied) -> set[str]:
    return {check.code for check in answer.checks if not check.passed}


def test_good_entry_is_authorized_unchanged_and_reserved():
    book = ledger()
    answer = verdict(book=book)
    assert isinstance(answer, AuthorizedOrder)
    assert answer.request is ENTRY
    assert answer.authorized_at == format_ns(NOW)
    assert ENTRY.client_order_id in book.reservations


def test_denied_entry_reserves_nothing_and_keeps_every_check():
    book = ledger()
    answer = verdict(facts=replace(FACTS, is_link_up=False), book=book)
    assert isinstance(answer, Denied)
    assert (answer.code, book.reservations) == (Code.FEED_STALE, {})
    assert [check.code for check in answer.checks] == [
        code for code in Code if code in BINDS[Purpose.ENTRY]
    ]


SHORT = replace(
    ENTRY,
    side=Side.SELL,
    quantity=Decimal(1),
    limit_price=Decimal("100.00"),
    stop_loss=Decimal("102.00"),
    take_profit=Decimal("96.00"),
)
BIG = Limits(max_order_amount=Decimal(10**9), max_position_fraction=10.0)
HUGE = replace(BIG, max_exposure_fraction=10.0, max_risk_per_trade=1.0)
Case = tuple[Code, dict[str, Any], dict[str, Any], Limits, Ledger]


def busy(symbol: str = "MSFT") -> Ledger:
    """Return a ledger with one entry in flight."""
    book = ledger()
    book.reserve(replace(ENTRY, client_order_id="ah-other-entry-1", symbol=symbol))
    return book


def unknown() -> Ledger:
    book = ledger("5")
    stuck = exit_(Leg.REDUCE, Side.SELL, "1", 7)
    book.track(Order(request=stuck, state=OrderState.UNKNOWN))
    return book


CASES: list[Case] = [
    (Code.TRADING_HALTED, {"trading_state": TradingState.HALTED}, {}, LIMITS, ledger()),
    (Code.TRADING_HALTED, {}, {}, LIMITS, ledger(account=replace(ACCOUNT, is_blocked=True))),
    (Code.REDUCE_ONLY, {"trading_state": TradingState.REDUCING}, {}, LIMITS, ledger()),
    (Code.REDUCE_ONLY, {"is_symbol_reducing": True}, {}, LIMITS, ledger()),
    (Code.NOT_RECONCILED, {"is_reconciled": False}, {}, LIMITS, ledger()),
    (Code.NOT_RECONCILED, {}, {}, LIMITS, unknown()),
    (Code.JOURNAL_DOWN, {"is_journal_up": False}, {}, LIMITS, ledger()),
    (Code.FEED_STALE, {"is_link_up": False}, {}, LIMITS, ledger()),
    (Code.MARKET_CLOSED, {"phase": SessionPhase.CLOSED}, {}, LIMITS, ledger()),
    (Code.MARKET_CLOSED, {"is_symbol_halted": True}, {}, LIMITS, ledger()),
    (Code.MARKET_CLOSED, {"since_open_ns": 299 * NS_PER_S}, {}, LIMITS, ledger()),
    (Code.MARKET_CLOSED, {"to_close_ns": 599 * NS_PER_S}, {}, LIMITS, ledger()),
    (Code.SYMBOL_NOT_ALLOWED, {"allowed_symbols": frozenset({"MSFT"})}, {}, LIMITS, ledger()),
    (Code.ASSET_NOT_TRADABLE, {"instrument": replace(STOCK, tradable=False)}, {}, LIMITS, ledger()),
    (Code.ASSET_NOT_TRADABLE, {"instrument": replace(STOCK, symbol="MSFT")}, {}, LIMITS, ledger()),
    (Code.PRECISION, {}, {"limit_price": Decimal("100.021")}, LIMITS, ledger()),
    (Code.PRECISION, {}, {"order_type": OrderType.MARKET}, LIMITS, ledger()),
    (Code.QUOTE_MISSING, {"quote": replace(QUOTE, bid=0.0)}, {}, LIMITS, ledger()),
    (Code.QUOTE_MISSING, {"quote": replace(QUOTE, bid=100.03)}, {}, LIMITS, ledger()),
    (Code.QUOTE_MISSING, {"quote": replace(QUOTE, symbol="MSFT")}, {}, LIMITS, ledger()),
    (Code.QUOTE_STALE, {"quote_age_ns": 11 * NS_PER_S}, {}, LIMITS, ledger()),
    (Code.SPREAD_TOO_WIDE, {"quote": replace(QUOTE, bid=99.3)}, {}, LIMITS, ledger()),
    (Code.CLOCK_SKEW, {"skew_ns": -3 * NS_PER_S}, {}, LIMITS, ledger()),
    (Code.DECISION_STALE, {"decision_age_ns": 61 * NS_PER_S}, {}, LIMITS, ledger()),
    (Code.DECISION_STALE, {}, {"valid_until": format_ns(NOW - 1)}, LIMITS, ledger()),
    (Code.PRICE_MOVED, {"window_mid": 99.0}, {}, LIMITS, ledger()),
    (Code.PRICE_OUTSIDE_COLLAR, {}, {"limit_price": Decimal("100.53")}, LIMITS, ledger()),
    (Code.PRICE_OUTSIDE_COLLAR, {}, {"limit_price": Decimal("99.40")}, LIMITS, ledger()),
    (Code.ACCOUNT_STALE, {"now_ns": NOW + 60 * NS_PER_S}, {}, LIMITS, ledger()),
    (Code.ACCOUNT_STALE, {}, {}, LIMITS, Ledger()),
    (Code.FOREIGN_POSITION, {"is_foreign": True}, {}, LIMITS, ledger()),
    (Code.DUPLICATE_ORDER, {}, {}, LIMITS, ledger("5")),
    (Code.DUPLICATE_ORDER, {}, {}, LIMITS, busy("AAPL")),
    (Code.SHORT_NOT_ALLOWED, {}, msgspec.structs.asdict(SHORT), LIMITS, ledger()),
    (Code.STOP_ON_WRONG_SIDE, {}, {"stop_loss": Decimal("100.02")}, LIMITS, ledger()),
    (Code.STOP_DISTANCE, {}, {"stop_loss": Decimal("99.62")}, LIMITS, ledger()),
    (Code.STOP_DISTANCE, {}, {"stop_loss": Decimal("94.00")}, LIMITS, ledger()),
    (Code.REWARD_TOO_SMALL, {}, {"take_profit": Decimal("101.00")}, LIMITS, ledger()),
    (Code.REWARD_TOO_SMALL, {}, {"take_profit": None}, LIMITS, ledger()),
    (Code.DAILY_LOSS_REACHED, {"day_pnl": Decimal(-310)}, {}, LIMITS, ledger()),
    (Code.DRAWDOWN_REACHED, {"peak_equity": Decimal(11_200)}, {}, LIMITS, ledger()),
    (Code.NOTIONAL_BELOW_MIN, {}, {"quantity": Decimal("0.009")}, LIMITS, ledger()),
    (Code.NOTIONAL_EXCEEDS_MAX, {}, {"quantity": Decimal("1.1")}, LIMITS, ledger()),
    (Code.RISK_EXCEEDS_MAX, {}, {"quantity": Decimal(60)}, BIG, ledger()),
    (Code.POSITION_LIMIT_EXCEEDED, {}, {}, Limits(max_position_fraction=0.005), ledger()),
    (Code.EXPOSURE_LIMIT_EXCEEDED, {}, {}, Limits(max_exposure_fraction=0.01), busy()),
    (Code.BUYING_POWER_EXCEEDED, {}, {"quantity": Decimal(250)}, HUGE, ledger()),
    (Code.OPEN_ORDERS_LIMIT, {}, {}, Limits(max_open_orders=1), busy()),
    (Code.ORDER_RATE_EXCEEDED, {"orders_last_minute": 10}, {}, LIMITS, ledger()),
]


@pytest.mark.parametrize(
    ("code", "facts", "request_", "limits", "book"), CASES, ids=[str(case[0]) for case in CASES]
)
def test_code_is_given_for_its_own_reason(code, facts, request_, limits, book):
    answer = verdict(replace(ENTRY, **request_), replace(FACTS, **facts), limits, book)
    assert isinstance(answer, Denied)
    assert code in failed(answer)
    assert answer.code is next(Code(c.code) for c in answer.checks if not c.passed)


def test_every_code_of_an_entry_has_its_case():
    assert {case[0] for case in CASES} == BINDS[Purpose.ENTRY]


def exactly(**fields: Any) -> Facts:
    return replace(FACTS, **fields)


AT_THE_LIMIT: list[tuple[Code, Facts, dict[str, Any], Limits, bool]] = [
    (Code.MARKET_CLOSED, exactly(since_open_ns=300 * NS_PER_S), {}, LIMITS, True),
    (Code.MARKET_CLOSED, exactly(to_close_ns=600 * NS_PER_S), {}, LIMITS, True),
    (Code.QUOTE_MISSING, exactly(quote=replace(QUOTE, bid=100.02)), {}, LIMITS, True),
    (Code.QUOTE_STALE, exactly(quote_age_ns=10 * NS_PER_S), {}, LIMITS, True),
    (Code.SPREAD_TOO_WIDE, FACTS, {}, Limits(max_spread_bps=QUOTE.spread_bps), True),
    (Code.CLOCK_SKEW, exactly(skew_ns=-2 * NS_PER_S), {}, LIMITS, True),
    (Code.DECISION_STALE, FACTS, {"valid_until": format_ns(NOW)}, LIMITS, True),
    (Code.PRICE_MOVED, exactly(window_mid=QUOTE.mid), {}, Limits(max_price_move_bps=0.0), True),
    (Code.PRICE_OUTSIDE_COLLAR, FACTS, {}, Limits(collar_bps=0.0), True),
    (Code.PRICE_OUTSIDE_COLLAR, FACTS, {"limit_price": Decimal(100)}, Limits(collar_bps=0), True),
    (Code.STOP_DISTANCE, exactly(atr=4.0), {}, LIMITS, True),
    (Code.STOP_DISTANCE, exactly(atr=0.4), {}, LIMITS, True),
    (Code.STOP_DISTANCE, exactly(atr=4.1), {}, LIMITS, False),
    (Code.REWARD_TOO_SMALL, FACTS, {"take_profit": Decimal("102.02")}, LIMITS, True),
    (Code.DAILY_LOSS_REACHED, exactly(day_pnl=Decimal(-20)), {}, Limits(max_daily_loss=0), False),
    (
        Code.DAILY_LOSS_REACHED,
        exactly(day_pnl=Decimal(-2_500)),
        {},
        Limits(max_daily_loss=0.2),
        False,
    ),
    (
        Code.DRAWDOWN_REACHED,
        exactly(peak_equity=Decimal(12_500)),
        {},
        Limits(max_drawdown=0.2),
        False,
    ),
    (Code.NOTIONAL_BELOW_MIN, FACTS, {"quantity": Decimal("0.01")}, LIMITS, True),
    (Code.NOTIONAL_EXCEEDS_MAX, FACTS, {}, Limits(max_order_amount=Decimal("90.018")), True),
    (Code.RISK_EXCEEDS_MAX, FACTS, {"quantity": Decimal("50.5")}, LIMITS, True),
    (Code.RISK_EXCEEDS_MAX, FACTS, {"quantity": Decimal("50.6")}, LIMITS, False),
    (
        Code.BUYING_POWER_EXCEEDED,
        FACTS,
        {"limit_price": Decimal(20_000), "quantity": Decimal(1)},
        LIMITS,
        True,
    ),
    (Code.ORDER_RATE_EXCEEDED, exactly(orders_last_minute=9), {}, LIMITS, True),
]


@pytest.mark.parametrize(("code", "facts", "request_", "limits", "passes"), AT_THE_LIMIT)
def test_limit_met_exactly(code, facts, request_, limits, passes):
    """What may be reached passes at its limit; a loss that is reached has been reached."""
    answer = verdict(replace(ENTRY, **request_), facts, limits)
    assert (code not in failed(answer)) is passes


def test_position_and_exposure_met_exactly_pass():
    """Both scale with equity and bear a hundredth of drift: 0.1 of 10,000 is 1,010 at the gate."""
    request = replace(ENTRY, quantity=Decimal(10), limit_price=Decimal(101))
    limits = replace(BIG, max_position_fraction=0.10, max_exposure_fraction=0.10)
    bound = {Code.POSITION_LIMIT_EXCEEDED, Code.EXPOSURE_LIMIT_EXCEEDED}
    assert not failed(verdict(request, limits=limits)) & bound
    over = replace(request, quantity=Decimal("10.01"))
    assert failed(verdict(over, limits=limits)) >= bound


def test_short_is_charged_three_percent_above_the_ask():
    """100 shares at 100.00, asked at 100.02: 10,302.06, not 10,000."""
    request = replace(SHORT, quantity=Decimal(100))
    may = replace(HUGE, allow_short=True)
    for power, passes in (("10302.06", True), ("10302.05", False)):
        book = ledger(account=replace(ACCOUNT, buying_power=Decimal(power)))
        answer = verdict(request, limits=may, book=book)
        assert (Code.BUYING_POWER_EXCEEDED not in failed(answer)) is passes


def test_wide_spread_names_its_feed():
    """IEX is not the national best: a wide spread there may be the feed's, not the market's."""
    answer = verdict(facts=replace(FACTS, quote=replace(QUOTE, bid=99.3)))
    (check,) = [check for check in answer.checks if check.code == Code.SPREAD_TOO_WIDE]
    assert "on iex" in check.value


NAN, MINUS = Decimal("NaN"), Decimal(-1)
BAD: dict[str, tuple[Any, ...]] = {
    "now_ns": (None, -1, "now"),
    "trading_state": (None, "open", 1),
    "is_symbol_reducing": (None, True, "no"),
    "is_reconciled": (None, False, "yes"),
    "is_journal_up": (None, False, "yes"),
    "is_link_up": (None, False, 1),
    "phase": (None, "", "OPEN"),
    "is_symbol_halted": (None, True, 0),
    "since_open_ns": (None, -1, "1"),
    "to_close_ns": (None, -1, float("nan")),
    "allowed_symbols": (None, frozenset(), ()),
    "is_foreign": (None, True, 0),
    "instrument": (None, "AAPL"),
    "quote": (None, "100", 100.0),
    "quote_age_ns": (None, -1, float("nan")),
    "window_mid": (None, float("nan"), -100.0, 0.0, float("inf")),
    "atr": (None, float("nan"), -1.0, 0.0, float("inf")),
    "decision_age_ns": (None, -1, float("inf")),
    "skew_ns": (None, float("nan"), "0"),
    "day_pnl": (None, NAN, Decimal("sNaN"), Decimal("-Infinity"), -20.0),
    "peak_equity": (None, NAN, MINUS, Decimal(0), Decimal("Infinity")),
    "orders_last_minute": (None, -1, float("nan")),
}
HARMLESS = {"feed", "account"}
"""A name for people, and the view that `authorize` never reads: it asks the ledger."""


def test_every_fact_is_corrupted_below():
    assert set(BAD) | HARMLESS == set(Facts.__struct_fields__)


@pytest.mark.parametrize("name", BAD)
def test_fact_that_is_missing_or_corrupt_denies(name):
    """One missing number let orders pass elsewhere: "account missing -> return True"."""
    for value in BAD[name]:
        answer = verdict(facts=replace(FACTS, **{name: value}))
        assert isinstance(answer, Denied), (name, value)
        assert answer.code in Code


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_set_of_corrupt_facts_denies_and_never_raises(data):
    names = data.draw(st.sets(st.sampled_from(sorted(BAD)), min_size=1, max_size=6))
    bad = {name: data.draw(st.sampled_from(BAD[name])) for name in names}
    book = ledger()
    assert isinstance(verdict(facts=replace(FACTS, **bad), book=book), Denied)
    assert not book.reservations


BAD_QUOTES = [
    {"bid": float("nan")},
    {"ask": float("nan")},
    {"bid": -1.0},
    {"ask": 0.0},
    {"ask": float("inf")},
    {"bid": None},
    {"bid": 100.5},
]


@pytest.mark.parametrize("fields", BAD_QUOTES, ids=str)
def test_corrupt_quote_denies(fields):
    answer = verdict(facts=replace(FACTS, quote=replace(QUOTE, **fields)))
    assert Code.QUOTE_MISSING in failed(answer)


BAD_INSTRUMENT: dict[str, tuple[Any, ...]] = {
    "symbol": ("", None, "BTC/USD"),
    "asset_class": (None, AssetClass.CRYPTO),
    "tick": (None, NAN, MINUS, Decimal(0)),
    "lot": (None, NAN, MINUS, Decimal(0)),
    "min_notional": (None, NAN, MINUS),
    "min_quantity": (None, NAN, MINUS),
    "max_notional": (NAN, MINUS, 5.0),
    "tradable": (None, False, "yes"),
    "fractionable": (False, None),
}


@pytest.mark.parametrize("name", BAD_INSTRUMENT)
def test_corrupt_instrument_denies(name):
    for value in BAD_INSTRUMENT[name]:
        rules = replace(STOCK, **{name: value})
        assert isinstance(verdict(facts=replace(FACTS, instrument=rules)), Denied), (name, value)


BAD_REQUEST: dict[str, tuple[Any, ...]] = {
    "symbol": ("", "MSFT"),
    "side": (None, "up"),
    "quantity": (None, NAN, MINUS, Decimal(0), Decimal("Infinity"), Decimal("sNaN"), 0.9),
    "order_type": (None, OrderType.MARKET, OrderType.STOP),
    "limit_price": (None, NAN, MINUS, Decimal(0), Decimal("Infinity"), 100.02),
    "stop_loss": (None, NAN, MINUS, Decimal(0), Decimal("Infinity")),
    "take_profit": (None, NAN, MINUS, Decimal(0)),
    "valid_until": ("", "soon", "2020-01-01T00:00:00Z", None),
    "client_order_id": ("", "x" * 49, None),
    "time_in_force": (TimeInForce.GTC, TimeInForce.IOC),
}


@pytest.mark.parametrize("name", BAD_REQUEST)
def test_corrupt_request_denies(name):
    for value in BAD_REQUEST[name]:
        book = ledger()
        answer = verdict(replace(ENTRY, **{name: value}), book=book)
        assert isinstance(answer, Denied), (name, value)
        assert not book.reservations


UNREAD = {
    "allow_short",
    "entry_ttl_s",
    "max_buying_power_fraction",
    "stop_default_atr",
    "target_default_reward_risk",
    "unknown_window_s",
}
"""Limits that shape orders instead of refusing them; a buy asks nobody about shorts."""


@pytest.mark.parametrize("name", sorted(set(Limits.__struct_fields__) - UNREAD))
def test_corrupt_limit_denies(name):
    """A limit of 0, or none, was "uncapped" elsewhere."""
    for value in (None, float("nan"), NAN, -1.0, MINUS, float("inf"), Decimal("Infinity"), "1"):
        answer = verdict(limits=replace(LIMITS, **{name: value}))
        assert isinstance(answer, Denied), (name, value)


@pytest.mark.parametrize("field", ["equity", "buying_power"])
def test_corrupt_account_denies(field):
    for value in (NAN, Decimal("sNaN"), MINUS, Decimal("Infinity")):
        book = Ledger()
        book.correct(replace(ACCOUNT, **{field: value}), [], NOW)
        assert isinstance(verdict(book=book), Denied), (field, value)


def test_verdict_reads_the_ledger_and_not_the_facts():
    """A view taken before an await would be check-then-act."""
    rich = ledger().snapshot("AAPL", now_ns=NOW)
    answer = verdict(facts=replace(FACTS, account=rich), book=Ledger())
    assert isinstance(answer, Denied)


def test_two_runs_that_saw_the_same_room_cannot_both_have_it():
    """Limits were check-then-act races; here the check reserves in the same step."""
    book, limits = ledger(), Limits(max_exposure_fraction=0.01)
    first = replace(ENTRY, quantity=Decimal("0.6"))
    second = replace(first, symbol="MSFT", client_order_id="ah-second-entry-1")
    facts = replace(
        FACTS,
        allowed_symbols=frozenset({"AAPL", "MSFT"}),
        instrument=replace(STOCK, symbol="MSFT"),
        quote=replace(QUOTE, symbol="MSFT"),
    )
    assert isinstance(authorize(first, FACTS, limits, book), AuthorizedOrder)
    answer = authorize(second, facts, limits, book)
    assert failed(answer) == {Code.EXPOSURE_LIMIT_EXCEEDED}


def test_same_decision_twice_is_one_order():
    """Every quote after warm-up started another analysis, and a crash doubled orders."""
    book = ledger()
    assert isinstance(verdict(book=book), AuthorizedOrder)
    assert Code.DUPLICATE_ORDER in failed(verdict(book=book))


def test_denial_is_the_same_value_each_time():
    facts = replace(FACTS, is_link_up=False)
    assert verdict(facts=facts) == verdict(facts=facts)


def test_probe_cash_account_cannot_buy_a_hundred_times_its_cash():
    book = ledger(account=replace(ACCOUNT, buying_power=Decimal(10_000)))
    answer = verdict(replace(ENTRY, quantity=Decimal(10_000)), FACTS, HUGE, book)
    assert Code.BUYING_POWER_EXCEEDED in failed(answer)


def test_probe_margin_account_cannot_buy_a_hundred_times_its_cash():
    """Elsewhere this filled: a margin account returned before any check."""
    margin = replace(ACCOUNT, multiplier=Decimal(4), buying_power=Decimal(40_000))
    request = replace(ENTRY, quantity=Decimal(10_000))
    answer = verdict(request, FACTS, HUGE, ledger(account=margin))
    assert Code.BUYING_POWER_EXCEEDED in failed(answer)


REDUCING = replace(FACTS, trading_state=TradingState.REDUCING)


def test_probe_reducing_while_flat_cannot_open():
    """Elsewhere this filled."""
    assert verdict(facts=REDUCING).code is Code.REDUCE_ONLY
    for leg in (Leg.REDUCE, Leg.STOP, Leg.FLATTEN):
        answer = verdict(exit_(leg, Side.BUY, "10"), REDUCING)
        assert failed(answer) == {Code.CROSSES_ZERO}


@pytest.mark.parametrize("leg", [Leg.REDUCE, Leg.STOP, Leg.TARGET, Leg.FLATTEN])
def test_probe_reducing_long_ten_cannot_sell_thirty(leg):
    """Elsewhere this filled and turned the position to -20."""
    answer = verdict(exit_(leg, Side.SELL, "30"), REDUCING, book=ledger("10"))
    assert failed(answer) == {Code.CROSSES_ZERO}
    entry = replace(SHORT, quantity=Decimal(30))
    assert verdict(entry, REDUCING, book=ledger("10")).code is Code.REDUCE_ONLY


def test_probe_reducing_long_ten_cannot_buy_one_more():
    assert verdict(facts=REDUCING, book=ledger("10")).code is Code.REDUCE_ONLY
    more = exit_(Leg.REDUCE, Side.BUY, "1")
    assert failed(verdict(more, REDUCING, book=ledger("10"))) == {Code.CROSSES_ZERO}


def test_probe_halted_cannot_buy():
    halted = replace(FACTS, trading_state=TradingState.HALTED)
    assert verdict(facts=halted).code is Code.TRADING_HALTED


def test_reducing_long_ten_may_sell_ten():
    answer = verdict(exit_(Leg.REDUCE, Side.SELL, "10"), REDUCING, book=ledger("10"))
    assert isinstance(answer, AuthorizedOrder)


@pytest.mark.parametrize("leg", [Leg.STOP, Leg.TARGET, Leg.FLATTEN])
@pytest.mark.parametrize("side", Side)
def test_protection_goes_with_everything_down(leg, side):
    """Exits waited for a model's approval, and hung for ever when it failed."""
    book = ledger("-10" if side is Side.BUY else "10")
    assert isinstance(verdict(exit_(leg, side, "10"), DOWN, book=book), AuthorizedOrder)


def test_close_by_the_agents_stops_at_halt_journal_feed_and_age():
    sell, down = exit_(Leg.REDUCE, Side.SELL, "10"), replace(DOWN, quote=QUOTE)
    answer = verdict(sell, down, book=ledger("10"))
    assert failed(answer) == {
        Code.TRADING_HALTED,
        Code.NOT_RECONCILED,
        Code.JOURNAL_DOWN,
        Code.FEED_STALE,
        Code.QUOTE_STALE,
        Code.DECISION_STALE,
    }


def test_exit_sent_again_under_its_own_name_is_authorized_again():
    """Law 3: an exit is posted again with the same id; "must be unique" settles it."""
    book, stop = ledger("10"), exit_(Leg.STOP, Side.SELL, "10")
    assert isinstance(verdict(stop, book=book), AuthorizedOrder)
    assert isinstance(verdict(stop, book=book), AuthorizedOrder)
    assert len(book.reservations) == 1


def test_second_exit_of_the_same_shares_waits_for_the_first():
    book = ledger("10")
    assert isinstance(verdict(exit_(Leg.STOP, Side.SELL, "10"), book=book), AuthorizedOrder)
    answer = verdict(exit_(Leg.FLATTEN, Side.SELL, "1"), book=book)
    assert failed(answer) == {Code.CROSSES_ZERO}
    book.release(exit_(Leg.STOP, Side.SELL, "10").client_order_id)
    assert isinstance(verdict(exit_(Leg.FLATTEN, Side.SELL, "10"), book=book), AuthorizedOrder)


@settings(deadline=None, max_examples=150)
@given(
    st.integers(-10, 10),
    st.lists(
        st.tuples(st.sampled_from([Leg.REDUCE, Leg.STOP, Leg.FLATTEN]), st.sampled_from(Side)),
        max_size=4,
    ),
    st.data(),
)
def test_exits_never_cross_zero_whatever_fills_in_whatever_order(start, wishes, data):
    book, authorized = ledger(str(start)), []
    for number, (leg, side) in enumerate(wishes, start=1):
        quantity = str(data.draw(st.integers(1, 12)))
        answer = verdict(exit_(leg, side, quantity, number), book=book)
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
            ts_event=format_ns(NOW),
            execution_id=order.client_order_id,
            fill_quantity=Decimal(part),
            fill_price=Decimal(100),
        )
        book.apply(order, apply(order, event), fill_of(order, event))
        now = book.quantity("AAPL")
        assert now * start >= 0
        assert abs(now) <= abs(held)
        held = now


def test_dust_is_no_position_and_does_not_block_its_symbol():
    """A crypto fee leaves crumbs below the venue's minimum that no order can carry."""
    request = replace(
        ENTRY, symbol="BTC/USD", quantity=Decimal("0.5"), time_in_force=TimeInForce.IOC
    )
    facts = replace(FACTS, instrument=COIN, quote=replace(QUOTE, symbol="BTC/USD"))
    crumbs = ledger("0.05", symbol="BTCUSD")
    assert isinstance(verdict(request, facts, book=crumbs), AuthorizedOrder)
    holding = ledger("0.2", symbol="BTCUSD")
    assert failed(verdict(request, facts, book=holding)) == {Code.DUPLICATE_ORDER}


def test_short_needs_everyone_to_agree():
    may = Limits(allow_short=True, max_order_amount=Decimal(200))
    assert isinstance(verdict(SHORT, limits=may), AuthorizedOrder)
    no_one = replace(ACCOUNT, shorting_enabled=False)
    answers = [
        verdict(SHORT, limits=replace(may, allow_short=False)),
        verdict(SHORT, replace(FACTS, instrument=replace(STOCK, shortable=False)), may),
        verdict(SHORT, limits=may, book=ledger(account=no_one)),
        verdict(replace(SHORT, quantity=Decimal("0.5")), limits=may),
    ]
    assert all(Code.SHORT_NOT_ALLOWED in failed(answer) for answer in answers)


def test_short_entry_cannot_turn_a_crumb_around():
    may = Limits(allow_short=True, max_order_amount=Decimal(200))
    assert failed(verdict(SHORT, limits=may, book=ledger("0.001"))) == {Code.DUPLICATE_ORDER}


def test_stop_that_could_never_be_reached_is_refused():
    """A stop on the far side of its entry, or so wide that it protects nothing."""
    above = verdict(replace(ENTRY, stop_loss=Decimal("101.00")))
    assert Code.STOP_ON_WRONG_SIDE in failed(above)
    assert Code.STOP_DISTANCE in failed(verdict(replace(ENTRY, stop_loss=Decimal("1.00"))))


def test_entry_without_a_stop_cannot_be_sent():
    """After failed repairs a real position stood without any stop."""
    answer = verdict(replace(ENTRY, stop_loss=None))
    assert {Code.STOP_ON_WRONG_SIDE, Code.STOP_DISTANCE} <= failed(answer)


def test_limits_that_scale_with_equity_bear_its_last_seconds():
    """An order sized to its full allowance is not denied because equity fell by a dollar."""
    limits = replace(BIG, max_position_fraction=0.10, max_risk_per_trade=1.0)
    full = replace(ENTRY, quantity=Decimal("9.99"))
    lower = ledger(account=replace(ACCOUNT, equity=Decimal(9_950)))
    assert isinstance(verdict(full, limits=limits, book=lower), AuthorizedOrder)
    much_lower = ledger(account=replace(ACCOUNT, equity=Decimal(9_850)))
    answer = verdict(full, limits=limits, book=much_lower)
    assert failed(answer) == {Code.POSITION_LIMIT_EXCEEDED}


def test_sell_means_what_the_position_says():
    """The signal was always "buy", so shorts and exits became buys."""
    assert intent_of(Action.SELL, 1) is Intent.CLOSE_LONG
    assert intent_of(Action.SELL, 0) is Intent.OPEN_SHORT
    assert intent_of(Action.BUY, -1) is Intent.CLOSE_SHORT
    assert intent_of(Action.BUY, 1) is Intent.ALREADY_IN_POSITION


WINDOW = Window(
    symbol="AAPL",
    asset_class=AssetClass.STOCK,
    as_of=format_ns(NOW),
    interval_s=60,
    session=SessionPhase.OPEN,
    bars=(),
    quote=WindowQuote(
        bid=100.00,
        bid_size=200,
        ask=100.02,
        ask_size=300,
        ts_event=format_ns(NOW - NS_PER_S),
        ts_recv=format_ns(NOW - NS_PER_S),
    ),
    indicators={"atr_14": 1.0},
    n_bars_seen=250,
    account=WindowAccount(
        equity=Decimal(10_000),
        cash=Decimal(10_000),
        buying_power=Decimal(20_000),
        day_pnl=Decimal(-20),
    ),
    limits=plain(LIMITS),
    floors=Floors(),
    instrument=STOCK,
    prompts={},
    decision_id="0123456789abcdef01234567",
    wake_reason="bar_closed",
    feed="iex",
)


def test_window_alone_decides_what_its_order_may_do():
    facts, limits = facts_of_window(WINDOW)
    assert limits == LIMITS
    checks = preview(ENTRY, facts, limits)
    assert [check.code for check in checks if not check.passed] == []
    small = replace(WINDOW, limits=plain(replace(LIMITS, max_order_amount=Decimal(50))))
    facts, limits = facts_of_window(small)
    (check,) = [check for check in preview(ENTRY, facts, limits) if not check.passed]
    assert (check.code, check.value, check.limit) == (
        Code.NOTIONAL_EXCEEDS_MAX,
        "90.02 USD",
        "50.00 USD",
    )


def test_window_with_a_position_previews_its_close():
    held = WindowPosition(quantity=Decimal(3), average_price=Decimal(99), unrealized_pnl=Decimal(3))
    facts, limits = facts_of_window(replace(WINDOW, position=held))
    whole = preview(exit_(Leg.REDUCE, Side.SELL, "3"), facts, limits)
    assert all(check.passed for check in whole)
    over = preview(exit_(Leg.REDUCE, Side.SELL, "4"), facts, limits)
    assert [check.code for check in over if not check.passed] == [Code.CROSSES_ZERO]


BREAKERS: list[Callable[[], Window]] = [
    lambda: replace(WINDOW, limits={"max_order_amount": "much"}),
    lambda: replace(WINDOW, as_of="today"),
    lambda: replace(WINDOW, account=replace(WINDOW.account, trading_state="on")),
]


@pytest.mark.parametrize("broken", BREAKERS)
def test_window_that_cannot_be_read_is_a_named_error(broken):
    with pytest.raises(ConfigError, match="window of AAPL cannot be read"):
        facts_of_window(broken())


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
