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
    short_help="Run a window again, or --since: all, and count flips",
)
def replay(
    window: Annotated[Path | None, typer.Argument(help="A window file.")] = None,
    decision: Annotated[str | None, typer.Option(help="A journaled decision's id.")] = None,
    analyst: Annotated[str, typer.Option(help="rules, recorded, llm or local.")] = "",
    since: Annotated[
        datetime | None, typer.Option(help="Ask all of the journal again from then on, UTC.")
    ] = None,
    until: Annotated[datetime | None, typer.Option(help="Likewise, before this moment.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Likewise, of this symbol alone.")] = None,
    model: Annotated[str | None, typer.Option(help="Ask this model in place of LLM_MODEL.")] = None,
    prompts: Annotated[
        Path | None, typer.Option(help="Folder of director.md, quant.md, risk.md, execution.md.")
    ] = None,
    samples: Annotated[int, typer.Option(min=1, max=100, help="Answers to each question.")] = 1,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Exit with 1 over this flip rate, 0 to 1.")
    ] = None,
    budget: Annotated[
        float | None, typer.Option(min=0, help="Spend at most so many dollars.")
    ] = None,
    answers: Annotated[Path, typer.Option(help="Where a model's answers are kept.")] = Path(
        ".cache/answers.sqlite3"
    ),
    database: Annotated[
        str | None, typer.Option(help="The journal's address (default: DATABASE_URL).")
    ] = None,
    *,
    kept: Annotated[
        bool, typer.Option("--kept/--fresh", help="Pay no question twice, or ask all anew.")
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Ask a model without asking you.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Run a window, a decision (compared to the byte), or a span of the journal again.

    A span (--since, --until, --symbol) is asked through the graph, never the broker, and prints the
    decisions that change; the analyst is the record unless --analyst, --model or --prompts say so.
    """
    if since is None and until is None and symbol is None:
        from api.cli.journal.replay import run_replay

        run_replay(
            window=window, decision=decision, analyst=analyst, as_json=as_json, database=database
        )
        return
    if window is not None or decision is not None:
        raise typer.BadParameter("a span and one window are two questions: give one of them")
    from api.cli.study.flips import run_flips
    from api.cli.study.minds import FlipsCommand

    asked = FlipsCommand(
        since=since,
        until=until,
        symbol=symbol,
        analyst=analyst,
        model=model,
        prompts=prompts,
        samples=samples,
        threshold=threshold,
        budget=budget,
        answers=answers if kept else None,
        database=database,
        yes=yes,
        as_json=as_json,
    )
    if not run_flips(asked):
        raise typer.Exit(Exit.FINDING)


@app.command(
    rich_help_panel=Group.STUDY,
    short_help="Explain where a session and its backtest differ",
)
def compare(
    live: Annotated[str, typer.Argument(help="A journal: its address, or its SQLite file.")],
    simulated: Annotated[str, typer.Argument(help="Another, or a backtest's --json file.")],
    since: Annotated[datetime | None, typer.Option(help="From this moment on, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this moment, UTC.")] = None,
    symbol: Annotated[str | None, typer.Option(help="Of this symbol alone.")] = None,
    within: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds apart that are the same decision (default: half a bar)."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="Exit with 1 over so many dollars; 0 bears no difference.")
    ] = 0.0,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Explain decision by decision where a live or paper session and a backtest differ.

    By data, decision, fill and cost, and how many dollars of the difference each explains.
    """
    from api.cli.study.compare import CompareCommand, run_compare

    asked = CompareCommand(
        live=live,
        simulated=simulated,
        since=since,
        until=until,
        symbol=symbol,
        within_s=within,
        tolerance_usd=tolerance,
        as_json=as_json,
    )
    if not run_compare(asked):
        raise typer.Exit(Exit.FINDING)


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
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = (
        False
    ),
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
            as_json=as_json,
        )
    )
