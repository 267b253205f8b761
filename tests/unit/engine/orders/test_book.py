"""The order book: what moves an order, who hears of it, and in which order."""

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.account import Ledger
from domain.errors import InvariantBroken
from domain.orders import (
    Leg,
    OrderClass,
    OrderEvent,
    OrderEventKind,
    OrderReport,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    client_order_id,
)
from domain.ports import EntryKind
from domain.records import plain
from engine.clock import ManualClock
from engine.orders.book import OrderBook
from engine.orders.family import MAX_EVENTS, MAX_STRAYS, Strays, ours_from
from journal.database import JournalConfig
from journal.sql import SqlJournal

T0 = "2026-10-08T14:00:00.000000000Z"
K = OrderEventKind


def request(n=1, **changes):
    fields = {
        "decision_id": f"d{n}",
        "leg": Leg.ENTRY,
        "symbol": "AAPL",
        "side": Side.BUY,
        "quantity": Decimal(10),
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "reference_price": Decimal(100),
        "limit_price": Decimal(100),
        "stop_loss": Decimal(98),
        "take_profit": Decimal(104),
        "order_class": OrderClass.BRACKET,
        "valid_until": "2026-10-08T14:01:00.000000000Z",
        "client_order_id": client_order_id(f"d{n}", Leg.ENTRY, 1),
    }
    return OrderRequest(**(fields | changes))


def report(name="ah-d1-entry-1", venue_id="v1", **changes):
    fields = {
        "client_order_id": name,
        "venue_order_id": venue_id,
        "symbol": "AAPL",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": "gtc",
        "state": OrderState.ACCEPTED,
        "quantity": Decimal(10),
        "filled_quantity": Decimal(0),
        "limit_price": Decimal(100),
        "order_class": "bracket",
        "group_id": "g1",
        "ts_submitted": T0,
        "ts_updated": T0,
    }
    return OrderReport(**(fields | changes))


def target(state=OrderState.ACCEPTED, **changes):
    fields = {"side": Side.SELL, "limit_price": Decimal(104), "state": state}
    return report("uuid-target", "v2", **(fields | changes))


def stop(state=OrderState.HELD, **changes):
    fields = {
        "side": Side.SELL,
        "order_type": OrderType.STOP,
        "limit_price": None,
        "stop_price": Decimal(98),
        "state": state,
    }
    return report("uuid-stop", "v3", **(fields | changes))


def event(kind, told, **changes):
    fields = {
        "kind": kind,
        "client_order_id": told.client_order_id,
        "ts_event": T0,
        "venue_order_id": told.venue_order_id,
        "report": told,
    }
    return OrderEvent(**(fields | changes))


class Forgetful:
    """A journal for ten thousand orders whose entries nobody reads."""

    def trace(self, *_entries):
        """Forget."""


def told_of(quantities):
    """Yield what the venue tells of an order that fills in these parts."""
    yield event(K.ACCEPTED, report(quantity=Decimal(sum(quantities))))
    filled = 0
    for n, quantity in enumerate(quantities):
        filled += quantity
        is_last = filled == sum(quantities)
        told = report(
            state=OrderState.FILLED if is_last else OrderState.PARTIALLY_FILLED,
            quantity=Decimal(sum(quantities)),
            filled_quantity=Decimal(filled),
            average_price=Decimal(100),
            ts_updated=f"2026-10-08T14:00:{n + 1:02}.000000000Z",
        )
        yield event(
            K.FILLED if is_last else K.PARTIALLY_FILLED,
            told,
            ts_event=told.ts_updated,
            execution_id=f"x{n}",
            fill_quantity=Decimal(quantity),
            fill_price=Decimal(100),
            position_quantity=Decimal(filled),
        )


class Kept:
    """A book over the real journal, with everything it told."""

    def __init__(self, journal, clock, **options):
        self.journal = journal
        self.ledger = Ledger(["AAPL", "BTC/USD"])
        self.published = []
        self.heard = []
        self.book = OrderBook(
            self.ledger,
            journal,
            clock,
            lambda kind, body: self.published.append((kind, plain(body))),
            **options,
        )
        self.book.listen(lambda *change: self.heard.append(change))

    def sent(self, n=1, **changes):
        asked = request(n, **changes)
        self.ledger.reserve(asked)
        return self.book.open(asked)


@pytest.fixture
async def kept(tmp_path):
    clock = ManualClock()
    config = JournalConfig(url=f"sqlite:///{tmp_path / 'j.sqlite3'}", trace_delay_s=0.001)
    async with SqlJournal(config, clock) as journal:
        yield Kept(journal, clock)


async def test_a_fill_moves_ledger_journal_listeners_and_watchers_in_one_step(kept):
    """Nobody can look at a half-told fill: when a listener hears, the ledger has moved."""
    order = kept.sent()
    seen = []
    kept.book.listen(lambda _b, _a, fill: seen.append((fill, kept.ledger.quantity("AAPL"))))
    told = report(state=OrderState.PARTIALLY_FILLED, filled_quantity=Decimal(4))
    after = kept.book.apply(
        event(
            K.PARTIALLY_FILLED,
            told,
            execution_id="x1",
            fill_quantity=Decimal(4),
            fill_price=Decimal(100),
        )
    )
    assert after.state is OrderState.PARTIALLY_FILLED
    [(fill, held)] = seen
    assert (fill.quantity, fill.client_order_id, held) == (4, order.client_order_id, 4)
    assert [kind for kind, _ in kept.published] == [
        "order_updated",
        "fill_received",
        "position_changed",
    ]
    async with asyncio.timeout(60):
        while len(await kept.journal.reader.entries_after(0)) < 2:  # noqa: ASYNC110 - other thread
            await asyncio.sleep(0.005)
    stored = await kept.journal.reader.entries_after(0)
    assert [entry.kind for entry in stored] == [EntryKind.ORDER_EVENT, EntryKind.FILL]


async def test_an_event_that_says_nothing_new_is_told_to_nobody(kept):
    """The stream sends things twice; the journal keeps them once."""
    kept.sent()
    first = event(K.ACCEPTED, report())
    kept.book.apply(first)
    told = len(kept.heard)
    kept.book.apply(first)
    kept.book.apply(first)
    assert len(kept.heard) == told


async def test_a_brackets_children_from_the_answer_are_orders_of_ours(kept):
    """Their names are the venue's; their parent, leg, price and quantity are known."""
    parent = kept.sent()
    kept.book.hear(report(legs=(target(parent_venue_order_id="v1"), stop())))
    legs = {order.request.leg: order for order in kept.book.working() if order != parent}
    assert legs[Leg.STOP].request.stop_price == Decimal(98)
    assert legs[Leg.TARGET].request.limit_price == Decimal(104)
    assert legs[Leg.STOP].state is OrderState.HELD
    for leg in (Leg.STOP, Leg.TARGET):
        assert legs[leg].parent_client_order_id == parent.client_order_id
        assert legs[leg].request.decision_id == "d1"
        assert legs[leg].request.stop_loss is None
    assert kept.book.by_venue_id("v3") == legs[Leg.STOP]


async def test_children_heard_of_before_their_parents_answer_find_it_by_their_group(kept):
    """Events overtake answers; in the stream only the group ties a child to its parent."""
    kept.sent()
    assert kept.book.apply(event(K.ACCEPTED, target())) is None
    assert kept.book.apply(event(K.HELD, stop())) is None
    kept.book.hear(report())
    legs = sorted(o.request.leg.value for o in kept.book.working() if o.parent_client_order_id)
    assert legs == ["stop", "target"]


async def test_a_childs_fill_that_came_too_early_is_counted_once_it_is_known(kept):
    """The whole life of a bracket may pass before the POST answers."""
    kept.sent()
    filled = report(state=OrderState.FILLED, filled_quantity=Decimal(10))
    sold = target(OrderState.FILLED, filled_quantity=Decimal(10), average_price=Decimal(104))
    kept.book.apply(
        event(
            K.FILLED,
            sold,
            execution_id="x2",
            fill_quantity=Decimal(10),
            fill_price=Decimal(104),
        )
    )
    kept.book.apply(
        event(
            K.FILLED,
            filled,
            execution_id="x1",
            fill_quantity=Decimal(10),
            fill_price=Decimal(100),
        )
    )
    assert kept.ledger.quantity("AAPL") == 0
    assert kept.ledger.realized_pnl == 40


async def test_a_stop_shrinks_with_its_sibling(kept):
    """A target filled in part leaves a smaller stop at the venue; ours must not claim more."""
    kept.sent()
    kept.book.hear(report(legs=(target(), stop())))
    kept.book.hear(stop(quantity=Decimal(6)))
    assert kept.book.get("uuid-stop").remaining == 6


async def test_a_replaced_order_goes_on_under_its_new_name(kept):
    """A person may move a stop in the venue's own dashboard: it stays the stop of the position."""
    kept.sent()
    kept.book.hear(report(legs=(target(), stop())))
    kept.book.apply(event(K.REPLACED, stop(OrderState.REPLACED, replaced_by="v9")))
    moved = stop(OrderState.ACCEPTED, group_id=None, replaces="v3", stop_price=Decimal(99))
    moved = report(
        "uuid-new",
        "v9",
        side=Side.SELL,
        order_type=OrderType.STOP,
        stop_price=moved.stop_price,
        limit_price=None,
        replaces="v3",
        group_id=None,
    )
    after = kept.book.hear(moved)
    assert (after.request.leg, after.request.stop_price) == (Leg.STOP, Decimal(99))
    assert after.parent_client_order_id == "ah-d1-entry-1"
    assert not kept.book.get("uuid-stop").is_working


async def test_somebody_elses_order_stays_somebody_elses(kept):
    """It is told to whoever watches for strangers, and never becomes an order of ours."""
    strangers = []
    kept.book.on_stray = strangers.append
    kept.sent()
    foreign = report("web-1", "v77", group_id=None)
    assert kept.book.apply(event(K.ACCEPTED, foreign)) is None
    assert [each.client_order_id for each in strangers] == ["web-1"]
    assert not kept.book.knows(foreign)
    assert len(kept.book.working()) == 1


async def test_a_late_fill_finds_an_order_that_has_ended(kept):
    """Canceled, then filled: what was bought is counted all the same."""
    kept.sent()
    kept.book.hear(report(state=OrderState.CANCELED))
    assert kept.book.working() == []
    late = report(state=OrderState.CANCELED, filled_quantity=Decimal(3))
    kept.book.apply(
        event(
            K.PARTIALLY_FILLED,
            late,
            execution_id="x9",
            fill_quantity=Decimal(3),
            fill_price=Decimal(100),
        )
    )
    assert kept.ledger.quantity("AAPL") == 3


async def test_a_fill_that_the_report_counted_already_is_not_counted_again(kept):
    """A look-up ran ahead of the stream: the executions behind it add nothing."""
    kept.sent()
    kept.book.hear(report(state=OrderState.PARTIALLY_FILLED, filled_quantity=Decimal(5)))
    for n, quantity in enumerate((2, 3)):
        told = report(
            state=OrderState.PARTIALLY_FILLED, filled_quantity=Decimal(2 if n == 0 else 5)
        )
        kept.book.apply(
            event(
                K.PARTIALLY_FILLED,
                told,
                execution_id=f"x{n}",
                fill_quantity=Decimal(quantity),
                fill_price=Decimal(100),
            )
        )
    assert kept.ledger.quantity("AAPL") == 5
    assert sum(fill.quantity for *_, fill in kept.heard if fill) == 5


async def test_ended_orders_are_forgotten_oldest_first_and_with_all_their_names(kept):
    """Memory is bounded; the newest thousands stay findable for late events."""
    kept = Kept(kept.journal, ManualClock(), max_ended=3)
    for n in range(1, 6):
        name = client_order_id(f"d{n}", Leg.ENTRY, 1)
        kept.sent(n)
        kept.book.hear(report(name, f"v-{n}", group_id=f"g-{n}", state=OrderState.CANCELED))
    assert kept.book.get("ah-d2-entry-1") is None
    assert kept.book.by_venue_id("v-2") is None
    assert kept.book.by_venue_id("v-3") is not None
    assert kept.book.by_venue_id("v-5").client_order_id == "ah-d5-entry-1"


async def test_restored_orders_go_on_where_they_stood_and_count_nothing_twice(kept):
    """What they filled before the restart is in the positions already."""
    first = kept.sent()
    after = kept.book.hear(report(state=OrderState.PARTIALLY_FILLED, filled_quantity=Decimal(4)))
    other = Kept(kept.journal, ManualClock())
    other.book.restore([after])
    assert other.ledger.quantity("AAPL") == 0
    assert other.ledger.pending_quantity("AAPL") == 6
    other.book.hear(report(state=OrderState.FILLED, filled_quantity=Decimal(10)))
    assert other.ledger.quantity("AAPL") == 6
    assert other.book.get(first.client_order_id).state is OrderState.FILLED


async def test_an_event_that_comes_before_the_restoring_is_not_lost(kept):
    """The stream may speak while the journal is still being read."""
    order = kept.sent()
    other = Kept(kept.journal, ManualClock())
    other.book.apply(event(K.ACCEPTED, report()))
    other.book.restore([order])
    assert other.book.get(order.client_order_id).state is OrderState.ACCEPTED


async def test_waiting_for_an_orders_end_returns_what_it_became(kept):
    """Cancel, wait, protect: the waiting is an event, not a poll."""
    order = kept.sent()
    waiting = asyncio.create_task(kept.book.ended(order))
    await asyncio.sleep(0)
    kept.book.hear(report(state=OrderState.CANCELED))
    assert (await waiting).state is OrderState.CANCELED
    assert (await kept.book.ended(order)).state is OrderState.CANCELED


async def test_a_status_we_do_not_know_says_that_the_venue_has_the_order(kept):
    """New words appear: the order was asked for by its name and was there."""
    order = kept.sent()
    kept.book.note(order, K.SUBMIT_UNKNOWN)
    after = kept.book.hear(report(state=OrderState.UNKNOWN))
    assert after.state is OrderState.ACCEPTED


async def test_an_event_under_another_name_reaches_the_order_by_the_venues_id(kept):
    """The venue's id is the same order, whatever the name beside it."""
    kept.sent()
    kept.book.hear(report())
    renamed = report("", "v1", state=OrderState.CANCELED)
    assert kept.book.hear(renamed).state is OrderState.CANCELED


async def test_the_reducers_alarm_is_not_swallowed(kept):
    """A broken law halts; the book does not hide it."""
    kept.sent()
    kept.book.listen(lambda *_: (_ for _ in ()).throw(InvariantBroken("law")))
    with pytest.raises(InvariantBroken):
        kept.book.hear(report())


@given(
    quantities=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    data=st.data(),
)
@settings(max_examples=150, deadline=None)
def test_however_events_arrive_the_fills_add_up_to_what_the_venue_filled(quantities, data):
    """Twice, out of order, some never, a look-up in between: one law for all of it."""
    history = list(told_of(quantities))
    arrived = data.draw(st.permutations(history))[: data.draw(st.integers(0, len(history)))]
    arrived += data.draw(st.lists(st.sampled_from(history), max_size=4))
    looked_up_at = data.draw(st.integers(0, len(arrived)))
    kept = Kept(Forgetful(), ManualClock())
    kept.sent(quantity=Decimal(sum(quantities)))
    for n, each in enumerate(arrived):
        if n == looked_up_at:
            kept.book.hear(history[-1].report)
        before = kept.ledger.quantity("AAPL")
        kept.book.apply(each)
        assert kept.ledger.quantity("AAPL") >= before
    order = kept.book.hear(history[-1].report)
    total = sum(quantities)
    assert (order.state, order.filled_quantity) == (OrderState.FILLED, total)
    assert sum(fill.quantity for *_, fill in kept.heard if fill) == total
    assert kept.ledger.quantity("AAPL") == total
    assert kept.ledger.reservations == {}


def test_strays_are_bounded_by_order_and_in_all():
    """Somebody else's busy account must not fill our memory; what is dropped is counted."""
    strays = Strays()
    for _ in range(MAX_EVENTS + 5):
        strays.keep(event(K.ACCEPTED, report("a", "va")))
    for n in range(MAX_STRAYS):
        strays.keep(event(K.ACCEPTED, report(f"b{n}", f"vb{n}")))
    assert strays.dropped == 5 + MAX_EVENTS


@pytest.mark.parametrize(
    ("name", "origin", "leg"),
    [
        ("ah-0123abc-stop-2", "0123abc", Leg.STOP),
        ("ah-op-eration-flatten-1", "op-eration", Leg.FLATTEN),
        ("ah-nonsense", "ah-nonsense", Leg.TARGET),
    ],
)
def test_an_order_that_only_the_venue_remembers_is_read_from_its_name(name, origin, leg):
    """A lost journal loses neither origin nor leg: both stand in the id."""
    order = ours_from(report(name, "v1", side=Side.SELL, group_id=None))
    assert (order.request.decision_id, order.request.leg) == (origin, leg)
    assert order.request.quantity == 10
    assert order.state is OrderState.UNKNOWN
