"""Name the command that runs the engine on history.

It imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.shell import Exit, Group, app


@app.command(
    rich_help_panel=Group.STUDY,
    short_help="Run the engine on history and judge what came of it",
)
def backtest(
    symbols: Annotated[list[str] | None, typer.Argument(help="Of the data; none: all.")] = None,
    data: Annotated[
        str, typer.Option(help="PATH, package:NAME, alpaca:FOLDER (see `autohedge data`).")
    ] = "",
    start: Annotated[str | None, typer.Option("--from", help="A date or an RFC 3339 time.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Likewise; a date is included.")] = None,
    interval: Annotated[str | None, typer.Option(help="Make longer bars: 5m, 1h, 1d.")] = None,
    analyst: Annotated[str, typer.Option(help="rules, llm, recorded, or policy:NAME.")] = "rules",
    model: Annotated[str | None, typer.Option(help="Another model than LLM_MODEL.")] = None,
    prompts: Annotated[Path | None, typer.Option(help="A folder of prompts by role.")] = None,
    costs: Annotated[str, typer.Option(help="stocks, crypto, bps=5, or none. Required.")] = "",
    cash: Annotated[
        float, typer.Option(min=1, max=1e12, help="Dollars to begin with.")
    ] = 100_000.0,
    seed: Annotated[int, typer.Option(help="Of the venue and of the random traders.")] = 1,
    latency: Annotated[
        float | None,
        typer.Option(min=0, max=86_400, help="Seconds an answer takes; none: as measured."),
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A limit or choice: max_drawdown=0.2.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write one HTML page.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON.")] = None,
    journal: Annotated[Path | None, typer.Option(help="Keep the journal in a new file.")] = None,
    answers: Annotated[Path, typer.Option(help="Where a model's answers are kept.")] = Path(
        ".cache/answers.sqlite3"
    ),
    budget: Annotated[
        float | None,
        typer.Option(min=0, help="Most dollars for a model; agrees to what costs no more."),
    ] = None,
    windows: Annotated[int, typer.Option(min=1, help="Run as many windows, each alone.")] = 1,
    jobs: Annotated[int, typer.Option(min=1, help="Windows at a time.")] = 2,
    controls: Annotated[
        str | None, typer.Option(help="all (unless you say so), none, or codes: C1,C9.")
    ] = None,
    random_traders: Annotated[int, typer.Option(min=2, help="For the band of chance.")] = 20,
    tries: Annotated[Path, typer.Option(help="Where every try is counted.")] = Path(
        "var/tries.jsonl"
    ),
    register: Annotated[
        Path | None, typer.Option(help="A registration, journaled before the first decision.")
    ] = None,
    *,
    yes: Annotated[bool, typer.Option(help="Agree to what a model costs.")] = False,
    ticks: Annotated[bool, typer.Option(help="Play ticks as they are, with the rules.")] = False,
) -> None:
    """Run the engine on history: the same graph, limits and gateway, on a simulated venue.

    Costs are never assumed: name a model of them, or type none.
    """
    from api.cli.backtest.asked import BacktestCommand
    from api.cli.backtest.command import run_backtest
    from api.cli.backtest.interrupting import interruptible

    asked = BacktestCommand(
        symbols=tuple(symbols or ()),
        data=data,
        start=start,
        end=end,
        interval=interval,
        analyst=analyst,
        model=model,
        prompts=prompts,
        costs=costs,
        cash=cash,
        seed=seed,
        latency_s=latency,
        settings=tuple(settings or ()),
        report=report,
        json=json,
        journal=journal,
        answers=answers,
        budget=budget,
        yes=yes,
        ticks=ticks,
        windows=windows,
        jobs=jobs,
        controls=controls,
        random_traders=random_traders,
        tries=tries,
        register=register,
    )
    with interruptible():
        is_whole = run_backtest(asked)
    if not is_whole:
        raise typer.Exit(Exit.FINDING)
