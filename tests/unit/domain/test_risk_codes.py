"""Every denial of an entry: its own reason, and its exact edge."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from domain.account import Ledger
from domain.market import (
    SessionPhase,
)
from domain.orders import (
    OrderType,
    Purpose,
    TimeInForce,
)
from domain.records import NS_PER_S, format_ns
from domain.risk import (
    BINDS,
    AuthorizedOrder,
    Code,
    Denied,
    Limits,
    TradingState,
)

Ask = Callable[[Any], AuthorizedOrder | Denied]


def test_good_entry_is_authorized_unchanged_and_reserved(gate):
    book = gate.ledger()
    answer = gate.verdict(book=book)
    assert isinstance(answer, AuthorizedOrder)
    assert answer.request is gate.entry
    assert answer.authorized_at == format_ns(gate.now)
    assert gate.entry.client_order_id in book.reservations


def test_denied_entry_reserves_nothing_and_keeps_every_check(gate):
    book = gate.ledger()
    answer = gate.verdict(facts=replace(gate.facts, is_link_up=False), book=book)
    assert isinstance(answer, Denied)
    assert (answer.code, book.reservations) == (Code.FEED_STALE, {})
    assert [check.code for check in answer.checks] == [
        code for code in Code if code in BINDS[Purpose.ENTRY]
    ]


CASES: list[tuple[Code, Ask]] = [
    (Code.TRADING_HALTED, lambda g: g.ask(facts={"trading_state": TradingState.HALTED})),
    (
        Code.TRADING_HALTED,
        lambda g: g.ask(book=g.ledger(account=replace(g.account, is_blocked=True))),
    ),
    (Code.REDUCE_ONLY, lambda g: g.ask(facts={"trading_state": TradingState.REDUCING})),
    (Code.REDUCE_ONLY, lambda g: g.ask(facts={"is_symbol_reducing": True})),
    (Code.NOT_RECONCILED, lambda g: g.ask(facts={"is_reconciled": False})),
    (Code.NOT_RECONCILED, lambda g: g.ask(book=g.unknown())),
    (Code.JOURNAL_DOWN, lambda g: g.ask(facts={"is_journal_up": False})),
    (Code.FEED_STALE, lambda g: g.ask(facts={"is_link_up": False})),
    (Code.MARKET_CLOSED, lambda g: g.ask(facts={"phase": SessionPhase.CLOSED})),
    (Code.MARKET_CLOSED, lambda g: g.ask(facts={"is_symbol_halted": True})),
    (Code.MARKET_CLOSED, lambda g: g.ask(facts={"since_open_ns": 299 * NS_PER_S})),
    (Code.MARKET_CLOSED, lambda g: g.ask(facts={"to_close_ns": 599 * NS_PER_S})),
    (Code.SYMBOL_NOT_ALLOWED, lambda g: g.ask(facts={"allowed_symbols": frozenset({"MSFT"})})),
    (
        Code.ASSET_NOT_TRADABLE,
        lambda g: g.ask(facts={"instrument": replace(g.stock, tradable=False)}),
    ),
    (
        Code.ASSET_NOT_TRADABLE,
        lambda g: g.ask(facts={"instrument": replace(g.stock, symbol="MSFT")}),
    ),
    (Code.PRECISION, lambda g: g.ask(request={"limit_price": Decimal("100.021")})),
    (Code.PRECISION, lambda g: g.ask(request={"order_type": OrderType.MARKET})),
    (Code.QUOTE_MISSING, lambda g: g.ask(facts={"quote": replace(g.quote, bid=0.0)})),
    (Code.QUOTE_MISSING, lambda g: g.ask(facts={"quote": replace(g.quote, bid=100.03)})),
    (Code.QUOTE_MISSING, lambda g: g.ask(facts={"quote": replace(g.quote, symbol="MSFT")})),
    (Code.QUOTE_STALE, lambda g: g.ask(facts={"quote_age_ns": 11 * NS_PER_S})),
    (Code.SPREAD_TOO_WIDE, lambda g: g.ask(facts={"quote": replace(g.quote, bid=99.3)})),
    (Code.CLOCK_SKEW, lambda g: g.ask(facts={"skew_ns": -3 * NS_PER_S})),
    (Code.DECISION_STALE, lambda g: g.ask(facts={"decision_age_ns": 61 * NS_PER_S})),
    (Code.DECISION_STALE, lambda g: g.ask(request={"valid_until": format_ns(g.now - 1)})),
    (Code.PRICE_MOVED, lambda g: g.ask(facts={"window_mid": 99.0})),
    (Code.PRICE_MOVED, lambda g: g.ask(facts={"venue_mid": 8_600.0})),
    (Code.PRICE_OUTSIDE_COLLAR, lambda g: g.ask(request={"limit_price": Decimal("100.53")})),
    (Code.PRICE_OUTSIDE_COLLAR, lambda g: g.ask(request={"limit_price": Decimal("99.40")})),
    (Code.ACCOUNT_STALE, lambda g: g.ask(facts={"now_ns": g.now + 60 * NS_PER_S})),
    (Code.ACCOUNT_STALE, lambda g: g.ask(book=Ledger())),
    (Code.FOREIGN_POSITION, lambda g: g.ask(facts={"is_foreign": True})),
    (Code.DUPLICATE_ORDER, lambda g: g.ask(book=g.ledger("5"))),
    (Code.DUPLICATE_ORDER, lambda g: g.ask(book=g.busy("AAPL"))),
    (Code.SHORT_NOT_ALLOWED, lambda g: g.ask(request=msgspec.structs.asdict(g.short))),
    (Code.STOP_ON_WRONG_SIDE, lambda g: g.ask(request={"stop_loss": Decimal("100.02")})),
    (Code.STOP_DISTANCE, lambda g: g.ask(request={"stop_loss": Decimal("99.62")})),
    (Code.STOP_DISTANCE, lambda g: g.ask(request={"stop_loss": Decimal("94.00")})),
    (Code.REWARD_TOO_SMALL, lambda g: g.ask(request={"take_profit": Decimal("101.00")})),
    (Code.REWARD_TOO_SMALL, lambda g: g.ask(request={"take_profit": None})),
    (Code.DAILY_LOSS_REACHED, lambda g: g.ask(facts={"day_pnl": Decimal(-310)})),
    (Code.DRAWDOWN_REACHED, lambda g: g.ask(facts={"peak_equity": Decimal(11200)})),
    (Code.NOTIONAL_BELOW_MIN, lambda g: g.ask(request={"quantity": Decimal("0.009")})),
    (Code.NOTIONAL_EXCEEDS_MAX, lambda g: g.ask(request={"quantity": Decimal("1.1")})),
    (Code.RISK_EXCEEDS_MAX, lambda g: g.ask(request={"quantity": Decimal(60)}, limits=g.big)),
    (Code.POSITION_LIMIT_EXCEEDED, lambda g: g.ask(limits=Limits(max_position_fraction=0.005))),
    (
        Code.EXPOSURE_LIMIT_EXCEEDED,
        lambda g: g.ask(limits=Limits(max_exposure_fraction=0.01), book=g.busy()),
    ),
    (
        Code.BUYING_POWER_EXCEEDED,
        lambda g: g.ask(request={"quantity": Decimal(250)}, limits=g.huge),
    ),
    (Code.OPEN_ORDERS_LIMIT, lambda g: g.ask(limits=Limits(max_open_orders=1), book=g.busy())),
    (Code.ORDER_RATE_EXCEEDED, lambda g: g.ask(facts={"orders_last_minute": 10})),
]


@pytest.mark.parametrize(("code", "ask"), CASES, ids=[case[0] for case in CASES])
def test_code_is_given_for_its_own_reason(gate, code, ask):
    answer = ask(gate)
    assert isinstance(answer, Denied)
    assert code in gate.failed(answer)
    assert answer.code is next(Code(check.code) for check in answer.checks if not check.passed)


def test_every_code_of_an_entry_has_its_case():
    assert {case[0] for case in CASES} == BINDS[Purpose.ENTRY]


AT_THE_LIMIT: list[tuple[Code, Ask, bool]] = [
    (Code.MARKET_CLOSED, lambda g: g.ask(facts={"since_open_ns": 300 * NS_PER_S}), True),
    (Code.MARKET_CLOSED, lambda g: g.ask(facts={"to_close_ns": 600 * NS_PER_S}), True),
    (Code.QUOTE_MISSING, lambda g: g.ask(facts={"quote": replace(g.quote, bid=100.02)}), True),
    (Code.QUOTE_STALE, lambda g: g.ask(facts={"quote_age_ns": 10 * NS_PER_S}), True),
    (Code.SPREAD_TOO_WIDE, lambda g: g.ask(limits=Limits(max_spread_bps=g.quote.spread_bps)), True),
    (Code.CLOCK_SKEW, lambda g: g.ask(facts={"skew_ns": -2 * NS_PER_S}), True),
    (Code.DECISION_STALE, lambda g: g.ask(request={"valid_until": format_ns(g.now)}), True),
    (
        Code.PRICE_MOVED,
        lambda g: g.ask(
            facts={"window_mid": g.quote.mid, "venue_mid": g.quote.mid},
            limits=Limits(max_price_move_bps=0.0),
        ),
        True,
    ),
    (Code.PRICE_OUTSIDE_COLLAR, lambda g: g.ask(limits=Limits(collar_bps=0.0)), True),
    (
        Code.PRICE_OUTSIDE_COLLAR,
        lambda g: g.ask(request={"limit_price": Decimal(100)}, limits=Limits(collar_bps=0)),
        True,
    ),
    (Code.STOP_DISTANCE, lambda g: g.ask(facts={"atr": 4.0}), True),
    (Code.STOP_DISTANCE, lambda g: g.ask(facts={"atr": 0.4}), True),
    (Code.STOP_DISTANCE, lambda g: g.ask(facts={"atr": 4.1}), False),
    (Code.REWARD_TOO_SMALL, lambda g: g.ask(request={"take_profit": Decimal("102.02")}), True),
    (
        Code.DAILY_LOSS_REACHED,
        lambda g: g.ask(facts={"day_pnl": Decimal(-20)}, limits=Limits(max_daily_loss=0)),
        False,
    ),
    (
        Code.DAILY_LOSS_REACHED,
        lambda g: g.ask(facts={"day_pnl": Decimal(-2500)}, limits=Limits(max_daily_loss=0.2)),
        False,
    ),
    (
        Code.DRAWDOWN_REACHED,
        lambda g: g.ask(facts={"peak_equity": Decimal(12500)}, limits=Limits(max_drawdown=0.2)),
        False,
    ),
    (Code.NOTIONAL_BELOW_MIN, lambda g: g.ask(request={"quantity": Decimal("0.01")}), True),
    (
        Code.NOTIONAL_EXCEEDS_MAX,
        lambda g: g.ask(limits=Limits(max_order_amount=Decimal("90.018"))),
        True,
    ),
    (Code.RISK_EXCEEDS_MAX, lambda g: g.ask(request={"quantity": Decimal("50.5")}), True),
    (Code.RISK_EXCEEDS_MAX, lambda g: g.ask(request={"quantity": Decimal("50.6")}), False),
    (
        Code.BUYING_POWER_EXCEEDED,
        lambda g: g.ask(request={"limit_price": Decimal(20000), "quantity": Decimal(1)}),
        True,
    ),
    (Code.ORDER_RATE_EXCEEDED, lambda g: g.ask(facts={"orders_last_minute": 9}), True),
]


@pytest.mark.parametrize(("code", "ask", "passes"), AT_THE_LIMIT)
def test_limit_met_exactly(gate, code, ask, passes):
    """What may be reached passes at its limit; a loss that is reached has been reached."""
    assert (code not in gate.failed(ask(gate))) is passes


def test_position_and_exposure_met_exactly_pass(gate):
    """Both scale with equity and bear a hundredth of drift: 0.1 of 10,000 is 1,010 at the gate."""
    request = replace(gate.entry, quantity=Decimal(10), limit_price=Decimal(101))
    limits = replace(gate.big, max_position_fraction=0.10, max_exposure_fraction=0.10)
    bound = {Code.POSITION_LIMIT_EXCEEDED, Code.EXPOSURE_LIMIT_EXCEEDED}
    assert not gate.failed(gate.verdict(request, limits=limits)) & bound
    over = replace(request, quantity=Decimal("10.01"))
    assert gate.failed(gate.verdict(over, limits=limits)) >= bound


def test_short_is_charged_three_percent_above_the_ask(gate):
    """100 shares at 100.00, asked at 100.02: 10,302.06, not 10,000."""
    request = replace(gate.short, quantity=Decimal(100))
    may = replace(gate.huge, allow_short=True)
    for power, passes in (("10302.06", True), ("10302.05", False)):
        book = gate.ledger(account=replace(gate.account, buying_power=Decimal(power)))
        answer = gate.verdict(request, limits=may, book=book)
        assert (Code.BUYING_POWER_EXCEEDED not in gate.failed(answer)) is passes


def test_wide_spread_names_its_feed(gate):
    """IEX is not the national best: a wide spread there may be the feed's, not the market's."""
    answer = gate.verdict(facts=replace(gate.facts, quote=replace(gate.quote, bid=99.3)))
    (check,) = [check for check in answer.checks if check.code == Code.SPREAD_TOO_WIDE]
    assert "on iex" in check.value


def test_dust_is_no_position_and_does_not_block_its_symbol(gate):
    """A crypto fee leaves crumbs below the venue's minimum that no order can carry."""
    request = replace(
        gate.entry, symbol="BTC/USD", quantity=Decimal("0.5"), time_in_force=TimeInForce.IOC
    )
    facts = replace(gate.facts, instrument=gate.coin, quote=replace(gate.quote, symbol="BTC/USD"))
    crumbs = gate.ledger("0.05", symbol="BTCUSD")
    assert isinstance(gate.verdict(request, facts, book=crumbs), AuthorizedOrder)
    holding = gate.ledger("0.2", symbol="BTCUSD")
    assert gate.failed(gate.verdict(request, facts, book=holding)) == {Code.DUPLICATE_ORDER}


def test_short_needs_everyone_to_agree(gate):
    may = Limits(allow_short=True, max_order_amount=Decimal(200))
    assert isinstance(gate.verdict(gate.short, limits=may), AuthorizedOrder)
    no_one = replace(gate.account, shorting_enabled=False)
    answers = [
        gate.verdict(gate.short, limits=replace(may, allow_short=False)),
        gate.verdict(
            gate.short, replace(gate.facts, instrument=replace(gate.stock, shortable=False)), may
        ),
        gate.verdict(gate.short, limits=may, book=gate.ledger(account=no_one)),
        gate.verdict(replace(gate.short, quantity=Decimal("0.5")), limits=may),
    ]
    assert all(Code.SHORT_NOT_ALLOWED in gate.failed(answer) for answer in answers)


def test_short_entry_cannot_turn_a_crumb_around(gate):
    may = Limits(allow_short=True, max_order_amount=Decimal(200))
    assert gate.failed(gate.verdict(gate.short, limits=may, book=gate.ledger("0.001"))) == {
        Code.DUPLICATE_ORDER
    }


def test_limits_that_scale_with_equity_bear_its_last_seconds(gate):
    """An order sized to its full allowance is not denied because equity fell by a dollar."""
    limits = replace(gate.big, max_position_fraction=0.10, max_risk_per_trade=1.0)
    full = replace(gate.entry, quantity=Decimal("9.99"))
    lower = gate.ledger(account=replace(gate.account, equity=Decimal(9_950)))
    assert isinstance(gate.verdict(full, limits=limits, book=lower), AuthorizedOrder)
    much_lower = gate.ledger(account=replace(gate.account, equity=Decimal(9_850)))
    answer = gate.verdict(full, limits=limits, book=much_lower)
    assert gate.failed(answer) == {Code.POSITION_LIMIT_EXCEEDED}


def test_an_entry_whose_stop_would_be_too_small_for_the_venue_is_too_small(gate):
    """The venue values a pair's stop at its limit: such a stop was refused, the position bare."""
    facts = replace(gate.facts, instrument=gate.coin, quote=replace(gate.quote, symbol="BTC/USD"))

    def verdict(quantity):
        entry = replace(
            gate.entry, symbol="BTC/USD", quantity=quantity, time_in_force=TimeInForce.IOC
        )
        return gate.verdict(entry, facts)

    assert gate.entry.limit_price * Decimal("0.102") > gate.coin.min_notional
    assert Code.NOTIONAL_BELOW_MIN in gate.failed(verdict(Decimal("0.102")))
    assert Code.NOTIONAL_BELOW_MIN not in gate.failed(verdict(Decimal("0.11")))
