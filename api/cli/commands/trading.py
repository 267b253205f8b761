"""Name the commands that run the bot, ask it and stop it.

Each imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.shell import Exit, Group, app


@app.command(rich_help_panel=Group.TRADE, short_help="Write a first .env by asking five questions")
def init(
    to: Annotated[Path, typer.Option(help="The file to write.")] = Path(".env"),
    answers: Annotated[
        str, typer.Option(help="Ask nobody: NAME=value lines of this file, - for stdin.")
    ] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Overwrite the file unasked.")] = False,
    no_check: Annotated[
        bool, typer.Option("--no-check", help="Do not ask venue and endpoint about the keys.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Ask what to trade, symbols, Alpaca's keys, the model's key and the largest order.

    The keys are checked at the venue and the endpoint, never shown, and written for the owner alone
    (mode 0600). An existing file is overwritten only when a person says so.
    """
    from api.cli.init.running import InitOptions, run_init

    run_init(InitOptions(to=to, answers=answers, yes=yes, is_checked=not no_check, as_json=as_json))


@app.command(
    rich_help_panel=Group.TRADE,
    short_help="Check keys, clock, feed, model and database; say what to do",
)
def doctor(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check keys, clock, feed, model endpoint and database, and say what to do."""
    from api.cli.doctor import run_doctor

    run_doctor(as_json=as_json)


@app.command(rich_help_panel=Group.TRADE, short_help="Trade a local market: no key, no account")
def demo(
    port: Annotated[int | None, typer.Option(help="Port of HTTP (default: PORT, 3000).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the made-up markets.")] = 7,
    symbols: Annotated[int, typer.Option(help="How many symbols to trade.", min=1, max=50)] = 12,
) -> None:
    """Trade a local market with no key and no account: exchange, bot and HTTP."""
    from api.cli.running.demo import run_demo

    run_demo(port=port, seed=seed, symbols=symbols)


@app.command(
    name="run",
    rich_help_panel=Group.TRADE,
    short_help="Trade Alpaca paper, with --live real money, or --watch",
)
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


@app.command(
    rich_help_panel=Group.TRADE,
    short_help="Forbid entries and cancel them, even when HTTP is silent",
)
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


@app.command(
    rich_help_panel=Group.TRADE, short_help="Show where journal and venue differ; --repair accepts"
)
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


@app.command(rich_help_panel=Group.TRADE, short_help="Watch a running bot in a terminal; q leaves")
def top(
    url: Annotated[str, typer.Option(help="Of the bot (default: HOST and PORT).")] = "",
    *,
    once: Annotated[bool, typer.Option("--once", help="Print it one time and end.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it one time as JSON.")] = False,
) -> None:
    """Show a running bot live: state and reason, symbols, positions, decisions, budget.

    It only looks, over HTTP, and comes back by itself when the bot does.
    """
    from api.cli.top.running import TopOptions, run_top

    run_top(TopOptions(url=url, once=once, as_json=as_json))


@app.command(
    rich_help_panel=Group.TRADE, short_help="Ask a bot whether it works: exit code 0, 1 or 3"
)
def health(
    url: Annotated[str, typer.Option(help="Of the bot (default: HOST and PORT).")] = "",
    *,
    alive: Annotated[
        bool, typer.Option("--alive", help="An answer is enough, also of a bot that lacks a part.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Exit with 0 when all works, 1 when a part does not, 3 when nobody answers."""
    from api.cli.running.health import run_health

    if not run_health(url=url, is_alive_enough=alive, as_json=as_json):
        raise typer.Exit(Exit.FINDING)


@app.command(
    rich_help_panel=Group.TRADE, short_help="Say who is told by ALERT_URLS; --test tells them"
)
def alert(
    *,
    test: Annotated[bool, typer.Option("--test", help="Send each a test and say who got it.")] = (
        False
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Name the hooks that alerts go to (ALERT_URLS), without their secrets; test them."""
    from api.cli.alert import run_alert

    if not run_alert(test=test, as_json=as_json):
        raise typer.Exit(Exit.FINDING)
