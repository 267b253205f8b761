"""Print what the journal knows."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from api.settings import Config
from domain.records import plain
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.reads.report import Report


def run_report(*, as_json: bool) -> None:
    """Read beside a running bot or without one; raises `JournalError`."""
    report = asyncio.run(_read(Config.read().settings.database_url))
    out = Console(highlight=False)
    if as_json:
        out.print_json(msgspec.json.encode(report).decode())
        return
    for table in tables(report):
        out.print(table)


async def _read(url: str) -> Report:
    async with Reader(JournalConfig(url=url)) as reader:
        return await reader.report()


def tables(report: Report) -> list[Table]:
    """Lay a report out for a terminal."""
    body: dict[str, Any] = {**plain(report), "net_usd": report.net}
    totals = Table("figure", "value", title="Report")
    for name in ("decisions", "authorized", "fills"):
        totals.add_row(name, str(body[name]))
    for name in ("realized", "unrealized", "fees", "model_cost_usd", "net_usd"):
        totals.add_row(name, _dollars(body[name]))
    counts = (
        ("outcome", body["by_outcome"]),
        ("reason", body["by_reason"]),
        ("denied for", body["denied"]),
        ("order state", body["orders"]),
    )
    return [totals, *(_counted(title, rows) for title, rows in counts if rows)]


def _dollars(amount: str | float | None) -> str:
    """Write dollars; what open positions are worth is not in the journal, and is not guessed."""
    return "unknown: a position is open" if amount is None else f"{float(amount):,.2f} USD"


def _counted(title: str, rows: Mapping[str, int]) -> Table:
    table = Table(title, "count")
    for name, count in sorted(rows.items(), key=lambda row: -row[1]):
        table.add_row(name, str(count))
    return table
