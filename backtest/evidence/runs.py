"""Make every run that a judgement stands on: the analyst's, its variations, and the baselines'."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, assert_never

import msgspec

from backtest.baselines.chance import Habits, habits_of
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
from domain.records import Record
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
    symbol, for masks. `has_absurd` lets C1 run on an absurd future, half a run more. `tell` hears
    what is being run, `cut` says why the analyst answers no more, if it does not.
    """

    series: Sequence[Series]
    spec: RunSpec
    play: Play
    analyst: Callable[[int], Analyst] | None = None
    policies: MakePolicy | None = None
    controls: Controls = field(default_factory=Controls)
    repeats: int = 2
    random_traders: int = RANDOM_TRADERS
    has_absurd: bool = True
    names: Mapping[str, str] = field(default_factory=dict)
    tell: Callable[[str], None] = lambda _: None
    cut: Callable[[], str] = lambda: ""

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


class Kind(StrEnum):
    """What a run is made for."""

    AGAIN = "the judged run"
    BASELINE = "baseline"
    RULES = "the same graph with"
    RANDOM = "random trader"
    ABSURD = "an absurd future"
    MIRROR = "mirrored returns"
    BLIND = "behind masks"
    WITHOUT = "without"


class Task(Record, frozen=True):
    """One run to be made: of what kind, and which of them."""

    kind: Kind
    arg: str = ""
    habits: Habits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a task; `windows` are some that the director saw, for the judged run alone."""

    result: RunResult
    windows: tuple[Window, ...] = ()


Perform = Callable[[Sequence[Task]], Iterable[Ran]]
"""Run tasks and give what came of each, in their order."""


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

    @property
    def middle_ns(self) -> int:
        """Return the time in the middle of the run, after which C1 makes prices absurd."""
        steps = self.main.ts_ns
        return int(steps[len(steps) // 2]) if len(steps) else 0


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


def gather(
    inquiry: Inquiry,
    main: RunResult | None = None,
    perform: Perform | None = None,
    *,
    windows: Sequence[Window] = (),
) -> Runs:
    """Run everything that the inquiry's controls need; `main` is the judged run if it is there.

    `windows` are then those that its director saw, thinned out as `Listening` does.
    `perform` runs tasks, several at once where it can; without it they run here, one by one.
    """
    perform = perform or (lambda tasks: [perform_one(inquiry, task) for task in tasks])
    first = [Task(kind=Kind.AGAIN, arg=str(k)) for k in range(_n_repeats(inquiry))]
    if main is not None:
        first = first[1:]
    tasks = [*first, *_beside(inquiry)]
    ran = dict(zip(tasks, perform(tasks), strict=True))
    runs = _runs(ran, main, windows)
    later = _after(inquiry, runs)
    for task, found in zip(later, perform(later), strict=True):
        if task.kind is Kind.RANDOM:
            runs.random.append(found.result)
        else:
            runs.absurd = found.result
    return runs


def _n_repeats(inquiry: Inquiry) -> int:
    return inquiry.repeats if inquiry.controls.repeats else 1


def _beside(inquiry: Inquiry) -> list[Task]:
    """List what can be run without knowing how the judged run went."""
    controls, is_graph = inquiry.controls, not inquiry.is_policy
    tasks = [Task(kind=Kind.BASELINE, arg=name) for name in NAMES if name != RANDOM]
    if is_graph and inquiry.spec.analyst != RULES:
        tasks.append(Task(kind=Kind.RULES, arg=RULES))
    if not is_graph and controls.counterfactuals:
        tasks.append(Task(kind=Kind.MIRROR))
    if is_graph and controls.blind and inquiry.analyst is not None:
        tasks.append(Task(kind=Kind.BLIND))
    if is_graph and controls.ablation and inquiry.analyst is not None:
        tasks += [Task(kind=Kind.WITHOUT, arg=role.value) for role in Role]
    return tasks


def asking_tasks(inquiry: Inquiry, main: RunResult) -> list[Task]:
    """List the runs beside the judged one in which its analyst is asked."""
    again = [Task(kind=Kind.AGAIN, arg=str(k)) for k in range(1, _n_repeats(inquiry))]
    beside = [task for task in _beside(inquiry) if task.kind in {Kind.BLIND, Kind.WITHOUT}]
    absurd = _absurd(inquiry, Runs(repeats=[main], baselines={}, random=[]))
    return [*again, *beside, *absurd]


def _runs(ran: Mapping[Task, Ran], main: RunResult | None, windows: Sequence[Window] = ()) -> Runs:
    of = {kind: [(t.arg, r.result) for t, r in ran.items() if t.kind is kind] for kind in Kind}
    again = [result for _, result in of[Kind.AGAIN]]
    seen = [list(windows)] if windows else [list(r.windows) for r in ran.values() if r.windows]
    return Runs(
        repeats=again if main is None else [main, *again],
        baselines=dict(of[Kind.BASELINE] + of[Kind.RULES]),
        random=[],
        blind=next((result for _, result in of[Kind.BLIND]), None),
        mirror=next((result for _, result in of[Kind.MIRROR]), None),
        ablated={Role(arg): result for arg, result in of[Kind.WITHOUT]},
        windows=seen[0] if seen else [],
    )


def _after(inquiry: Inquiry, runs: Runs) -> list[Task]:
    """List what depends on the judged run: its random twins, and the future after its middle."""
    tasks = []
    if inquiry.controls.baselines:
        habits = habits_of(runs.main)
        tasks = [
            Task(kind=Kind.RANDOM, arg=str(n), habits=habits) for n in range(inquiry.random_traders)
        ]
    return tasks + _absurd(inquiry, runs)


def _absurd(inquiry: Inquiry, runs: Runs) -> list[Task]:
    if not (inquiry.controls.point_in_time and inquiry.has_absurd):
        return []
    return [Task(kind=Kind.ABSURD, arg=str(runs.middle_ns))]


def perform_one(inquiry: Inquiry, task: Task) -> Ran:
    """Run one task of an inquiry."""
    inquiry.tell(f"{task.kind} {task.arg}".strip())
    spec, analyst = inquiry.spec, _of(inquiry)
    match task.kind:
        case Kind.AGAIN:
            return _again(inquiry, int(task.arg))
        case Kind.BASELINE:
            make = policy(task.arg, share=inquiry.share)
            return _ran(inquiry, as_policy(spec, task.arg), policies=make)
        case Kind.RULES:
            rules = msgspec.structs.replace(spec, analyst=RULES, prompts=(), analyst_latency_s=0.0)
            return _ran(inquiry, rules)
        case Kind.RANDOM:
            return _random(inquiry, task)
        case Kind.ABSURD:
            series = [with_absurd_future(one, int(task.arg)) for one in inquiry.series]
            return _ran(inquiry, spec, series, policies=inquiry.policies, analyst=analyst)
        case Kind.MIRROR:
            series = [mirrored_series(one) for one in inquiry.series]
            return _ran(inquiry, spec, series, policies=inquiry.policies)
        case Kind.BLIND:
            assert analyst is not None
            blind = msgspec.structs.replace(spec, is_blind=True)
            return _ran(inquiry, blind, analyst=Blind(analyst, inquiry.masks))
        case Kind.WITHOUT:
            assert analyst is not None
            return _ran(inquiry, spec, analyst=Without(analyst, Role(task.arg)))
        case _:
            assert_never(task.kind)


def _ran(
    inquiry: Inquiry,
    spec: RunSpec,
    series: Sequence[Series] | None = None,
    *,
    policies: MakePolicy | None = None,
    analyst: Analyst | None = None,
) -> Ran:
    data = inquiry.series if series is None else series
    return Ran(result=inquiry.play(data, spec, policies=policies, analyst=analyst))


def _again(inquiry: Inquiry, k: int) -> Ran:
    """Run what is judged for the k-th time, and keep windows that it saw."""
    if inquiry.is_policy or inquiry.analyst is None:
        return _ran(inquiry, inquiry.spec, policies=inquiry.policies)
    listening = Listening(inquiry.analyst(k))
    ran = _ran(inquiry, inquiry.spec, analyst=listening)
    return Ran(result=ran.result, windows=tuple(listening.windows))


def _random(inquiry: Inquiry, task: Task) -> Ran:
    seed = inquiry.spec.seed + int(task.arg)
    make = policy(RANDOM, share=inquiry.share, seed=seed, habits=task.habits)
    spec = msgspec.structs.replace(as_policy(inquiry.spec, RANDOM), seed=seed)
    return _ran(inquiry, spec, policies=make)


def as_policy(spec: RunSpec, name: str) -> RunSpec:
    """Return the spec of a baseline beside a run: the same data, cash and costs, no analyst.

    The analyst's limits do not bind it, for they would make another rule of it.
    """
    limits = set(Limits.__struct_fields__)
    settings = tuple(pair for pair in spec.settings if pair[0] not in limits)
    return msgspec.structs.replace(
        spec, analyst=f"{POLICY}{name}", settings=settings, prompts=(), analyst_latency_s=0.0
    )


def _of(inquiry: Inquiry) -> Analyst | None:
    """Return the analyst of the first run: its answers are cached, so it costs nothing again."""
    return None if inquiry.is_policy or inquiry.analyst is None else inquiry.analyst(0)
