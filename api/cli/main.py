"""Name the commands and give every failure one line, a remedy and an exit code.

Exit codes: 0 well, 1 a finding or a failed threshold, 2 settings, 3 unreachable, 4 journal,
130 interrupted. Commands import what they need when they run, so `--help` is quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Annotated

import typer
from rich.console import Console

from domain.errors import (
    AutoHedgeError,
    BrokerError,
    ConfigError,
    FeedError,
    JournalError,
)

app = typer.Typer(
    name="autohedge",
    help="Trade Alpaca with argued, replayable, audited decisions of language models.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Exit(IntEnum):
    """What the shell is told."""

    WELL = 0
    FINDING = 1
    SETTINGS = 2
    UNREACHABLE = 3
    JOURNAL = 4
    INTERRUPTED = 130


def exit_code_of(error: AutoHedgeError) -> Exit:
    """Map our error tree onto exit codes."""
    match error:
        case ConfigError():
            return Exit.SETTINGS
        case JournalError():
            return Exit.JOURNAL
        case FeedError() | BrokerError():
            return Exit.UNREACHABLE
        case _:
            return Exit.FINDING


def main() -> None:
    """Run the command line; the console script."""
    sys.excepthook = _crashed
    sys.exit(run(app))


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from api.logs.redaction import on_crash

    on_crash(kind, error, trace)


def run(command: Callable[[], None]) -> int:
    """Run a command and turn what it raises into one line and an exit code."""
    try:
        command()
    except AutoHedgeError as error:
        return _refused(error)
    except BaseExceptionGroup as group:
        told = _told(group)
        if told is None:
            raise
        return _refused(told)
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else Exit.FINDING
    return Exit.WELL


def _refused(error: AutoHedgeError) -> Exit:
    """Say in one line what is wrong and what to do; what strangers wrote in it is harmless."""
    from api.logs.redaction import of_environment, printable

    line = of_environment()(printable(error.line, keep="\n"))
    err.print(f"{error.code}: {line}", style="red", markup=False)
    return exit_code_of(error)


def _told(group: BaseExceptionGroup[BaseException]) -> AutoHedgeError | None:
    """Return the one failure of ours inside what a task group raised; none when there is more."""
    ours, rest = group.split(AutoHedgeError)
    leaf: BaseException | None = ours if rest is None else None
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf if isinstance(leaf, AutoHedgeError) else None


@app.command()
def demo(
    port: Annotated[int | None, typer.Option(help="Port of HTTP (default: PORT, 3000).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the made-up markets.")] = 7,
    symbols: Annotated[int, typer.Option(help="How many symbols to trade.")] = 12,
) -> None:
    """Trade a local market with no key and no account: exchange, bot and HTTP."""
    from api.cli.running.demo import run_demo

    run_demo(port=port, seed=seed, symbols=symbols)


@app.command(name="run")
def run_command(
    *,
    live: Annotated[
        bool, typer.Option(help="Trade real money (LIVE_TRADING must say so).")
    ] = False,
    watch: Annotated[
        bool, typer.Option(help="See the live market and simulate the orders: none leaves.")
    ] = False,
    start: Annotated[bool, typer.Option(help="Start the session at once.")] = False,
    confirm_live: Annotated[
        str | None,
        typer.Option(metavar="ACCOUNT_NUMBER", help="Confirm --live where nobody can be asked."),
    ] = None,
) -> None:
    """Serve HTTP and trade Alpaca paper (or live, or a simulation) when told to start."""
    from api.cli.running.run import run_bot

    run_bot(live=live, watch=watch, start=start, confirmed=confirm_live)


@app.command()
def halt(
    *,
    flatten: Annotated[bool, typer.Option(help="Close the bot's positions too.")] = False,
    cancel_protective: Annotated[
        bool, typer.Option(help="Cancel stops and targets too: positions stand bare.")
    ] = False,
    account_wide: Annotated[
        bool, typer.Option(help="With --flatten: what others hold in our symbols too.")
    ] = False,
    live: Annotated[bool, typer.Option(help="The bot trades real money.")] = False,
    reason: Annotated[str, typer.Option(help="Why, for the journal.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Forbid entries and cancel working ones, also when the bot's HTTP does not answer."""
    from api.cli.running.halt import HaltOptions, run_halt

    run_halt(
        HaltOptions(
            reason=reason,
            flatten=flatten,
            protective=cancel_protective,
            account_wide=account_wide,
            live=live,
            as_json=as_json,
        )
    )


@app.command()
def exchange(
    tape: Annotated[Path | None, typer.Option(help="Play this tape.")] = None,
    bars: Annotated[Path | None, typer.Option(help="Play these CSV bars.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the made-up markets.")] = 7,
    speed: Annotated[float, typer.Option(help="Times real speed.")] = 1.0,
    port: Annotated[int, typer.Option(help="REST port; streams take the next one.")] = 8900,
    symbols: Annotated[int, typer.Option(help="How many symbols, made-up ones beyond 1.")] = 6,
    symbol: Annotated[str, typer.Option(help="What the bars are of.")] = "BARS",
    faults: Annotated[Path | None, typer.Option(help="Go wrong as this plan (JSON) says.")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
    tied: Annotated[bool, typer.Option(hidden=True, help="End when stdin closes.")] = False,
) -> None:
    """Run the local Alpaca alone: any client of Alpaca can be pointed at it."""
    from api.cli.running.exchange import ExchangeOptions, run_exchange

    run_exchange(
        ExchangeOptions(
            tape=tape,
            bars=bars,
            symbol=symbol,
            seed=seed,
            speed=speed,
            port=port,
            symbols=symbols,
            json=as_json,
            tied=tied,
            faults=faults,
        )
    )


@app.command()
def record(
    to: Annotated[Path, typer.Argument(help="The tape to write (.tape.zst).")],
    seconds: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
) -> None:
    """Record the live stream of TRADING_SYMBOLS to a tape."""
    from api.cli.tapes import record_tape

    record_tape(to, seconds=seconds)


@app.command()
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


@app.command()
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check keys, clock, feed, model endpoint and database, and say what to do."""
    from api.cli.doctor import run_doctor

    run_doctor(as_json=as_json)


@app.command()
def report(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Print what the journal knows: decisions, denials, orders, fills, profit, model cost."""
    from api.cli.journal.report import run_report

    run_report(as_json=as_json)


@app.command()
def prove(
    only: Annotated[list[str] | None, typer.Option(help="Run this campaign; repeat.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the cases: the same seed, the same ones.")] = 1,
    to: Annotated[Path | None, typer.Option(help="Keep the results in this page (.md).")] = None,
    again: Annotated[int, typer.Option(help="Run what does not hold so often again.")] = 0,
    *,
    short: Annotated[bool, typer.Option("--short", help="The form for CI: minutes.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Attack a bot of real parts: crashes, faults, hostile text, garbage, load."""
    from api.cli.prove import Asked, prove, quieten
    from api.proving.campaign import Scale

    quieten()
    scale = Scale(is_short=short, seed=seed)
    if not prove(Asked(scale=scale, only=tuple(only or ()), to=to, is_json=as_json, again=again)):
        raise typer.Exit(Exit.FINDING)


@app.command()
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


@app.command(name="export")
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


@app.command()
def reconcile(
    *,
    repair: Annotated[
        bool, typer.Option(help="Offer to accept the venue's word; never trades.")
    ] = False,
    yes: Annotated[bool, typer.Option(help="With --repair: ask nobody.")] = False,
    live: Annotated[bool, typer.Option(help="The account is a real one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """Show where journal and venue differ: orders, positions and cash; exits with 1 if they do."""
    from api.cli.journal.reconcile import ReconcileOptions, run_reconcile

    run_reconcile(ReconcileOptions(repair=repair, yes=yes, live=live, as_json=as_json))
