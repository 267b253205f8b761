"""Lower trading by rule, and tell of it once it is where a restart finds it.

The state in memory is lower before `lower` returns, and working entries are cancelled as after a
halt: one that fills later would add to what is to shrink. Watchers hear of it only when the disk
has it, so whatever they saw survives a `kill -9`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from domain.errors import JournalError
from domain.limits import TradingState
from engine.trading import TradingGate

log = structlog.get_logger(__name__)

ACTOR = "autohedge"


class Alarm:
    """Take the word of the wires; `run` does what has to be waited for, until cancelled.

    At most one trip a state can wait: trading cannot be lowered twice to the same.
    """

    def __init__(
        self,
        gate: TradingGate,
        *,
        cancel_entries: Callable[[str], Awaitable[Any]],
        tell: Callable[[str, str], None],
    ) -> None:
        self._gate = gate
        self._cancel_entries = cancel_entries
        self._tell = tell
        self._untold: list[tuple[str, str]] = []
        self._woken = asyncio.Event()

    def lower(self, state: TradingState, code: str, line: str) -> None:
        """Lower at once; what stands as low already is not told again."""
        if self._gate.lower(state, code=code, reason=line, actor=ACTOR):
            self._untold.append((code, line))
            self._woken.set()

    async def run(self) -> None:
        """See every trip through: entries cancelled, written down, told."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            untold, self._untold = self._untold, []
            await asyncio.gather(self._cancel_entries("trading was lowered"), self._keep(untold))

    async def _keep(self, untold: list[tuple[str, str]]) -> None:
        for code, line in untold:
            try:
                await self._gate.confirm(code, line)
            except JournalError as error:
                log.critical("trip_not_written", code=code, error=error.line)
            self._tell(code, line)
