"""What lowers trading by itself: each row's own reason, its edge, and what does not count."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.limits import (
    BINDS,
    DEFAULT_LIMITS,
    LIMITS_TABLE,
    LOWERS_TO,
    Code,
    Limits,
    TradingState,
    Trip,
)
from domain.orders import (
    DECLARED_ABSENT,
    Fill,
    Leg,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    Purpose,
    Side,
    TimeInForce,
)
from domain.records import NS_PER_S
from engine.clock import ManualClock
from engine.orders import gateway
from engine.watching.tripwires import ADVICE, PASSING, Tripwires, line_of

SMALL = Limits(
    max_consecutive_losses=2,
    max_consecutive_denials=3,
    max_consecutive_rejections=2,
    max_one_way_fills=3,
    one_way_window_s=60.0,
    max_link_losses=3,
    link_loss_window_s=60.0,
    max_skew_s=2.0,
    max_skew_duration_s=30.0,
)


def request_of(name="e1", leg=Leg.ENTRY, side=Side.BUY, symbol="AAPL"):
    return OrderRequest(
        decision_id="0123456789abcdef01234567",
        leg=leg,
        symbol=symbol,
        side=side,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        reference_price=Decimal(100),
        valid_until="2030-01-01T00:00:00Z",
        client_order_id=name,
        limit_price=Decimal(100),
    )


def fill_of(request, price="100", fee="0"):
    return Fill(
        client_order_id=request.client_order_id,
        execution_id=f"x-{request.client_order_id}-{price}",
        symbol=request.symbol,
        side=request.side,
        quantity=Decimal(1),
        price=Decimal(price),
        ts_event="",
        leg=request.leg,
        fee=Decimal(fee),
    )


class Wired:
    """Wires over a clock by hand; `held` are the symbols that are not flat."""

    def __init__(self, limits=SMALL):
        self.clock = ManualClock(1_800_000_000 * NS_PER_S)
        self.lowered = []
        self.held = set()
        self.remembered = 0
        self.names = 0
        self.wires = Tripwires(
            limits,
            clock=self.clock,
            lower=lambda state, code, line: self.lowered.append((state, code, line)),
            is_flat=lambda symbol: symbol not in self.held,
            remember=self._remember,
        )

    def _remember(self):
        self.remembered += 1

    @property
    def codes(self):
        return [code for _, code, _ in self.lowered]

    def tell(self, state, request=None, *, fill=None, reason=""):
        request = request or self.ask()
        before = Order(request=request, state=OrderState.SUBMITTING)
        self.wires.order_changed(before, replace(before, state=state, reason=reason), fill)

    def ask(self, **fields):
        self.names += 1
        return request_of(f"o{self.names}", **fields)

    def trade(self, bought, sold, symbol="AAPL", fee="0"):
        """Buy and sell one share."""
        entry, stop = self.ask(symbol=symbol), self.ask(symbol=symbol, leg=Leg.STOP, side=Side.SELL)
        self.held.add(symbol)
        self.tell(OrderState.FILLED, entry, fill=fill_of(entry, bought, fee))
        self.held.discard(symbol)
        self.tell(OrderState.FILLED, stop, fill=fill_of(stop, sold, fee))

    def enter(self, side=Side.BUY, symbol="AAPL"):
        entry = self.ask(side=side, symbol=symbol)
        self.tell(OrderState.FILLED, entry, fill=fill_of(entry))


@pytest.fixture
def wired():
    return Wired()


def test_losing_trades_in_a_row_lower(wired):
    """The second loss is the limit; what it says names figure, limit and the way back."""
    wired.trade("100", "99")
    assert wired.lowered == []
    wired.trade("100", "98")
    ((state, code, line),) = wired.lowered
    assert (state, code) == (TradingState.REDUCING, Trip.CONSECUTIVE_LOSSES)
    assert "2 closed trades lost in a row (MAX_CONSECUTIVE_LOSSES is 2)" in line
    assert 'POST /resume with {"code": "CONSECUTIVE_LOSSES"}' in line


def test_a_winner_between_ends_the_row(wired):
    """Losing often is not losing in a row."""
    for sold in ("99", "101", "99", "100"):
        wired.trade("100", sold)
    assert wired.lowered == []


def test_fees_turn_a_flat_trade_into_a_loss(wired):
    """What the account lost counts, not what the prices did."""
    wired.trade("100", "100", fee="0.25")
    wired.trade("100", "100.10", fee="0.25")
    assert wired.codes == [Trip.CONSECUTIVE_LOSSES]


def test_a_trade_closed_in_parts_is_one_trade(wired):
    """A target that fills half and a stop for the rest: one result, not two."""
    entry, wired.held = wired.ask(), {"AAPL"}
    wired.tell(OrderState.FILLED, entry, fill=replace(fill_of(entry), quantity=Decimal(2)))
    for held, sold in (({"AAPL"}, "103"), (set(), "98")):
        wired.held = held
        leg = wired.ask(leg=Leg.STOP, side=Side.SELL)
        wired.tell(OrderState.FILLED, leg, fill=fill_of(leg, sold))
    assert wired.wires.losses_in_a_row == 0


def test_an_adopted_position_is_not_judged(wired):
    """Nobody knows what it cost: its sale is neither a win that ends a row nor a loss."""
    wired.trade("100", "99")
    sale = wired.ask(leg=Leg.FLATTEN, side=Side.SELL, symbol="MSFT")
    wired.tell(OrderState.FILLED, sale, fill=fill_of(sale))
    assert wired.wires.losses_in_a_row == 1


def test_a_short_that_is_bought_back_higher_is_a_loss(wired):
    """The sign of the side, not of the price."""
    for _ in range(2):
        entry = wired.ask(side=Side.SELL)
        wired.held = {"AAPL"}
        wired.tell(OrderState.FILLED, entry, fill=fill_of(entry, "100"))
        wired.held, cover = set(), wired.ask(leg=Leg.STOP)
        wired.tell(OrderState.FILLED, cover, fill=fill_of(cover, "101"))
    assert wired.codes == [Trip.CONSECUTIVE_LOSSES]


def test_the_row_and_the_open_trade_outlive_the_process(wired):
    """A stop that filled while we were down is a loss of the trade the journal knows."""
    wired.trade("100", "99")
    assert wired.remembered == 1
    entry = wired.ask()
    filled = Order(
        request=entry,
        state=OrderState.FILLED,
        filled_quantity=Decimal(1),
        average_price=Decimal(100),
    )
    again = Wired()
    again.wires.restore(wired.wires.losses_in_a_row, [filled])
    stop = again.ask(leg=Leg.STOP, side=Side.SELL)
    again.tell(OrderState.FILLED, stop, fill=fill_of(stop, "95"))
    assert again.codes == [Trip.CONSECUTIVE_LOSSES]


def test_denials_for_what_is_asked_lower(wired):
    """An analyst that keeps asking for what no limit allows is broken."""
    for code in (Code.STOP_DISTANCE, Code.SHORT_NOT_ALLOWED, Code.SYMBOL_NOT_ALLOWED):
        wired.wires.order_denied(Purpose.ENTRY, code)
    assert wired.codes == [Trip.CONSECUTIVE_DENIALS]


@pytest.mark.parametrize("code", sorted(PASSING))
def test_denials_for_how_things_stand_never_need_a_person(wired, code):
    """A reconnect denies dozens of entries; it must heal by itself."""
    for _ in range(100):
        wired.wires.order_denied(Purpose.ENTRY, code)
    assert wired.lowered == []


def test_passing_denials_neither_count_nor_end_the_row(wired):
    """A reconnect in the middle hides nothing."""
    for code in (Code.STOP_DISTANCE, Code.FEED_STALE, Code.STOP_DISTANCE, Code.STOP_DISTANCE):
        wired.wires.order_denied(Purpose.ENTRY, code)
    assert wired.codes == [Trip.CONSECUTIVE_DENIALS]


@pytest.mark.parametrize(("purpose", "trips"), [(Purpose.ENTRY, 0), (Purpose.PROTECT, 1)])
def test_an_entry_let_through_ends_the_row_of_denials_and_an_exit_does_not(wired, purpose, trips):
    """Exits pass whatever the analyst asks."""
    for _ in range(2):
        wired.wires.order_denied(Purpose.ENTRY, Code.STOP_DISTANCE)
    wired.wires.order_submitted(purpose)
    wired.wires.order_denied(Purpose.ENTRY, Code.STOP_DISTANCE)
    assert len(wired.lowered) == trips


def test_denied_exits_are_not_the_agents_asking(wired):
    """A second exit of the same shares waits for the first: no sign of a broken analyst."""
    for _ in range(9):
        wired.wires.order_denied(Purpose.REDUCE, Code.CROSSES_ZERO)
    assert wired.lowered == []


def test_rejections_by_the_venue_lower(wired):
    """It says no twice in a row: something is misread, on their side or on ours."""
    wired.tell(OrderState.REJECTED, reason="insufficient buying power")
    wired.tell(OrderState.REJECTED, reason="insufficient buying power")
    assert wired.codes == [Trip.CONSECUTIVE_REJECTIONS]


def test_an_order_taken_ends_its_own_row_of_rejections(wired):
    """Entries that are taken do not hide stops that are refused again and again."""
    stop = {"leg": Leg.STOP, "side": Side.SELL}
    wired.tell(OrderState.REJECTED, wired.ask(**stop), reason="held_for_orders")
    wired.tell(OrderState.ACCEPTED)
    wired.tell(OrderState.REJECTED, wired.ask(**stop), reason="held_for_orders")
    assert wired.codes == [Trip.CONSECUTIVE_REJECTIONS]


def test_stops_of_two_symbols_refused_once_each_are_no_row(wired):
    """After a cancel each symbol's first stop may come a moment too soon."""
    for symbol in ("AAPL", "MSFT", "NVDA"):
        stop = wired.ask(leg=Leg.STOP, side=Side.SELL, symbol=symbol)
        wired.tell(OrderState.REJECTED, stop, reason="held_for_orders")
        wired.tell(OrderState.ACCEPTED, stop)
    assert wired.lowered == []


@pytest.mark.parametrize(
    "reason",
    [
        "not sent: no network",
        "not sent: withdrawn, halt",
        "not sent: JOURNAL_DOWN",
        DECLARED_ABSENT,
    ],
)
def test_orders_that_never_left_are_not_rejections(wired, reason):
    """The venue has not spoken: these are faults of the way, which deny by themselves."""
    for _ in range(9):
        wired.tell(OrderState.REJECTED, reason=reason)
    assert wired.lowered == []


def test_a_rejection_told_twice_counts_once(wired):
    """The POST's answer and the stream say the same."""
    request = wired.ask()
    done = Order(request=request, state=OrderState.REJECTED, reason="no")
    wired.tell(OrderState.REJECTED, request, reason="no")
    wired.wires.order_changed(done, done, None)
    assert wired.lowered == []


async def test_fills_that_only_go_one_way_halt(wired):
    """A loop that only ever buys lost a fortune in minutes elsewhere; it must not go on."""
    for _ in range(3):
        wired.enter()
        await wired.clock.advance(1)
    ((state, code, _),) = wired.lowered
    assert (state, code) == (TradingState.HALTED, Trip.ONE_WAY_FILLS)


async def test_one_way_fills_spread_over_time_are_trading(wired):
    """Three entries in as many windows are slow and fine."""
    for _ in range(9):
        wired.enter()
        await wired.clock.advance(31)
    assert wired.lowered == []


def test_an_exit_or_the_other_side_ends_a_one_way_row(wired):
    """Whatever closes or opposes shows that both ways work."""
    for side in (Side.BUY, Side.BUY, Side.SELL, Side.SELL, Side.BUY):
        wired.enter(side)
    wired.trade("100", "101", symbol="MSFT")
    wired.enter()
    wired.enter()
    assert wired.lowered == []
    wired.enter()
    assert wired.codes == [Trip.ONE_WAY_FILLS]


def test_parts_of_one_order_are_one_fill(wired):
    """An entry that fills in thirty pieces is one order going one way."""
    entry = wired.ask()
    for number in range(30):
        part = replace(fill_of(entry), execution_id=f"x{number}")
        wired.tell(OrderState.PARTIALLY_FILLED, entry, fill=part)
    assert wired.lowered == []


async def test_a_storm_of_reconnects_lowers_and_a_reconnect_does_not(wired):
    """Prices between two losses are not to be traded on for long."""
    wired.wires.link_lost(("AAPL", "MSFT"))
    await wired.clock.advance(10)
    wired.wires.link_lost(("AAPL",))
    wired.wires.link_lost(("BTC/USD",))
    assert wired.lowered == []
    wired.wires.link_lost(("AAPL",))
    assert wired.codes == [Trip.LINK_UNSTABLE]
    assert "stream of AAPL was lost 3 times within 60 s" in wired.lowered[0][2]


async def test_losses_of_long_ago_do_not_count(wired):
    """The nightly cut of a stream is nothing to wake a person for."""
    for _ in range(9):
        wired.wires.link_lost(("AAPL",))
        await wired.clock.advance(30)
    assert wired.lowered == []


async def test_a_clock_that_stays_off_lowers(wired):
    """Off for a minute in every answer: this machine's clock is wrong."""
    assert wired.wires.skew_measured(-3 * NS_PER_S)
    await wired.clock.advance(29)
    assert wired.wires.skew_measured(-3 * NS_PER_S)
    assert wired.lowered == []
    await wired.clock.advance(1)
    wired.wires.skew_measured(-3 * NS_PER_S)
    assert wired.codes == [Trip.CLOCK_UNSTABLE]
    assert "-3.0 s off the venue's for 30 s" in wired.lowered[0][2]


async def test_one_good_answer_ends_the_doubt_of_the_clock(wired):
    """A slow answer looks like skew; the next one tells."""
    for _ in range(5):
        assert wired.wires.skew_measured(3 * NS_PER_S)
        await wired.clock.advance(20)
        assert not wired.wires.skew_measured(2 * NS_PER_S)
    assert wired.lowered == []


OFF = replace(
    SMALL,
    max_consecutive_losses=0,
    max_consecutive_denials=0,
    max_consecutive_rejections=0,
    max_one_way_fills=0,
    max_link_losses=0,
    max_skew_duration_s=0,
)


async def everything_goes_wrong(wired):
    for _ in range(30):
        wired.trade("100", "90")
        wired.wires.order_denied(Purpose.ENTRY, Code.STOP_DISTANCE)
        wired.tell(OrderState.REJECTED, reason="no")
        wired.tell(OrderState.REJECTED, reason="no")
        wired.wires.link_lost(("AAPL",))
        wired.wires.skew_measured(9 * NS_PER_S)
        await wired.clock.advance(2)
    for _ in range(30):
        wired.enter()


async def test_a_limit_of_zero_turns_its_wire_off():
    """Each is a setting; a person may do without."""
    wired = Wired(OFF)
    await everything_goes_wrong(wired)
    assert wired.lowered == []


COUNTED = {
    Trip.CONSECUTIVE_LOSSES: "max_consecutive_losses",
    Trip.CONSECUTIVE_DENIALS: "max_consecutive_denials",
    Trip.CONSECUTIVE_REJECTIONS: "max_consecutive_rejections",
    Trip.ONE_WAY_FILLS: "max_one_way_fills",
    Trip.LINK_UNSTABLE: "max_link_losses",
    Trip.CLOCK_UNSTABLE: "max_skew_duration_s",
}


@pytest.mark.parametrize("trip", COUNTED)
async def test_each_wire_trips_by_its_own_setting_alone(trip):
    """All others off, everything wrong at once: exactly this code."""
    field = COUNTED[trip]
    wired = Wired(replace(OFF, **{field: getattr(SMALL, field)}))
    await everything_goes_wrong(wired)
    assert set(wired.codes) == {trip}


def test_every_trip_is_counted_here_or_on_equity():
    """A new one needs its test, its advice, its state and its row."""
    on_equity = {Trip.DAILY_LOSS_REACHED, Trip.DRAWDOWN_REACHED}
    assert set(COUNTED) | on_equity == set(Trip) == set(ADVICE) == set(LOWERS_TO)
    assert {row.trip for row in LIMITS_TABLE} == {None, *Trip}
    assert all(state is not TradingState.ACTIVE for state in LOWERS_TO.values())


def test_every_denial_of_an_entry_is_either_passing_or_its_own_fault():
    """A code that no entry meets counts nowhere."""
    assert BINDS[Purpose.ENTRY] > PASSING


def test_resuming_resets_the_wire_it_names_and_what_else_stands_trips_again(wired):
    """A person who looked at the losses has not looked at the rejections."""
    wired.trade("100", "99")
    wired.trade("100", "99")
    for _ in range(2):
        wired.tell(OrderState.REJECTED, reason="no")
    wired.lowered.clear()
    wired.wires.resumed(Trip.CONSECUTIVE_LOSSES)
    assert wired.codes == [Trip.CONSECUTIVE_REJECTIONS]
    wired.lowered.clear()
    wired.wires.resumed(Trip.CONSECUTIVE_REJECTIONS)
    assert wired.lowered == []


def test_resuming_for_another_reason_resets_nothing(wired):
    """A lunch break forgives no losses."""
    wired.trade("100", "99")
    wired.wires.resumed("OPERATOR")
    wired.trade("100", "99")
    assert wired.codes == [Trip.CONSECUTIVE_LOSSES]


@pytest.mark.parametrize("trip", Trip)
def test_every_line_is_one_line_that_says_what_to_do(trip):
    """Figure and limit come from the finding; the rest is here."""
    line = line_of(trip, "Something is too much (LIMIT is 1)")
    assert "\n" not in line
    assert line.endswith(f'then POST /resume with {{"code": "{trip}"}}.')


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["99", "100", "101"]), max_size=30))
def test_the_row_of_losses_is_the_longest_tail_of_losses(results):
    """Whatever the order of wins and losses, the count is what anyone would count."""
    wired = Wired(replace(SMALL, max_consecutive_losses=0))
    for sold in results:
        wired.trade("100", sold)
    tail = 0
    for sold in reversed(results):
        if sold != "99":
            break
        tail += 1
    assert wired.wires.losses_in_a_row == tail


def test_a_normal_hour_trips_nothing_at_the_defaults():
    """Reconnects, denials, some losses and rejections: no person is needed."""
    wired = Wired(DEFAULT_LIMITS)
    for number in range(50):
        wired.trade("100", "99" if number % 3 else "102")
        wired.wires.order_denied(Purpose.ENTRY, Code.FEED_STALE)
        wired.wires.order_denied(Purpose.ENTRY, Code.STOP_DISTANCE)
        wired.wires.order_submitted(Purpose.ENTRY)
        if number % 10 == 0:
            wired.wires.link_lost(("AAPL", "BTC/USD"))
            wired.tell(OrderState.REJECTED, reason="no")
        wired.tell(OrderState.ACCEPTED)
    assert wired.lowered == []


def test_every_order_that_we_end_ourselves_says_so():
    """The reason is the only mark; a new one in the gateway once spelled it otherwise."""
    source = Path(gateway.__file__).read_text(encoding="utf-8")
    notes = re.findall(r"_K\.REJECTED, (.*)\)", source)
    told = [words for words in notes if not words.startswith('f"{NOT_SENT}')]
    assert told == ['getattr(error, "reason", "") or str(error)']
    assert len(notes) > 1
