"""Clocks: wall, scaled to a venue, and by hand."""

import asyncio
import gc
import time

import pytest

from domain.ports import Clock
from engine.clock import LiveClock, ManualClock, ScaledClock, beside, settle, woken_within

S = 1_000_000_000


def test_every_clock_speaks_the_ports_protocol() -> None:
    """What the engine is given is interchangeable."""
    clocks: list[Clock] = [LiveClock(), ScaledClock(lambda: 0, speed=2.0), ManualClock()]
    assert all(clock.now_ns() >= 0 for clock in clocks)


async def test_live_clock_tells_wall_time_and_never_goes_back() -> None:
    """The live clock is the system's."""
    clock = LiveClock()
    before, started = time.time_ns(), clock.monotonic_ns()
    await clock.sleep(0.001)
    assert clock.now_ns() - before < 60 * S
    assert clock.monotonic_ns() - started >= 900_000


async def test_live_clock_takes_a_negative_sleep_for_none() -> None:
    """A deadline that has passed is no error."""
    await LiveClock().sleep(-1)


def test_scaled_clock_runs_at_its_speed_from_its_origin() -> None:
    """At speed 60 a wall second is a venue minute, on both scales."""
    wall = [5 * S]
    clock = ScaledClock.from_origin(1000 * S, speed=60.0, monotonic=lambda: wall[0])
    assert (clock.now_ns(), clock.monotonic_ns()) == (1000 * S, 0)
    wall[0] += S
    assert (clock.now_ns(), clock.monotonic_ns()) == (1060 * S, 60 * S)


def test_scaled_clock_reads_the_venues_own_clock() -> None:
    """Inside one process the venue's clock is the only truth."""
    assert ScaledClock(lambda: 42, speed=3.0).now_ns() == 42


async def test_scaled_clock_sleeps_in_venue_time() -> None:
    """A venue minute at speed 10,000 is 6 ms of wall time."""
    started = time.monotonic()
    await ScaledClock(time.time_ns, speed=10_000.0).sleep(60)
    assert 0.005 <= time.monotonic() - started < 30


def test_scaled_clock_refuses_to_stand_still() -> None:
    """Speed 0 would hang every cool-down."""
    with pytest.raises(ValueError, match="speed is 0"):
        ScaledClock(time.time_ns, speed=0)


async def test_manual_clock_wakes_sleepers_in_order_at_their_own_deadline() -> None:
    """A woken task reads its own deadline, not the end of the advance."""
    clock, woken = ManualClock(0), []

    async def sleeper(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((seconds, clock.monotonic_ns() // S))

    async with asyncio.TaskGroup() as tasks:
        for seconds in (3, 1, 2, 9):
            tasks.create_task(sleeper(seconds))
        await clock.advance(5)
        assert woken == [(1, 1), (2, 2), (3, 3)]
        assert (clock.now_ns(), clock.sleepers) == (5 * S, 1)
        await clock.advance(4)
    assert woken[-1] == (9, 9)


async def test_manual_clock_serves_a_sleeper_that_sleeps_again_within_one_advance() -> None:
    """Periodic loops tick as often as they would have."""
    clock, ticks = ManualClock(), []

    async def loop() -> None:
        while True:
            await clock.sleep(1)
            ticks.append(clock.monotonic_ns() // S)

    task = asyncio.create_task(loop())
    await clock.advance(4)
    task.cancel()
    assert ticks == [1, 2, 3, 4]


async def test_manual_clock_forgets_a_cancelled_sleeper() -> None:
    """Cancelling a sleeper leaves nothing that could wake."""
    clock = ManualClock()
    task = asyncio.create_task(clock.sleep(10))
    await clock.advance(1)
    task.cancel()
    await clock.advance(0)
    assert clock.sleepers == 0
    await clock.advance(20)


async def test_manual_clock_lets_others_run_on_a_sleep_of_nothing() -> None:
    """A sleep of zero is a yield, on any clock."""
    await ManualClock().sleep(0)


async def test_waiting_within_a_time_ends_at_whichever_comes_first():
    """An event or the clock, and neither leaves a task behind."""
    clock, event = ManualClock(0), asyncio.Event()
    waiting = asyncio.create_task(woken_within(event, clock, 5))
    await settle()
    event.set()
    await waiting
    waiting = asyncio.create_task(woken_within(asyncio.Event(), clock, 5))
    await settle()
    assert not waiting.done()
    await clock.advance(5)
    await waiting
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def fast():
    """A clock on the loop's own timers, by which an hour takes a millisecond or four."""
    return ScaledClock(time.time_ns, speed=1e6)


def alone():
    """Tell whether no other task is left."""
    return asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("seconds", [-1.0, 0.0, 1e9])
async def test_an_event_that_is_set_already_is_not_waited_for(seconds):
    """However little time there is."""
    event = asyncio.Event()
    event.set()
    await asyncio.wait_for(woken_within(event, fast(), seconds), 60)
    await asyncio.wait_for(woken_within(event, LiveClock(), seconds), 60)


async def test_an_event_set_meanwhile_wakes_who_waits_on_the_loops_timers():
    """Without a task, and without waiting for the clock."""
    event = asyncio.Event()
    waiting = asyncio.create_task(woken_within(event, LiveClock(), 3_600))
    await settle()
    assert asyncio.all_tasks() == {asyncio.current_task(), waiting}
    event.set()
    await asyncio.wait_for(waiting, 60)
    assert alone()


async def test_time_that_passes_on_the_loops_timers_is_no_error():
    """By the clock's own seconds: an hour at a million times the wall's speed."""
    event, began = asyncio.Event(), time.monotonic()
    await woken_within(event, fast(), 3_600)
    await woken_within(event, fast(), -1)
    assert time.monotonic() - began < 60
    assert not event.is_set()
    assert alone()


async def test_who_waits_on_the_loops_timers_can_be_cancelled():
    """A session that ends is no time that has passed, and leaves nothing behind."""
    waiting = asyncio.create_task(woken_within(asyncio.Event(), LiveClock(), 3_600))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert alone()


class Question:
    """Ask something that takes its time; tell how it ended."""

    def __init__(self, answer):
        self.answer = answer
        self.may_end = asyncio.Event()
        self.ended = ""

    async def ask(self):
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        self.ended = "answered"
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
async def unheard():
    """What the loop says of errors that nobody has asked for; there must be none."""
    said = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, told: said.append(told))
    yield said
    gc.collect()
    await settle()
    assert said == []


def asked(first, second):
    """Ask two questions beside each other; returns them and the task that waits."""
    one, other = Question(first), Question(second)
    return one, other, asyncio.create_task(beside(one.ask(), other.ask()))


@pytest.mark.parametrize("is_first_soon", [True, False])
async def test_two_questions_are_asked_at_once(unheard, is_first_soon):
    """Whichever answers first, the answers come in the order of the questions."""
    one, other, waiting = asked(1, "two")
    await settle()
    (one if is_first_soon else other).may_end.set()
    await settle()
    assert [one.ended, other.ended].count("answered") == 1
    one.may_end.set()
    other.may_end.set()
    assert await waiting == (1, "two")
    assert alone()


async def test_an_error_of_the_first_question_ends_the_second(unheard):
    """Its task is gone when the error is seen."""
    one, other, waiting = asked(LookupError("first"), 2)
    await settle()
    one.may_end.set()
    with pytest.raises(LookupError, match="first"):
        await waiting
    assert other.ended == "cancelled"
    assert alone()


async def test_an_error_of_the_second_question_is_raised_after_the_first_has_answered(unheard):
    """The first is not cut: it may be what an account rests on."""
    one, other, waiting = asked(1, LookupError("second"))
    other.may_end.set()
    await settle()
    assert (one.ended, waiting.done()) == ("", False)
    one.may_end.set()
    with pytest.raises(LookupError, match="second"):
        await waiting
    assert one.ended == "answered"
    assert alone()


async def test_of_two_errors_the_firsts_is_raised_and_the_seconds_is_not_complained_of(unheard):
    """The loop told operators of an exception that was never retrieved, long after the fact."""
    one, other, waiting = asked(LookupError("first"), ValueError("second"))
    other.may_end.set()
    await settle()
    one.may_end.set()
    with pytest.raises(LookupError, match="first"):
        await waiting
    assert alone()


@pytest.mark.parametrize("is_first_answered", [True, False])
async def test_cancelling_who_asked_ends_both_questions(unheard, is_first_answered):
    """Whichever is awaited at that moment."""
    one, other, waiting = asked(1, 2)
    if is_first_answered:
        one.may_end.set()
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert one.ended == ("answered" if is_first_answered else "cancelled")
    assert other.ended == "cancelled"
    assert alone()
