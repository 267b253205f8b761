"""Ask a model each question once for money: what was answered before is answered from the cache.

So asking a journal again resumes where it was cut, and a second time costs nothing. The first
sample shares its answers with backtests; each further sample is a question of its own.
"""

from __future__ import annotations

from backtest.answers import AnswerCache
from backtest.answers.cache import key_of
from backtest.flips.changes import UNANSWERED
from domain.decisions import Answer, Brief, Call
from graph.analysts.llm import Llm
from graph.analysts.model.conversation import BUILT_IN, Prompt, Told, converse
from graph.analysts.model.endpoint import (
    FINAL,
    EndpointConfig,
)

# What says nothing about the model's mind, and is asked again another time.
_NO_ANSWER = UNANSWERED | FINAL


class Remembering:
    """A model that answers one sample, and remembers what it said."""

    def __init__(
        self,
        model: Llm,
        config: EndpointConfig,
        cache: AnswerCache,
        *,
        sample: int = 0,
        told: Told = BUILT_IN,
    ) -> None:
        self._model = model
        self._config = config
        self._cache = cache
        self._sample = sample
        self._told = told

    @property
    def name(self) -> str:
        """Return the model's name, as decisions record it."""
        return self._model.name

    async def answer(self, brief: Brief) -> Answer:
        """Answer as it was answered before, else ask; raises `AnalystError` as the model does."""
        return await converse(brief, self._speak, told=self._told)

    async def _speak(self, prompt: Prompt, attempt: int) -> Call:
        key = key_of(self._config, prompt, attempt, self._sample)
        kept = self._cache.get(key)
        if kept is not None:
            return kept
        call = await self._model.speak(prompt, attempt)
        if call.error not in _NO_ANSWER:
            self._cache.put(key, call)
        return call
