"""The model's budget: a minute's requests and tokens, a day's dollars, pauses."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import BudgetSpent
from domain.ports import Budget
from engine.clock import ManualClock, settle
from engine.deciding.budget import BudgetConfig, ModelBudget

S = 1_000_000_000
MIDNIGHT_NS = 19_700 * 86_400 * S


def make(clock: ManualClock | None = None, **config: float) -> tuple[ModelBudget, ManualClock]:
    clock = clock or ManualClock(MIDNIGHT_NS)
    return ModelBudget(BudgetConfig(**config), clock=clock), clock


async def test_budget_without_bounds_admits_at_once() -> None:
    """No setting, no limit; and it speaks the port's protocol."""
    budget, clock = make()
    port: Budget = budget
    for _ in range(100):
        await port.admit(tokens=10_000)
    assert clock.sleepers == 0


async def test_request_past_the_minutes_number_waits_until_the_first_is_a_minute_old() -> None:
    """Requests a minute hold for every span of 60 s, not for calendar minutes."""
    budget, clock = make(requests_per_minute=2)
    await budget.admit(tokens=1)
    await clock.advance(40)
    await budget.admit(tokens=1)
    third = asyncio.create_task(budget.admit(tokens=1))
    await clock.advance(19)
    assert not third.done()
    await clock.advance(1)
    assert third.done()


async def test_tokens_a_minute_make_a_request_wait_until_enough_have_passed() -> None:
    """A large request waits for several small ones to leave the window."""
    budget, clock = make(tokens_per_minute=100)
    for tokens in (40, 40):
        await budget.admit(tokens=tokens)
        await clock.advance(10)
    large = asyncio.create_task(budget.admit(tokens=90))
    await clock.advance(45)
    assert not large.done()
    await clock.advance(5)
    assert large.done()


async def test_request_larger_than_a_minutes_tokens_is_admitted_alone() -> None:
    """It would otherwise wait for ever."""
    budget, clock = make(tokens_per_minute=100)
    await asyncio.wait_for(budget.admit(tokens=1000), 60)
    assert clock.sleepers == 0


async def test_what_a_call_really_took_replaces_its_estimate() -> None:
    """A cautious estimate does not hold the next request back once the truth is known."""
    budget, _ = make(tokens_per_minute=100)
    await budget.admit(tokens=100)
    budget.spend(tokens_in=30, tokens_out=10, cost_usd=0)
    await asyncio.wait_for(budget.admit(tokens=60), 60)
    third = asyncio.create_task(budget.admit(tokens=1))
    await settle()
    assert not third.done()
    third.cancel()


async def test_small_request_does_not_pass_a_large_one_that_waits() -> None:
    """First come, first admitted: otherwise the large one might starve."""
    budget, clock = make(tokens_per_minute=100)
    await budget.admit(tokens=60)
    order: list[str] = []

    async def ask(name: str, tokens: int) -> None:
        await budget.admit(tokens=tokens)
        order.append(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ask("large", 80))
        tasks.create_task(ask("small", 10))
        await clock.advance(59)
        assert order == []
        await clock.advance(1)
    assert order == ["large", "small"]


async def test_spent_day_refuses_until_midnight_utc() -> None:
    """Dollars come back with the UTC day, and the refusal says so."""
    budget, clock = make(usd_per_day=1.0)
    budget.spend(tokens_in=1, tokens_out=1, cost_usd=0.99)
    await budget.admit(tokens=1)
    budget.spend(tokens_in=1, tokens_out=1, cost_usd=0.02)
    assert (budget.is_spent, budget.spent_usd) == (True, pytest.approx(1.01))
    with pytest.raises(BudgetSpent, match=r"\$1 for this UTC day are spent"):
        await budget.admit(tokens=1)
    await clock.advance(86_399)
    assert budget.is_spent
    await clock.advance(1)
    assert (budget.is_spent, budget.spent_usd) == (False, 0.0)
    await budget.admit(tokens=1)
    budget.spend(tokens_in=1, tokens_out=1, cost_usd=0.5)
    assert budget.spent_usd == 0.5


async def test_restart_remembers_what_the_day_has_cost() -> None:
    """A crash is no way to a second budget."""
    clock = ManualClock()
    config = BudgetConfig(usd_per_day=2.0)
    assert ModelBudget(config, clock=clock, spent_today_usd=2.0).is_spent


async def test_day_that_is_spent_while_a_request_waits_refuses_it() -> None:
    """A request admitted late is held against the day as it is then."""
    budget, clock = make(requests_per_minute=1, usd_per_day=1.0)
    await budget.admit(tokens=1)
    waiting = asyncio.create_task(budget.admit(tokens=1))
    await clock.advance(1)
    budget.spend(tokens_in=1, tokens_out=1, cost_usd=1.5)
    await clock.advance(60)
    assert isinstance(waiting.exception(), BudgetSpent)


async def test_pause_holds_requests_and_tells_the_limiter() -> None:
    """A Retry-After stops calls here and grants there; a shorter one does not cut it."""
    clock, heard = ManualClock(), []
    budget = ModelBudget(BudgetConfig(), clock=clock, on_pause=heard.append)
    budget.pause(30)
    budget.pause(2)
    waiting = asyncio.create_task(budget.admit(tokens=1))
    await clock.advance(29)
    assert (heard, waiting.done()) == ([30, 2], False)
    budget.pause(5)
    await clock.advance(4)
    assert not waiting.done()
    await clock.advance(1)
    assert waiting.done()


async def test_cancelled_wait_takes_no_room_and_lets_the_next_one_in() -> None:
    """A run whose deadline passes while it waits leaves nothing behind."""
    budget, clock = make(requests_per_minute=1)
    await budget.admit(tokens=1)
    waits = [asyncio.create_task(budget.admit(tokens=1)) for _ in range(3)]
    await settle()
    waits[0].cancel()
    waits[1].cancel()
    await clock.advance(60)
    assert waits[2].done()
    assert waits[2].exception() is None


@given(
    asks=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 120)), min_size=1, max_size=25),
    requests=st.integers(1, 5),
    tokens=st.integers(50, 150),
)
@settings(max_examples=60, deadline=None)
def test_no_span_of_sixty_seconds_holds_more_than_its_bounds(
    asks: list[tuple[float, int]], requests: int, tokens: int
) -> None:
    """The law of the minute, for any arrivals."""

    async def story() -> None:
        budget, clock = make(requests_per_minute=requests, tokens_per_minute=tokens)
        admitted: list[tuple[int, int]] = []

        async def ask(size: int) -> None:
            await budget.admit(tokens=size)
            admitted.append((clock.monotonic_ns(), min(size, tokens)))

        async with asyncio.TaskGroup() as tasks:
            for gap_s, size in asks:
                tasks.create_task(ask(size))
                await clock.advance(gap_s)
            await clock.advance(60 * len(asks))
        assert len(admitted) == len(asks)
        for start, _ in admitted:
            span = [size for ts, size in admitted if start <= ts < start + 60 * S]
            assert len(span) <= requests
            assert sum(span) <= tokens

    asyncio.run(story())


async def test_the_last_minute_is_told_with_what_calls_really_took() -> None:
    """Estimates count until the truth is known; what is older than a minute does not."""
    budget, clock = make()
    await budget.admit(tokens=500)
    await clock.advance(50)
    await budget.admit(tokens=40)
    assert budget.last_minute == (2, 540)
    budget.spend(tokens_in=80, tokens_out=20, cost_usd=0)
    assert budget.last_minute == (2, 140)
    await clock.advance(15)
    assert budget.last_minute == (1, 40)
