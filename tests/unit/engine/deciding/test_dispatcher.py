"""The dispatcher: which symbol is due, when, and what becomes of its run."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import AnalystError, AnalystTimeout, InvariantBroken
from domain.market import Bar, NewsItem
from engine.clock import ManualClock, settle
from engine.control import ControlRefused, UnknownSymbol
from engine.deciding.dispatcher import (
    EXIT_BAND,
    WAKE_BAND,
    Dispatcher,
    DispatcherConfig,
    DispatcherPorts,
    DropReason,
)
from engine.deciding.limiter import Limiter, Priority, Ticket, WakeReason

INF = math.inf


class Desk:
    """A dispatcher with everything around it in reach: a market, a book, runs that wait."""

    def __init__(
        self,
        *symbols: str,
        slots: int = 2,
        queue_size: int = 10,
        cooldown_s: float = 60,
        deadline_s: float = 45,
    ) -> None:
        self.symbols = symbols or ("A",)
        self.clock = ManualClock()
        self.limiter = Limiter(slots=slots, queue_size=queue_size, clock=self.clock)
        self.cold: set[str] = set()
        self.held: set[str] = set()
        self.barred: set[str] = set()
        self.mids = dict.fromkeys(self.symbols, 100.0)
        self.atr = 1.0
        self.levels: dict[str, list[float | None]] = {}
        self.bands: dict[tuple[str, str], tuple[float, float]] = {}
        self.started: list[Ticket] = []
        self.starts_s: list[float] = []
        self.ended: list[Ticket] = []
        self.dropped: list[tuple[str, DropReason]] = []
        self.failures: list[tuple[str, Exception]] = []
        self.failed = asyncio.Event()
        self.errors: list[BaseException] = []
        self.gates: dict[str, asyncio.Event] = {}
        self.holds = False
        config = DispatcherConfig(
            symbols=self.symbols, cooldown_s=cooldown_s, decision_deadline_s=deadline_s
        )
        ports = DispatcherPorts(
            run=self.run,
            is_warm=lambda symbol: symbol not in self.cold,
            has_position=lambda symbol: symbol in self.held,
            entries_possible=lambda symbol: symbol not in self.barred,
            mid_and_atr=lambda symbol: (self.mids[symbol], self.atr),
            exit_levels=lambda symbol: self.levels.get(symbol, ()),
            set_band=lambda symbol, owner, *band: self.bands.update({(symbol, owner): band}),
            on_drop=lambda ticket, why: self.dropped.append((ticket.symbol, why)),
            on_failure=self.fail,
        )
        self.dispatcher = Dispatcher(config, ports, limiter=self.limiter, clock=self.clock)

    def fail(self, ticket: Ticket, error: Exception) -> None:
        self.failures.append((ticket.symbol, error))
        self.failed.set()

    async def run(self, ticket: Ticket) -> None:
        assert ticket.symbol not in self.gates, "one run a symbol in flight"
        self.started.append(ticket)
        self.starts_s.append(self.clock.monotonic_ns() / 1e9)
        gate = self.gates[ticket.symbol] = asyncio.Event()
        try:
            if self.errors:
                raise self.errors.pop(0)
            if self.holds:
                await gate.wait()
            self.ended.append(ticket)
        finally:
            del self.gates[ticket.symbol]

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Dispatcher]:
        running = asyncio.create_task(self.dispatcher.run_forever())
        await settle()
        try:
            yield self.dispatcher
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def bar(self, *symbols: str) -> None:
        for symbol in symbols or self.symbols:
            self.dispatcher.bar_closed(bar(symbol))
        await settle()

    async def move(self, symbol: str, mid: float) -> None:
        """Move the mid as the rolling store would: the band that is left is disarmed first."""
        self.mids[symbol] = mid
        for (name, owner), (low, high) in list(self.bands.items()):
            if name == symbol and not low <= mid <= high:
                del self.bands[name, owner]
                self.dispatcher.band_left(symbol, owner, mid)
        await settle()

    async def news(self, headline: str, *symbols: str) -> None:
        self.dispatcher.news_arrived(article(headline, *(symbols or self.symbols)))
        await settle()

    async def finish(self, symbol: str) -> None:
        self.gates[symbol].set()
        await settle()

    @property
    def reasons(self) -> list[WakeReason]:
        return [ticket.reason for ticket in self.started]


def bar(symbol: str) -> Bar:
    return Bar(
        symbol=symbol,
        interval_s=60,
        ts_event=0,
        open=1,
        high=1,
        low=1,
        close=1,
        volume=1,
        trade_count=1,
        vwap=1,
    )


def article(headline: str, *symbols: str) -> NewsItem:
    return NewsItem(id="1", ts_event=0, headline=headline, summary="", source="x", symbols=symbols)


async def test_closed_bar_makes_a_warm_symbol_due() -> None:
    """The plain rhythm: one bar, one run, scheduled."""
    desk = Desk("A", "B")
    desk.cold = {"B"}
    async with desk.open():
        await desk.bar()
    assert [(t.symbol, t.reason, t.priority) for t in desk.started] == [
        ("A", WakeReason.BAR_CLOSED, Priority.SCHEDULED)
    ]
    assert desk.dispatcher.counts["not_due"] == 1


async def test_symbol_of_others_is_never_due() -> None:
    """A bar, an article or a band of a symbol that is not traded changes nothing."""
    desk = Desk("A")
    async with desk.open() as dispatcher:
        await desk.bar("Z")
        await desk.news("hello", "Z")
        dispatcher.band_left("Z", WAKE_BAND, 1.0)
        dispatcher.band_left("A", "someone_else", 1.0)
        dispatcher.levels_changed("Z")
        await settle()
    assert desk.started == []


async def test_cool_down_is_counted_in_time_and_not_in_events() -> None:
    """However many events come within it, the next run starts when it ends (SEED, defect 2)."""
    desk = Desk()
    async with desk.open():
        for _ in range(59):
            await desk.bar()
            await desk.clock.advance(1)
        assert len(desk.started) == 1
        await desk.clock.advance(1)
        assert len(desk.started) == 2
        await desk.clock.advance(300)
    assert len(desk.started) == 2


async def test_bar_that_closes_a_moment_early_is_not_lost_to_the_cool_down() -> None:
    """Bars every 60 s and a cool-down of 60 s give a run every bar, jitter or not."""
    desk = Desk()
    async with desk.open():
        await desk.bar()
        for step in (59.98, 60.02, 59.99, 60.01):
            await desk.clock.advance(step)
            await desk.bar()
        await desk.clock.advance(1)
    assert len(desk.started) == 5


async def test_what_happens_during_a_run_is_remembered_once_with_its_freshest_reason() -> None:
    """One run a symbol in flight; newest wins, and a less urgent reason does not lower it."""
    desk = Desk(cooldown_s=0)
    desk.holds = True
    async with desk.open():
        await desk.bar()
        await desk.bar()
        await desk.news("profit warning")
        await desk.bar()
        assert (len(desk.started), desk.limiter.waiting) == (1, 0)
        assert desk.dispatcher.running == ("A",)
        await desk.finish("A")
        await desk.finish("A")
        assert desk.reasons == [WakeReason.BAR_CLOSED, WakeReason.NEWS]
        assert desk.dispatcher.running == ()


async def test_waiting_ticket_gives_way_to_a_fresher_reason_of_its_symbol() -> None:
    """A symbol waits once, whatever happens to it meanwhile."""
    desk = Desk("A", "B", slots=1)
    desk.holds = True
    async with desk.open():
        await desk.bar("A", "B")
        await desk.news("merger", "B")
        assert desk.limiter.waiting == 1
        await desk.finish("A")
        assert desk.reasons == [WakeReason.BAR_CLOSED, WakeReason.NEWS]
        assert desk.started[-1].priority is Priority.WOKEN


async def test_event_before_an_operators_run_is_covered_by_it() -> None:
    """A run takes its window last, so what was pending until then is in it."""
    desk = Desk()
    async with desk.open() as dispatcher:
        await desk.bar()
        await desk.clock.advance(10)
        await desk.bar()
        dispatcher.request("A", actor="me")
        await desk.clock.advance(200)
    assert desk.reasons == [WakeReason.BAR_CLOSED, WakeReason.OPERATOR]


async def test_operators_run_starts_a_cool_down_of_its_own() -> None:
    """An earlier run's cool-down that ends within it does not let a scheduled run through."""
    desk = Desk()
    async with desk.open() as dispatcher:
        await desk.bar()
        await desk.clock.advance(50)
        dispatcher.request("A", actor="me")
        await desk.clock.advance(5)
        await desk.bar()
        await desk.clock.advance(54)
        assert len(desk.started) == 2
        await desk.clock.advance(1)
        assert len(desk.started) == 3


async def test_mid_that_moves_far_since_the_last_decision_wakes_once() -> None:
    """An edge: it fires once and not again while the price stays away."""
    desk = Desk(cooldown_s=0)
    async with desk.open():
        await desk.bar()
        assert desk.bands["A", WAKE_BAND] == (98.5, 101.5)
        desk.holds = True
        await desk.move("A", 101.4)
        assert len(desk.started) == 1
        await desk.move("A", 101.6)
        assert desk.reasons[-1] is WakeReason.PRICE_MOVED
        assert desk.started[-1].priority is Priority.WOKEN
        assert desk.bands["A", WAKE_BAND] == (101.6 - 1.5, 101.6 + 1.5)


async def test_wake_arms_again_when_the_price_came_back() -> None:
    """The condition was false again, so its next truth is a new edge."""
    desk = Desk()
    async with desk.open() as dispatcher:
        await desk.bar()
        desk.barred = {"A"}  # no run, so the reference stays at 100
        await desk.move("A", 98.0)
        assert desk.bands["A", WAKE_BAND] == (-INF, 98.5)
        await desk.move("A", 97.0)
        await desk.move("A", 99.0)
        assert desk.bands["A", WAKE_BAND] == (98.5, 101.5)
        before = dispatcher.counts["not_due"]
        await desk.move("A", 102.0)
        assert dispatcher.counts["not_due"] == before + 1
        assert desk.bands["A", WAKE_BAND] == (101.5, INF)


async def test_wake_arms_again_when_a_bar_has_closed() -> None:
    """A price that stays away is worth another look a bar later."""
    desk = Desk()
    async with desk.open():
        await desk.bar()
        await desk.move("A", 102.0)
        desk.atr = 1.2
        await desk.bar()
        assert desk.bands["A", WAKE_BAND] == (100 - 1.8, 100 + 1.8)


async def test_no_band_is_set_before_the_first_decision_or_without_an_average_range() -> None:
    """There is nothing to have moved from, or nothing to measure by."""
    desk = Desk()
    desk.barred = {"A"}
    async with desk.open():
        await desk.bar()
    assert desk.bands == {}


async def test_position_near_its_stop_or_target_is_due_before_woken_symbols() -> None:
    """Money at risk goes first, once an edge."""
    desk = Desk(cooldown_s=0)
    desk.held, desk.levels["A"] = {"A"}, [97.0, 104.0]
    async with desk.open() as dispatcher:
        dispatcher.levels_changed("A")
        assert desk.bands["A", EXIT_BAND] == (97.5, 103.5)
        await desk.move("A", 97.4)
        await desk.move("A", 97.2)
        assert [(t.reason, t.priority) for t in desk.started] == [
            (WakeReason.NEAR_EXIT, Priority.POSITION)
        ]
        await desk.move("A", 97.6)
        await desk.move("A", 97.4)
    assert desk.reasons == [WakeReason.NEAR_EXIT] * 2


async def test_only_level_of_a_short_position_is_watched_from_below() -> None:
    """A stop above the price leaves the other side open."""
    desk = Desk()
    desk.held, desk.levels["A"] = {"A"}, [103.0, None]
    async with desk.open() as dispatcher:
        dispatcher.levels_changed("A")
        assert desk.bands["A", EXIT_BAND] == (-INF, 102.5)


async def test_levels_that_lie_close_leave_the_middle_free() -> None:
    """A tight bracket must not be near everywhere."""
    desk = Desk()
    desk.held, desk.levels["A"] = {"A"}, [99.8, 100.2]
    async with desk.open() as dispatcher:
        dispatcher.levels_changed("A")
        low, high = desk.bands["A", EXIT_BAND]
        assert (low, high) == (pytest.approx(99.9), pytest.approx(100.1))


async def test_levels_are_forgotten_with_the_position() -> None:
    """A closed position's stop wakes nobody."""
    desk = Desk()
    desk.held, desk.levels["A"] = {"A"}, [97.0, 104.0]
    async with desk.open() as dispatcher:
        dispatcher.levels_changed("A")
        desk.levels["A"] = []
        dispatcher.levels_changed("A")
        assert desk.bands["A", EXIT_BAND] == (-INF, INF)
        await desk.move("A", 90.0)
    assert desk.started == []


async def test_news_wakes_each_symbol_it_names_once_for_equal_headlines() -> None:
    """The same words from another agency are no second event."""
    desk = Desk("A", "B", cooldown_s=0)
    async with desk.open():
        await desk.news("Acme  beats Estimates", "A", "Z")
        await desk.news("ACME beats estimates", "A", "B")
        await desk.news("Acme is sold", "A")
    assert [(t.symbol, t.reason) for t in desk.started] == [
        ("A", WakeReason.NEWS),
        ("B", WakeReason.NEWS),
        ("A", WakeReason.NEWS),
    ]


async def test_memory_of_headlines_is_bounded() -> None:
    """A busy wire cannot fill the memory."""
    desk = Desk(cooldown_s=0)
    async with desk.open():
        for n in range(300):
            await desk.news(f"headline {n}")
        await desk.news("headline 299")
        assert len(desk.started) == 300
        await desk.news("headline 0")
    assert len(desk.started) == 301


async def test_flat_symbol_is_not_due_while_entries_are_impossible() -> None:
    """No model call is paid for a trade that cannot be; a position may still be closed."""
    desk = Desk("A", "B")
    desk.barred, desk.held = {"A", "B"}, {"B"}
    async with desk.open():
        await desk.bar()
        await desk.news("news")
    assert [(t.symbol, t.priority) for t in desk.started] == [("B", Priority.POSITION)]


async def test_ticket_whose_entry_became_impossible_while_it_waited_lapses() -> None:
    """A halt reaches the queue too, without a run."""
    desk = Desk("A", "B", slots=1)
    desk.holds = True
    async with desk.open():
        await desk.bar("A", "B")
        desk.barred = {"B"}
        await desk.finish("A")
        assert (len(desk.started), desk.dropped) == (1, [("B", DropReason.LAPSED)])
        assert desk.limiter.busy == 0


async def test_operator_needs_no_cool_down_and_no_possible_entry() -> None:
    """A person may ask in any trading state."""
    desk = Desk()
    async with desk.open() as dispatcher:
        await desk.bar()
        desk.barred = {"A"}
        ticket = dispatcher.request("A", actor="me")
        await settle()
    assert desk.started[-1] == ticket
    assert (ticket.priority, ticket.actor) == (Priority.OPERATOR, "me")


async def test_operator_asking_twice_gets_the_same_ticket_while_it_waits() -> None:
    """Impatience does not queue twice, neither before a slot nor behind a run."""
    desk = Desk("A", "B", slots=1)
    desk.holds = True
    async with desk.open() as dispatcher:
        await desk.bar("A")
        behind_run = dispatcher.request("A", actor="me")
        waiting = dispatcher.request("B", actor="me")
        assert dispatcher.request("A", actor="me") == behind_run
        assert dispatcher.request("B", actor="me") == waiting
        for symbol in ("A", "B", "A"):
            await desk.finish(symbol)
    assert desk.started[1:] == [waiting, behind_run]


async def test_operator_is_told_why_a_run_cannot_be_queued() -> None:
    """Unknown, cold, stopped or full: each by its own code."""
    desk = Desk("A", "B", "C", slots=1, queue_size=1)
    desk.cold, desk.holds = {"C"}, True
    with pytest.raises(ControlRefused, match="session is stopped"):
        desk.dispatcher.request("A", actor="me")
    async with desk.open() as dispatcher:
        with pytest.raises(UnknownSymbol, match="Z is not traded here"):
            dispatcher.request("Z", actor="me")
        with pytest.raises(ControlRefused) as cold:
            dispatcher.request("C", actor="me")
        assert cold.value.code == "SYMBOL_NOT_WARM"
        await desk.bar("A")
        desk.cold.clear()
        dispatcher.request("B", actor="me")
        with pytest.raises(ControlRefused) as full:
            dispatcher.request("C", actor="me")
        assert full.value.code == "QUEUE_FULL"


async def test_full_queue_tells_whose_ticket_was_dropped() -> None:
    """A drop is heard by name and reason."""
    desk = Desk("A", "B", "C", slots=1, queue_size=1)
    desk.holds = True
    async with desk.open():
        await desk.bar("A")
        await desk.bar("B", "C")
        assert desk.dropped == [("C", DropReason.QUEUE_FULL)]


async def test_crash_of_one_run_is_reported_and_the_next_run_starts() -> None:
    """The loop outlives any error of a run, also a stray cancellation inside it."""
    desk = Desk("A", "B", "C", slots=1)
    crash = ZeroDivisionError("boom")
    desk.errors = [crash, asyncio.CancelledError("inner")]
    async with desk.open():
        await desk.bar()
    assert desk.failures[0] == ("A", crash)
    assert desk.failures[1][0] == "B"
    assert isinstance(desk.failures[1][1], AnalystError)
    assert [t.symbol for t in desk.ended] == ["C"]
    assert desk.limiter.busy == 0


async def test_run_that_misses_its_deadline_is_cut_and_reported() -> None:
    """A model that hangs holds its slot for the deadline and no longer."""
    desk = Desk("A", "B", slots=1, deadline_s=0.02)
    desk.holds = True
    async with desk.open():
        await desk.bar("A")
        await asyncio.wait_for(desk.failed.wait(), 60)
        ((symbol, error),) = desk.failures
        assert (symbol, type(error), desk.gates) == ("A", AnalystTimeout, {})
        assert isinstance(error, AnalystTimeout)
        assert error.code == "RUN_DEADLINE"
        desk.holds = False
        await desk.bar("B")
    assert [t.symbol for t in desk.ended] == ["B"]


async def test_stop_cancels_all_runs_and_leaves_no_task() -> None:
    """After stop nothing trades on (SEED, defect 3)."""
    desk = Desk("A", "B", "C", "D", slots=2)
    desk.holds = True
    before = asyncio.all_tasks()
    async with desk.open() as dispatcher:
        await desk.bar()
        dispatcher.request("A", actor="me")
        assert (len(desk.gates), desk.limiter.waiting) == (2, 2)
    assert asyncio.all_tasks() == before
    assert (desk.gates, desk.limiter.waiting, desk.limiter.busy) == ({}, 0, 0)
    assert {symbol for symbol, why in desk.dropped if why is DropReason.STOPPED} == {"A", "C", "D"}
    assert (desk.ended, desk.failures, dispatcher.running) == ([], [], ())


async def test_stop_tells_whose_ticket_was_still_cooling_down() -> None:
    """What was promised a run and gets none is named, and is not run after the next start."""
    desk = Desk()
    async with desk.open():
        await desk.bar()
        await desk.news("pending")
    assert desk.dropped == [("A", DropReason.STOPPED)]
    async with desk.open():
        await desk.clock.advance(120)
    assert len(desk.started) == 1


async def test_stopped_dispatcher_hears_nothing_and_starts_again_as_one() -> None:
    """Start after stop is one bot, with the cool-downs it had (SEED, defect 3)."""
    desk = Desk("A", "B")
    async with desk.open():
        await desk.bar("A")
    await desk.bar("B")
    await desk.news("while stopped", "B")
    async with desk.open():
        assert [t.symbol for t in desk.started] == ["A"]
        await desk.bar("A", "B")
        assert [t.symbol for t in desk.started] == ["A", "B"]
        await desk.clock.advance(60)
        assert [t.symbol for t in desk.started] == ["A", "B", "A"]
        with pytest.raises(InvariantBroken, match="runs already"):
            await desk.dispatcher.run_forever()


async def test_scheduled_symbols_all_get_their_turn_under_more_load_than_slots() -> None:
    """Six symbols, capacity for two a minute: each is decided on, none for ever dropped."""
    desk = Desk(*"ABCDEF", slots=1, queue_size=2, cooldown_s=0)
    desk.holds = True
    async with desk.open():
        for _ in range(12):
            await desk.bar()
            for _ in range(2):
                await desk.clock.advance(15)
                await desk.finish(next(iter(desk.gates)))
    runs = [t.symbol for t in desk.started]
    assert {symbol: runs.count(symbol) >= 3 for symbol in "ABCDEF"} == dict.fromkeys("ABCDEF", True)


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("bar"), st.sampled_from("ABC")),
        st.tuples(st.just("news"), st.sampled_from("ABC"), st.text("xyz", max_size=2)),
        st.tuples(st.just("move"), st.sampled_from("ABC"), st.floats(90, 110)),
        st.tuples(st.just("ask"), st.sampled_from("ABC")),
        st.tuples(st.just("finish"), st.sampled_from("ABC")),
        st.tuples(st.just("advance"), st.sampled_from([0.5, 10, 61])),
        st.tuples(st.just("bar_entries"), st.sampled_from("ABC")),
        st.tuples(st.just("crash"), st.just(0)),
    ),
    max_size=50,
)


async def take(desk: Desk, event: tuple) -> None:
    """Let one event happen to the desk."""
    match event:
        case ("bar", symbol):
            await desk.bar(symbol)
        case ("news", symbol, headline):
            await desk.news(headline, symbol)
        case ("move", symbol, mid):
            await desk.move(symbol, mid)
        case ("ask", symbol):
            desk.dispatcher.request(symbol, actor="me")
            await settle()
        case ("finish", symbol) if symbol in desk.gates:
            await desk.finish(symbol)
        case ("advance", seconds):
            await desk.clock.advance(seconds)
        case ("bar_entries", symbol):
            desk.barred ^= {symbol}
        case ("crash", _):
            desk.errors.append(ValueError("crash"))


@given(events=EVENTS, slots=st.integers(1, 2), holds=st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_order_of_events_breaks_the_cool_down_or_leaks_a_run(
    events: list[tuple], slots: int, holds: bool
) -> None:
    """For every reason but the operator's, 60 s lie between two starts; stop leaves nothing."""

    async def story() -> None:
        desk = Desk(*"ABC", slots=slots, queue_size=3)
        desk.holds = holds
        async with desk.open() as dispatcher:
            for event in events:
                await take(desk, event)
                assert desk.limiter.busy == len(dispatcher.running) <= slots
        runs = list(zip(desk.started, desk.starts_s, strict=True))
        for symbol in "ABC":
            for (_, before), (ticket, at) in pairwise(
                run for run in runs if run[0].symbol == symbol
            ):
                assert ticket.reason is WakeReason.OPERATOR or at - before >= 60
        assert (desk.gates, desk.limiter.busy, desk.limiter.waiting) == ({}, 0, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(story())
