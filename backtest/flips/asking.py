"""Ask a model the journaled questions again, many at once, and keep what has come so far.

Nothing here can trade: a question goes to whoever decides, and a decision comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

from backtest.flips.changes import sample_of, stand_of
from backtest.flips.records import Asked, Journaled, Sample
from domain.decisions import Decision, Outcome
from domain.errors import AnalystRateLimited, BudgetSpent
from domain.records import Record

# How often a question is asked anew when the endpoint wants a pause; the budget waits it out.
MAX_PAUSES = 5

Decide = Callable[[Journaled, int], Awaitable[Decision]]
"""Decide a journaled window again; the number tells the samples of one question apart, from 0."""

Tell = Callable[[int], None]
"""Hear how many questions were answered so far."""


class Asking(Record, frozen=True):
    """How to ask: so many samples a question, so many questions at once."""

    samples: int = 1
    at_once: int = 1


@dataclass(slots=True)
class Found:
    """What has been found so far, by the question's place; it stays when asking is cut short.

    `left_out` counts decisions that whoever yields the questions could not ask again, `paid_usd`
    what whoever decides has paid: less than its answers cost where some were kept.
    """

    decisions: dict[int, Decision] = field(default_factory=dict)
    by_place: dict[int, dict[int, Sample]] = field(default_factory=dict)
    is_spent: bool = False
    left_out: int = 0
    paid_usd: float = 0.0

    @property
    def asked(self) -> tuple[Asked, ...]:
        """Return what was asked, in the journal's order."""
        return tuple(self._asked(place) for place in sorted(self.by_place))

    @property
    def samples(self) -> int:
        """Return how many questions have come back."""
        return sum(len(samples) for samples in self.by_place.values())

    def _asked(self, place: int) -> Asked:
        decision = self.decisions[place]
        samples = self.by_place[place]
        return Asked(
            decision_id=decision.id,
            symbol=decision.symbol,
            as_of=decision.as_of,
            analyst=decision.analyst,
            was=stand_of(decision),
            samples=tuple(samples[number] for number in sorted(samples)),
        )


async def ask_again(
    questions: AsyncIterator[Journaled], decide: Decide, found: Found, how: Asking, tell: Tell
) -> None:
    """Ask every question, and put what comes back into `found`.

    Ends early when the budget is spent (`found.is_spent`); what came before stands. Raises what
    `decide` raises.
    """
    waiting = _line_up(questions, how.samples)
    turn = asyncio.Lock()

    async def work() -> None:
        while not found.is_spent:
            async with turn:
                question = await anext(waiting, None)
            if question is None:
                return
            place, number, journaled = question
            decision = await _patiently(decide, journaled, number)
            found.decisions[place] = journaled.decision
            was = stand_of(journaled.decision)
            found.by_place.setdefault(place, {})[number] = sample_of(was, decision)
            found.is_spent |= decision.reason_code == BudgetSpent.code
            tell(found.samples)

    async with asyncio.TaskGroup() as workers:
        for _ in range(how.at_once):
            workers.create_task(work())


async def _line_up(
    questions: AsyncIterator[Journaled], samples: int
) -> AsyncIterator[tuple[int, int, Journaled]]:
    """Yield each question so many times, with its place and the sample's number."""
    place = 0
    async for journaled in questions:
        for number in range(samples):
            yield place, number, journaled
        place += 1


async def _patiently(decide: Decide, journaled: Journaled, number: int) -> Decision:
    """Decide; where the endpoint asked for a pause, ask again after it."""
    for _ in range(MAX_PAUSES):
        decision = await decide(journaled, number)
        is_paused = decision.reason_code == AnalystRateLimited.code
        if not (is_paused and decision.outcome is Outcome.ABSTAINED):
            return decision
    return decision
