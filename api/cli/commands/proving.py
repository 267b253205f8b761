"""Name the commands that play a venue, keep what one sent, and attack the bot.

Each imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.shell import Exit, Group, app


@app.command(
    rich_help_panel=Group.PROVE, short_help="Run the local Alpaca alone, for any client of Alpaca's"
)
def exchange(
    tape: Annotated[Path | None, typer.Option(help="Play this tape.")] = None,
    bars: Annotated[Path | None, typer.Option(help="Play these CSV bars.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the made-up markets.")] = 7,
    speed: Annotated[float, typer.Option(help="Times real speed.")] = 1.0,
    port: Annotated[
        int, typer.Option(help="REST port; streams take the next one.", min=0, max=65_534)
    ] = 8900,
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


@app.command(
    rich_help_panel=Group.PROVE, short_help="Keep the live stream of TRADING_SYMBOLS as a tape"
)
def record(
    to: Annotated[Path, typer.Argument(help="The tape to write (.tape.zst).")],
    seconds: Annotated[float | None, typer.Option(help="Stop after so long.")] = None,
) -> None:
    """Record the live stream of TRADING_SYMBOLS to a tape."""
    from api.cli.tapes import record_tape

    record_tape(to, seconds=seconds)


@app.command(
    rich_help_panel=Group.PROVE, short_help="Attack a bot of real parts and judge what holds"
)
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


@app.command(
    rich_help_panel=Group.PROVE, short_help="Put rules and baselines to real data, and say what is"
)
def evidence(
    only: Annotated[list[str] | None, typer.Option(help="wide, deep or ticks; repeat.")] = None,
    seed: Annotated[int, typer.Option(help="Draws masks, random traders and intervals.")] = 1,
    to: Annotated[Path | None, typer.Option(help="Write the page here (.md), not out.")] = None,
    tries: Annotated[Path | None, typer.Option(help="Count these tries (.jsonl) too.")] = None,
    jobs: Annotated[int, typer.Option(help="Runs at once, each in its own process.")] = 1,
    *,
    short: Annotated[bool, typer.Option("--short", help="The same of less: minutes.")] = False,
) -> None:
    """Judge the rules analyst on real data by every control, and print whatever comes out."""
    from api.cli.evidence.command import Asked, gather_evidence
    from api.cli.prove import quieten

    quieten()
    chosen = tuple(only or ())
    gather_evidence(Asked(is_short=short, seed=seed, to=to, tries=tries, jobs=jobs, only=chosen))
