"""Name what is concluded from runs: the headline's rows, the controls' results, the curves drawn.

A report draws these and computes nothing. Every fraction is a fraction (0.1 is ten per cent), and
what is undefined is None.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from backtest.records import Floats, Ints
from backtest.statistics.figures import Figures
from backtest.statistics.intervals import Interval
from domain.records import Record

NOT_DISTINGUISHABLE = "not distinguishable from buy and hold"


class Cutoff(StrEnum):
    """Where decisions stand against what the analyst may have read about their time."""

    NOT_A_MODEL = "not a model"
    AFTER = "after"
    MIXED = "mixed"
    BEFORE = "before"
    UNKNOWN = "unknown"


class Repeats(Record, frozen=True):
    """K runs of one configuration: mean and deviation of the total return, share of flips."""

    k: int
    mean: float
    spread: float
    flip_rate: float


class HeadlineRow(Record, frozen=True):
    """One row of the headline table: the analyst's, or a baseline's.

    `excess` is the mean return a year above buy and hold, paired step by step; both it and its
    interval are None for buy and hold itself. `deflated_sharpe` is the probability that the true
    Sharpe ratio beats the best of as many skill-less tries. `net_return` is the total return after
    `model_cost_usd`. `made_of` says what a short run's figures a year are made of; it is None where
    the run is long enough for them.
    """

    name: str
    is_baseline: bool
    figures: Figures
    sharpe_interval: Interval | None
    deflated_sharpe: float | None
    excess: float | None
    excess_interval: Interval | None
    net_return: float | None
    model_cost_usd: float = 0.0
    repeats: Repeats | None = None
    cutoff: Cutoff = Cutoff.NOT_A_MODEL
    denials: int = 0
    n_fills: int = 0
    made_of: str | None = None


class ControlResult(Record, frozen=True):
    """What one control found. `passed` is None where it had nothing to judge, and `line` says why.

    `code` is C1 to C11; `figures` are what it measured, by name.
    """

    code: str
    name: str
    passed: bool | None
    line: str
    figures: dict[str, float | str | None] = msgspec.field(default_factory=dict)


class Registered(Record, frozen=True):
    """What was registered before the first decision, as the report shows it.

    `changed` names the fields that differ from the registration: then, or without one, the run
    is *exploratory*.
    """

    digest: str | None
    hypothesis: str
    primary_figure: str
    n_tries: int
    changed: tuple[str, ...] = ()

    @property
    def is_exploratory(self) -> bool:
        """Tell whether this run may only suggest, and confirms nothing."""
        return self.digest is None or bool(self.changed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Equity of one row of the headline over time; dollars at `ts_ns`."""

    name: str
    ts_ns: Ints
    equity: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Where the middle 90 % of the random traders' equity lies over time; dollars at `ts_ns`."""

    name: str
    ts_ns: Ints
    low: Floats
    middle: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that is concluded about one run. `rows[0]` is the analyst's.

    `sentence` is the one on significance; it is printed whatever it says. `periods` are the steps
    a year that the figures stand on, `n_tries` how many configurations were ever tried, this one
    included.
    """

    rows: tuple[HeadlineRow, ...]
    sentence: str
    periods: float
    n_steps: int
    n_tries: int
    controls: tuple[ControlResult, ...]
    registration: Registered
    curves: tuple[Curve, ...]
    band: Band | None = None
