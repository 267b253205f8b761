"""Hold what is shown: the bot's last answers, and why there are no newer ones."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from domain.records import Record
from engine.control import PositionView, Status

HAPPENINGS_KEPT = 50


class DecisionLine(Record, frozen=True):
    """One decision, as `/decisions` lists it; what else stands there is not shown."""

    id: str
    symbol: str
    outcome: str
    reason_code: str
    action: str | None
    confidence: float | None
    ts_end: str
    cost_usd: float = 0.0
    denial_code: str | None = None


class Budget(Record, frozen=True):
    """What the model took of its day."""

    spent_usd: float
    usd_per_day: float | None


class Happening(Record, frozen=True):
    """One event of the stream, in a few words, with the wall time at which it was heard."""

    at: str
    kind: str
    words: str


@dataclass(kw_only=True)
class Snapshot:
    """The last answers. `fault` says why the bot does not answer now; empty while it does.

    `heard_at` is when it last answered, in the loop's seconds; none before it ever did.
    """

    url: str
    status: Status | None = None
    positions: tuple[PositionView, ...] = ()
    decisions: tuple[DecisionLine, ...] = ()
    budget: Budget | None = None
    happenings: deque[Happening] = field(default_factory=lambda: deque(maxlen=HAPPENINGS_KEPT))
    fault: str = "asking"
    heard_at: float | None = None

    def plain(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "url": self.url,
            "fault": self.fault,
            "status": self.status,
            "positions": self.positions,
            "decisions": self.decisions,
            "budget": self.budget,
        }
