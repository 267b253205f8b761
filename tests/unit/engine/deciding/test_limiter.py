"""The limiter: one slot a run, most urgent first, nothing starves, nothing leaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.clock import ManualClock, settle
from engine.deciding.limiter import Limiter, Priority, Ticket, WakeReason, fresher

OPERATOR, POSITION, WOKEN, SCHEDULED = Priority


def ticket(symbol: str, priority: Priority = SCHEDULED, *, id: str = "") -> Ticket:  # noqa: A002
    return Ticket(
        id=id or symbol, symbol=symbol, reason=WakeReason.NEWS, priority=priority, ts="now"
    )


class Runs:
    """Runs that end when told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self._gates: dict[str, asyncio.Event] = {}

    @property
    def running(self) -> set[str]:
        return set(self._gates)

    async def __call__(self, ticket: Ticket) -> None:
        assert ticket.symbol not in self._gates, "one run a symbol"
        self.started.append(ticket.symbol)
        self._gates[ticket.symbol] = asyncio.Event()
        try:
            await self._gates[ticket.symbol].wait()
        finally:
            del self._gates[ticket.symbol]

    async def finish(self, symbol: str) -> None:
        self._gates[symbol].set()
        await settle()

    async def drain(self) -> list[str]:
        """Let every run end, one at a time, and return the order in which all were granted."""
        while self._gates:
            await self.finish(next(iter(self._gates)))
        return self.started


@asynccontextmanager
async def serving(limiter: Limiter, runs: Runs) -> AsyncIterator[None]:
    slots = [asyncio.create_task(limiter.serve(runs)) for _ in range(limiter.slots)]
    await settle()
    try:
        yield
    finally:
        for slot in slots:
            slot.cancel()
        await asyncio.gather(*slots, return_exceptions=True)


def make(*, slots: int = 1, queue_size: int = 100) -> tuple[Limiter, ManualClock, Runs]:
    clock = ManualClock()
    return Limiter(slots=slots, queue_size=queue_size, clock=clock), clock, Runs()


async def test_most_urgent_ticket_goes_first_when_a_slot_frees() -> None:
    """One waiting normal request never blocks an urgent one that came later (SEED, defect 2)."""
    limiter, _, runs = make()
    async with serving(limiter, runs):
        limiter.offer(ticket("running"))
        await settle()
        for symbol, priority in (("s", SCHEDULED), ("w", WOKEN), ("p", POSITION), ("o", OPERATOR)):
            limiter.offer(ticket(symbol, priority))
        assert await runs.drain() == ["running", "o", "p", "w", "s"]


async def test_ticket_is_chosen_only_when_a_slot_is_free() -> None:
    """No ticket leaves the waiting set before it can run, so the next urgent one can pass it."""
    limiter, _, runs = make(slots=2)
    async with serving(limiter, runs):
        for symbol in "abcd":
            limiter.offer(ticket(symbol))
        await settle()
        assert (runs.running, limiter.waiting, limiter.busy) == ({"a", "b"}, 2, 2)
        limiter.offer(ticket("urgent", OPERATOR))
        await runs.finish("a")
        assert runs.running == {"b", "urgent"}


async def test_equal_tickets_are_served_first_come_first_served() -> None:
    """Order within a priority is the order of arrival."""
    limiter, _, runs = make()
    async with serving(limiter, runs):
        for symbol in "dacb":
            limiter.offer(ticket(symbol))
        await settle()
        assert await runs.drain() == list("dacb")


async def test_symbol_served_longest_ago_goes_before_one_served_just_now() -> None:
    """With more symbols than capacity each gets its turn, whoever asks first."""
    limiter, _, runs = make()
    async with serving(limiter, runs):
        limiter.offer(ticket("first"))
        await settle()
        limiter.offer(ticket("second"))
        await runs.finish("first")
        limiter.offer(ticket("first"))
        limiter.offer(ticket("never"))
        assert await runs.drain() == ["first", "second", "never", "first"]


async def test_ticket_that_waited_thirty_seconds_goes_first() -> None:
    """Nothing starves behind urgent ones."""
    limiter, clock, runs = make()
    async with serving(limiter, runs):
        limiter.offer(ticket("running"))
        await settle()
        limiter.offer(ticket("patient"))
        await clock.advance(29)
        limiter.offer(ticket("early", POSITION))
        await runs.finish("running")
        assert runs.running == {"early"}
        await clock.advance(1)
        limiter.offer(ticket("late", OPERATOR))
        await runs.finish("early")
        assert runs.running == {"patient"}


async def test_backlog_of_aged_tickets_delays_an_operator_by_one_run_at_most() -> None:
    """Ageing must not turn priorities into a plain queue when everything is late."""
    limiter, clock, runs = make()
    async with serving(limiter, runs):
        for n in range(20):
            limiter.offer(ticket(f"s{n}"))
        await clock.advance(31)
        limiter.offer(ticket("operator", OPERATOR))
        started = await runs.drain()
        assert started.index("operator") == 2
        assert len(started) == 21


async def test_full_queue_drops_the_least_urgent_and_counts_it() -> None:
    """Bounded, and it says what it drops."""
    limiter, _, runs = make(queue_size=2)
    async with serving(limiter, runs):
        limiter.offer(ticket("running"))
        await settle()
        assert limiter.offer(ticket("old")) is None
        assert limiter.offer(ticket("new")) is None
        assert limiter.offer(ticket("newest")) == ticket("newest")
        assert limiter.offer(ticket("urgent", WOKEN)) == ticket("new")
        assert limiter.offer(ticket("operator", OPERATOR)) == ticket("old")
        assert limiter.dropped == {SCHEDULED: 3}
        assert await runs.drain() == ["running", "operator", "urgent"]


async def test_drops_spare_the_symbol_served_longest_ago() -> None:
    """A full queue never shuts the same late symbols out for ever."""
    limiter, _, runs = make(queue_size=1)
    async with serving(limiter, runs):
        served: set[str] = set()
        for _ in range(8):
            for symbol in "abcd":
                if symbol not in runs.running:
                    limiter.offer(ticket(symbol))
            await settle()
            served |= runs.running
            await runs.finish(next(iter(runs.running)))
        assert served == set("abcd")


async def test_fresher_ticket_of_a_symbol_keeps_its_place_in_time() -> None:
    """Newest wins, and waiting is not started over."""
    limiter, clock, runs = make()
    async with serving(limiter, runs):
        limiter.offer(ticket("running"))
        await settle()
        limiter.offer(ticket("x", id="first"))
        await clock.advance(20)
        assert limiter.offer(ticket("x", id="second")) is None
        assert limiter.waiting_for("x") == ticket("x", id="second")
        limiter.offer(ticket("y", OPERATOR))
        await clock.advance(10)
        await runs.finish("running")
        assert (runs.running, limiter.waiting) == ({"x"}, 1)


async def test_less_urgent_news_of_a_symbol_does_not_lower_its_ticket() -> None:
    """A bar that closes does not take an operator's place away."""
    limiter, _, _ = make()
    limiter.offer(ticket("x", OPERATOR, id="asked"))
    limiter.offer(ticket("x", SCHEDULED, id="bar"))
    assert limiter.waiting_for("x") == ticket("x", OPERATOR, id="asked")
    assert fresher(None, ticket("x")) == ticket("x")


async def test_more_urgent_reason_moves_a_waiting_ticket_up() -> None:
    """A symbol that becomes urgent while it waits passes the others."""
    limiter, _, runs = make()
    async with serving(limiter, runs):
        limiter.offer(ticket("running"))
        await settle()
        for symbol in "abc":
            limiter.offer(ticket(symbol))
        limiter.offer(ticket("c", POSITION))
        assert await runs.drain() == ["running", "c", "a", "b"]


async def test_pause_holds_every_ticket_until_it_is_over() -> None:
    """A 429's Retry-After stops all grants, an operator's too; a shorter one changes nothing."""
    limiter, clock, runs = make(slots=2)
    async with serving(limiter, runs):
        limiter.pause(20)
        limiter.pause(5)
        limiter.offer(ticket("a"))
        limiter.offer(ticket("b", OPERATOR))
        await clock.advance(19.9)
        assert (runs.started, limiter.is_paused) == ([], True)
        await clock.advance(0.1)
        assert (runs.started, limiter.is_paused) == (["b", "a"], False)


async def test_pause_that_comes_while_slots_are_idle_holds_the_next_ticket() -> None:
    """An idle slot looks at the pause when a ticket comes, not before."""
    limiter, clock, runs = make()
    async with serving(limiter, runs):
        limiter.pause(10)
        limiter.offer(ticket("a"))
        await clock.advance(5)
        limiter.pause(10)
        await clock.advance(9)
        assert runs.started == []
        await clock.advance(1)
        assert runs.started == ["a"]


async def test_withdrawn_ticket_leaves_nothing_behind() -> None:
    """Cancelling what waits frees its place and never runs it."""
    limiter, _, runs = make(queue_size=1)
    async with serving(limiter, runs):
        limiter.offer(ticket("running"))
        await settle()
        limiter.offer(ticket("x"))
        assert limiter.withdraw("x") == ticket("x")
        assert limiter.withdraw("x") is None
        assert limiter.offer(ticket("y")) is None
        assert await runs.drain() == ["running", "y"]
        assert (limiter.waiting, limiter.dropped.total()) == (0, 0)


async def test_cancelling_a_slot_frees_it_and_loses_no_ticket() -> None:
    """A slot that dies while idle, in a pause or in a run leaves the waiting set whole."""
    limiter, clock, runs = make()
    idle = asyncio.create_task(limiter.serve(runs))
    await settle()
    limiter.offer(ticket("a"))
    idle.cancel()
    await asyncio.gather(idle, return_exceptions=True)
    limiter.pause(1)
    paused = asyncio.create_task(limiter.serve(runs))
    await settle()
    paused.cancel()
    await asyncio.gather(paused, return_exceptions=True)
    assert limiter.waiting_for("a") is not None
    await clock.advance(1)
    async with serving(limiter, runs):
        assert (runs.running, limiter.busy) == ({"a"}, 1)
    assert (runs.running, limiter.busy) == (set(), 0)


async def test_clear_returns_what_waited_longest_first() -> None:
    """A stopped session tells whose request it forgot."""
    limiter, _, _ = make()
    for symbol, priority in (("a", SCHEDULED), ("b", OPERATOR)):
        limiter.offer(ticket(symbol, priority))
    assert [t.symbol for t in limiter.clear()] == ["a", "b"]
    assert limiter.waiting == 0


async def test_busy_seconds_count_runs_and_nothing_else() -> None:
    """The figure for occupancy includes the runs under way."""
    limiter, clock, runs = make(slots=2)
    async with serving(limiter, runs):
        await clock.advance(10)
        limiter.offer(ticket("a"))
        await settle()
        await clock.advance(3)
        limiter.offer(ticket("b"))
        await settle()
        await clock.advance(2)
        await runs.finish("a")
        await clock.advance(1)
        assert limiter.busy_s == 5 + 3


@pytest.mark.parametrize(("slots", "queue_size"), [(0, 1), (1, 0)])
def test_limiter_without_slots_or_places_is_refused(slots: int, queue_size: int) -> None:
    """It could never serve anything."""
    with pytest.raises(ValueError, match="at least 1"):
        Limiter(slots=slots, queue_size=queue_size, clock=ManualClock())


SYMBOLS = st.sampled_from("abcdefgh")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("offer"), SYMBOLS, st.sampled_from(Priority)),
        st.tuples(st.just("withdraw"), SYMBOLS),
        st.tuples(st.just("finish"), st.integers(0, 2)),
        st.tuples(st.just("advance"), st.sampled_from([0.1, 1, 15, 40])),
        st.tuples(st.just("pause"), st.sampled_from([0, 1, 10])),
    ),
    max_size=60,
)


async def play(steps: list[tuple], limiter: Limiter, clock: ManualClock, runs: Runs) -> None:
    """Take the steps, then check that every offered ticket is accounted for."""
    known, dropped, withdrawn = 0, 0, 0
    async with serving(limiter, runs):
        for step in steps:
            match step:
                case ("offer", symbol, priority) if symbol not in runs.running:
                    known += limiter.waiting_for(symbol) is None
                    dropped += limiter.offer(ticket(symbol, priority)) is not None
                case ("withdraw", symbol):
                    withdrawn += limiter.withdraw(symbol) is not None
                case ("finish", nth) if nth < len(runs.running):
                    await runs.finish(sorted(runs.running)[nth])
                case ("advance", seconds):
                    await clock.advance(seconds)
                case ("pause", seconds):
                    limiter.pause(seconds)
            assert limiter.waiting <= limiter.queue_size
            await settle()
            assert limiter.busy == len(runs.running) <= limiter.slots
            assert limiter.is_paused or not limiter.waiting or limiter.busy == limiter.slots
            assert known == limiter.granted + limiter.waiting + dropped + withdrawn
        await clock.advance(60)
        await runs.drain()
    assert (limiter.waiting, limiter.busy, clock.sleepers) == (0, 0, 0)
    assert limiter.dropped.total() == dropped


@given(steps=STEPS, slots=st.integers(1, 3), queue_size=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_every_ticket_is_granted_dropped_or_withdrawn_once(
    steps: list[tuple], slots: int, queue_size: int
) -> None:
    """No sequence of offers, ends, pauses and withdrawals leaks a ticket or a slot."""
    limiter, clock, runs = make(slots=slots, queue_size=queue_size)
    asyncio.run(play(steps, limiter, clock, runs))


@given(
    urgent=st.lists(st.sampled_from([OPERATOR, POSITION, WOKEN]), min_size=1, max_size=5),
    run_s=st.floats(0.5, 20),
)
@settings(max_examples=40, deadline=None)
def test_no_stream_of_urgent_tickets_starves_a_scheduled_one(
    urgent: list[Priority], run_s: float
) -> None:
    """However many urgent tickets keep coming, a scheduled one waits 30 s and two runs at most."""

    async def story() -> None:
        limiter, clock, runs = make()
        async with serving(limiter, runs):
            limiter.offer(ticket("running"))
            await settle()
            limiter.offer(ticket("patient"))
            began = clock.monotonic_ns()
            while "patient" not in runs.running:
                for n, priority in enumerate(urgent):
                    if f"u{n}" not in runs.running:
                        limiter.offer(ticket(f"u{n}", priority))
                await clock.advance(run_s)
                await runs.finish(next(iter(runs.running)))
            assert (clock.monotonic_ns() - began) / 1e9 <= 30 + 2 * run_s

    asyncio.run(story())


async def test_what_waits_is_counted_by_priority_with_the_oldest_wait() -> None:
    """A person sees who waits for a slot, and since when."""
    clock = ManualClock()
    limiter = Limiter(slots=1, queue_size=9, clock=clock)
    assert (limiter.waiting_by_priority, limiter.oldest_wait_s) == ({}, 0.0)
    limiter.offer(ticket("A"))
    await clock.advance(3)
    limiter.offer(ticket("B"))
    limiter.offer(ticket("C", OPERATOR))
    assert limiter.waiting_by_priority == {SCHEDULED: 2, OPERATOR: 1}
    assert limiter.oldest_wait_s == 3.0
