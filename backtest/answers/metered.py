"""Say what a model would cost before it is asked: let the rules decide, and weigh the prompts."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Self

from backtest.answers.cache import AnswerCache, key_of
from backtest.controls.blind.attack import Guess
from backtest.controls.blind.naming import naming
from domain.decisions import Answer, Brief
from domain.market import Window
from graph.analysts.model.conversation import BUILT_IN, Prompt, Told, question
from graph.analysts.model.costs import FRAME_TOKENS, Price, cost_usd, estimate_tokens
from graph.analysts.model.endpoint import EndpointConfig
from graph.analysts.rules import Rules


@dataclass(slots=True)
class _Count:
    """What was counted, and by name what was counted already: no question is paid twice."""

    calls: int = 0
    kept: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seen: set[str] = field(default_factory=set)


class Metered:
    """Answer by the rules and count what the same questions would take of a model.

    The director is asked about the same windows whoever answers, as long as positions are alike;
    how far a run goes beyond him is the rules' doing. Answers that are kept already cost nothing.
    """

    def __init__(
        self, config: EndpointConfig, cache: AnswerCache, *, told: Told = BUILT_IN
    ) -> None:
        self._config = config
        self._cache = cache
        self._told = told
        self._rules = Rules()
        self._sample = 0
        self._count = _Count()

    @property
    def name(self) -> str:
        """Return the model's name: windows and prompts are as they would be."""
        return f"llm:{self._config.model}"

    @property
    def calls(self) -> int:
        """Return how many calls are still to be made."""
        return self._count.calls

    @property
    def kept(self) -> int:
        """Return how many answers are kept already."""
        return self._count.kept

    def of_sample(self, sample: int) -> Self:
        """Return the same meter for the answers of another run of the same questions."""
        other = copy.copy(self)
        other._sample = sample  # noqa: SLF001 - it is one of ours
        return other

    async def answer(self, brief: Brief) -> Answer:
        """Answer by the rules."""
        self.weigh(question(brief, told=self._told))
        return await self._rules.answer(brief)

    def weigh(self, prompt: Prompt) -> None:
        """Count one question, once."""
        count, key = self._count, key_of(self._config, prompt, 1, self._sample)
        if key in count.seen:
            return
        count.seen.add(key)
        if self._cache.get(key) is not None:
            count.kept += 1
            return
        count.calls += 1
        count.tokens_in += estimate_tokens(prompt.text) + FRAME_TOKENS
        count.tokens_out += self._config.max_tokens

    async def name_nothing(self, window: Window) -> Guess:
        """Count the question what a masked window is, and name nothing."""
        self.weigh(naming(window))
        return Guess()

    def usd(self, price: Price) -> float:
        """Return the dollars of what is not kept yet, answers as long as they may be."""
        return cost_usd(price, self._count.tokens_in, self._count.tokens_out)
