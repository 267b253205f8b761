"""Run the bot on Alpaca: paper unless every lock on real money is opened."""

from __future__ import annotations

import asyncio

from rich.console import Console

from api.assembly import Plan, Process
from api.assembly.live import confirm, host_of, shown
from api.assembly.mapping import plan_of
from api.assembly.watch import WATCH, watch_plan
from api.cli.running.door import Door, door_of
from api.cli.running.serving import Serving, serve
from api.logs.lines import configure
from api.settings import REAL_MONEY, Config
from domain.errors import ConfigError
from engine.clock import LiveClock


def run_bot(*, live: bool, watch: bool, start: bool, confirmed: str | None = None) -> None:
    """Serve until told to end; raises `ConfigError` for what a person must mend."""
    out = Console(highlight=False, soft_wrap=True)
    config = Config.read()
    configure(config)
    mode = mode_of(config, live=live, watch=watch)
    plan = watch_plan(config, LiveClock()) if watch else plan_of(config, mode=mode)
    door = door_of(config)
    confirm(plan, LiveClock(), out, confirmed=confirmed)
    serving = Serving(
        plan=plan,
        door=door,
        actor="autohedge run",
        is_started=start or plan.engine.autostart,
        banner=lambda process: _say(process, plan, door, out),
    )
    asyncio.run(serve(serving, out))


def mode_of(config: Config, *, live: bool, watch: bool) -> str:
    """Return paper, watch or live; live takes the flag and the phrase, and excludes watching."""
    if live and watch:
        raise ConfigError(
            "--live sends orders and --watch sends none.", remedy="Leave one of them out."
        )
    if live and not config.settings.is_live_allowed:
        raise ConfigError(
            "--live trades real money and LIVE_TRADING does not allow it.",
            remedy=f"Set LIVE_TRADING={REAL_MONEY} with live keys, or leave --live out.",
            code="LIVE_NOT_ALLOWED",
        )
    return "live" if live else WATCH if watch else "paper"


def _say(process: Process, plan: Plan, door: Door, out: Console) -> None:
    status = process.bot.status()
    out.print(f"AutoHedge, {plan.engine.mode}: {', '.join(plan.engine.symbols)}")
    out.print(f"  analyst   {status.analyst} ({plan.analyst.why})")
    money = process.bot.account()
    if money is not None and not plan.is_simulated:
        number = shown(money.account.account_id)
        out.print(f"  venue     {host_of(plan.broker)}, account {number}")
    if plan.is_simulated:
        out.print("  orders    simulated on an account of this run: none leaves this process")
        out.print(f"  journal   {plan.journal.url}")
    out.print(f"  trading   {status.trading} ({status.trading_code}), session {status.session}")
    out.print(f"  HTTP      {door.url}/   reference {door.url}/docs")
    if status.session == "stopped":
        out.print(f"  start it  curl -X POST {door.url}/start")
