import asyncio

import pytest

from broker.budget import WINDOW_S, RequestBudget


class Hands:
    """A clock moved by hand."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


async def is_admitted(budget, *, is_urgent=False):
    try:
        async with asyncio.timeout(0.02):
            await budget.admit(is_urgent=is_urgent)
    except TimeoutError:
        return False
    return True


async def test_no_minute_holds_more_ordinary_requests_than_three_quarters_of_the_budget():
    """A full bucket of tokens would let nearly twice the rate pass; a sliding minute does not."""
    clock = Hands()
    budget = RequestBudget(per_minute=20, now=clock)
    for _ in range(15):
        assert await is_admitted(budget)
    assert not await is_admitted(budget)
    clock.now += WINDOW_S - 0.1
    assert not await is_admitted(budget)


async def test_exits_pass_at_once_when_the_ordinary_part_is_spent():
    """The reserved quarter, and beyond it: an exit never waits for our own counting."""
    budget = RequestBudget(per_minute=8, now=Hands())
    for _ in range(6):
        assert await is_admitted(budget)
    assert not await is_admitted(budget)
    for _ in range(10):
        assert await is_admitted(budget, is_urgent=True)
    assert budget.used == 16


async def test_room_comes_back_when_the_oldest_request_leaves_the_minute():
    """The window slides request by request, not in whole minutes."""
    clock = Hands()
    budget = RequestBudget(per_minute=4, now=clock)
    for _ in range(3):
        assert await is_admitted(budget)
        clock.now += 10
    assert not await is_admitted(budget)
    clock.now += WINDOW_S - 30
    assert await is_admitted(budget)
    assert not await is_admitted(budget)


async def test_a_429_holds_ordinary_requests_back_and_lets_exits_through():
    """The venue's own pause is honoured for all that can wait."""
    clock = Hands()
    budget = RequestBudget(per_minute=100, now=clock)
    budget.pause(7)
    assert not await is_admitted(budget)
    assert await is_admitted(budget, is_urgent=True)
    clock.now += 7
    assert await is_admitted(budget)


async def test_waiters_go_in_order_and_a_cancelled_one_takes_no_room():
    """A cancelled waiter must not keep the turn, nor count as a request."""
    budget = RequestBudget(per_minute=100, now=Hands())
    budget.pause(60)
    waiting = asyncio.create_task(budget.admit(is_urgent=False))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.used == 0
