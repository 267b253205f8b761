"""Let an analyst take the time that it takes: answers come later in the market than questions."""

from __future__ import annotations

from math import fsum

from domain.decisions import Answer, Brief
from domain.errors import AnalystError
from domain.ports import Analyst, Clock


class Delayed:
    """Answer as another analyst does, after so much event time.

    `latency_s` is what each question takes; none (0) takes what was measured when its calls were
    made.
    """

    def __init__(self, analyst: Analyst, clock: Clock, latency_s: float) -> None:
        self._analyst = analyst
        self._clock = clock
        self._latency_s = latency_s

    @property
    def name(self) -> str:
        """Return the other's name."""
        return self._analyst.name

    async def answer(self, brief: Brief) -> Answer:
        """Answer, in the market's time; raises what the other raises, as late."""
        try:
            answer = await self._analyst.answer(brief)
        except AnalystError as error:
            await self._wait(fsum(call.latency_ms for call in error.calls))
            raise
        await self._wait(fsum(call.latency_ms for call in answer.calls))
        return answer

    async def _wait(self, measured_ms: float) -> None:
        latency_s = self._latency_s or measured_ms / 1_000
        if latency_s > 0:
            await self._clock.sleep(latency_s)
