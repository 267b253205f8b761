"""C10: take one agent away and see what the others lose: an agent that does nothing adds nothing.

The graph stays what it is. In the removed agent's place stands an answer that lets everything
through; where it would have said something, code's defaults hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

import numpy as np

from backtest.controls.switches import found
from backtest.evidence.records import ControlResult
from backtest.records import RunResult
from backtest.statistics.figures import equity_of, returns_of
from backtest.statistics.intervals import Interval, paired_interval
from domain.decisions import Action, Answer, Brief, Call, ExecutionStyle, Role, Volatility
from domain.ports import Analyst
from domain.records import Record, canonical

_ABSENT = "nobody asked: this agent was taken away"


class Without:
    """An analyst with one role's answers replaced by ones that let everything through."""

    def __init__(self, analyst: Analyst, role: Role) -> None:
        self._analyst = analyst
        self._role = role

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return f"{self._analyst.name}-{self._role}"

    async def answer(self, brief: Brief) -> Answer:
        """Answer as the analyst does, but for the role that is gone."""
        if brief.role is not self._role:
            return await self._analyst.answer(brief)
        content = passed_through(brief)
        raw = canonical(content).decode()
        call = Call(role=brief.role, attempt=1, model=_ABSENT, prompt_digest="", raw=raw)
        return Answer(content=content, calls=(call,))


def passed_through(brief: Brief) -> dict[str, Any]:
    """Return the answer of nobody: buy when flat, confirm, approve in full, take the far side."""
    match brief.role:
        case Role.DIRECTOR:
            held = brief.window.position
            is_flat = held is None or held.quantity == 0
            return {
                "action": (Action.BUY if is_flat else Action.HOLD).value,
                "confidence": 1.0,
                "thesis": _ABSENT,
                "invalidation_price": None,
            }
        case Role.QUANT:
            return {
                "confirmed": True,
                "score": 1.0,
                "support": None,
                "resistance": None,
                "volatility": Volatility.NORMAL.value,
                "reason": _ABSENT,
            }
        case Role.RISK:
            return {
                "approved": True,
                "size_fraction": 1.0,
                "stop_loss": None,
                "take_profit": None,
                "reason": _ABSENT,
            }
        case Role.EXECUTION:
            return {"style": ExecutionStyle.MARKETABLE.value, "limit_offset_bps": 1.0}
        case _:
            assert_never(brief.role)


class Contribution(Record, frozen=True):
    """What one agent adds: the mean return a step with it less that without it."""

    mean: float
    interval: Interval | None

    @property
    def harms(self) -> bool:
        """Tell whether the run is better without it, beyond the interval."""
        return self.interval is not None and self.interval.high < 0

    @property
    def helps(self) -> bool:
        """Tell whether the run is worse without it, beyond the interval."""
        return self.interval is not None and self.interval.low > 0


def contribution(full: RunResult, ablated: RunResult, *, seed: int) -> Contribution:
    """Compare a run with the one that lacks an agent, paired step by step."""
    ours, theirs = (returns_of(equity_of(result)) for result in (full, ablated))
    interval = paired_interval(ours, theirs, seed=seed)
    return Contribution(mean=float(np.mean(ours - theirs)) if len(ours) else 0.0, interval=interval)


def ablation(
    full: RunResult, ablated: Mapping[Role, RunResult], *, periods: float, seed: int
) -> ControlResult:
    """Report C10: what each agent adds a year; it fails when the run is better without one."""
    if not ablated:
        return found("C10", "no agent was taken away: a rule has none", passed=None)
    parts = {role: contribution(full, result, seed=seed) for role, result in ablated.items()}
    told = [f"{role} {part.mean * periods:+.1%} ({_verdict(part)})" for role, part in parts.items()]
    figures = {role.value: part.mean * periods for role, part in parts.items()}
    line = f"a year, by agent: {', '.join(told)}"
    return found("C10", line, passed=not any(part.harms for part in parts.values()), **figures)


def _verdict(part: Contribution) -> str:
    if part.harms:
        return "harms"
    return "helps" if part.helps else "no difference shown"
