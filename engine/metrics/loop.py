"""Measure how late the event loop wakes a sleeper: what hogs it delays every exit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PERIOD_S = 0.5


async def watch_loop(lagged: Callable[[float], None], *, period_s: float = PERIOD_S) -> None:
    """Sleep and tell how much longer it took, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + period_s
        await asyncio.sleep(period_s)
        lagged(max(0.0, loop.time() - due))
