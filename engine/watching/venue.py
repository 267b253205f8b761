"""Keep what only the venue can tell: how far our clock is off, and when it trades."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from domain.errors import BrokerError
from domain.ports import Broker, Clock
from domain.records import NS_PER_S, format_ns, parse_ns

log = structlog.get_logger(__name__)

CHECK_EVERY_S = 60.0
RETRY_EVERY_S = 5.0
SAMPLES = 3
QUICK_NS = 200_000_000
SESSIONS_EVERY_NS = 12 * 3600 * NS_PER_S
_DAY_NS = 86_400 * NS_PER_S

SetSessions = Callable[[Sequence[tuple[int, int]]], None]
"""Take (open, close) of each session, in nanoseconds."""


class VenueWatch:
    """Ask the venue for its time every minute and for its sessions twice a day."""

    def __init__(
        self,
        broker: Broker,
        clock: Clock,
        set_sessions: SetSessions | None,
        *,
        every_s: float = CHECK_EVERY_S,
    ) -> None:
        self._every_s = every_s
        self._broker = broker
        self._clock = clock
        self._set_sessions = set_sessions
        self._asked_ns: int | None = None
        self._skew_ns: int | None = None
        self.measured: Callable[[int], bool] = lambda _skew_ns: False
        """Hear of each skew; returns whether it is to be measured again soon."""

    def skew_ns(self) -> int | None:
        """Return our clock less the venue's; none before it answered."""
        return self._skew_ns

    async def look(self) -> bool:
        """Ask once; returns whether to ask again soon. Raises `BrokerError`."""
        self._skew_ns = skew_ns = await self._measure()
        after = self._clock.now_ns()
        if self._set_sessions is not None and self._is_due(after):
            start, end = format_ns(after - 7 * _DAY_NS), format_ns(after + 14 * _DAY_NS)
            rows = await self._broker.sessions(start[:10], end[:10])
            self._set_sessions([(parse_ns(opens), parse_ns(closes)) for opens, closes in rows])
            self._asked_ns = after
        return self.measured(skew_ns)

    async def _measure(self) -> int:
        """Return the skew of the quickest of a few answers.

        The venue's time was somewhere between question and answer, so each answer is only as good
        as it was quick: a first request that opens threads and connections says little.
        """
        best: tuple[int, int] | None = None
        for _ in range(SAMPLES):
            before = self._clock.now_ns()
            venue = await self._broker.clock()
            took = self._clock.now_ns() - before
            sample = (took, before + took // 2 - parse_ns(venue.timestamp))
            best = sample if best is None else min(best, sample)
            if took < QUICK_NS:
                break
        assert best is not None
        return best[1]

    async def run(self) -> None:
        """Ask until cancelled; a venue that does not answer keeps the last skew."""
        while True:
            try:
                is_off = await self.look()
                await self._clock.sleep(RETRY_EVERY_S if is_off else self._every_s)
            except BrokerError as error:
                log.warning("venue_time_unknown", code=error.code)
                await self._clock.sleep(RETRY_EVERY_S)

    def _is_due(self, now_ns: int) -> bool:
        return self._asked_ns is None or now_ns - self._asked_ns > SESSIONS_EVERY_NS
