"""Wait before the next attempt: long enough for the venue, not longer than we must."""

from __future__ import annotations

import random

from domain.errors import FeedError
from feeds.alpaca.config import AlpacaFeedConfig
from feeds.alpaca.refusals import RateLimitedUpgrade


class Waits:
    """How long to wait before the next attempt: doubling, jittered, bounded, long after a 429."""

    def __init__(self, config: AlpacaFeedConfig) -> None:
        self._config = config
        self._n_failed = 0

    def after(self, error: FeedError) -> float:
        """Return the seconds to wait after this failure."""
        self._n_failed += 1
        factor = 1 << min(self._n_failed - 1, 10)
        jitter: float = random.random()  # noqa: S311 - it spreads reconnects, nothing is secret
        if isinstance(error, RateLimitedUpgrade):
            wait_s = min(self._config.rate_limited_s * factor, 10 * self._config.rate_limited_s)
            return max(error.retry_after_s, wait_s) * (1 + jitter / 2)
        return (
            min(self._config.retry_first_s * factor, self._config.retry_most_s) * (1 + jitter) / 2
        )

    def lived(self, seconds: float) -> None:
        """Forget failures after a connection that held."""
        if seconds > self._config.retry_most_s:
            self._n_failed = 0
