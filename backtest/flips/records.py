"""Name where a decision ended, what became of it when it was asked again, and what that adds up to.

A *flip* is a change of what would be done: of the action, of the outcome, or of the size.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from backtest.statistics.intervals import Interval
from domain.decisions import Decision
from domain.market import Window
from domain.records import Record

NOBODY = "none"
"""The action of a decision whose director said nothing usable."""


class Journaled(Record, frozen=True):
    """One decision of a journal with the window that it saw, and the prompts by digest."""

    decision: Decision
    window: Window
    prompts: dict[str, str]


class Stand(Record, frozen=True):
    """Where a decision ended. `quantity` is what it ordered, none when it ordered nothing."""

    action: str
    outcome: str
    reason_code: str
    quantity: Decimal | None = None


class Change(StrEnum):
    """The first thing that differs, from the most to the least weighty."""

    SAME = "same"
    SIZE = "size"
    OUTCOME = "outcome"
    ACTION = "action"


class Ending(StrEnum):
    """How asking ended; everything but COMPLETE makes the result partial."""

    COMPLETE = "complete"
    BUDGET_SPENT = "budget_spent"
    INTERRUPTED = "interrupted"

    @property
    def words(self) -> str:
        """Return what happened, for a person."""
        return {"budget_spent": "the budget is spent"}.get(self.value, f"it was {self.value}")


class Sample(Record, frozen=True):
    """One answer to one question asked again; `change` is none when nobody answered.

    `latency_ms` adds up the calls, which one decision makes one after the other.
    """

    stand: Stand
    change: Change | None
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float = 0.0
    latency_ms: float = 0.0


class Asked(Record, frozen=True):
    """One journaled decision and its samples; `was` is where it ended then."""

    decision_id: str
    symbol: str
    as_of: str
    analyst: str
    was: Stand
    samples: tuple[Sample, ...]

    @property
    def answered(self) -> tuple[Sample, ...]:
        """Return the samples that somebody answered."""
        return tuple(sample for sample in self.samples if sample.change is not None)

    @property
    def flip_share(self) -> float | None:
        """Return the share of its answers that differ; none without an answer."""
        answers = self.answered
        if not answers:
            return None
        return sum(sample.change is not Change.SAME for sample in answers) / len(answers)


class Turn(Record, frozen=True):
    """How many answers went from one action and outcome to another."""

    was: str
    now: str
    count: int


class Flips(Record, frozen=True):
    """What asking again adds up to.

    `rate` is the mean over decisions of the share of their answers that differ, none without an
    answer; `interval` bounds it. `unanswered` counts questions that nobody answered (time-outs, a
    spent budget): they change nothing and are in no rate. Latencies are milliseconds a decision.
    """

    decisions: int
    samples: int
    unanswered: int
    flipped: int
    rate: float | None
    interval: Interval | None
    by_change: dict[str, int]
    turns: tuple[Turn, ...]
    tokens_in: int
    tokens_out: int
    cost_usd: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
