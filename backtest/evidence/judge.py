"""Judge a run: everything that is known about it, in one record for a report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.baselines.chance import held_at
from backtest.controls import ablation, costs, counterfactual, cutoffs, repeats, selection, timing
from backtest.controls.blind.attack import Ask, Recognition, blindness, recognised
from backtest.controls.registration import Registration, compared, registration
from backtest.controls.selection import Tries
from backtest.controls.switches import NAMES, found, switched_off
from backtest.evidence.records import ControlResult, Curve, Evidence, HeadlineRow, Registered
from backtest.evidence.rows import (
    HOLD,
    analysts_row,
    band_of,
    paired_returns,
    randoms_row,
    ratio_of,
    row_of,
    sentence_on,
)
from backtest.evidence.runs import Inquiry, Perform, Runs, gather
from backtest.records import Ended, RunResult
from backtest.statistics.calendar import periods_of
from backtest.statistics.figures import equity_of, total_return
from backtest.statistics.selection import Superiority, superior
from domain.decisions import Action, Brief, Role
from domain.errors import AnalystError
from domain.market import Window
from domain.ports import Analyst


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is remembered beside a run: the tries so far, and what was registered when.

    `journaled` is the registration that stands in the journal before the first decision, `claim`
    the file as it is now. `ask` puts masked windows to the model to name.
    """

    tries: Tries | None = None
    claim: Registration | None = None
    journaled: Registration | None = None
    ask: Ask | None = None


def judge(
    inquiry: Inquiry,
    kept: Kept | None = None,
    *,
    main: RunResult | None = None,
    windows: Sequence[Window] = (),
    perform: Perform | None = None,
) -> Evidence:
    """Run analyst, baselines and controls, and conclude; `main` is the judged run if it is there.

    `windows` are those that its director saw.
    `perform` may run several tasks at once. Nothing is left out for what it says. Raises
    `ConfigError` for tries that cannot be read, and what the runs raise.
    """
    return conclude(inquiry, gather(inquiry, main, perform, windows=windows), kept or Kept())


def conclude(inquiry: Inquiry, runs: Runs, kept: Kept) -> Evidence:
    """Conclude from runs that were made."""
    periods, hold = periods_of(inquiry.spec), runs.baselines[HOLD]
    tries = _tries(runs.main, kept.tries)
    rows = _rows(runs, hold, periods=periods, tried=tries)
    registered = compared(kept.claim, inquiry.spec, journaled=kept.journaled)
    judged = _Judged(inquiry, runs, kept, rows, tries[0], registered, periods)
    return Evidence(
        rows=tuple(rows),
        sentence=sentence_on(rows[0], tries[0]),
        periods=periods,
        n_steps=len(runs.main.equity),
        n_tries=tries[0],
        controls=tuple(judged.all()),
        registration=registered,
        curves=tuple(_curves(runs)),
        band=band_of(runs.random) if runs.random else None,
    )


def _tries(main: RunResult, tries: Tries | None) -> tuple[int, Sequence[float]]:
    """Count this run among everything ever tried."""
    if tries is None:
        return 1, ()
    return tries.record(main.spec, ratio_of(main)), tries.ratios()


def _rows(
    runs: Runs, hold: RunResult, *, periods: float, tried: tuple[int, Sequence[float]]
) -> list[HeadlineRow]:
    whole = [run for run in runs.repeats if run.ended is Ended.COMPLETE]
    spread = repeats.repeats_of(whole) if len(whole) > 1 else None
    rows = [analysts_row(runs, hold, periods=periods, tried=tried, repeats=spread)]
    rows += [row_of(name, run, hold, periods=periods) for name, run in runs.baselines.items()]
    chance = randoms_row(runs, hold, periods=periods)
    return rows if chance is None else [*rows, chance]


def _curves(runs: Runs) -> list[Curve]:
    named = {runs.main.spec.analyst: runs.main, **runs.baselines}
    return [Curve(name=name, ts_ns=run.ts_ns, equity=run.equity) for name, run in named.items()]


@dataclass(frozen=True, slots=True)
class _Judged:
    """Everything a control may look at."""

    inquiry: Inquiry
    runs: Runs
    kept: Kept
    rows: list[HeadlineRow]
    n_tries: int
    registered: Registered
    periods: float

    def all(self) -> list[ControlResult]:
        """Return what each control found, in their order, also of those that are off."""
        judges: dict[str, Callable[[], ControlResult]] = {
            "C1": self._timing,
            "C2": lambda: cutoffs.knowledge(self.runs.main),
            "C3": self._blind,
            "C4": self._counterfactuals,
            "C5": lambda: costs.costs(self.runs.main),
            "C6": self._repeats,
            "C7": lambda: repeats.intervals(self.rows[0]),
            "C8": self._selection,
            "C9": self._baselines,
            "C10": self._ablation,
            "C11": lambda: registration(self.registered, n_tries=self.n_tries),
        }
        controls = self.inquiry.controls
        return [judges[c]() if controls.is_on(c) else switched_off(c) for c in NAMES]

    def _timing(self) -> ControlResult:
        runs = self.runs
        if runs.absurd is not None and runs.absurd.ended is not Ended.COMPLETE:
            return _unfinished("C1", runs.absurd)
        return timing.point_in_time(runs.main, absurd=runs.absurd, at_ns=runs.middle_ns)

    def _blind(self) -> ControlResult:
        if self.runs.blind is None:
            return found("C3", f"{self._analyst} is shown no names", passed=True)
        if self.runs.blind.ended is not Ended.COMPLETE:
            return _unfinished("C3", self.runs.blind)
        seen = self._recognised()
        return blindness(self.runs.main, self.runs.blind, seen, seed=self.inquiry.spec.seed)

    def _recognised(self) -> Recognition | None:
        if self.kept.ask is None:
            return None
        masks = self.inquiry.masks
        try:
            return asyncio.run(recognised(self.runs.windows, masks, self.kept.ask))
        except AnalystError:
            return None

    def _counterfactuals(self) -> ControlResult:
        if self.runs.mirror is not None:
            return _mirror(self.runs.main, self.runs.mirror)
        if self.inquiry.analyst is None:
            return found("C4", "no windows to ask about", passed=None)
        direct = director(self.inquiry.analyst(0))
        seed = self.inquiry.spec.seed
        followed = asyncio.run(counterfactual.follow(self.runs.windows, direct, seed))
        if self.inquiry.cut():
            return found("C4", f"not all was asked: {self.inquiry.cut()}", passed=None)
        return counterfactual.counterfactuals(*followed)

    def _selection(self) -> ControlResult:
        return selection.selection(
            self.rows[0], n_tries=self.n_tries, superiority=_superiority(self.runs)
        )

    def _baselines(self) -> ControlResult:
        others = [row for row in self.rows[1:] if row.name in self.runs.baselines]
        returns = [total_return(equity_of(run)) or 0.0 for run in self.runs.random]
        return selection.baselines(self.rows[0], others, returns)

    def _repeats(self) -> ControlResult:
        for run in self.runs.repeats:
            if run.ended is not Ended.COMPLETE:
                return _unfinished("C6", run)
        return repeats.repeated(self.runs.repeats)

    def _ablation(self) -> ControlResult:
        for run in self.runs.ablated.values():
            if run.ended is not Ended.COMPLETE:
                return _unfinished("C10", run)
        return ablation.ablation(
            self.runs.main, self.runs.ablated, periods=self.periods, seed=self.inquiry.spec.seed
        )

    @property
    def _analyst(self) -> str:
        return self.inquiry.spec.analyst


def _unfinished(code: str, run: RunResult) -> ControlResult:
    """Judge nothing by half a run: what was not answered in it looks like a decision to hold."""
    return found(code, f"not all of its run was made: {run.note or run.ended}", passed=None)


def director(analyst: Analyst) -> counterfactual.Direct:
    """Ask an analyst's director alone; a failure to answer is a hold."""

    async def direct(window: Window) -> Action:
        try:
            answer = await analyst.answer(Brief(role=Role.DIRECTOR, window=window))
            return Action(answer.content.get("action", Action.HOLD))
        except (AnalystError, ValueError):
            return Action.HOLD

    return direct


def _mirror(main: RunResult, mirror: RunResult) -> ControlResult:
    """Judge a policy by where it is in the market and where it is in the mirrored one."""
    held = [
        np.concatenate([held_at(run, symbol) for symbol in main.spec.symbols])
        for run in (main, mirror)
    ]
    n = min(len(held[0]), len(held[1]))
    nothing = counterfactual.Followed(n=0, hits=0)
    followed = counterfactual.agreement(held[0][:n], held[1][:n])
    return counterfactual.counterfactuals(followed, nothing, nothing)


def _superiority(runs: Runs) -> Superiority | None:
    """Test the best of the analyst and all rules against buy and hold."""
    hold = runs.baselines[HOLD]
    tried = [runs.main, *(run for name, run in runs.baselines.items() if name != HOLD)]
    pairs = [paired_returns(run, hold) for run in tried]
    n = min(len(ours) for ours, _ in pairs)
    gains = np.column_stack([ours[:n] - theirs[:n] for ours, theirs in pairs])
    return superior(gains, seed=runs.main.spec.seed)
