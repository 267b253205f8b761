"""Every input of a verdict, missing or corrupt: each one denies, and none raises."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.account import Ledger
from domain.market import (
    AssetClass,
)
from domain.orders import (
    OrderType,
    TimeInForce,
)
from domain.risk import (
    LIMITS_TABLE,
    Code,
    Denied,
    Facts,
)

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
def test_fact_that_is_missing_or_corrupt_denies(gate, name):
    """One missing number let orders pass elsewhere: "account missing -> return True"."""
    for value in BAD[name]:
        answer = gate.verdict(facts=replace(gate.facts, **{name: value}))
        assert isinstance(answer, Denied), (name, value)
        assert answer.code in Code


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_any_set_of_corrupt_facts_denies_and_never_raises(gate, data):
    names = data.draw(st.sets(st.sampled_from(sorted(BAD)), min_size=1, max_size=6))
    bad = {name: data.draw(st.sampled_from(BAD[name])) for name in names}
    book = gate.ledger()
    assert isinstance(gate.verdict(facts=replace(gate.facts, **bad), book=book), Denied)
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
def test_corrupt_quote_denies(gate, fields):
    answer = gate.verdict(facts=replace(gate.facts, quote=replace(gate.quote, **fields)))
    assert Code.QUOTE_MISSING in gate.failed(answer)


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
def test_corrupt_instrument_denies(gate, name):
    for value in BAD_INSTRUMENT[name]:
        rules = replace(gate.stock, **{name: value})
        assert isinstance(gate.verdict(facts=replace(gate.facts, instrument=rules)), Denied), (
            name,
            value,
        )


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
def test_corrupt_request_denies(gate, name):
    for value in BAD_REQUEST[name]:
        book = gate.ledger()
        answer = gate.verdict(replace(gate.entry, **{name: value}), book=book)
        assert isinstance(answer, Denied), (name, value)
        assert not book.reservations


UNREAD = {"allow_short", "max_buying_power_fraction"}
"""A buy asks nobody about shorts, and the share of buying power shapes the order's size alone."""


READ = sorted({row.field for row in LIMITS_TABLE if row.code is not None} - UNREAD)


@pytest.mark.parametrize("name", READ)
def test_corrupt_limit_denies(gate, name):
    """A limit of 0, or none, was "uncapped" elsewhere."""
    for value in (None, float("nan"), NAN, -1.0, MINUS, float("inf"), Decimal("Infinity"), "1"):
        answer = gate.verdict(limits=replace(gate.limits, **{name: value}))
        assert isinstance(answer, Denied), (name, value)


@pytest.mark.parametrize("field", ["equity", "buying_power"])
def test_corrupt_account_denies(gate, field):
    for value in (NAN, Decimal("sNaN"), MINUS, Decimal("Infinity")):
        book = Ledger()
        book.correct(replace(gate.account, **{field: value}), [], gate.now)
        assert isinstance(gate.verdict(book=book), Denied), (field, value)
