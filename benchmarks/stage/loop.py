"""Drive dispatcher, limiter, runs, desk and journal by bars that close."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from domain.market import Bar, Window
from domain.orders import OrderRequest
from domain.ports import Journal
from engine.bus import Bus
from engine.clock import LiveClock
from engine.deciding.dispatcher import Dispatcher, DispatcherConfig, DispatcherPorts
from engine.deciding.limiter import Limiter, Ticket
from engine.deciding.runs import Runs
from graph.desk import Desk

IN_FLIGHT = 16
BLOCK = 256
SYMBOLS = tuple(f"S{n:02}" for n in range(2 * IN_FLIGHT))


class Loop:
    """Dispatcher, limiter, runs, desk and a journal, driven by closed bars as in the product."""

    def __init__(self, window: Window, analyst: Any, journal: Journal) -> None:
        self._window = window
        self._left = self._finished = 0
        self._number = 0
        self._failure: Exception | None = None
        self._is_done = asyncio.Event()
        self._sending: set[asyncio.Task[Any]] = set()
        clock = LiveClock()
        self._runs = Runs(
            compose=self._compose,
            desk=Desk(analyst, clock),
            journal=journal,
            enter=_accept,
            close=_accept,
            publish=Bus().publish,
            decided=self._decided,
            ask=lambda _: (),
            start=self._start,
            deadline_s=44.0,
        )
        self.limiter = Limiter(slots=IN_FLIGHT, queue_size=100, clock=clock)
        self.dispatcher = Dispatcher(
            DispatcherConfig(symbols=SYMBOLS, cooldown_s=0.0),
            DispatcherPorts(
                run=self._run,
                is_warm=lambda _: True,
                has_position=lambda _: False,
                entries_possible=lambda _: True,
                mid_and_atr=lambda _: (100.0, 1.0),
                exit_levels=lambda _: (None, None),
                set_band=lambda *_: None,
                on_drop=lambda *_: None,
                on_failure=self._fail,
            ),
            limiter=self.limiter,
            clock=clock,
        )

    async def block(self) -> None:
        """Make a block of decisions, each symbol's bars closing one after another."""
        self._left, self._finished = BLOCK, 0
        self._is_done.clear()
        for symbol in SYMBOLS:
            self.dispatcher.bar_closed(_bar(symbol))
        async with asyncio.timeout(30):
            await self._is_done.wait()
        if self._failure is not None:
            raise self._failure

    def _compose(self, symbol: str, _: str) -> Window:  # noqa: ARG002
        self._number += 1
        return msgspec.structs.replace(self._window, decision_id=f"{self._number:024x}")

    async def _run(self, ticket: Ticket) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        self.dispatcher.bar_closed(_bar(ticket.symbol))
        await self._runs.run(ticket)
        self._finished += 1
        if self._finished == BLOCK:
            self._is_done.set()

    def _fail(self, _: Ticket, error: Exception) -> None:
        self._failure = error
        self._is_done.set()

    def _decided(self, decision: Any) -> None:
        if decision.outcome != "ordered":
            raise RuntimeError(f"the decision ended {decision.outcome}: {decision.reason_code}")

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task


async def _accept(_: OrderRequest) -> Any:
    """Stand where the gateway does: submission is not a part of this figure."""


def _bar(symbol: str) -> Bar:
    return Bar(symbol, 60, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0)


@asynccontextmanager
async def looping(window: Window, analyst: Any, journal: Journal) -> AsyncIterator[Loop]:
    """Keep a loop's dispatcher running."""
    loop = Loop(window, analyst, journal)
    running = asyncio.create_task(loop.dispatcher.run_forever())
    await asyncio.sleep(0)
    try:
        yield loop
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
