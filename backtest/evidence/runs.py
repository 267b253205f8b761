"""Make every run that a judgement stands on: the analyst's, its variations, and the baselines'."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec
import numpy as np

from backtest.baselines.chance import habits_of
from backtest.baselines.table import NAMES, RANDOM, policy
from backtest.controls.ablation import Without
from backtest.controls.blind.analyst import Blind
from backtest.controls.blind.mask import Mask, masks_of
from backtest.controls.counterfactual import mirrored_series
from backtest.controls.switches import Controls
from backtest.controls.timing import with_absurd_future
from backtest.policy import MakePolicy
from backtest.records import RunResult, RunSpec, Series
from domain.decisions import Answer, Brief, Role
from domain.limits import Limits
from domain.market import Window
from domain.ports import Analyst
from graph.analysts.rules import RULES

POLICY = "policy:"
WINDOWS = 200
"""Windows of a run that are kept for questions about other worlds."""
RANDOM_TRADERS = 100


class Play(Protocol):
    """Play series through the engine: one run."""

    def __call__(
        self,
        series: Sequence[Series],
        spec: RunSpec,
        *,
        policies: MakePolicy | None = None,
        analyst: Analyst | None = None,
    ) -> RunResult:
        """Return what the run did; `policies` for a `policy:` run, else `analyst` answers."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What is judged, and how thoroughly.

    `spec` is the run's; `policies` make its rule when it is a policy, else `analyst` makes the
    analyst of the k-th run. `repeats` are how often it is run in all. `names` are the companies' by
    symbol, for masks. `tell` hears what is being run.
    """

    series: Sequence[Series]
    spec: RunSpec
    play: Play
    analyst: Callable[[int], Analyst] | None = None
    policies: MakePolicy | None = None
    controls: Controls = field(default_factory=Controls)
    repeats: int = 2
    random_traders: int = RANDOM_TRADERS
    names: Mapping[str, str] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda _: None

    @property
    def is_policy(self) -> bool:
        """Tell whether a rule decides in place of the graph."""
        return self.spec.analyst.startswith(POLICY)

    @property
    def share(self) -> float:
        """Return what of the equity a baseline puts into one symbol: all alike."""
        return 1.0 / len(self.spec.symbols)

    @property
    def masks(self) -> dict[str, Mask]:
        """Return the masks of the blind run."""
        return masks_of(self.spec.symbols, self.spec.seed, names=self.names)

    @property
    def middle_ns(self) -> int:
        """Return the time in the middle of the data, after which C1 makes prices absurd."""
        times = np.unique(np.concatenate([one.ts_ns for one in self.series]))
        return int(times[len(times) // 2])


@dataclass(slots=True, kw_only=True)
class Runs:
    """Every run of an inquiry; what a switched-off control would need is missing.

    `windows` are those that the director saw, at most `WINDOWS`, evenly spread.
    """

    repeats: list[RunResult]
    baselines: dict[str, RunResult]
    random: list[RunResult]
    absurd: RunResult | None = None
    blind: RunResult | None = None
    mirror: RunResult | None = None
    ablated: dict[Role, RunResult] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)

    @property
    def main(self) -> RunResult:
        """Return the run that is judged."""
        return self.repeats[0]


class Listening:
    """An analyst whose director's windows are kept, thinned out evenly as they become many."""

    def __init__(self, analyst: Analyst, most: int = WINDOWS) -> None:
        self._analyst = analyst
        self._most = most
        self._every = 1
        self._n = 0
        self.windows: list[Window] = []

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return self._analyst.name

    async def answer(self, brief: Brief) -> Answer:
        """Answer as the analyst does."""
        if brief.role is Role.DIRECTOR:
            self._keep(brief.window)
        return await self._analyst.answer(brief)

    def _keep(self, window: Window) -> None:
        if self._n % self._every == 0:
            self.windows.append(window)
        self._n += 1
        if len(self.windows) > self._most:
            self.windows = self.windows[::2]
            self._every *= 2


def gather(inquiry: Inquiry, main: RunResult | None = None) -> Runs:
    """Run everything that the inquiry's controls need; `main` is the judged run if it is there."""
    windows: list[Window] = []
    first = main or _again(inquiry, 0, windows)
    repeats = [first]
    n_repeats = inquiry.repeats if inquiry.controls.repeats else 1
    repeats += [_again(inquiry, k, windows) for k in range(1, n_repeats)]
    runs = Runs(
        repeats=repeats,
        baselines=dict(_baselines(inquiry)),
        random=list(_random(inquiry, first)) if inquiry.controls.baselines else [],
        windows=windows[:WINDOWS],
    )
    _vary(inquiry, runs)
    return runs


def _again(inquiry: Inquiry, k: int, windows: list[Window]) -> RunResult:
    inquiry.tell(f"{inquiry.spec.analyst}, run {k + 1} of {inquiry.repeats}")
    if inquiry.is_policy or inquiry.analyst is None:
        return inquiry.play(inquiry.series, inquiry.spec, policies=inquiry.policies)
    listening = Listening(inquiry.analyst(k))
    result = inquiry.play(inquiry.series, inquiry.spec, analyst=listening)
    windows[:] = listening.windows
    return result


def _baselines(inquiry: Inquiry) -> Iterator[tuple[str, RunResult]]:
    for name in NAMES:
        if name != RANDOM:
            inquiry.tell(f"baseline {name}")
            make = policy(name, share=inquiry.share)
            yield name, inquiry.play(inquiry.series, as_policy(inquiry.spec, name), policies=make)
    if not inquiry.is_policy and inquiry.spec.analyst != RULES:
        inquiry.tell("the same graph with rules in place of the model")
        spec = msgspec.structs.replace(
            inquiry.spec, analyst=RULES, prompts=(), analyst_latency_s=0.0
        )
        yield RULES, inquiry.play(inquiry.series, spec)


def _random(inquiry: Inquiry, main: RunResult) -> Iterator[RunResult]:
    habits, spec = habits_of(main), as_policy(inquiry.spec, RANDOM)
    for n in range(inquiry.random_traders):
        inquiry.tell(f"random trader {n + 1} of {inquiry.random_traders}")
        seed = inquiry.spec.seed + n
        make = policy(RANDOM, share=inquiry.share, seed=seed, habits=habits)
        own = msgspec.structs.replace(spec, seed=seed)
        yield inquiry.play(inquiry.series, own, policies=make)


def as_policy(spec: RunSpec, name: str) -> RunSpec:
    """Return the spec of a baseline beside a run: the same data, cash and costs, no analyst.

    The analyst's limits do not bind it, for they would make another rule of it.
    """
    limits = set(Limits.__struct_fields__)
    settings = tuple(pair for pair in spec.settings if pair[0] not in limits)
    return msgspec.structs.replace(
        spec, analyst=f"{POLICY}{name}", settings=settings, prompts=(), analyst_latency_s=0.0
    )


def _vary(inquiry: Inquiry, runs: Runs) -> None:
    """Run the analyst under what the controls change; a policy has neither mask nor agents."""
    controls, spec = inquiry.controls, inquiry.spec
    if controls.point_in_time:
        inquiry.tell("the run with an absurd future")
        absurd = [with_absurd_future(one, inquiry.middle_ns) for one in inquiry.series]
        runs.absurd = _other(inquiry, absurd, spec, _of(inquiry))
    if inquiry.is_policy and controls.counterfactuals:
        inquiry.tell("the run on mirrored returns")
        mirror = [mirrored_series(one) for one in inquiry.series]
        runs.mirror = _other(inquiry, mirror, spec, None)
    analyst = _of(inquiry)
    if analyst is None:
        return
    if controls.blind:
        inquiry.tell("the run behind masks")
        blind = msgspec.structs.replace(spec, is_blind=True)
        runs.blind = _other(inquiry, inquiry.series, blind, Blind(analyst, inquiry.masks))
    for role in Role if controls.ablation else ():
        inquiry.tell(f"the run without {role}")
        runs.ablated[role] = _other(inquiry, inquiry.series, spec, Without(analyst, role))


def _of(inquiry: Inquiry) -> Analyst | None:
    """Return the analyst of the first run: its answers are cached, so it costs nothing again."""
    return None if inquiry.is_policy or inquiry.analyst is None else inquiry.analyst(0)


def _other(
    inquiry: Inquiry, series: Sequence[Series], spec: RunSpec, analyst: Analyst | None
) -> RunResult:
    return inquiry.play(series, spec, policies=inquiry.policies, analyst=analyst)
