"""Each row of the table of limits, moved alone across the value at hand: exactly its code flips."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from domain.account import Ledger
from domain.limits import BINDS, LIMITS_TABLE, Code
from domain.orders import Leg, Purpose, Side
from domain.records import NS_PER_S
from domain.risk import AuthorizedOrder, Denied, authorize, preview

Scene = Callable[[Any], dict[str, Any]]
"""What to ask about: some of `request`, `facts`, `limits` (other than the row's own), `book`."""

EDGES: dict[str, tuple[Any, Any, Scene]] = {
    "max_order_amount": (Decimal("90.02"), Decimal("90.01"), lambda g: {}),
    "max_position_fraction": (0.0090, 0.0089, lambda g: {}),
    "max_exposure_fraction": (0.0179, 0.0178, lambda g: {"book": g.busy()}),
    "max_risk_per_trade": (0.0002, 0.0001, lambda g: {}),
    "min_reward_risk": (2.0, 2.1, lambda g: {}),
    "stop_min_atr": (2.0, 2.1, lambda g: {}),
    "stop_max_atr": (2.1, 1.9, lambda g: {}),
    "max_open_orders": (2, 1, lambda g: {"book": g.busy()}),
    "max_orders_per_minute": (2, 1, lambda g: {}),
    "max_daily_loss": (0.0020, 0.0019, lambda g: {}),
    "max_drawdown": (0.010, 0.009, lambda g: {}),
    "allow_short": (
        True,
        False,
        lambda g: {"request": g.short, "limits": {"max_order_amount": Decimal(200)}},
    ),
    "max_spread_bps": (2.0, 1.9, lambda g: {}),
    "collar_bps": (50.0, 49.0, lambda g: {"request": {"limit_price": Decimal("100.52")}}),
    "max_price_move_bps": (1.1, 0.9, lambda g: {}),
    "quote_max_age_s": (0.2, 0.1, lambda g: {}),
    "decision_max_age_s": (5.0, 4.9, lambda g: {}),
    "account_max_age_s": (1.0, 0.9, lambda g: {}),
    "max_skew_s": (0.1, 0.09, lambda g: {}),
    "open_delay_s": (3600.0, 3601.0, lambda g: {}),
    "close_cutoff_s": (3600.0, 3601.0, lambda g: {}),
}
"""A value of the limit that lets the scene's order pass, the next that does not, and the scene."""

SHAPES = {"max_buying_power_fraction"}
"""It sizes orders to a share of what `BUYING_POWER_EXCEEDED` compares with the whole."""

DENYING = [row for row in LIMITS_TABLE if row.code is not None and row.field not in SHAPES]


def asked(gate, row, value) -> AuthorizedOrder | Denied:
    scene = EDGES[row.field][2](gate)
    request = scene.get("request", {})
    if isinstance(request, dict):
        request = replace(gate.entry, **request)
    limits = replace(gate.limits, **scene.get("limits", {}))
    book = scene.get("book") or gate.ledger()
    return gate.verdict(request, gate.facts, replace(limits, **{row.field: value}), book)


def test_every_row_that_denies_has_its_edge():
    """A limit without a test that moves it is a limit that may do nothing."""
    assert set(EDGES) == {row.field for row in DENYING}


@pytest.mark.parametrize("row", DENYING, ids=lambda row: row.setting)
def test_one_limit_moved_alone_flips_the_verdict_with_its_own_code(gate, row):
    """A check that reads another limit, or none, would not flip here."""
    loose, tight, _ = EDGES[row.field]
    assert row.minimum <= float(loose) <= row.maximum
    assert isinstance(asked(gate, row, loose), AuthorizedOrder)
    answer = asked(gate, row, tight)
    assert isinstance(answer, Denied)
    assert gate.failed(answer) == {row.code}
    assert answer.code is row.code


def crowded(gate) -> Ledger:
    """Return a ledger whose slots are taken by entries of other symbols."""
    book = gate.ledger()
    for number in range(5):
        name = f"ah-crowd-entry-{number}"
        book.reserve(replace(gate.entry, client_order_id=name, symbol=f"S{number}"))
    return book


BROKEN: dict[Code, tuple[dict[str, Any], dict[str, Any], Callable[[Any], Ledger | None]]] = {
    Code.TRADING_HALTED: ({}, {"trading_state": "broken"}, lambda g: None),
    Code.REDUCE_ONLY: ({}, {"is_symbol_reducing": True}, lambda g: None),
    Code.NOT_RECONCILED: ({}, {"is_reconciled": False}, lambda g: None),
    Code.JOURNAL_DOWN: ({}, {"is_journal_up": False}, lambda g: None),
    Code.FEED_STALE: ({}, {"is_link_up": False}, lambda g: None),
    Code.MARKET_CLOSED: ({}, {"is_symbol_halted": True}, lambda g: None),
    Code.SYMBOL_NOT_ALLOWED: ({}, {"allowed_symbols": frozenset()}, lambda g: None),
    Code.ASSET_NOT_TRADABLE: ({}, {"instrument": "untradable"}, lambda g: None),
    Code.PRECISION: ({"client_order_id": "x" * 60}, {}, lambda g: None),
    Code.CROSSES_ZERO: ({"quantity": Decimal(11)}, {}, lambda g: None),
    Code.QUOTE_MISSING: ({}, {"quote": "crossed"}, lambda g: None),
    Code.QUOTE_STALE: ({}, {"quote_age_ns": 3_600 * NS_PER_S}, lambda g: None),
    Code.SPREAD_TOO_WIDE: ({}, {"quote": "wide"}, lambda g: None),
    Code.CLOCK_SKEW: ({}, {"skew_ns": 9 * NS_PER_S}, lambda g: None),
    Code.DECISION_STALE: ({}, {"decision_age_ns": 3_600 * NS_PER_S}, lambda g: None),
    Code.PRICE_MOVED: ({}, {"window_mid": 90.0}, lambda g: None),
    Code.PRICE_OUTSIDE_COLLAR: ({"limit_price": Decimal("110.00")}, {}, lambda g: None),
    Code.ACCOUNT_STALE: ({}, {"now_ns": "later"}, lambda g: None),
    Code.FOREIGN_POSITION: ({}, {"is_foreign": True}, lambda g: None),
    Code.DUPLICATE_ORDER: ({}, {}, lambda g: g.busy("AAPL")),
    Code.SHORT_NOT_ALLOWED: ({"side": Side.SELL}, {}, lambda g: None),
    Code.STOP_ON_WRONG_SIDE: ({"stop_loss": Decimal("101.00")}, {}, lambda g: None),
    Code.STOP_DISTANCE: ({}, {"atr": 50.0}, lambda g: None),
    Code.REWARD_TOO_SMALL: ({"take_profit": Decimal("100.03")}, {}, lambda g: None),
    Code.DAILY_LOSS_REACHED: ({}, {"day_pnl": Decimal(-5_000)}, lambda g: None),
    Code.DRAWDOWN_REACHED: ({}, {"peak_equity": Decimal(50_000)}, lambda g: None),
    Code.NOTIONAL_BELOW_MIN: ({"quantity": Decimal("0.001")}, {}, lambda g: None),
    Code.NOTIONAL_EXCEEDS_MAX: ({"quantity": Decimal(5)}, {}, lambda g: None),
    Code.RISK_EXCEEDS_MAX: ({"quantity": Decimal(90)}, {}, lambda g: None),
    Code.POSITION_LIMIT_EXCEEDED: ({"quantity": Decimal(90)}, {}, lambda g: None),
    Code.EXPOSURE_LIMIT_EXCEEDED: ({"quantity": Decimal(90)}, {}, lambda g: None),
    Code.BUYING_POWER_EXCEEDED: ({"quantity": Decimal(900)}, {}, lambda g: None),
    Code.OPEN_ORDERS_LIMIT: ({}, {}, crowded),
    Code.ORDER_RATE_EXCEEDED: ({}, {"orders_last_minute": 10_000}, lambda g: None),
}
"""For each code, one thing that is wrong: a term of the order, a fact, or the ledger."""


def made(gate, name, value) -> Any:
    """Return the fact that a word stands for."""
    words = {
        "untradable": replace(gate.stock, tradable=False),
        "crossed": replace(gate.quote, bid=100.5),
        "wide": replace(gate.quote, bid=99.0),
        "later": gate.now + 59 * NS_PER_S + NS_PER_S // 2,
    }
    return words[value] if name != "trading_state" and value in words else value


LEG_OF = {
    Purpose.ENTRY: Leg.ENTRY,
    Purpose.REDUCE: Leg.REDUCE,
    Purpose.PROTECT: Leg.STOP,
    Purpose.FLATTEN: Leg.FLATTEN,
}


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize("code", Code)
def test_a_code_binds_a_purpose_just_as_the_table_says(gate, code, purpose):
    """Every code against every purpose, both ways: what binds denies, what does not is silent."""
    terms, facts, ledger_of = BROKEN[code]
    if purpose is Purpose.ENTRY:
        request, book = gate.entry, gate.ledger()
    else:
        request = gate.exit(LEG_OF[purpose], Side.SELL, "10")
        book = gate.ledger("10")
        terms = {name: value for name, value in terms.items() if name not in PLANS}
    if code is Code.CROSSES_ZERO and purpose is Purpose.ENTRY:
        book = gate.ledger("-1")
    now = {name: made(gate, name, value) for name, value in facts.items()}
    book = ledger_of(gate) or book if purpose is Purpose.ENTRY else book
    answer = authorize(replace(request, **terms), replace(gate.facts, **now), gate.limits, book)
    is_bound = code in BINDS[purpose]
    if not is_bound:
        assert code not in {check.code for check in answer.checks}
    else:
        assert code in gate.failed(answer)


PLANS = {"stop_loss", "take_profit", "side"}
"""Terms that an exit has none of, or that would make it another order."""


def test_every_code_is_broken_above():
    """A new code is held against every purpose or fails here."""
    assert set(BROKEN) == set(Code)


@pytest.mark.parametrize("purpose", Purpose)
def test_only_what_binds_is_asked(gate, purpose):
    """In the order people read it, none twice, none left out."""
    leg = LEG_OF[purpose]
    request = gate.entry if leg is Leg.ENTRY else gate.exit(leg, Side.SELL, "10")
    asked_codes = [check.code for check in preview(request, gate.facts, gate.limits)]
    assert asked_codes == [code for code in Code if code in BINDS[purpose]]
