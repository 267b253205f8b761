"""Put a dead-man beside a bot: what it is told, and how it is started."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from api.assembly.plan import Plan
from api.settings import known_variables
from broker.canceler import LIVE_URL, PAPER_URL
from engine.deadman.duty import Duty
from engine.deadman.heart import Heart, Tell, watched_over

_COMMAND = (sys.executable, "-m", "api.deadman")


@asynccontextmanager
async def dead_man(plan: Plan, tell: Tell) -> AsyncIterator[Heart | None]:
    """Keep one while the block runs; none in a simulation, or when `DEADMAN_S` is 0."""
    if plan.deadman_s == 0 or plan.is_simulated:
        yield None
        return
    async with watched_over(Heart(_COMMAND, duty_of(plan), environ=_environ(), tell=tell)) as heart:
        yield heart


def duty_of(plan: Plan) -> Duty:
    """Say what to watch and where to act."""
    broker = plan.broker
    return Duty(
        url=broker.rest_url or (PAPER_URL if broker.paper else LIVE_URL),
        key=broker.key,
        secret=broker.secret,
        silence_s=plan.deadman_s,
        post_path=str(plan.beside_journal(".deadman")),
        log_path=str(plan.beside_journal(".deadman.log")),
    )


def _environ() -> dict[str, str]:
    """Return our environment without our settings: the secrets go by the pipe."""
    settings = known_variables()
    return {name: value for name, value in os.environ.items() if name.upper() not in settings}
