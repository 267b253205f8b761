"""Run windows of time beside each other, each a run of its own with its own warm-up before it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from backtest.baselines.table import policy
from backtest.data.align import take, windows
from backtest.records import RunResult, RunSpec, Series
from backtest.run.mapping import POLICY, choices_of
from backtest.run.running import Means, run
from backtest.run.workers import Workers
from domain.errors import ConfigError
from domain.records import NS_PER_S, format_ns
from graph.analysts.rules import RULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One window: its bars, those of its warm-up before them, and what its run is told."""

    series: tuple[Series, ...]
    spec: RunSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowed:
    """The windows' results in order, and what they took.

    `busy_s` is the CPU of all processes, `busiest_s` that of the one which had most to do: where
    nothing else runs, the wall's seconds come near it.
    """

    results: tuple[RunResult, ...]
    busy_s: float
    busiest_s: float
    wall_s: float


def tasks_of(series: Sequence[Series], spec: RunSpec, count: int) -> list[Task]:
    """Cut a run into windows of equal numbers of steps; raises `ConfigError`.

    Only rules and policies can: a model's budget is one, and belongs to one process.
    """
    if spec.analyst != RULES and not spec.analyst.startswith(POLICY):
        raise ConfigError(
            f"Windows run in processes of their own, and {spec.analyst} answers in one.",
            remedy="Use --analyst rules or policy:NAME, or run without --windows.",
            code="WINDOWS_INVALID",
        )
    warmup = choices_of(spec).warmup
    return [_task(series, spec, part, warmup) for part in windows(series, count)]


def run_windows(
    tasks: Sequence[Task], *, jobs: int, tell: Callable[[int], None] = lambda _done: None
) -> Windowed:
    """Run every task, `jobs` at a time; `tell` hears how many are done."""
    if jobs <= 1:
        began = time.perf_counter()
        done = []
        for task in tasks:
            done.append(perform(task))
            tell(len(done))
        return _gathered(done, time.perf_counter() - began)
    with Workers(jobs) as pool:
        list(pool.map(_get_ready, range(jobs)))
        began = time.perf_counter()
        done = []
        for each in pool.map(perform, tasks):
            done.append(each)
            tell(len(done))
        return _gathered(done, time.perf_counter() - began)


def perform(task: Task) -> tuple[RunResult, float, int]:
    """Run one window in this process; returns it, the CPU seconds it took, and the process's id."""
    began = time.process_time()
    means = Means()
    if task.spec.analyst.startswith(POLICY):
        name, share = task.spec.analyst.removeprefix(POLICY), 1 / len(task.series)
        means = Means(policies=policy(name, share=share, seed=task.spec.seed))
    result = run(task.series, task.spec, means)
    return result, time.process_time() - began, os.getpid()


def _get_ready(_number: int) -> None:
    """Import what a run needs, and last as long as that takes, so that each process does it."""
    import graph.build  # noqa: F401, PLC0415 - the import is the work

    time.sleep(0.2)


def _gathered(done: Sequence[tuple[RunResult, float, int]], wall_s: float) -> Windowed:
    by_process: dict[int, float] = {}
    for _, seconds, process in done:
        by_process[process] = by_process.get(process, 0.0) + seconds
    return Windowed(
        results=tuple(result for result, _, _ in done),
        busy_s=sum(seconds for _, seconds, _ in done),
        busiest_s=max(by_process.values(), default=0.0),
        wall_s=wall_s,
    )


def _task(series: Sequence[Series], spec: RunSpec, part: Sequence[Series], warmup: int) -> Task:
    by_symbol = {each.symbol: each for each in series}
    start_ns = min(int(each.ts_ns[0]) for each in part)
    end_ns = max(int(each.ts_ns[-1]) for each in part) + spec.interval_s * NS_PER_S
    bars = tuple(_with_warmup(by_symbol[each.symbol], each, warmup) for each in part)
    own = msgspec.structs.replace(
        spec,
        symbols=tuple(each.symbol for each in bars),
        start=format_ns(start_ns),
        end=format_ns(end_ns),
        data=tuple((each.symbol, each.digest) for each in bars),
    )
    return Task(series=bars, spec=own)


def _with_warmup(whole: Series, part: Series, warmup: int) -> Series:
    first = int(np.searchsorted(whole.ts_ns, part.ts_ns[0]))
    return take(whole, slice(max(0, first - warmup), first + len(part.ts_ns)))
