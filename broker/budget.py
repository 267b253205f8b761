"""Stay under the venue's request rate without ever making an exit wait."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

WINDOW_S = 60.0


class RequestBudget:
    """Count requests in a sliding minute; entries and questions wait for room, exits never do.

    A sliding window rather than a bucket of tokens: a full bucket lets nearly twice its rate pass
    in one minute, and the venue counts minutes (200 a minute and account, its usage limits page).
    A quarter is kept for urgent requests: they always pass, and what they take the others lack.
    """

    def __init__(
        self,
        *,
        per_minute: int = 180,
        reserved_fraction: float = 0.25,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._room = max(1, int(per_minute * (1 - reserved_fraction)))
        self._now = now
        self._sent: deque[float] = deque()
        self._turn = asyncio.Lock()
        self._paused_until = 0.0

    @property
    def used(self) -> int:
        """Return how many requests went out in the last minute."""
        self._forget()
        return len(self._sent)

    async def admit(self, *, is_urgent: bool) -> None:
        """Count one request; wait for room first unless it is urgent. Waiters go in order."""
        if is_urgent:
            self._sent.append(self._now())
            return
        async with self._turn:
            while (delay := self._delay_s()) > 0:  # noqa: ASYNC110 - room comes with time alone
                await asyncio.sleep(delay)
            self._sent.append(self._now())

    def pause(self, seconds: float) -> None:
        """Hold everything but urgent requests back: the venue answered 429."""
        self._paused_until = max(self._paused_until, self._now() + seconds)

    def _forget(self) -> None:
        horizon = self._now() - WINDOW_S
        while self._sent and self._sent[0] <= horizon:
            self._sent.popleft()

    def _delay_s(self) -> float:
        self._forget()
        now = self._now()
        pause = self._paused_until - now
        if len(self._sent) < self._room:
            return pause
        leaves = self._sent[len(self._sent) - self._room] + WINDOW_S
        return max(pause, leaves - now, 0.001)
