"""Keep what campaigns found and write it as a page: every row with date, commit and seed.

The records stand in a JSON file beside the page, one a campaign, so that a campaign that is run
again replaces its own row and no other. The page is written from the records alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import msgspec

from api.proving.campaign import Campaign, Result, Table
from domain.errors import ConfigError
from domain.records import Record

_HEAD = """# Reliability

What `autohedge prove` found, written by the command itself, failures included. A breach is a broken
promise that the exchange's own record shows; a bar is a figure with a limit. To see it again:
`autohedge prove --only NAME --seed SEED` (add `--short` for the form that CI runs).
"""


class Run(Record, frozen=True):
    """One campaign as it was run: when (UTC), on which commit, how long, and what came of it."""

    name: str
    title: str
    form: str
    seed: int
    date: str
    commit: str
    machine: str
    seconds: float
    result: Result


def read_runs(path: Path) -> dict[str, Run]:
    """Return the kept runs by campaign; raises `ConfigError` for a file that holds others."""
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Run])
    except msgspec.MsgspecError as error:
        raise ConfigError(
            f"{path} does not hold the results of campaigns: {error}.",
            remedy="Delete it; the next `autohedge prove --to` writes it anew.",
        ) from error


def keep(page: Path, runs: Iterable[Run], order: Iterable[Campaign]) -> None:
    """Merge `runs` into the records beside `page` and write both."""
    records = page.with_suffix(".json")
    kept = read_runs(records) | {run.name: run for run in runs}
    page.parent.mkdir(parents=True, exist_ok=True)
    records.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n")
    page.write_text(page_of(kept, [campaign.name for campaign in order]), encoding="utf-8")


def page_of(runs: Mapping[str, Run], order: Iterable[str]) -> str:
    """Return the page: the table of all campaigns, then what each one saw."""
    present = [runs[name] for name in order if name in runs]
    rows = tuple(_row(run) for run in present)
    columns = ("Campaign", "Form", "Cases", "Breaches", "Bars met", "Run")
    parts = [_HEAD, _markdown(columns, rows), *(_section(run) for run in present)]
    return "\n".join(parts)


def _row(run: Run) -> tuple[str, ...]:
    result = run.result
    met = sum(bar.is_met for bar in result.bars)
    return (
        f"[{run.title}](#{run.name})",
        run.form,
        f"{result.cases:,}",
        f"{len(result.lines):,}",
        f"{met} of {len(result.bars)}",
        f"{run.date}, {run.commit}, seed {run.seed}",
    )


def _section(run: Run) -> str:
    result = run.result
    verdict = "Nothing was breached." if not result.lines else "**Breached.**"
    took = f"{result.cases:,} cases in {run.seconds:,.0f} s on {run.machine}"
    parts = [f"\n## {run.name}\n", f"{run.title}. {verdict} {took}.\n"]
    if result.bars:
        rows = tuple(
            (bar.what, bar.bar, bar.measured, "yes" if bar.is_met else "**no**")
            for bar in result.bars
        )
        parts.append(_markdown(("Figure", "Bar", "Measured", "Met"), rows))
    parts += [f"- {line}" for line in result.lines]
    parts += [_titled(table) for table in result.tables]
    return "\n".join(parts)


def _titled(table: Table) -> str:
    return f"\n{table.title}\n\n{_markdown(table.columns, table.rows)}"


def _markdown(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...]) -> str:
    lines = [columns, tuple("---" for _ in columns), *rows]
    return (
        "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines) + "\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
