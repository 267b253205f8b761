"""Run the campaigns and print what they found."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from api.cli.source import commit, machine
from api.proving.all import campaigns
from api.proving.campaign import Campaign, Result, Scale, Tell
from api.proving.report import Run, keep
from domain.errors import AutoHedgeError, ConfigError
from domain.records import Record

_DEADLINE_S = {True: 600.0, False: 4 * 3600.0}
"""How long one campaign may take, by whether it is the short form: one that hangs is a finding."""


class Asked(Record, frozen=True):
    """What the command line asked for."""

    scale: Scale
    only: tuple[str, ...]
    to: Path | None
    is_json: bool
    again: int = 0

    def is_well(self, result: Result) -> bool:
        """Tell whether a result passes: the short form is no measure of speed."""
        return result.is_safe if self.scale.is_short else result.is_met


def prove(asked: Asked, known: Sequence[Campaign] = campaigns()) -> bool:
    """Run the campaigns, print and keep the results; return whether everything held."""
    chosen = _chosen(asked.only, known)
    out = Console(highlight=False)
    runs = []
    for campaign in chosen:
        for _ in range(1 + asked.again):
            run = _run_one(campaign, asked.scale, Console(stderr=True))
            if not asked.is_json:
                _show(run, out)
            if asked.is_well(run.result):
                break
        runs.append(run)
        if asked.to is not None:
            keep(asked.to, [run], known)
    if asked.is_json:
        out.print_json(msgspec.json.encode(runs).decode())
    return all(asked.is_well(run.result) for run in runs)


def quieten() -> None:
    """Show errors alone, beside the figures: the bots that are attacked warn all the time."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def _chosen(only: Sequence[str], known: Sequence[Campaign]) -> tuple[Campaign, ...]:
    named = {campaign.name: campaign for campaign in known}
    unknown = [name for name in only if name not in named]
    if unknown:
        raise ConfigError(
            f"There is no campaign {unknown[0]!r}.", remedy=f"Choose of {', '.join(named)}."
        )
    return tuple(named[name] for name in only) or tuple(known)


def _run_one(campaign: Campaign, scale: Scale, shown: Console) -> Run:
    began, date = time.monotonic(), datetime.now(UTC)
    with _progress(shown) as progress:
        task = progress.add_task(campaign.name, total=None)
        result = asyncio.run(
            _bounded(
                campaign,
                scale,
                lambda done, of: progress.update(task, completed=done, total=of),
            )
        )
    return Run(
        name=campaign.name,
        title=campaign.title,
        form="short" if scale.is_short else "long",
        seed=scale.seed,
        date=f"{date:%Y-%m-%d %H:%M} UTC",
        commit=commit(),
        machine=machine(),
        seconds=round(time.monotonic() - began, 1),
        result=result,
    )


async def _bounded(campaign: Campaign, scale: Scale, tell: Tell) -> Result:
    """Run a campaign; one that fails to run or to end is a finding of its own."""
    deadline_s = _DEADLINE_S[scale.is_short]
    try:
        async with asyncio.timeout(deadline_s):
            return await campaign.run(scale, tell)
    except TimeoutError:
        return Result(cases=0, breaches=(f"The campaign did not end within {deadline_s:g} s.",))
    except (AutoHedgeError, AssertionError, ExceptionGroup) as error:
        lines = (f"The campaign could not run: {each}" for each in _leaves(error))
        return Result(cases=0, breaches=tuple(lines))


def _leaves(error: BaseException) -> Iterator[str]:
    """Yield what went wrong, without the groups that task groups wrap around it."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield f"{type(error).__name__}: {error}"


def _progress(shown: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=shown,
        transient=True,
    )


def _show(run: Run, out: Console) -> None:
    result = run.result
    late = "[yellow]held, too slowly[/]" if result.is_safe else "[red]FAILED[/]"
    verdict = "[green]held[/]" if result.is_met else late
    out.print(f"[bold]{run.name}[/]: {verdict}, {result.cases:,} cases in {run.seconds:,.0f} s")
    for bar in result.bars:
        mark = "[green]met[/]" if bar.is_met else "[red]missed[/]"
        out.print(f"  {bar.what}: {bar.measured} (bar: {bar.bar}) {mark}")
    for breach in result.breaches:
        out.print(f"  breach: {breach}", style="red", markup=False)
    for line in result.slow:
        out.print(f"  slow: {line}", style="yellow", markup=False)
    for each in result.tables:
        table = Table(*each.columns, title=each.title, title_justify="left")
        for row in each.rows:
            table.add_row(*row)
        out.print(table)
