"""Bound what the model may cost: requests and tokens a minute, dollars a day."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from domain.errors import BudgetSpent
from domain.ports import Clock
from domain.records import NS_PER_S, Record

_MINUTE_NS = 60 * NS_PER_S
_DAY_NS = 86_400 * NS_PER_S


class BudgetConfig(Record, frozen=True):
    """What one minute and one UTC day may hold; none means no bound."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    usd_per_day: float | None = None


@dataclass(slots=True)
class _Admitted:
    """One request of the last minute; `tokens` is an estimate until `spend` tells the truth."""

    ts_ns: int
    tokens: int
    is_estimate: bool = True


class ModelBudget:
    """Admit requests so that no span of 60 s holds more than its bounds.

    Waiters are admitted in the order they came, so a large request is not passed for ever by small
    ones. The day's dollars are checked before a call and counted after it: calls under way may
    pass the bound by what they cost themselves. Implements `domain.ports.Budget`.

    `clock` must tell wall time: what is bounded here is a real endpoint and a real bill. `on_pause`
    hears of pauses, so that the limiter holds runs back as well.
    """

    def __init__(
        self,
        config: BudgetConfig,
        *,
        clock: Clock,
        on_pause: Callable[[float], None] = lambda _: None,
        spent_today_usd: float = 0.0,
    ) -> None:
        self.config = config
        self._clock = clock
        self._on_pause = on_pause
        self._minute: deque[_Admitted] = deque()
        self._turn = asyncio.Lock()
        self._paused_until_ns = 0
        self._day = self._today()
        self._spent_usd = spent_today_usd

    @property
    def spent_usd(self) -> float:
        """Return what this UTC day has cost so far, in dollars."""
        return self._spent_usd if self._day == self._today() else 0.0

    @property
    def last_minute(self) -> tuple[int, int]:
        """Return how many requests and tokens the last 60 s hold, estimates included."""
        since = self._clock.monotonic_ns() - _MINUTE_NS
        tokens = [admitted.tokens for admitted in self._minute if admitted.ts_ns > since]
        return len(tokens), sum(tokens)

    @property
    def is_spent(self) -> bool:
        """Tell whether the day's dollars are used up; they come back at 00:00 UTC."""
        limit = self.config.usd_per_day
        return limit is not None and self.spent_usd >= limit

    async def admit(self, *, tokens: int) -> None:
        """Wait for room for one request of about so many tokens; the caller's deadline bounds it.

        A request larger than a whole minute's tokens is admitted alone. Raises `BudgetSpent` when
        the day's dollars are gone. Cancelling the wait takes no room.
        """
        async with self._turn:
            while (wait_ns := self._wait_ns(tokens)) > 0:
                await self._clock.sleep(wait_ns / NS_PER_S)
            self._minute.append(_Admitted(self._clock.monotonic_ns(), tokens))

    def spend(self, *, tokens_in: int, tokens_out: int, cost_usd: float) -> None:
        """Count what one call took, in place of the oldest estimate."""
        self._spent_usd = self.spent_usd + cost_usd
        self._day = self._today()
        for admitted in self._minute:
            if admitted.is_estimate:
                admitted.tokens, admitted.is_estimate = tokens_in + tokens_out, False
                return

    def pause(self, retry_after_s: float) -> None:
        """Hold every request and every run back: the endpoint asked for it (`Retry-After`)."""
        until = self._clock.monotonic_ns() + round(retry_after_s * NS_PER_S)
        self._paused_until_ns = max(self._paused_until_ns, until)
        self._on_pause(retry_after_s)

    def _wait_ns(self, tokens: int) -> int:
        """Return how long from now the next request must wait at least, 0 for not at all."""
        if self.is_spent:
            raise BudgetSpent(
                f"The model's ${self.config.usd_per_day:g} for this UTC day are spent.",
                remedy="Wait for 00:00 UTC or raise LLM_MAX_USD_PER_DAY.",
            )
        now = self._clock.monotonic_ns()
        while self._minute and self._minute[0].ts_ns <= now - _MINUTE_NS:
            self._minute.popleft()
        return max(self._paused_until_ns - now, self._room_at(tokens) - now)

    def _room_at(self, tokens: int) -> int:
        """Return the time at which enough of the last minute has passed to fit one request more."""
        requests, limit = self.config.requests_per_minute, self.config.tokens_per_minute
        over_requests = 0 if requests is None else len(self._minute) + 1 - requests
        over_tokens = 0
        if limit is not None:
            over_tokens = sum(a.tokens for a in self._minute) + min(tokens, limit) - limit
        room_at = 0
        for admitted in self._minute:
            if over_requests <= 0 and over_tokens <= 0:
                break
            over_requests -= 1
            over_tokens -= admitted.tokens
            room_at = admitted.ts_ns + _MINUTE_NS
        return room_at

    def _today(self) -> int:
        return self._clock.now_ns() // _DAY_NS
