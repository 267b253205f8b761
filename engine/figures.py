"""Name the figures that people look at: prices as candles, limits in use, and the engine's pulse.

They are read when somebody asks and cost nothing in between; no step of trading rests on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.market import WindowBar
from domain.records import Record


class BarsView(Record, frozen=True):
    """One symbol's closed bars, oldest first, with every indicator at each of them.

    The series are computed over the bars that are kept (at least 250), for the eye: what the agents
    saw is in their window, computed by streams that have seen every bar.
    """

    symbol: str
    interval_s: int
    bars: tuple[WindowBar, ...]
    forming: WindowBar | None
    indicators: dict[str, tuple[float | None, ...]]


class LimitUse(Record, frozen=True):
    """How much of one limit is used. `share` is `used` of `limit`; at 1 `code` denies or lowers.

    `unit` is of both numbers: `USD`, `fraction`, `orders`, `requests`, `tokens`. `symbol` is none
    for what binds the whole account.
    """

    setting: str
    code: str
    unit: str
    used: Decimal
    limit: Decimal
    share: float
    symbol: str | None = None


class LinkVital(Record, frozen=True):
    """One symbol's feed; ages are seconds since the last quote and the last message of any kind."""

    symbol: str
    is_up: bool
    losses: int
    quote_age_s: float | None
    message_age_s: float | None


class QueueVital(Record, frozen=True):
    """The limiter: runs under way, tickets that wait and were dropped, both by priority."""

    slots: int
    busy: int
    is_paused: bool
    oldest_wait_s: float
    waiting: dict[str, int]
    dropped: dict[str, int]


class Latency(Record, frozen=True):
    """How long the last answers took, in milliseconds; none before the first."""

    count: int
    p50_ms: float | None
    p95_ms: float | None


class RoleVital(Record, frozen=True):
    """One agent's questions since the start, its errors by code, its last answers' latency."""

    role: str
    calls: int
    errors: dict[str, int]
    latency: Latency


class BudgetVital(Record, frozen=True):
    """What the model took, of what it may; a limit is none where there is no bound.

    Requests and tokens are of the last minute, dollars of the UTC day.
    """

    spent_usd: float = 0.0
    usd_per_day: float | None = None
    requests: int = 0
    requests_per_minute: int | None = None
    tokens: int = 0
    tokens_per_minute: int | None = None
    is_spent: bool = False


class JournalVital(Record, frozen=True):
    """The journal: its length, what waits to be written, how long the last commit took."""

    is_up: bool = True
    reason: str = ""
    entries: int = 0
    queued: int = 0
    lost: int = 0
    commit_ms: float | None = None


class VenueVital(Record, frozen=True):
    """The venue's answers over REST, and how much of its request rate the last minute took."""

    latency: Latency
    requests: int
    requests_per_minute: int
    clock_skew_s: float | None


class LineUse(Record, frozen=True):
    """The last minute's requests to the venue, of how many, and the last answers' seconds."""

    requests: int = 0
    requests_per_minute: int = 0
    answered_s: tuple[float, ...] = ()


class Vitals(Record, frozen=True):
    """How every part does, since the process started at `since`.

    `due` counts what the dispatcher heard, by kind: reasons for which a symbol was due, `not_due`,
    `started`, and what became of tickets that never ran.
    """

    since: str
    links: tuple[LinkVital, ...]
    queue: QueueVital
    due: dict[str, int]
    model: tuple[RoleVital, ...]
    budget: BudgetVital
    journal: JournalVital
    venue: VenueVital
    feed_rejects: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Readings:
    """What only those know who opened it: the model's budget, the journal, the venue's line.

    The defaults are of a world that has none of them, which is a backtest's.
    """

    budget: Callable[[], BudgetVital] = BudgetVital
    journal: Callable[[], JournalVital] = JournalVital
    line: Callable[[], LineUse] = LineUse


def latency_of(seconds: Sequence[float]) -> Latency:
    """Sum up some durations: median and 95th percentile by the nearest rank."""
    if not seconds:
        return Latency(count=0, p50_ms=None, p95_ms=None)
    ordered = sorted(seconds)

    def rank(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)

    return Latency(count=len(ordered), p50_ms=rank(0.5), p95_ms=rank(0.95))
