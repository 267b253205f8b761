"""Say in a terminal what a report found: the sentence, the headline, the controls, the warnings."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backtest.data import DataWarning
from backtest.report import writing
from backtest.report.records import ReportInput, Sheet
from backtest.report.sheet import sheet_of
from domain.text import clean

MAX_WARNINGS = 8
MAX_LINE = 300


def summary(given: ReportInput, console: Console) -> None:
    """Print the short form of a report; what strangers wrote in it loses its markup and escapes."""
    sheet = sheet_of(given)
    for shout in sheet.shouts:
        console.print(_plain(shout), style="bold red", markup=False)
    if sheet.rows:
        console.print(_headline(sheet))
    if len(sheet.rows) > 1:
        console.print(_beside(sheet))
    console.print(_plain(sheet.sentence), style="bold", markup=False)
    if sheet.controls:
        console.print(_controls(sheet))
    if sheet.cut:
        console.print(f"{_plain(sheet.cut)}.", markup=False)
    if sheet.denials:
        told = ", ".join(f"{row.name} {row.value:,.0f}" for row in sheet.denials)
        console.print(f"denied: {_plain(told)}", markup=False)
    tell_warnings(sheet.warnings, console)
    console.print(f"digest {given.result.digest}", style="dim", markup=False)


def tell_warnings(warnings: Sequence[DataWarning], console: Console) -> None:
    """Print what is odd about the data, the first few of it in full."""
    for warned in warnings[:MAX_WARNINGS]:
        console.print(f"data: {warned.code}: {_plain(warned.line)}", style="yellow", markup=False)
    if len(warnings) > MAX_WARNINGS:
        more = len(warnings) - MAX_WARNINGS
        console.print(f"data: {more} more warnings are in the report.", style="yellow")


def _plain(text: str) -> str:
    return clean(text, MAX_LINE)


def _headline(sheet: Sheet) -> Table:
    """Show the run itself: a figure a row, with its interval."""
    table = Table("figure", "value", "95 %", title=escape(_plain(sheet.title)))
    for name, (value, interval) in zip(writing.COLUMNS, writing.cells(sheet.rows[0]), strict=True):
        table.add_row(name, value, interval)
    return table


def _beside(sheet: Sheet) -> Table:
    """Show everyone in the few columns that a terminal has room for."""
    table = Table("policy")
    for name in ("return", "Sharpe", "drawdown", "turnover", "excess a year, 95 %"):
        table.add_column(name, no_wrap=True)
    for row in sheet.rows:
        figures = row.figures
        table.add_row(
            escape(_plain(row.name)),
            writing.percent(figures.total_return),
            writing.number(figures.sharpe),
            writing.percent(figures.max_drawdown),
            writing.times(figures.turnover),
            writing.percent_between(row.excess_interval) or writing.percent(row.excess),
            style="" if row.is_baseline else "bold",
        )
    return table


def _controls(sheet: Sheet) -> Table:
    words = {True: "[green]passed[/]", False: "[red]FAILED[/]", None: "[dim]not judged[/]"}
    table = Table("control", "", "found")
    for control in sheet.controls:
        name = escape(f"{control.code} {control.name}")
        table.add_row(name, words[control.passed], escape(_plain(control.line)))
    return table
