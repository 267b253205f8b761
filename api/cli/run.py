"""Run the bot on Alpaca: paper unless every lock on real money is opened."""

from __future__ import annotations

import asyncio

from rich.console import Console

from api.assembly import Plan, Process
from api.assembly.mapping import plan_of
from api.cli.serving import Door, Serving, door_of, serve
from api.settings import REAL_MONEY, Config
from domain.errors import ConfigError


def run_bot(*, live: bool, start: bool) -> None:
    """Serve until told to end; raises `ConfigError` for what a person must mend."""
    out = Console(highlight=False, soft_wrap=True)
    config = Config.read()
    mode = mode_of(config, live=live)
    plan, door = plan_of(config, mode=mode), door_of(config)
    serving = Serving(
        plan=plan,
        door=door,
        actor="autohedge run",
        is_started=start or plan.engine.autostart,
        banner=lambda process: _say(process, plan, door, out),
    )
    asyncio.run(serve(serving, out))


def mode_of(config: Config, *, live: bool) -> str:
    """Return paper or live; live takes the flag and the phrase, and neither without the other."""
    if live and not config.settings.is_live_allowed:
        raise ConfigError(
            "--live trades real money and LIVE_TRADING does not allow it.",
            remedy=f"Set LIVE_TRADING={REAL_MONEY} with live keys, or leave --live out.",
            code="LIVE_NOT_ALLOWED",
        )
    return "live" if live else "paper"


def _say(process: Process, plan: Plan, door: Door, out: Console) -> None:
    status = process.bot.status()
    out.print(f"AutoHedge, {plan.engine.mode}: {', '.join(plan.engine.symbols)}")
    out.print(f"  analyst   {status.analyst} ({plan.analyst.why})")
    out.print(f"  trading   {status.trading} ({status.trading_code}), session {status.session}")
    out.print(f"  HTTP      {door.url}/   reference {door.url}/docs")
    if status.session == "stopped":
        out.print(f"  start it  curl -X POST {door.url}/start")
