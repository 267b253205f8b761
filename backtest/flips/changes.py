"""Say where a decision ended, and what changed when it was made again."""

from __future__ import annotations

from decimal import Decimal
from math import fsum

from backtest.flips.records import NOBODY, Change, Sample, Stand
from domain.decisions import Decision, Outcome
from domain.errors import BudgetSpent
from graph.analysts.model.endpoint import PASSING
from graph.analysts.own import RAISED

# Sizes that differ by less are the same order: a tick moved, or a quantity was floored.
SIZE_TOLERANCE = Decimal("0.01")

# The agents ordered; what a person or the clock said to it afterwards is nobody's answer.
_AFTER_THE_ORDER = frozenset({Outcome.AWAITING_APPROVAL, Outcome.REFUSED, Outcome.EXPIRED})

UNANSWERED = PASSING | {BudgetSpent.code, RAISED}
"""Why a run abstained without a word of the model's. An answer outside its schema is an answer."""


def stand_of(decision: Decision) -> Stand:
    """Return where a decision ended, as the agents left it."""
    ordered = decision.outcome in _AFTER_THE_ORDER
    return Stand(
        action=decision.directive.action.value if decision.directive else NOBODY,
        outcome=Outcome.ORDERED.value if ordered else decision.outcome.value,
        reason_code="" if ordered else decision.reason_code,
        quantity=decision.request.quantity if decision.request else None,
    )


def is_answered(stand: Stand) -> bool:
    """Tell whether the model had its say."""
    return stand.outcome != Outcome.ABSTAINED or stand.reason_code not in UNANSWERED


def change_between(was: Stand, now: Stand) -> Change | None:
    """Return what changed; none when one of the two was never answered, so nothing compares."""
    if not (is_answered(was) and is_answered(now)):
        return None
    if was.action != now.action:
        return Change.ACTION
    if was.outcome != now.outcome:
        return Change.OUTCOME
    return Change.SAME if _is_same_size(was.quantity, now.quantity) else Change.SIZE


def _is_same_size(was: Decimal | None, now: Decimal | None) -> bool:
    if was is None or now is None:
        return was is now
    return abs(was - now) <= SIZE_TOLERANCE * max(abs(was), abs(now))


def sample_of(was: Stand, decision: Decision) -> Sample:
    """Return one answer held against what the journal says, with what it took."""
    calls = decision.calls
    now = stand_of(decision)
    return Sample(
        stand=now,
        change=change_between(was, now),
        tokens_in=sum(call.tokens_in for call in calls),
        tokens_out=sum(call.tokens_out for call in calls),
        cost_usd=fsum(call.cost_usd for call in calls),
        latency_ms=fsum(call.latency_ms for call in calls),
    )
