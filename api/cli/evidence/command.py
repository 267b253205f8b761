"""Make the studies, as many at once as asked, and write the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console

from api.cli.evidence.studies import Done, Plan, make, plans, work
from api.cli.source import commit, machine
from backtest.evidence.page import Made, Study, page_of
from backtest.evidence.records import Evidence
from backtest.evidence.runs import Ran, Task
from backtest.records import RunSpec
from backtest.run.workers import Workers
from domain.errors import ConfigError
from domain.records import Record


class Asked(Record, frozen=True):
    """What the command line asked for."""

    is_short: bool
    seed: int
    to: Path | None
    tries: Path | None
    jobs: int
    only: tuple[str, ...] = ()


def gather_evidence(asked: Asked) -> None:
    """Make every study and write or print the page; raises `ConfigError` and `FeedError`."""
    if asked.jobs < 1:
        raise ConfigError("--jobs must be at least 1.", remedy="Name how many studies run at once.")
    shown = Console(stderr=True, highlight=False)
    made = Made(
        command=_command(asked),
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        commit=commit(),
        seed=asked.seed,
        machine=machine(),
    )
    chosen = _chosen(asked)
    done: list[tuple[Study, RunSpec, Evidence]] = []
    if asked.to is not None:
        _write(page_of(done, made), asked.to)
    for one in _made(chosen, asked):
        shown.print(f"{one.study.name} ({one.study.seconds:,.0f} s): {one.evidence.sentence}")
        done.append((one.study, one.spec, one.evidence))
        if asked.to is not None:
            _write(page_of(done, made), asked.to)
    if asked.to is None:
        Console(highlight=False, markup=False, soft_wrap=True).print(page_of(done, made))


def _command(asked: Asked) -> str:
    """Return what has to be typed to make the page again."""
    short = " --short" if asked.is_short else ""
    return f"autohedge evidence --seed {asked.seed}{short}" + "".join(
        f" --only {key}" for key in asked.only
    )


def _chosen(asked: Asked) -> Sequence[Plan]:
    known = plans(is_short=asked.is_short)
    unknown = set(asked.only) - {plan.key for plan in known}
    if unknown:
        raise ConfigError(
            f"There is no study {min(unknown)!r}.",
            remedy=f"Choose of {', '.join(plan.key for plan in known)}.",
        )
    return [plan for plan in known if plan.key in asked.only or not asked.only]


def _made(chosen: Sequence[Plan], asked: Asked) -> Iterator[Done]:
    """Yield the studies in their order; their runs share the processes, so none of them idles."""
    if asked.jobs == 1:
        for plan in chosen:
            yield make(plan, seed=asked.seed, tries=asked.tries)
        return
    with Workers(asked.jobs) as pool, ThreadPoolExecutor(len(chosen)) as threads:
        waiting = [threads.submit(_make_in, pool, plan, asked) for plan in chosen]
        try:
            for each in waiting:
                yield each.result()
        except BaseException:
            pool.end()
            raise


def _make_in(pool: Workers, plan: Plan, asked: Asked) -> Done:
    def perform(tasks: Sequence[Task]) -> Iterable[Ran]:
        return pool.map(partial(work, plan, asked.seed), tasks)

    return make(plan, seed=asked.seed, tries=asked.tries, perform=perform)


def _write(page: str, to: Path) -> None:
    """Write the page so far: a study that takes long does not lose the others."""
    try:
        to.write_text(page, encoding="utf-8")
    except OSError as problem:
        raise ConfigError(
            f"{to} cannot be written ({problem.strerror}).", remedy="Name another file with --to."
        ) from None
