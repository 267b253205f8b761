"""Let one sequence of orders in a symbol finish before the next begins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """One lock a symbol, which the task that holds it may take again.

    Cancel, wait for its end, protect: whoever runs such a sequence holds the turn, and no entry
    slips in between. The gateway itself takes the turn only for the step without an await, so it
    never holds anybody up.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._owners: dict[str, asyncio.Task[object] | None] = {}

    @asynccontextmanager
    async def take(self, symbol: str) -> AsyncIterator[None]:
        """Hold the symbol's turn."""
        task = asyncio.current_task()
        if self._owners.get(symbol) is task:
            yield
            return
        async with self._locks.setdefault(symbol, asyncio.Lock()):
            self._owners[symbol] = task
            try:
                yield
            finally:
                self._owners[symbol] = None
