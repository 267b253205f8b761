"""Ask a bot whether it works: for a supervisor, a container, a script."""

from __future__ import annotations

import sys

import httpx
import msgspec
from rich.console import Console

from api.cli.running.door import address_of
from api.cli.shell import BotSilent
from domain.records import Record

_TIMEOUT_S = 5.0


class Health(Record, frozen=True):
    """What `/health` answers."""

    status: str
    version: str
    session: str
    trading: str
    parts: dict[str, bool]


def run_health(*, url: str, is_alive_enough: bool, as_json: bool) -> bool:
    """Print how the bot does; false when a part of it does not work. Raises `BotSilent`.

    With `is_alive_enough` it is well as long as it answers: a bot that protects positions must not
    be restarted because its feed is down.
    """
    health = _ask(address_of(url))
    if as_json:
        sys.stdout.write(msgspec.json.encode(health).decode() + "\n")
    else:
        down = ", ".join(part for part, is_up in health.parts.items() if not is_up)
        line = f"{health.status}: session {health.session}, trading {health.trading}"
        Console(highlight=False, soft_wrap=True).print(f"{line}{down and f'; down: {down}'}")
    return is_alive_enough or health.status == "ok"


def _ask(url: str) -> Health:
    try:
        answer = httpx.get(f"{url}/health", timeout=_TIMEOUT_S, trust_env=False)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=Health)
    except (httpx.HTTPError, msgspec.MsgspecError) as error:
        raise BotSilent(
            f"No bot answers at {url} ({type(error).__name__}).",
            remedy="Start it with `autohedge run`, or set PORT or --url.",
        ) from None
