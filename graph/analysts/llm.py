"""Answer briefs with a language model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Literal

from domain.decisions import Answer, Brief, Call
from domain.errors import AnalystError, AnalystRateLimited, AnalystTimeout
from domain.ports import Budget
from graph.analysts.deadline import earliest
from graph.analysts.model.conversation import BUILT_IN, Prompt, Told, converse, is_shown_less
from graph.analysts.model.costs import FRAME_TOKENS, FREE, cost_usd, estimate_tokens, price_of
from graph.analysts.model.endpoint import Endpoint, EndpointConfig, Reply


class Llm:
    """Ask a model for each brief: deadline, budget, one repair, every call kept and paid for.

    `told` replaces built-in prompts by role. `timer` returns seconds and only measures latency.
    """

    def __init__(
        self,
        config: EndpointConfig,
        budget: Budget,
        *,
        kind: Literal["llm", "local"] = "llm",
        told: Told = BUILT_IN,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._budget = budget
        self._kind = kind
        self._told = told
        self._timer = timer
        self._endpoint = Endpoint(config)
        self._price = config.price or price_of(config.model)

    @property
    def name(self) -> str:
        """Return what decisions record, `llm:<model>`."""
        return f"{self._kind}:{self._config.model}"

    @property
    def is_priced(self) -> bool:
        """Tell whether dollars are counted: the model's price is listed or set."""
        return self._price is not None

    async def answer(self, brief: Brief) -> Answer:
        """Ask, and repair once; raises `AnalystError` with the calls made."""
        return await converse(brief, self.speak, is_short=is_shown_less(self.name), told=self._told)

    async def aclose(self) -> None:
        """Close the connections to the endpoint."""
        await self._endpoint.aclose()

    async def speak(self, prompt: Prompt, attempt: int) -> Call:
        """Put one prompt to the model; what fails is in the call."""
        started = self._timer()
        expected = estimate_tokens(prompt.text) + FRAME_TOKENS
        reply = await self._within_limits(prompt, expected)
        usd = cost_usd(self._price or FREE, reply.tokens_in, reply.tokens_out)
        return Call(
            role=prompt.role,
            attempt=attempt,
            model=self._config.model,
            prompt_digest=prompt.digest,
            raw=reply.raw,
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            cost_usd=usd,
            latency_ms=(self._timer() - started) * 1000,
            error=reply.error,
        )

    async def _within_limits(self, prompt: Prompt, expected: int) -> Reply:
        """Wait for the budget until the run's deadline, then ask within the call's own."""
        try:
            async with asyncio.timeout_at(earliest()):
                await self._budget.admit(tokens=expected + self._config.max_tokens)
        except TimeoutError:
            return Reply(error=AnalystTimeout.code)
        except AnalystError as spent:
            return Reply(error=spent.code)
        reply = await self._asked(prompt, expected)
        self._budget.spend(
            tokens_in=reply.tokens_in,
            tokens_out=reply.tokens_out,
            cost_usd=cost_usd(self._price or FREE, reply.tokens_in, reply.tokens_out),
        )
        if reply.error == AnalystRateLimited.code:
            self._budget.pause(reply.retry_after_s)
        return reply

    async def _asked(self, prompt: Prompt, expected: int) -> Reply:
        """Ask within the call's deadline; a call cut off is counted as if it had been read."""
        at = asyncio.get_running_loop().time() + self._config.timeout_s
        try:
            async with asyncio.timeout_at(earliest(at)):
                return await self._endpoint.ask(prompt)
        except TimeoutError:
            return Reply(tokens_in=expected, error=AnalystTimeout.code)
        except asyncio.CancelledError:
            usd = cost_usd(self._price or FREE, expected, 0)
            self._budget.spend(tokens_in=expected, tokens_out=0, cost_usd=usd)
            raise
