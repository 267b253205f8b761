"""Answer from the cache, ask the model for what is missing, and end the run when it cannot.

A question whose answer is kept costs nothing. A model that answers nonsense leads to an abstention,
as live. Only two things end a run early: a budget that is spent, and an endpoint that does not
answer even when asked again; what was answered until then is kept, so the run resumes there.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from backtest.answers.cache import AnswerCache, key_of
from backtest.answers.outside import Outside
from backtest.records import Ended
from domain.decisions import Answer, Brief, Call
from domain.errors import AnalystUnavailable, BudgetSpent
from graph.analysts.llm import Llm
from graph.analysts.model.conversation import BUILT_IN, Prompt, Told, converse
from graph.analysts.model.endpoint import FINAL, PASSING, EndpointConfig

PAUSES_S = (0.5, 2.0, 8.0)
"""How long to wait before asking again what did not arrive; seconds of the wall's time."""


@dataclass(slots=True)
class Ending:
    """How a run is to end early, told by whoever sees it first; `wake` tells the run."""

    kind: Ended | None = None
    note: str = ""
    wake: Callable[[], None] = field(default=lambda: None)

    def end(self, kind: Ended, note: str) -> None:
        """End the run now; the first word stands."""
        if self.kind is None:
            self.kind, self.note = kind, note
            self.wake()


@dataclass(slots=True)
class Bill:
    """What was asked in all, and paid for it: not what was kept."""

    asked: int = 0
    paid_usd: float = 0.0


class Asked:
    """A model as the analyst of a run. Without `model` only the cache answers (`recorded`)."""

    def __init__(
        self,
        config: EndpointConfig,
        cache: AnswerCache,
        ending: Ending,
        *,
        model: Llm | None = None,
        outside: Outside | None = None,
        told: Told = BUILT_IN,
    ) -> None:
        self._config = config
        self._cache = cache
        self._ending = ending
        self._model = model
        self._outside = outside
        self._told = told
        self._sample = 0
        self.bill = Bill()

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return f"llm:{self._config.model}"

    def of_sample(self, sample: int) -> Self:
        """Return the same model for another run of the same questions: it is asked anew."""
        other = copy.copy(self)
        other._sample = sample  # noqa: SLF001 - it is one of ours
        return other

    async def answer(self, brief: Brief) -> Answer:
        """Answer as the model did, or does; raises `AnalystError` as live."""
        return await converse(brief, self.speak, told=self._told)

    async def speak(self, prompt: Prompt, attempt: int) -> Call:
        """Put one prompt, if its answer is not kept; what fails is in the call."""
        key = key_of(self._config, prompt, attempt, self._sample)
        kept = self._cache.get(key)
        if kept is not None:
            return kept
        model, outside = self._model, self._outside
        if model is None or outside is None:
            self._ending.end(
                Ended.ANALYST_FAILED, "an answer is not among those kept: run it with the model"
            )
            return _missing(prompt, attempt, self._config.model)
        call = await outside.ask(lambda: self._ask(model, key, prompt, attempt))
        if call.error in PASSING | FINAL:
            self._ending.end(Ended.ANALYST_FAILED, f"the endpoint failed for good: {call.error}")
        elif call.error == BudgetSpent.code:
            self._ending.end(
                Ended.BUDGET_SPENT,
                f"the budget is spent after {self.bill.asked} calls for ${self.bill.paid_usd:.4f}: "
                "raise --budget and run it again, it goes on there",
            )
        return call

    async def _ask(self, model: Llm, key: str, prompt: Prompt, attempt: int) -> Call:
        """Ask and keep the answer where it arrives: a run that is cut meanwhile loses nothing."""
        call = await _patiently(model, prompt, attempt)
        if call.error != BudgetSpent.code:
            self.bill.asked += 1
            self.bill.paid_usd += call.cost_usd
        if call.error not in PASSING | FINAL | {BudgetSpent.code}:
            self._cache.put(key, call)
        return call


async def _patiently(model: Llm, prompt: Prompt, attempt: int) -> Call:
    """Ask, and ask again while nothing arrives; a rate limit holds the next try back by itself."""
    for pause_s in PAUSES_S:
        call = await model.speak(prompt, attempt)
        if call.error not in PASSING:
            return call
        await asyncio.sleep(pause_s)
    return await model.speak(prompt, attempt)


def _missing(prompt: Prompt, attempt: int, model: str) -> Call:
    return Call(
        role=prompt.role,
        attempt=attempt,
        model=model,
        prompt_digest=prompt.digest,
        raw="",
        error=AnalystUnavailable.code,
    )
