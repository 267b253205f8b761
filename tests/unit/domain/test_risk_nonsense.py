"""Every field of every record a verdict rests on, replaced by nonsense: denied, and never raised.

The fields are read from the records themselves, so a field that is added without a check that reads
it fails here until it is read, or is listed below with the reason why it may hold anything.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.account import Account, AccountView, Ledger, Position
from domain.limits import LIMITS_TABLE
from domain.market import Instrument, Quote
from domain.orders import Leg, OrderRequest, Side
from domain.records import NS_PER_S, format_ns
from domain.risk import AuthorizedOrder, Code, Denied, Facts, Limits

YEAR = 365 * 24 * 3600 * NS_PER_S

NONSENSE: dict[str, Any] = {
    "none": None,
    "nan": float("nan"),
    "decimal nan": Decimal("NaN"),
    "signalling nan": Decimal("sNaN"),
    "infinite": float("inf"),
    "infinitely less": float("-inf"),
    "decimal infinite": Decimal("Infinity"),
    "decimal infinitely less": Decimal("-Infinity"),
    "negative": -1,
    "decimal negative": Decimal(-1),
    "zero": 0,
    "decimal zero": Decimal(0),
    "huge": 10**30,
    "float huge": 1e30,
    "decimal huge": Decimal(10) ** 30,
    "text": "nonsense",
    "empty": "",
    "list": [],
    "object": object(),
    "true": True,
    "false": False,
}

ANYTHING = frozenset(NONSENSE)

SENSE: dict[tuple[type, str], frozenset[str]] = {
    (Facts, "is_symbol_reducing"): frozenset({"false"}),
    (Facts, "is_reconciled"): frozenset({"true"}),
    (Facts, "is_journal_up"): frozenset({"true"}),
    (Facts, "is_link_up"): frozenset({"true"}),
    (Facts, "is_symbol_halted"): frozenset({"false"}),
    (Facts, "is_foreign"): frozenset({"false"}),
    (Facts, "quote_age_ns"): frozenset({"zero"}),
    (Facts, "decision_age_ns"): frozenset({"zero"}),
    (Facts, "orders_last_minute"): frozenset({"zero"}),
    (Facts, "skew_ns"): frozenset({"zero", "negative", "true", "false"}),
    (Facts, "day_pnl"): frozenset({"decimal zero", "decimal negative"}),
    (OrderRequest, "decision_id"): frozenset({"text"}),
    (OrderRequest, "client_order_id"): frozenset({"text"}),
    (OrderRequest, "stop_price"): frozenset({"none"}),
    (Instrument, "min_notional"): frozenset({"decimal zero"}),
    (Instrument, "min_quantity"): frozenset({"decimal zero"}),
    (Instrument, "max_notional"): frozenset({"none"}),
    (Instrument, "tradable"): frozenset({"true"}),
    (Instrument, "fractionable"): frozenset({"true"}),
    (Instrument, "shortable"): frozenset({"true", "false"}),
    (Quote, "bid_size"): frozenset({"zero"}),
    (Quote, "ask_size"): frozenset({"zero"}),
    (Quote, "ts_event"): frozenset({"zero"}),
    (Account, "is_blocked"): frozenset({"false"}),
    (Limits, "min_reward_risk"): frozenset({"zero"}),
    (Limits, "stop_min_atr"): frozenset({"zero"}),
    (Limits, "collar_bps"): frozenset({"zero"}),
    (Limits, "open_delay_s"): frozenset({"zero"}),
    (Limits, "close_cutoff_s"): frozenset({"zero"}),
}
"""What in `NONSENSE` is a fair value after all: a limit of 0, a flag that allows, an age of none.
A quote of long ago that came just now is judged by its receive time (`quote_age_ns`)."""

UNREAD: dict[tuple[type, str], str] = {
    (Facts, "feed"): "a name for people",
    (Facts, "account"): "`authorize` asks the ledger itself",
    (Quote, "ts_recv"): "`quote_age_ns` is made of it",
    (Instrument, "name"): "a name for people",
    (Account, "account_id"): "a name",
    (Account, "cash"): "buying power counts",
    (Account, "last_equity"): "our own marks count",
    (Account, "multiplier"): "it is in the buying power",
    (Account, "non_marginable_buying_power"): "shares are bought with the other",
    (Account, "shorting_enabled"): "a buy asks nobody about shorts",
    (Limits, "allow_short"): "a buy asks nobody about shorts",
}

NO_DENIAL = {row.field for row in LIMITS_TABLE if row.code is None} | {"max_buying_power_fraction"}
"""Limits that shape orders or lower trading: no order is denied by them."""


def may_pass(record: type, field: str) -> frozenset[str]:
    is_unread = (record, field) in UNREAD or (record is Limits and field in NO_DENIAL)
    return ANYTHING if is_unread else SENSE.get((record, field), frozenset())


def ask(gate, changes: dict[tuple[type, str], Any], *, base: OrderRequest | None = None, book=None):
    """Ask about an entry, or `base`, with fields of the records replaced."""

    def changed(record: Any) -> Any:
        mine = {field: value for (kind, field), value in changes.items() if kind is type(record)}
        return replace(record, **mine)

    facts = gate.facts
    if not any(field in {"instrument", "quote"} for kind, field in changes if kind is Facts):
        facts = replace(facts, instrument=changed(gate.stock), quote=changed(gate.quote))
    book = book or gate.ledger(account=changed(gate.account))
    return gate.verdict(changed(base or gate.entry), changed(facts), changed(gate.limits), book)


RECORDS = (Facts, OrderRequest, Instrument, Quote, Limits, Account)

FIELDS = [(record, field) for record in RECORDS for field in record.__struct_fields__]


def name_of(pair: tuple[type, str]) -> str:
    return f"{pair[0].__name__}.{pair[1]}"


@pytest.mark.parametrize("pair", FIELDS, ids=name_of)
def test_nonsense_in_any_field_of_any_input_denies(gate, pair):
    """One missing number let orders pass elsewhere: "account missing -> return True"."""
    allowed = may_pass(*pair)
    for name, value in NONSENSE.items():
        answer = ask(gate, {pair: value})
        if name not in allowed:
            assert isinstance(answer, Denied), (pair, name)
            assert isinstance(answer.code, Code)


def test_what_may_hold_anything_is_still_a_field():
    """A reason must not outlive the field it speaks of."""
    assert {*UNREAD, *SENSE} <= set(FIELDS)
    assert not UNREAD.keys() & SENSE.keys()
    assert set(Limits.__struct_fields__) >= NO_DENIAL


@pytest.mark.parametrize("pair", sorted(SENSE, key=name_of), ids=name_of)
def test_what_counts_as_sense_is_let_through(gate, pair):
    """Else the table above would hide a check that refuses everything."""
    for name in SENSE[pair]:
        assert isinstance(ask(gate, {pair: NONSENSE[name]}), AuthorizedOrder), (pair, name)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_heap_of_nonsense_is_denied_and_reserves_nothing(gate, data):
    """Two wrongs must not make a right, nor an exception."""
    denying = [pair for pair in FIELDS if may_pass(*pair) != ANYTHING]
    pairs = data.draw(st.lists(st.sampled_from(FIELDS), max_size=5, unique=True))
    pairs.append(data.draw(st.sampled_from([pair for pair in denying if pair not in pairs])))
    changes = {pair: data.draw(st.sampled_from(list(NONSENSE.values()))) for pair in pairs[:-1]}
    names = sorted(ANYTHING - may_pass(*pairs[-1]))
    changes[pairs[-1]] = NONSENSE[data.draw(st.sampled_from(names))]
    is_hidden = Facts in {kind for kind, _ in changes} and pairs[-1][0] in {Quote, Instrument}
    book = gate.ledger()
    if pairs[-1][0] is Account:
        book = None
    answer = ask(gate, changes, book=book)
    if not (is_hidden and {"quote", "instrument"} & {field for _, field in changes}):
        assert isinstance(answer, Denied)
    assert book is None or not book.reservations or isinstance(answer, AuthorizedOrder)


EXITS = [leg for leg in Leg if leg is not Leg.ENTRY]


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_an_exit_with_nonsense_never_raises_and_never_crosses_zero(gate, data):
    """Fewer codes bind it, so more passes; what passes is an order, and closes what is held."""
    leg = data.draw(st.sampled_from(EXITS))
    pairs = data.draw(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=4, unique=True))
    changes = {pair: data.draw(st.sampled_from(list(NONSENSE.values()))) for pair in pairs}
    answer = ask(gate, changes, base=gate.exit(leg, Side.SELL, "10"), book=gate.ledger("10"))
    if isinstance(answer, Denied):
        assert isinstance(answer.code, Code)
        return
    assert answer.request.symbol == "AAPL"
    assert answer.request.side is Side.SELL
    assert 0 < answer.request.quantity <= 10


STALE_AND_FUTURE: dict[str, tuple[dict[tuple[type, str], Any], Code]] = {
    "quote from the future": ({(Facts, "quote_age_ns"): -NS_PER_S}, Code.QUOTE_STALE),
    "quote of yesterday": ({(Facts, "quote_age_ns"): YEAR // 365}, Code.QUOTE_STALE),
    "decision from the future": ({(Facts, "decision_age_ns"): -1}, Code.DECISION_STALE),
    "decision of yesterday": ({(Facts, "decision_age_ns"): YEAR // 365}, Code.DECISION_STALE),
    "clock a year ahead": ({(Facts, "skew_ns"): YEAR}, Code.CLOCK_SKEW),
    "clock a year behind": ({(Facts, "skew_ns"): -YEAR}, Code.CLOCK_SKEW),
    "order of another symbol": ({(OrderRequest, "symbol"): "BTC/USD"}, Code.ASSET_NOT_TRADABLE),
    "rules of another symbol": ({(Instrument, "symbol"): "MSFT"}, Code.ASSET_NOT_TRADABLE),
    "quote of another symbol": ({(Quote, "symbol"): "MSFT"}, Code.QUOTE_MISSING),
    "symbol in lower case": ({(OrderRequest, "symbol"): "aapl"}, Code.SYMBOL_NOT_ALLOWED),
    "symbol with a hidden character": (
        {(OrderRequest, "symbol"): "AAPL\u200b"},
        Code.SYMBOL_NOT_ALLOWED,
    ),
}


@pytest.mark.parametrize("name", STALE_AND_FUTURE)
def test_stale_future_and_foreign_inputs_have_their_own_code(gate, name):
    """Not merely denied: a person must read why."""
    changes, code = STALE_AND_FUTURE[name]
    assert code in gate.failed(ask(gate, changes))


@pytest.mark.parametrize(("ahead_s", "passes"), [(2, True), (3, False), (86_400, False)])
def test_a_quote_stamped_in_the_future_is_no_quote(gate, ahead_s, passes):
    """A forged or misread time; two clocks may differ by `MAX_SKEW_S`, and by no more."""
    stamped = gate.now + ahead_s * NS_PER_S
    answer = ask(gate, {(Quote, "ts_event"): stamped})
    assert (Code.QUOTE_STALE not in gate.failed(answer)) is passes


def test_an_account_from_the_future_is_no_account(gate):
    """A clock that jumped back makes every age negative: none of them is young."""
    book = gate.ledger()
    book.correct(gate.account, [], gate.now + NS_PER_S)
    assert Code.ACCOUNT_STALE in gate.failed(gate.verdict(book=book))


@pytest.mark.parametrize("row", LIMITS_TABLE, ids=lambda row: row.setting)
def test_a_limit_outside_its_range_denies(gate, row):
    """A limit that a file or a bug has lifted beyond what its setting may hold lifts nothing."""
    if row.code is None or row.field in {"allow_short", "max_buying_power_fraction"}:
        return
    kind = type(row.default)
    for value in (row.maximum * 1.01 + 1, row.minimum - 1):
        limits = replace(gate.limits, **{row.field: kind(value)})
        answer = gate.verdict(limits=limits)
        assert row.code in gate.failed(answer), value


@pytest.mark.parametrize("field", AccountView.__struct_fields__)
def test_a_ledger_that_cannot_be_read_is_one_of_which_nothing_is_known(gate, field):
    """Every default of the view denies by itself."""
    view = gate.ledger().snapshot("AAPL", now_ns=gate.now)
    default = getattr(AccountView(), field)
    assert getattr(view, field) != default or field == "shorting_enabled"


@pytest.mark.parametrize("field", Position.__struct_fields__)
def test_a_corrupt_position_is_denied_or_harmless_and_never_raises(gate, field):
    """Half of a position is none: its symbol then cannot be closed past zero, nor opened."""
    for name, value in NONSENSE.items():
        if not isinstance(value, Decimal) and field != "symbol":
            continue
        book = Ledger(["AAPL"])
        held = Position(
            symbol="AAPL",
            quantity=Decimal(5),
            average_price=Decimal(100),
            available=Decimal(5),
            market_price=Decimal(100),
        )
        if field == "symbol" and not isinstance(value, str):
            continue
        book.correct(gate.account, [replace(held, **{field: value})], gate.now - NS_PER_S)
        answer = gate.verdict(gate.exit(Leg.FLATTEN, Side.SELL, "10"), book=book)
        is_whole = field == "quantity" and name == "decimal huge"
        assert isinstance(answer, Denied) or is_whole, name


def test_time_outside_of_time_writes_no_impossible_date(gate):
    """An exit is bound by no clock: a broken one must not raise in its way."""
    for now in (2**63, 10**30, -1, None, "now"):
        stop = gate.exit(Leg.STOP, Side.SELL, "10")
        answer = gate.verdict(stop, replace(gate.facts, now_ns=now), book=gate.ledger("10"))
        assert isinstance(answer, AuthorizedOrder)
        assert answer.authorized_at == format_ns(0)
