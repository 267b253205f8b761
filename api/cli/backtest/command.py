"""Run, judge and tell: what `autohedge backtest` does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from api.cli.backtest.analysts import Opened, opened
from api.cli.backtest.asked import (
    BacktestCommand,
    controls_of,
    read_data,
    spec_of,
    ticks_spec_of,
)
from api.cli.backtest.interrupting import play
from api.cli.backtest.refusals import refuse_idle
from api.cli.source import commit
from backtest.controls.registration import Registration, entry_of
from backtest.controls.registration import load as load_registration
from backtest.controls.selection import Tries
from backtest.controls.switches import Controls
from backtest.costs import NONE
from backtest.data import DataWarning, stream
from backtest.evidence.judge import Kept, judge
from backtest.evidence.records import Evidence
from backtest.evidence.runs import Inquiry, Listening
from backtest.records import Ended, RunResult, Series
from backtest.report import write_html, write_json
from backtest.report.records import ReportInput
from backtest.report.sheet import COST_FREE
from backtest.report.terminal import summary, tell_warnings
from backtest.run.running import Means, run, run_ticks
from backtest.run.running import Progress as Tell
from backtest.run.windows import Windowed, run_windows, tasks_of
from backtest.statistics.figures import equity_of, total_return
from domain.ports import Entry


def run_backtest(asked: BacktestCommand) -> bool:
    """Run and tell; false when the run ended early. Raises `ConfigError` and what data raises.

    A run that was interrupted is told as far as it came, and the interruption goes on.
    """
    controls = controls_of(asked.controls or "all")
    refuse_idle(asked)
    if asked.ticks:
        return _run_ticks(asked)
    series, warnings = read_data(asked)
    if asked.windows > 1:
        return _run_windows(asked, series, warnings)
    claim = None if asked.register is None else load_registration(asked.register)
    first = () if claim is None else (entry_of(claim),)
    evidence, is_interrupted = None, False
    with opened(asked, series, controls) as who:
        heard = None if who.means.analyst is None else Listening(who.means.analyst)
        with _bar(asked.analyst) as tell:
            own = replace(
                who.means, analyst=heard, journal=asked.journal, progress=tell, first=first
            )
            result = run(series, who.spec, own)
        if controls is not None and result.ended is Ended.COMPLETE and len(result.equity):
            inquiry, kept = _inquiry(asked, series, who, controls, first), _kept(asked, claim, who)
            try:
                windows = () if heard is None else tuple(heard.windows)
                evidence = judge(inquiry, kept, main=result, windows=windows)
            except KeyboardInterrupt:
                is_interrupted = True
    _tell_bill(who)
    _tell(asked, result, evidence, warnings, is_cut=is_interrupted)
    if is_interrupted or result.ended is Ended.INTERRUPTED:
        raise KeyboardInterrupt
    return result.ended is Ended.COMPLETE


def _kept(asked: BacktestCommand, journaled: Registration | None, who: Opened) -> Kept:
    """Remember the tries, and read the registration again: a file that changed meanwhile shows."""
    claim = None if asked.register is None else load_registration(asked.register)
    return Kept(tries=Tries(asked.tries), claim=claim, journaled=journaled, ask=who.ask)


def _inquiry(
    asked: BacktestCommand,
    series: Sequence[Series],
    who: Opened,
    controls: Controls,
    first: Sequence[Entry],
) -> Inquiry:
    """Ask for everything that a run is held against."""
    console = Console(stderr=True, highlight=False)
    return Inquiry(
        series=series,
        spec=who.spec,
        play=partial(play, first=first, ending=who.means.ending),
        analyst=who.of_run,
        policies=who.means.policies,
        controls=controls,
        repeats=who.runs,
        random_traders=asked.random_traders,
        tell=lambda line: console.print(line, style="dim", markup=False),
        cut=lambda: who.means.ending.note,
    )


def _tell_bill(who: Opened) -> None:
    """Say what a model was asked in all: the report knows of the judged run alone."""
    if who.bill is not None:
        paid = f"{who.bill.asked:,} calls were made for ${who.bill.paid_usd:.4f}."
        Console(stderr=True, highlight=False).print(paid, markup=False)


def _tell(
    asked: BacktestCommand,
    result: RunResult,
    evidence: Evidence | None,
    warnings: Sequence[DataWarning],
    *,
    is_cut: bool = False,
) -> None:
    given = ReportInput(
        result=result,
        evidence=evidence,
        is_cut=is_cut,
        warnings=tuple(warnings),
        version=version("autohedge"),
        commit=commit(),
        made_at=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    if asked.report is not None:
        write_html(asked.report, given)
    if asked.json is not None:
        write_json(asked.json, given)
    out = Console(highlight=False, soft_wrap=True, emoji=False)
    out.print(_line(result), markup=False)
    summary(given, out)


def _line(result: RunResult) -> str:
    """Say in one line what the run did; why it did not end stands below, on its own."""
    change = total_return(equity_of(result))
    partial = "" if result.ended is Ended.COMPLETE else f" PARTIAL ({result.ended.value})"
    return (
        f"{result.spec.analyst}:{partial} return {'-' if change is None else f'{change:+.2%}'}, "
        f"{len(result.decisions):,} decisions, {len(result.fills):,} fills, "
        f"{sum(result.denials.values()):,} denials, costs {result.spec.costs.name}."
    )


def _run_ticks(asked: BacktestCommand) -> bool:
    """Play ticks as they are; nothing is compared with a run that can be read only once."""
    spec = ticks_spec_of(asked)
    moments = stream(asked.data, asked.symbols, asked.start, asked.end)
    result = run_ticks(moments, spec, Means(journal=asked.journal))
    _tell(asked, result, None, ())
    if result.ended is Ended.INTERRUPTED:
        raise KeyboardInterrupt
    return result.ended is Ended.COMPLETE


def _run_windows(
    asked: BacktestCommand, series: Sequence[Series], warnings: Sequence[DataWarning]
) -> bool:
    """Run the windows beside each other and print a line for each, and what the data lack."""
    spec = spec_of(asked, series, asked.analyst)
    tasks = tasks_of(series, spec, asked.windows)
    with _bar(f"{len(tasks)} windows") as tell:
        done = run_windows(tasks, jobs=asked.jobs, tell=lambda n: tell(n / len(tasks)))
    out = Console(highlight=False, soft_wrap=True, emoji=False)
    _show_windows(done, out)
    if spec.costs == NONE:
        out.print(COST_FREE, style="bold red")
    tell_warnings(warnings, out)
    return all(each.ended is Ended.COMPLETE for each in done.results)


def _show_windows(done: Windowed, out: Console) -> None:
    table = Table("From", "To", "Return", "Decisions", "Fills", "Denials", "Digest")
    for each in done.results:
        change = total_return(equity_of(each))
        table.add_row(
            each.spec.start[:10],
            each.spec.end[:10],
            "-" if change is None else f"{change:+.2%}",
            f"{len(each.decisions):,}",
            f"{len(each.fills):,}",
            f"{sum(each.denials.values()):,}",
            each.digest[:12],
        )
    out.print(table)
    for each in done.results:
        if each.note:
            out.print(f"{each.spec.start[:10]}: {each.note}.", style="yellow", markup=False)
    out.print(
        f"{done.wall_s:.1f} s for {done.busy_s:.1f} s of work: "
        f"{done.busy_s / done.wall_s:.2f} times one core."
    )


@contextmanager
def _bar(title: str) -> Iterator[Tell]:
    """Show on a terminal how far a run is and how long it will still take."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as p:
        task = p.add_task(title, total=1.0)
        yield lambda share: p.update(task, completed=share)
