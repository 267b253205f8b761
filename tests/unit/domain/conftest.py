"""Build what a verdict is asked about: one good entry and everything fresh that lets it pass."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from domain.account import Account, Ledger, Position
from domain.market import (
    AssetClass,
    Floors,
    Instrument,
    Quote,
    SessionPhase,
    Window,
    WindowAccount,
    WindowQuote,
)
from domain.orders import (
    Leg,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
)
from domain.records import NS_PER_S, format_ns, plain
from domain.risk import (
    AuthorizedOrder,
    Denied,
    Facts,
    Limits,
    TradingState,
    authorize,
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
    venue_mid=100.0,
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


REDUCING = replace(FACTS, trading_state=TradingState.REDUCING)


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


def ask(
    *,
    facts: dict[str, Any] | None = None,
    request: dict[str, Any] | None = None,
    limits: Limits = LIMITS,
    book: Ledger | None = None,
) -> AuthorizedOrder | Denied:
    """Ask about the good entry with some facts or terms changed."""
    return verdict(replace(ENTRY, **request or {}), replace(FACTS, **facts or {}), limits, book)


@pytest.fixture(scope="session")
def gate() -> SimpleNamespace:
    """Return the builders above; one name, because parametrized cases need them lazily."""
    return SimpleNamespace(
        account=ACCOUNT,
        ask=ask,
        big=BIG,
        busy=busy,
        coin=COIN,
        down=DOWN,
        entry=ENTRY,
        exit=exit_,
        facts=FACTS,
        failed=failed,
        huge=HUGE,
        ledger=ledger,
        limits=LIMITS,
        now=NOW,
        quote=QUOTE,
        reducing=REDUCING,
        short=SHORT,
        stock=STOCK,
        unknown=unknown,
        verdict=verdict,
        window=WINDOW,
    )
