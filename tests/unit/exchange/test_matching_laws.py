"""Laws of matching that hold whatever traders and markets do."""

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from math import inf
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange.errors import VenueRefusal
from exchange.matching.account.activities import Search
from exchange.matching.agenda import NEVER
from exchange.matching.book import Book
from exchange.matching.knobs import FillSize, Knobs
from exchange.matching.listing import crypto_pair, us_equity
from exchange.matching.matcher import Matcher
from exchange.matching.orders import ZERO, Role
from exchange.matching.registry import OrderSearch
from exchange.matching.sessions import AlwaysOpen

ORIGIN_NS = 1_791_468_000_000_000_000
TERMINAL = {"fill", "canceled", "expired", "replaced", "rejected"}
SYMBOLS = st.sampled_from(["AAPL", "BTC/USD"])
CENTS = st.integers(9_000, 11_000).map(lambda cents: Decimal(cents) / 100)
EXITS = st.sampled_from(["simple", "simple", "simple", "bracket", "oco", "oto"])
TYPES = st.sampled_from(["market", "limit", "stop", "stop_limit", "trailing_stop"])
LIFETIMES = st.sampled_from(["day", "gtc", "gtc", "ioc", "fok"])
QTYS = st.sampled_from(["1", "3", "10", "0.5", "40", "200", "900"])


@st.composite
def orders(draw) -> dict[str, Any]:
    """Draw an order: often sensible, often refused."""
    kind, order_class = draw(TYPES), draw(EXITS)
    body: dict[str, Any] = {
        "symbol": draw(SYMBOLS),
        "qty": draw(QTYS),
        "side": draw(st.sampled_from(["buy", "buy", "sell"])),
        "type": kind,
        "time_in_force": draw(LIFETIMES),
        "order_class": order_class,
    }
    if kind in ("limit", "stop_limit") and order_class != "oco":
        body["limit_price"] = draw(CENTS)
    if kind in ("stop", "stop_limit"):
        body["stop_price"] = draw(CENTS)
    if kind == "trailing_stop":
        body["trail_percent"] = draw(st.integers(1, 12))
    if order_class in ("bracket", "oco"):
        body["take_profit"] = {"limit_price": draw(CENTS)}
    if order_class in ("bracket", "oco", "oto"):
        body["stop_loss"] = {"stop_price": draw(CENTS)}
    return body


class Trading(RuleBasedStateMachine):
    """Play any market against any trader, both asset classes priced around a hundred dollars."""

    @initialize(
        size=st.sampled_from(FillSize),
        latency_ns=st.sampled_from([0, 0, 7_000_000]),
        multiplier=st.sampled_from([1, 2, 4]),
    )
    def begin(self, size, latency_ns, multiplier):
        self.multiplier = multiplier
        self.now_ns = ORIGIN_NS
        self.events: list[dict[str, Any]] = []
        self.ids: list[str] = []
        self.ended: dict[str, str] = {}
        self.matcher = Matcher(
            [us_equity("AAPL"), crypto_pair("BTC/USD")],
            knobs=Knobs(
                fill_size=size, latency_ns=latency_ns, multiplier=multiplier, partial_rate=0.5
            ),
            sessions=AlwaysOpen(),
            now_ns=self.now_ns,
            sink=self.on_event,
        )
        for symbol in ("AAPL", "BTC/USD"):
            self.matcher.on_quote(symbol, 99.9, 500.0, 100.1, 500.0, self.now_ns)

    def on_event(self, event):
        order_id, kind = event["order"]["id"], event["event"]
        if kind != "order_cancel_rejected":
            assert order_id not in self.ended, f"{kind} after {self.ended[order_id]}"
        if kind in TERMINAL:
            self.ended[order_id] = kind
        self.events.append(event)

    @rule(body=orders())
    def submit(self, body):
        self.enter(body)

    def enter(self, body):
        with suppress(VenueRefusal):
            order = self.matcher.submit(body, self.now_ns)
            self.ids += [order["id"], *(leg["id"] for leg in order["legs"] or [])]

    @rule(
        side=st.sampled_from(["buy", "buy", "sell"]),
        qty=st.sampled_from([1, 7, 40]),
        near=st.integers(1, 300).map(lambda cents: Decimal(cents) / 100),
        far=st.integers(1, 300).map(lambda cents: Decimal(cents) / 100),
        order_class=st.sampled_from(["bracket", "oto", "oco"]),
        stop_limit=st.booleans(),
    )
    def exits(self, side, qty, near, far, order_class, stop_limit):
        """Enter a group whose exits stand around the market, where they can fill."""
        mark = Decimal(str(self.matcher.books["AAPL"].bid))
        sign = 1 if (side == "buy") is (order_class != "oco") else -1
        stop = {"stop_price": mark - sign * (far + Decimal("0.2"))}
        if stop_limit:
            stop["limit_price"] = stop["stop_price"] - sign * Decimal("0.1")
        body = {
            "symbol": "AAPL",
            "qty": qty,
            "side": side,
            "type": "limit" if order_class == "oco" else "market",
            "time_in_force": "gtc",
            "order_class": order_class,
            "stop_loss": stop,
        }
        if order_class != "oto":
            body["take_profit"] = {"limit_price": mark + sign * (near + Decimal("0.2"))}
        self.enter(body)

    @rule(symbol=SYMBOLS, price=CENTS, size=st.sampled_from([0.0, 1.0, 7.5, 60.0, 5000.0]))
    def quote(self, symbol, price, size):
        bid = float(price)
        self.matcher.on_quote(symbol, bid, size, round(bid + 0.04, 2), size, self.now_ns)

    @rule(symbol=SYMBOLS, price=CENTS)
    def trade(self, symbol, price):
        self.matcher.on_trade(symbol, float(price), 10.0, self.now_ns)

    @rule(pick=st.integers(0, 1_000), action=st.sampled_from(["cancel", "replace"]), price=CENTS)
    def change(self, pick, action, price):
        if not self.ids:
            return
        order_id = self.ids[pick % len(self.ids)]
        with suppress(VenueRefusal):
            if action == "cancel":
                self.matcher.cancel(order_id, self.now_ns)
            else:
                new = self.matcher.replace(order_id, {"limit_price": price}, self.now_ns)
                self.ids.append(new["id"])

    @rule(symbol=SYMBOLS)
    def close(self, symbol):
        with suppress(VenueRefusal):
            self.ids.append(self.matcher.close_position(symbol, self.now_ns)["id"])

    @rule(milliseconds=st.sampled_from([1, 4, 10, 60_000, 30_000_000]))
    def wait(self, milliseconds):
        self.now_ns += milliseconds * 1_000_000
        self.matcher.advance(self.now_ns)

    def every_order(self):
        return self.matcher.orders(OrderSearch(status="all", limit=10_000))

    @invariant()
    def fills_never_exceed_the_order_and_add_up_to_it(self):
        filled: dict[str, Decimal] = defaultdict(Decimal)
        for event in self.events:
            if event["event"] in ("fill", "partial_fill"):
                filled[event["order"]["id"]] += Decimal(event["qty"])
        for order in self.every_order():
            assert Decimal(order["filled_qty"]) == filled[order["id"]]
            if order["qty"] is not None:
                assert filled[order["id"]] <= Decimal(order["qty"])

    @invariant()
    def what_has_ended_stays_ended(self):
        now = {order["id"]: order["status"] for order in self.every_order()}
        spelled = {"fill": "filled"}
        for order_id, kind in self.ended.items():
            assert now[order_id] == spelled.get(kind, kind)

    @invariant()
    def exits_never_sell_more_than_their_entry_bought(self):
        by_group: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for order in self.every_order():
            if "group_id" in order:
                by_group[order["group_id"]][order["group_role"]] += Decimal(order["filled_qty"])
                if order["group_role"] == Role.TAKE_PROFIT and order["order_class"] == "oco":
                    by_group[order["group_id"]]["entry"] = max(
                        by_group[order["group_id"]]["entry"], Decimal(order["qty"])
                    )
        for sums in by_group.values():
            assert sums["take_profit"] + sums["stop_loss"] <= sums["entry"]

    @invariant()
    def open_orders_never_promise_more_than_is_held(self):
        for position in self.matcher.positions():
            assert abs(Decimal(position["qty_available"])) <= abs(Decimal(position["qty"]))
            assert Decimal(position["qty_available"]) * Decimal(position["qty"]) >= 0
            if position["asset_class"] == "crypto":
                assert Decimal(position["qty"]) > 0

    @invariant()
    def a_cash_account_never_owes(self):
        if self.multiplier > 1:
            return
        registry = self.matcher._orders
        reserved = sum((order.reserved for order in registry.open.values()), ZERO)
        assert self.matcher.account.ledger.cash - reserved >= 0
        assert all(Decimal(position["qty"]) > 0 for position in self.matcher.positions())

    def teardown(self):
        """Cash and positions follow from the activities alone, once the fees are posted."""
        if not hasattr(self, "matcher"):
            return
        self.matcher.cancel_all(self.now_ns)
        self.now_ns += 2 * 86_400 * 1_000_000_000
        self.matcher.advance(self.now_ns)
        cash, held = self.matcher.knobs.cash, defaultdict(Decimal)
        entries = every_activity(self.matcher)
        for entry in entries:
            qty = Decimal(entry.get("qty", 0))
            symbol = entry["symbol"].replace("/", "")
            if entry["activity_type"] == "FILL":
                sign = 1 if entry["side"] == "buy" else -1
                cash -= sign * qty * Decimal(entry["price"])
                held[symbol] += sign * qty
            else:
                cash += Decimal(entry["net_amount"])
                held[symbol] += qty
        dollar_fees = sum(entry["activity_type"] == "FEE" for entry in entries)
        account = self.matcher.account_body()
        assert abs(cash - Decimal(account["cash"])) <= Decimal("0.01") * (1 + dollar_fees)
        positions = {p["symbol"]: Decimal(p["qty"]) for p in self.matcher.positions()}
        assert positions == {symbol: qty for symbol, qty in held.items() if qty}
        assert self.matcher.next_ns < NEVER


def every_activity(matcher):
    entries: list[dict[str, Any]] = []
    while page := matcher.activities(
        Search(ascending=True, page_token=entries[-1]["id"] if entries else None)
    ):
        entries += page
    return entries


TestTrading = Trading.TestCase
TestTrading.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


class OpenGates(Book):
    """A book whose every tick looks at every order."""

    __slots__ = ()

    def set_gates(self):
        self.buy_gate = self.rise_gate = inf if self.live or self.stops else -inf
        self.sell_gate = self.fall_gate = -inf if self.live or self.stops else inf
        self.rise_gate, self.fall_gate = self.sell_gate, self.buy_gate


TICKS = st.one_of(
    st.tuples(st.just("quote"), SYMBOLS, st.integers(9_800, 10_200), st.sampled_from([2.0, 90.0])),
    st.tuples(st.just("trade"), SYMBOLS, st.integers(9_800, 10_200), st.just(1.0)),
)


def play(book_type, moves, size):
    events: list[dict[str, Any]] = []
    knobs = Knobs(fill_size=size, partial_rate=0.4)
    listings = [us_equity("AAPL"), crypto_pair("BTC/USD")]
    matcher = Matcher(
        listings, knobs=knobs, sessions=AlwaysOpen(), now_ns=ORIGIN_NS, sink=events.append
    )
    for listing in listings:
        quotes_trigger = matcher.books[listing.symbol].quotes_trigger
        matcher.books[listing.symbol] = book_type(listing, quotes_trigger=quotes_trigger)
        matcher.on_quote(listing.symbol, 100.0, 500.0, 100.02, 500.0, ORIGIN_NS)
    for move in moves:
        if isinstance(move, dict):
            with suppress(VenueRefusal):
                matcher.submit(move, ORIGIN_NS)
            continue
        kind, symbol, cents, quantity = move
        price = cents / 100
        if kind == "trade":
            matcher.on_trade(symbol, price, quantity, ORIGIN_NS)
        else:
            ask = round(price + 0.02, 2)
            matcher.on_quote(symbol, price, quantity, ask, quantity, ORIGIN_NS)
    return events


@given(
    moves=st.lists(st.one_of(orders(), TICKS, TICKS, TICKS), max_size=60),
    size=st.sampled_from(FillSize),
)
@settings(max_examples=150, deadline=None)
def test_the_gates_change_no_outcome(moves, size):
    """Matching that looks at every order on every tick tells the same story."""
    assert play(Book, moves, size) == play(OpenGates, moves, size)


@given(
    bodies=st.lists(
        st.tuples(st.sampled_from(["buy", "sell"]), st.integers(1, 2500), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    multiplier=st.sampled_from([2, 4]),
)
@settings(max_examples=60, deadline=None)
def test_buying_power_is_never_spent_twice(bodies, multiplier):
    """At an unmoved price, positions and open orders together stay within the multiple."""
    matcher = Matcher(
        [us_equity("AAPL"), us_equity("MSFT")],
        knobs=Knobs(multiplier=multiplier, partial_rate=0.0),
        sessions=AlwaysOpen(),
        now_ns=ORIGIN_NS,
        sink=lambda event: None,
    )
    for symbol in ("AAPL", "MSFT"):
        matcher.on_quote(symbol, 100.0, 1.0, 100.0, 1.0, ORIGIN_NS)
    for side, qty, at_market in bodies:
        body = {"symbol": "AAPL" if side == "buy" else "MSFT", "side": side, "qty": qty}
        price = {"type": "market"} if at_market else {"type": "limit", "limit_price": 100}
        with suppress(VenueRefusal):
            matcher.submit(body | price | {"time_in_force": "day"}, ORIGIN_NS)
        used = sum(abs(Decimal(p["market_value"])) for p in matcher.positions())
        reserved = sum((order.reserved for order in matcher._orders.open.values()), ZERO)
        assert used + reserved <= multiplier * 100_000
