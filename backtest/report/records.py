"""Name what a report is made from, and the sheet that page, JSON and terminal all show.

A figure is worked out once, into the `Sheet`; the three forms only lay it out, so none of them can
say what another does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backtest.data import DataWarning
from backtest.evidence.records import ControlResult, Evidence, HeadlineRow, Registered
from backtest.records import DecisionRow, Ended, FillRow, RunResult
from domain.records import Record

SHEET_SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportInput:
    """Everything a report tells. Without `evidence` it says that nothing was compared.

    `is_cut`: a person interrupted what the run was to be held against. `version` and `commit` name
    the code, `made_at` (RFC 3339) when the report was made: the same input gives the same bytes.
    """

    result: RunResult
    evidence: Evidence | None = None
    is_cut: bool = False
    warnings: tuple[DataWarning, ...] = ()
    version: str = ""
    commit: str = ""
    made_at: str = ""


class Line(Record, frozen=True):
    """A curve as it is drawn: milliseconds since 1970, UTC, and values."""

    name: str
    ms: tuple[int, ...]
    values: tuple[float, ...]


class Area(Record, frozen=True):
    """A band as it is drawn."""

    name: str
    ms: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class MarkKind(StrEnum):
    """What stands on a price: a decision by how it ended, or an execution."""

    BUY = "buy"
    SELL = "sell"
    DENIED = "denied"
    ENDED = "ended early"
    HELD = "held"
    FILL = "fill"


class Mark(Record, frozen=True):
    """One decision or fill on a price, and what hovering tells.

    `thesis` and `code` are as they were given: whoever shows them takes their markup away.
    """

    ms: int
    price: float
    kind: MarkKind
    title: str
    thesis: str = ""
    code: str = ""


class Chart(Record, frozen=True):
    """The price of one symbol with its marks; `left_out` counts holds that are not drawn."""

    symbol: str
    price: Line
    marks: tuple[Mark, ...]
    left_out: int = 0


class Month(Record, frozen=True):
    """The figure of one calendar month in UTC, a fraction; `month` is 0 for the whole year."""

    year: int
    month: int
    value: float


class Count(Record, frozen=True):
    """How often something was so, or what it cost in dollars, and its share of them all."""

    name: str
    value: float
    share: float


class Sheet(Record, frozen=True):
    """Everything a report shows, worked out. `shouts` are what nobody may overlook.

    `cut` says how many orders met less than they asked for, in words; nothing when none did.
    `configuration` and `digests` are (name, value) in the order they are shown. `decisions` and
    `fills` are whole in JSON alone; the page marks them upon the prices.
    """

    title: str
    ended: Ended
    shouts: tuple[str, ...]
    sentence: str
    rows: tuple[HeadlineRow, ...]
    n_tries: int | None
    equity: tuple[Line, ...]
    bands: tuple[Area, ...]
    drawdown: tuple[Line, ...]
    exposure: Line
    turnover: tuple[Month, ...]
    months: tuple[Month, ...]
    charts: tuple[Chart, ...]
    costs: tuple[Count, ...]
    n_orders: int
    n_cut: int
    cut: str
    denials: tuple[Count, ...]
    outcomes: tuple[Count, ...]
    controls: tuple[ControlResult, ...]
    warnings: tuple[DataWarning, ...]
    registered: Registered | None
    configuration: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    made_at: str
    interval_s: int
    decisions: tuple[DecisionRow, ...]
    fills: tuple[FillRow, ...]
    schema: int = SHEET_SCHEMA
