"""Name the commands that read the journal.

Each imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from api.cli.shell import Exit, Group, app


@app.command(
    rich_help_panel=Group.JOURNAL,
    short_help="Print decisions, denials, orders, fills, profit, cost",
)
def report(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Print what the journal knows: decisions, denials, orders, fills, profit, model cost."""
    from api.cli.journal.report import run_report

    run_report(as_json=as_json)


@app.command(
    rich_help_panel=Group.JOURNAL,
    short_help="Run a window again; --decision ID: compared to the byte",
)
def replay(
    window: Annotated[Path | None, typer.Argument(help="A window file.")] = None,
    decision: Annotated[str | None, typer.Option(help="A journaled decision's id.")] = None,
    analyst: Annotated[str, typer.Option(help="rules, recorded, llm or local.")] = "",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the decision as JSON.")] = False,
) -> None:
    """Run a window through the graph again; with --decision compare to the byte."""
    from api.cli.journal.replay import run_replay

    run_replay(window=window, decision=decision, analyst=analyst, as_json=as_json)


@app.command(
    rich_help_panel=Group.JOURNAL,
    short_help="Verify chain, anchors and tables; name the first bad entry",
)
def audit(
    database: Annotated[
        str | None, typer.Option(help="The journal's address (default: DATABASE_URL).")
    ] = None,
    export: Annotated[
        Path | None, typer.Option(help="Verify this folder of `autohedge export` instead.")
    ] = None,
    expect: Annotated[
        list[str] | None, typer.Option(help="An anchor kept elsewhere, SEQ:HASH; may be repeated.")
    ] = None,
    *,
    chain_only: Annotated[
        bool, typer.Option("--chain-only", help="Leave out the tables made from entries.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Verify the journal's chain, anchors and tables, and name the first bad entry."""
    from api.cli.journal.audit import AuditCommand, run_audit

    asked = AuditCommand(
        database=database,
        export=export,
        expect=tuple(expect or ()),
        is_chain_only=chain_only,
        as_json=as_json,
    )
    if not run_audit(asked):
        raise typer.Exit(Exit.FINDING)


@app.command(
    name="export",
    rich_help_panel=Group.JOURNAL,
    short_help="Write the journal to JSON Lines or Parquet",
)
def export_command(
    *,
    to: Annotated[Path, typer.Option(help="The folder to write.")],
    as_format: Annotated[str, typer.Option("--format", help="jsonl or parquet.")] = "jsonl",
    since: Annotated[datetime | None, typer.Option(help="From this moment on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this moment, UTC.")] = None,
    kinds: Annotated[str, typer.Option(help="Of these kinds alone, by commas.")] = "",
    contents: Annotated[
        bool, typer.Option("--contents", help="Add windows and prompts, in a file of their own.")
    ] = False,
    database: Annotated[
        str | None, typer.Option(help="The journal's address (default: DATABASE_URL).")
    ] = None,
) -> None:
    """Write the journal to JSON Lines or Parquet, with its hashes."""
    from api.cli.journal.export import ExportCommand, run_export

    run_export(
        ExportCommand(
            database=database,
            to=to,
            format=as_format,
            since=since,
            until=until,
            kinds=kinds,
            has_contents=contents,
        )
    )
