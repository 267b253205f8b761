"""C2: tell decisions that a model may remember from those that it cannot have read about.

A model that read how a year went decides well in that year and proves nothing. What nobody
published a date for counts as having read everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult, Cutoff
from backtest.records import RunResult
from domain.records import NS_PER_S

MARGIN = timedelta(days=90)
"""After the published date, for what was read late and for dates that are said too early."""

CUTOFFS: dict[str, str] = {
    "gpt-3.5-turbo": "2021-09-01",
    "gpt-4": "2023-12-01",
    "gpt-4-turbo": "2023-12-01",
    "gpt-4-turbo-preview": "2023-12-01",
    "gpt-4o": "2023-10-01",
    "gpt-4o-mini": "2023-10-01",
    "gpt-4.1": "2024-06-01",
    "gpt-4.1-mini": "2024-06-01",
    "gpt-4.1-nano": "2024-06-01",
    "o1": "2023-10-01",
    "o1-mini": "2023-10-01",
    "o3": "2024-06-01",
    "o3-mini": "2023-10-01",
    "o4-mini": "2024-06-01",
    "gpt-5": "2024-09-30",
    "gpt-5-mini": "2024-05-31",
    "gpt-5-nano": "2024-05-31",
}
"""Knowledge cut-off by model, as its maker's model page gives it (platform.openai.com/docs/models).

A dated snapshot (`gpt-4o-2024-08-06`) has its model's.
"""

_MODELS = ("llm:", "local:")


def label(analyst: str, ts_ns: int) -> Cutoff:
    """Say where one decision of an analyst stands; rules and policies have read nothing."""
    if not analyst.startswith(_MODELS):
        return Cutoff.NOT_A_MODEL
    known = cutoff_of(analyst.split(":", 1)[1])
    if known is None:
        return Cutoff.UNKNOWN
    return Cutoff.AFTER if ts_ns >= _clean_from(known) else Cutoff.BEFORE


def label_all(analyst: str, times_ns: Iterable[int]) -> Cutoff:
    """Say where a run stands: `MIXED` when its decisions lie on both sides."""
    labels = {label(analyst, ts_ns) for ts_ns in times_ns} or {label(analyst, 0)}
    return labels.pop() if len(labels) == 1 else Cutoff.MIXED


def cutoff_of(model: str) -> datetime | None:
    """Return a model's published date, none where nobody published one that we know."""
    parts = model.rsplit("-", 3)
    is_dated = len(parts) == 4 and all(part.isdigit() for part in parts[1:])  # noqa: PLR2004 - a date
    day = CUTOFFS.get(model) or (CUTOFFS.get(parts[0]) if is_dated else None)
    return None if day is None else datetime.fromisoformat(day).replace(tzinfo=UTC)


def _clean_from(known: datetime) -> int:
    return int((known + MARGIN).timestamp()) * NS_PER_S


def is_claimable(cutoff: Cutoff) -> bool:
    """Tell whether a headline may claim anything of a run that stands there."""
    return cutoff in {Cutoff.NOT_A_MODEL, Cutoff.AFTER}


def knowledge(result: RunResult) -> ControlResult:
    """Report C2: every decision lies after what the model may have read, or is a rule's."""
    analyst = result.spec.analyst
    labels = [label(analyst, row.ts_ns) for row in result.decisions]
    stands = label_all(analyst, (row.ts_ns for row in result.decisions))
    n_after = sum(one is Cutoff.AFTER for one in labels)
    figures = {"decisions": float(len(labels)), "after": float(n_after)}
    match stands:
        case Cutoff.NOT_A_MODEL:
            line = f"{analyst} has read nothing"
        case Cutoff.UNKNOWN:
            line = f"nobody published what {analyst} has read: taken to have read everything"
        case _:
            known = cutoff_of(analyst.split(":", 1)[1])
            since = f"{known + MARGIN:%Y-%m-%d}" if known else ""
            line = f"{n_after} of {len(labels)} decisions lie after {since}, when nothing was read"
    return found("C2", line, passed=is_claimable(stands), **figures)
