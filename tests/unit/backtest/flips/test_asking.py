"""Asking again: many at once, patiently, never past the budget, nothing lost when cut short."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from backtest.flips.asking import MAX_PAUSES, Asking, Found, ask_again
from domain.errors import ConfigError


def tell_nobody(_done: int) -> None:
    pass


async def asked(questions, answer, **how) -> Found:
    found = Found()
    await ask_again(questions, answer, found, Asking(**how), tell_nobody)
    return found


async def test_every_question_gets_its_samples_in_the_journals_order(decide, questions):
    """Whatever came back first: places and numbers say which answer is whose."""
    many = [decide(id=f"d{n}") for n in range(6)]

    async def answer(journaled, number):
        await asyncio.sleep(0 if journaled.decision.id in {"d1", "d4"} else 0.001)
        return decide("buy" if number == 1 else "hold", "held")

    found = await asked(questions(*many), answer, samples=3, at_once=4)
    assert [each.decision_id for each in found.asked] == [f"d{n}" for n in range(6)]
    for each in found.asked:
        assert [sample.stand.action for sample in each.samples] == ["hold", "buy", "hold"]


async def test_no_more_are_asked_at_once_than_was_said(decide, questions):
    """The endpoint's budget is kept by the number of workers."""
    running = Counter()

    async def answer(journaled, number):
        running["now"] += 1
        running["most"] = max(running["most"], running["now"])
        await asyncio.sleep(0)
        running["now"] -= 1
        return decide()

    await asked(questions(*[decide()] * 20), answer, samples=2, at_once=3)
    assert running["most"] == 3


async def test_a_spent_budget_ends_the_asking_and_keeps_what_came(decide, questions):
    """The one that met the end is kept too: its first calls were paid for."""
    left = [5]

    async def answer(journaled, number):
        left[0] -= 1
        if left[0] < 0:
            return decide("none", "abstained", reason_code="BUDGET_SPENT")
        return decide()

    found = await asked(questions(*[decide()] * 50), answer)
    assert found.is_spent
    assert found.samples == 6
    assert len(found.asked[-1].answered) == 0


async def test_a_pause_that_the_endpoint_wants_is_waited_out(decide, questions):
    """The budget sleeps; here the question is simply asked anew, and not for ever."""
    tries = Counter()

    async def answer(journaled, number):
        name = journaled.decision.id
        tries[name] += 1
        if name == "never" or tries[name] < 3:
            return decide("none", "abstained", reason_code="ANALYST_RATE_LIMITED")
        return decide()

    found = await asked(questions(decide(id="late"), decide(id="never")), answer)
    assert tries == {"late": 3, "never": MAX_PAUSES}
    assert [len(each.answered) for each in found.asked] == [1, 0]


async def test_what_was_found_stays_when_the_asking_is_cancelled(decide, questions):
    """Ctrl-C prints what is there."""
    found, stuck = Found(), asyncio.Event()

    async def answer(journaled, number):
        if journaled.decision.id == "slow":
            stuck.set()
            await asyncio.Event().wait()
        return decide()

    asking = questions(*[decide()] * 4, decide(id="slow"), decide())
    task = asyncio.create_task(ask_again(asking, answer, found, Asking(), tell_nobody))
    await stuck.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert found.samples == 4


async def test_what_no_further_question_can_mend_is_raised(decide, questions):
    """A refused key is said once, not a thousand times."""

    async def answer(journaled, number):
        raise ConfigError("The endpoint refused the key.")

    with pytest.raises(ExceptionGroup) as raised:
        await asked(questions(decide(), decide()), answer, at_once=2)
    assert raised.group_contains(ConfigError)
