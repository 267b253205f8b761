"""Let one sequence of orders in a symbol finish before the next begins."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType


class Turns:
    """One lock a symbol, which the task that holds it may take again.

    Cancel, wait for its end, protect: whoever runs such a sequence holds the turn, and no entry
    slips in between. The gateway itself takes the turn only for the step without an await, so it
    never holds anybody up.
    """

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._owners: dict[str, asyncio.Task[object] | None] = {}

    def take(self, symbol: str) -> AbstractAsyncContextManager[None]:
        """Hold the symbol's turn."""
        return _Turn(self._locks.setdefault(symbol, asyncio.Lock()), self._owners, symbol)


class _Turn:
    """One holding of a symbol's turn; within one that its task holds already, nothing."""

    __slots__ = ("_is_ours", "_lock", "_owners", "_symbol")

    def __init__(
        self, lock: asyncio.Lock, owners: dict[str, asyncio.Task[object] | None], symbol: str
    ) -> None:
        self._lock = lock
        self._owners = owners
        self._symbol = symbol
        self._is_ours = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        self._is_ours = self._owners.get(self._symbol) is not task
        if self._is_ours:
            await self._lock.acquire()
            self._owners[self._symbol] = task

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_ours:
            self._owners[self._symbol] = None
            self._lock.release()
