"""One symbol, one turn: who holds it, who waits, and what an end of any kind leaves."""

import asyncio

import pytest

from engine.clock import settle
from engine.orders.delivery.turns import Turns


class Holding:
    """Take a turn in a task of its own and keep it until told."""

    def __init__(self, turns, symbol="AAPL"):
        self._turns = turns
        self._symbol = symbol
        self._let_go = asyncio.Event()
        self.has_turn = False
        self.task = asyncio.create_task(self._hold())

    async def _hold(self):
        async with self._turns.take(self._symbol):
            self.has_turn = True
            await self._let_go.wait()

    async def end(self):
        """Let go, and see it through."""
        self._let_go.set()
        await self.task


@pytest.fixture
def turns():
    return Turns()


async def fail_within(turns, depth):
    """Raise with so many turns of one symbol taken."""
    async with turns.take("AAPL"):
        if depth > 1:
            await fail_within(turns, depth - 1)
        raise LookupError


async def is_free(turns, symbol="AAPL"):
    """Tell whether another task gets the turn at once."""
    taken = Holding(turns, symbol)
    await settle()
    is_taken = taken.has_turn
    taken.task.cancel()
    await asyncio.wait({taken.task})
    return is_taken


async def test_others_wait_in_the_order_in_which_they_came(turns):
    """And a symbol's turn is nobody else's business."""
    first, second, third = (Holding(turns) for _ in range(3))
    other = Holding(turns, "MSFT")
    await settle()
    assert [each.has_turn for each in (first, second, third, other)] == [True, False, False, True]
    await first.end()
    await settle()
    assert (second.has_turn, third.has_turn) == (True, False)
    await second.end()
    await third.end()
    await other.end()
    assert await is_free(turns)


async def test_who_holds_a_turn_may_take_it_again(turns):
    """An exit that submits within its own sequence would wait for itself for ever."""
    async with asyncio.timeout(10):
        async with turns.take("AAPL"):
            async with turns.take("AAPL"), turns.take("AAPL"):
                assert not await is_free(turns)
            assert not await is_free(turns)
        assert await is_free(turns)


async def test_who_holds_a_turn_may_take_it_again_while_others_wait(turns):
    """A task that waits is not the holder yet."""
    async with asyncio.timeout(10):
        async with turns.take("AAPL"):
            other = Holding(turns)
            await settle()
            async with turns.take("AAPL"):
                assert not other.has_turn
        await settle()
        assert other.has_turn
        await other.end()


async def test_a_turn_taken_once_more_after_it_was_let_go_is_held(turns):
    """Who had it last does not have it still."""
    async with turns.take("AAPL"):
        pass
    async with turns.take("AAPL"):
        assert not await is_free(turns)
    assert await is_free(turns)


async def test_a_task_of_the_holders_waits_like_any_other(turns):
    """The turn is its task's, not its code's."""
    async with turns.take("AAPL"):
        child = Holding(turns)
        await settle()
        assert not child.has_turn
    await settle()
    assert child.has_turn
    await child.end()


@pytest.mark.parametrize("depth", [1, 2])
async def test_an_error_within_a_turn_lets_go_of_it(turns, depth):
    """The error comes through, at whatever depth it was raised."""
    with pytest.raises(LookupError):
        await fail_within(turns, depth)
    assert await is_free(turns)


async def test_an_error_within_a_turn_taken_again_leaves_the_outer_one(turns):
    """Who catches it inside still holds the symbol."""
    async with turns.take("AAPL"):
        with pytest.raises(LookupError):
            await fail_within(turns, 1)
        assert not await is_free(turns)
    assert await is_free(turns)


async def test_who_is_cancelled_while_waiting_leaves_the_turn_to_the_next(turns):
    """It never had it, and takes nothing along."""
    first, second, third = (Holding(turns) for _ in range(3))
    await settle()
    second.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second.task
    assert not third.has_turn
    await first.end()
    await settle()
    assert third.has_turn
    await third.end()
    assert await is_free(turns)


async def test_who_is_cancelled_within_its_turn_lets_go_of_it(turns):
    """A session that stops in the middle of a sequence."""
    first, second = Holding(turns), Holding(turns)
    await settle()
    first.task.cancel()
    await settle()
    assert second.has_turn
    await second.end()
    assert await is_free(turns)
