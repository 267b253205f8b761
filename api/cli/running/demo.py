"""Show the whole bot on a local market: an exchange as a child process, the bot in this one."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from api.assembly import Plan, Process
from api.assembly.mapping import plan_of
from api.cli.running.door import Door, door_of
from api.cli.running.serving import Serving, serve
from api.logs.lines import configure
from api.settings import Config
from domain.errors import ConfigError

_KEPT = 5
_STARTING_S = 30.0
_VAR = Path("var/demo")
_QUICK = {
    "ANALYST": "rules",
    "BAR_INTERVAL_S": 5,
    "COOLDOWN_S": 5,
    "MAX_ORDERS_PER_MINUTE": 60,
    "MAX_CONSECUTIVE_LOSSES": 0,
    "MAX_ONE_WAY_FILLS": 0,
}
"""What stands where a person set nothing: bars of seconds, so there is something to see, and room
for the orders that a dozen symbols then bring.

Made-up markets lose as often as they win: streaks that rightly end a day would end every demo.
"""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Where the exchange is and what it plays."""

    rest_url: str
    stream_url: str
    key: str
    secret: str
    symbols: dict[str, str]


def run_demo(*, port: int | None, seed: int, symbols: int) -> None:
    """Run until interrupted."""
    asyncio.run(_demo(port=port, seed=seed, symbols=symbols))


async def _demo(*, port: int | None, seed: int, symbols: int) -> None:
    out = Console(highlight=False, soft_wrap=True)
    out.print("Starting a local exchange: real ticks on one symbol, made-up markets on the others.")
    async with exchange(seed=seed, symbols=symbols) as addresses:
        config = demo_settings(addresses, port=port)
        configure(config)
        plan = plan_of(config, mode="demo", is_always_open=True)
        door = door_of(config)
        serving = Serving(
            plan=plan,
            door=door,
            actor="autohedge demo",
            is_started=True,
            banner=lambda process: _say(process, plan, door, addresses, out),
        )
        await serve(serving, out)


def demo_settings(addresses: Addresses, *, port: int | None) -> Config:
    """Point the bot at the exchange, with bars of seconds so that there is something to see.

    What the environment says stands, but for what makes it the demo: venue, symbols, journal.
    """
    overrides: dict[str, object] = {
        "APCA_API_KEY_ID": addresses.key,
        "APCA_API_SECRET_KEY": addresses.secret,
        "APCA_API_BASE_URL": addresses.rest_url,
        "APCA_DATA_URL": addresses.rest_url,
        "APCA_STREAM_URL": addresses.stream_url,
        "TRADING_MODE": "both",
        "TRADING_SYMBOLS": ",".join(addresses.symbols),
        "DATABASE_URL": f"sqlite:///{_fresh_journal()}",
        "LIVE_TRADING": "no",
        "AUTOSTART": "no",
    }
    if port is not None:
        overrides["PORT"] = port
    return Config.for_demo(overrides, _QUICK)


@asynccontextmanager
async def exchange(*, seed: int, symbols: int) -> AsyncIterator[Addresses]:
    """Run the exchange as a child that ends with us, however we end."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api.cli",
        *("exchange", "--json", "--tied", "--port", "0"),
        *("--seed", str(seed), "--symbols", str(symbols)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield await _addresses(child)
    finally:
        if child.stdin is not None:
            child.stdin.close()
        await child.wait()


async def _addresses(child: asyncio.subprocess.Process) -> Addresses:
    assert child.stdout is not None
    try:
        async with asyncio.timeout(_STARTING_S):
            line = await child.stdout.readline()
        return Addresses(**json.loads(line))
    except (TimeoutError, ValueError) as error:
        raise ConfigError(
            "The local exchange did not come up.",
            remedy="Run `autohedge exchange` to see why.",
            code="EXCHANGE_FAILED",
        ) from error


def _fresh_journal() -> Path:
    """Name a journal for this demo's exchange, whose account is new too; keep the last few."""
    _VAR.mkdir(parents=True, exist_ok=True)
    for old in sorted(_VAR.glob("*.sqlite3"))[: 1 - _KEPT]:
        for file in _VAR.glob(f"{old.name}*"):
            file.unlink()
    return _VAR / f"{datetime.now(UTC):%Y%m%dT%H%M%S}.sqlite3"


def _say(process: Process, plan: Plan, door: Door, addresses: Addresses, out: Console) -> None:
    status = process.bot.status()
    out.print(f"\n[bold]AutoHedge is trading the demo market[/bold] ({status.analyst} decides)")
    out.print(f"  watch it      {door.url}/")
    out.print(f"  HTTP          {door.url}/docs")
    out.print(f"  exchange      {addresses.rest_url}   streams {addresses.stream_url}")
    out.print(f"  its keys      {addresses.key} / {addresses.secret} (good for nothing else)")
    out.print(f"  journal       {plan.journal.url}")
    for symbol, label in addresses.symbols.items():
        out.print(f"  {symbol:<13} {label}")
    out.print("\nTry: curl " + door.url + "/decisions    Ctrl-C ends it.\n")
