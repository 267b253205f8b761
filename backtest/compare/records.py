"""Name the two sides of a comparison, and what differs between them.

Times are nanoseconds, UTC; quantities are signed; money is dollars.
"""

from __future__ import annotations

from enum import StrEnum
from math import fsum

from domain.records import Record


class Seen(Record, frozen=True):
    """What a decision saw: the quote's middle, the closes of its bars by their start, and more."""

    mid: float
    closes: dict[str, float]
    news: tuple[str, ...] = ()
    position: float = 0.0


class Step(Record, frozen=True):
    """One decision of one side. `code` is the gate's, or why the run ended.

    `quantity` is what it ordered, none when it ordered nothing or nobody kept it; `seen` is none
    where no window was kept.
    """

    id: str
    symbol: str
    as_of_ns: int
    action: str
    outcome: str
    code: str
    price: float
    quantity: float | None = None
    seen: Seen | None = None
    model_usd: float = 0.0


class Execution(Record, frozen=True):
    """One fill of ours; `reference` is the price that the decision which ordered it saw."""

    ts_ns: int
    symbol: str
    quantity: float
    price: float
    leg: str
    fee_usd: float = 0.0
    reference: float | None = None
    step_id: str | None = None


class Side(Record, frozen=True):
    """One session: a journal's, or a backtest's; steps and executions are oldest first.

    `interval_s` is the length of its bars, none where nothing says it.
    """

    name: str
    steps: tuple[Step, ...]
    executions: tuple[Execution, ...]
    interval_s: int | None = None


class Cause(StrEnum):
    """Why two sides differ, in the order in which one leads to the next."""

    UNMATCHED = "unmatched"
    DATA = "data"
    DECISION = "decision"
    FILL = "fill"
    COST = "cost"


class Difference(Record, frozen=True):
    """One thing that differs, and how many dollars of the live side's advantage it explains."""

    cause: Cause
    what: str
    live: str
    simulated: str
    usd: float = 0.0


class Pair(Record, frozen=True):
    """One decision on both sides, or on one; what is no decision's own has neither."""

    symbol: str
    as_of_ns: int
    live: Step | None
    simulated: Step | None
    differences: tuple[Difference, ...]

    @property
    def usd(self) -> float:
        """Return by how many dollars the live side did better."""
        return fsum(difference.usd for difference in self.differences)


class Comparison(Record, frozen=True):
    """What two sides differ in.

    `usd` is the live result less the simulated one, with what is still held at the same prices;
    `usd_by_cause` adds up to it. `outside` counts decisions beyond the time both sides cover.
    Slippage is the mean in basis points against what the decisions saw, above zero worse.
    """

    pairs: tuple[Pair, ...]
    matched: int
    only_live: int
    only_simulated: int
    outside: int
    changed: int
    usd: float
    usd_by_cause: dict[str, float]
    count_by_cause: dict[str, int]
    slippage_live_bps: float | None
    slippage_simulated_bps: float | None

    @property
    def moved_usd(self) -> float:
        """Return the dollars of all differences, whichever way they went."""
        return fsum(abs(d.usd) for pair in self.pairs for d in pair.differences)

    def holds(self, tolerance_usd: float) -> bool:
        """Tell whether the sides agree: no dollar beyond the tolerance, and at 0 no decision."""
        is_same = not (self.changed or self.only_live or self.only_simulated)
        moved_usd = round(self.moved_usd, 6)  # what lies below is arithmetic's
        return moved_usd <= tolerance_usd and (tolerance_usd > 0 or is_same)
