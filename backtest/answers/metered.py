"""Say what a model would cost before it is asked: let the rules decide, and weigh the prompts."""

from __future__ import annotations

from backtest.answers.cache import AnswerCache, key_of
from domain.decisions import Answer, Brief
from graph.analysts.model.conversation import BUILT_IN, Told, question
from graph.analysts.model.costs import FRAME_TOKENS, Price, cost_usd, estimate_tokens
from graph.analysts.model.endpoint import EndpointConfig
from graph.analysts.rules import Rules


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
        self.calls = self.kept = self.tokens_in = self.tokens_out = 0

    @property
    def name(self) -> str:
        """Return the model's name: windows and prompts are as they would be."""
        return f"llm:{self._config.model}"

    async def answer(self, brief: Brief) -> Answer:
        """Answer by the rules."""
        prompt = question(brief, told=self._told)
        if self._cache.get(key_of(self._config, prompt, 1)) is None:
            self.calls += 1
            self.tokens_in += estimate_tokens(prompt.text) + FRAME_TOKENS
            self.tokens_out += self._config.max_tokens
        else:
            self.kept += 1
        return await self._rules.answer(brief)

    def usd(self, price: Price) -> float:
        """Return the dollars of what is not kept yet, answers as long as they may be."""
        return cost_usd(price, self.tokens_in, self.tokens_out)
