"""Add up what asking again changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from math import fsum

import numpy as np

from backtest.flips.records import Asked, Change, Flips, Sample, Stand, Turn
from backtest.statistics.intervals import share_interval


def tally(asked: Sequence[Asked]) -> Flips:
    """Add up; the same decisions in any order give the same figures.

    The interval is Wilson's over decisions, whatever the number of samples: the answers to one
    question are no independent trials, so more of them do not narrow it.
    """
    samples = [sample for each in asked for sample in each.samples]
    answered = [(each, sample) for each in asked for sample in each.answered]
    shares = [share for each in asked if (share := each.flip_share) is not None]
    latencies = [sample.latency_ms for _, sample in answered]
    return Flips(
        decisions=len(shares),
        samples=len(answered),
        unanswered=len(samples) - len(answered),
        flipped=sum(share > 0 for share in shares),
        rate=fsum(shares) / len(shares) if shares else None,
        interval=share_interval(fsum(shares), len(shares)),
        by_change=_by_change(sample for _, sample in answered),
        turns=_turns(answered),
        tokens_in=sum(sample.tokens_in for sample in samples),
        tokens_out=sum(sample.tokens_out for sample in samples),
        cost_usd=fsum(sample.cost_usd for sample in samples),
        latency_p50_ms=_percentile(latencies, 50),
        latency_p95_ms=_percentile(latencies, 95),
    )


def _by_change(samples: Iterable[Sample]) -> dict[str, int]:
    counts = Counter(sample.change for sample in samples)
    return {change.value: counts[change] for change in Change}


def _turns(answered: Iterable[tuple[Asked, Sample]]) -> tuple[Turn, ...]:
    """Count the ways that answers went, the most frequent first; those that stayed are left out."""
    counts = Counter(
        (word(each.was), word(sample.stand))
        for each, sample in answered
        if sample.change is not Change.SAME
    )
    ordered = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return tuple(Turn(was=was, now=now, count=count) for (was, now), count in ordered)


def word(stand: Stand) -> str:
    """Write a stand in a few words: what was wanted, and how it ended where that says more."""
    ended = stand.outcome.replace("_", " ")
    is_plain = (stand.action, stand.reason_code) == ("hold", "HOLD")
    said = stand.action if is_plain else f"{stand.action}, {ended}"
    return f"{said} {stand.quantity.normalize():f}" if stand.quantity is not None else said


def _percentile(values: Sequence[float], percent: float) -> float | None:
    return float(np.percentile(values, percent)) if values else None
