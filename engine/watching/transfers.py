"""Ask the venue what was paid in and out, so that neither is taken for a profit or a loss."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal

import structlog

from domain.account import Activity
from domain.errors import BrokerError
from domain.ports import Clock
from domain.records import NS_PER_S, format_ns

log = structlog.get_logger(__name__)

KINDS = frozenset({"CSD", "CSW", "TRANS", "JNLC", "ACATC"})
"""Cash paid in and out, journaled between accounts, or moved with an account (source: Alpaca's
table of activity types). Fees, interest and dividends are results and stay in the profit."""

_BACK_NS = 50 * 3600 * NS_PER_S
"""How far back each question looks: what bears a date only stands at that day's midnight, UTC."""

Activities = Callable[[str], Awaitable[Sequence[Activity]]]


class Transfers:
    """Tell of transfers, by the venue's id of each, until they are accepted as told.

    `known` are the ids accepted before. The first question of a new journal tells nothing: what was
    there before is where we begin.
    """

    def __init__(
        self, activities: Activities, clock: Clock, known: Iterable[str] | None = None
    ) -> None:
        self._activities = activities
        self._clock = clock
        self._known = None if known is None else set(known)
        self._shown: set[str] = set()

    @property
    def known(self) -> tuple[str, ...]:
        """Return the ids that the next question may show again."""
        return tuple(sorted(self._known or ()))

    async def look(self) -> Decimal | None:
        """Return the net dollars of new transfers, signed; none when the venue did not answer."""
        since = format_ns(self._clock.now_ns() - _BACK_NS)
        try:
            rows = await self._activities(since)
        except BrokerError as error:
            log.warning("transfers_unknown", code=error.code)
            return None
        told = {row.id: row.amount for row in rows if row.kind in KINDS}
        old = told.keys() if self._known is None else self._known
        fresh = {name: amount for name, amount in told.items() if name not in old}
        self._shown = set(told)
        return sum(fresh.values(), Decimal(0))

    def accept(self) -> None:
        """Count what the last question showed as told."""
        self._known = self._shown
