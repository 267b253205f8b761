"""Whatever is asked, filled and cancelled in whatever order: no limit is ever passed.

The oracle keeps its own books, in plain numbers: what is held and what may still fill.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.account import Ledger
from domain.orders import (
    Leg,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderRequest,
    OrderState,
    Side,
    apply,
    fill_of,
)
from domain.records import format_ns
from domain.risk import AuthorizedOrder, TradingState
from domain.risk.measures import EQUITY_DRIFT

SYMBOLS = ("AAPL", "MSFT", "NVDA", "BTC/USD")
PRICE = Decimal("100.02")
EXITS = (Leg.REDUCE, Leg.STOP, Leg.TARGET, Leg.FLATTEN)

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["enter", "enter", "enter", "exit", "fill", "fill", "cancel", "unknown"]),
        st.sampled_from(SYMBOLS[:3]),
        st.integers(1, 20),
        st.integers(0, 9),
        st.sampled_from(EXITS),
        st.sampled_from(Side),
    ),
    max_size=40,
)


@dataclass
class Books:
    """The account as the oracle sees it, beside the ledger under test."""

    gate: Any
    limits: Any
    ledger: Ledger
    state: TradingState = TradingState.ACTIVE
    held: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    working: list[Order] = field(default_factory=list)
    count: int = 0

    def facts(self, symbol: str) -> Any:
        gate = self.gate
        return replace(
            gate.facts,
            trading_state=self.state,
            allowed_symbols=frozenset(SYMBOLS),
            instrument=replace(gate.stock, symbol=symbol),
            quote=replace(gate.quote, symbol=symbol),
            orders_last_minute=0,
        )

    def ask(self, request: OrderRequest) -> None:
        answer = self.gate.verdict(request, self.facts(request.symbol), self.limits, self.ledger)
        if isinstance(answer, AuthorizedOrder):
            order = Order(request=answer.request, state=OrderState.SUBMITTING)
            self.ledger.apply(None, order)
            self.working.append(order)

    def enter(self, symbol: str, quantity: Decimal) -> None:
        name = f"ah-0123456789abcdef01234567-entry-{self.count}"
        terms = {"symbol": symbol, "quantity": quantity, "client_order_id": name}
        self.ask(replace(self.gate.entry, **terms))

    def leave(self, symbol: str, leg: Leg, side: Side, quantity: Decimal) -> None:
        request = self.gate.exit(leg, side, str(quantity), self.count)
        self.ask(replace(request, symbol=symbol))

    def tell(self, order: Order, kind: OrderEventKind, **terms: Any) -> None:
        event = OrderEvent(
            kind=kind,
            client_order_id=order.client_order_id,
            ts_event=format_ns(self.gate.now),
            **terms,
        )
        after = apply(order, event)
        self.ledger.apply(order, after, fill_of(order, event))
        self.working.remove(order)
        if after.is_working:
            self.working.append(after)

    def fill(self, order: Order, share: int) -> None:
        quantity = max(Decimal(1), order.remaining * share // 9)
        is_whole = quantity >= order.remaining
        kind = OrderEventKind.FILLED if is_whole else OrderEventKind.PARTIALLY_FILLED
        quantity = min(quantity, order.remaining)
        self.held[order.symbol] += quantity * order.request.side.sign
        self.tell(
            order,
            kind,
            execution_id=f"x{self.count}",
            fill_quantity=quantity,
            fill_price=order.request.limit_price or PRICE,
        )

    def step(self, step: tuple[str, str, int, int, Leg, Side]) -> None:
        what, symbol, quantity, share, leg, side = step
        self.count += 1
        if what == "enter":
            self.enter(symbol, Decimal(quantity))
        elif what == "exit":
            self.leave(symbol, leg, side, Decimal(quantity))
        elif self.working:
            order = self.working[share % len(self.working)]
            if what == "fill":
                self.fill(order, share)
            elif what == "unknown" and order.state is OrderState.SUBMITTING:
                self.tell(order, OrderEventKind.SUBMIT_UNKNOWN)
            elif what == "cancel" and order.state is not OrderState.UNKNOWN:
                self.tell(order, OrderEventKind.CANCELED)

    def in_flight(self, symbol: str) -> Decimal:
        """Return the dollars that entries of a symbol may still cost."""
        mine = [o for o in self.working if o.symbol == symbol and o.request.leg is Leg.ENTRY]
        return sum((order.remaining * PRICE for order in mine), Decimal(0))

    def committed(self, symbol: str) -> Decimal:
        """Return the dollars of a symbol, working entries counted as filled."""
        return abs(self.held[symbol]) * PRICE + self.in_flight(symbol)


@settings(deadline=None, max_examples=150)
@given(STEPS)
def test_positions_and_working_orders_together_never_pass_a_limit(gate, steps):
    """Rate and position checks were check-then-act races; here every order in flight counts."""
    limits = replace(
        gate.limits,
        max_order_amount=Decimal(900),
        max_position_fraction=0.08,
        max_exposure_fraction=0.15,
        max_open_orders=2,
        max_risk_per_trade=1.0,
    )
    equity = gate.account.equity * EQUITY_DRIFT
    books = Books(gate, limits, gate.ledger())
    for step in steps:
        books.step(step)
        sizes = {symbol: books.committed(symbol) for symbol in SYMBOLS}
        entries = [order for order in books.working if order.request.leg is Leg.ENTRY]
        assert max(sizes.values()) <= equity * Decimal("0.08") + Decimal("0.5")
        assert sum(sizes.values()) <= equity * Decimal("0.15") + Decimal("0.5")
        assert len(entries) <= 2
        assert all(order.request.quantity * PRICE <= 900 for order in entries)


@settings(deadline=None, max_examples=150)
@given(STEPS, st.integers(0, 10))
def test_reducing_only_ever_shrinks_and_never_crosses_zero(gate, steps, turn):
    """From the moment trading is reducing, whatever was in flight then and whatever races since.

    Entries that were working may still fill; beyond these no position grows and none changes sides.
    """
    books = Books(gate, replace(gate.limits, max_order_amount=Decimal(1_000_000)), gate.ledger())
    for step in steps[:turn]:
        books.step(step)
    books.state = TradingState.REDUCING
    reach = {name: abs(books.held[name]) + books.in_flight(name) / PRICE for name in SYMBOLS}
    for step in steps[turn:]:
        before = dict(books.held)
        is_entry_fill = step[0] == "fill"
        books.step(step)
        for name in SYMBOLS:
            held = books.held[name]
            assert abs(held) <= reach[name]
            assert held >= 0
            assert is_entry_fill or abs(held) <= abs(before.get(name, Decimal(0)))
        assert not [
            order
            for order in books.working
            if order.request.leg is Leg.ENTRY
            and order.state is OrderState.SUBMITTING
            and order.client_order_id.endswith(f"-{books.count}")
        ]


@settings(deadline=None, max_examples=200)
@given(
    st.integers(-10, 10),
    st.lists(
        st.tuples(st.sampled_from(EXITS), st.sampled_from(Side), st.integers(1, 12)), max_size=6
    ),
)
def test_what_may_close_is_what_is_held_less_all_that_closes_already(gate, start, wishes):
    """The oracle is one subtraction; asked in any state, by any leg, from either side."""
    books = Books(gate, gate.limits, gate.ledger(str(start)), state=TradingState.REDUCING)
    left = abs(start)
    for leg, side, quantity in wishes:
        books.count += 1
        known = len(books.working)
        books.leave("AAPL", leg, side, Decimal(quantity))
        may = side.sign * start < 0 and quantity <= left
        assert (len(books.working) > known) is may
        left -= quantity if may else 0
