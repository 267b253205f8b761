"""Wait for the world from within event time: it stands still until every answer is there.

Answers come back in whatever order a network has. They are handed on in the order in which they
were asked for, all at once, when none is missing: so a run does not depend on who answered first.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from backtest.run.market.loop import VirtualLoop
from domain.decisions import Call

_PATIENCE_S = 30.0
"""How long the end of a run waits for answers that were asked for."""

Work = Callable[[], Coroutine[Any, Any, Call]]


class Outside:
    """An event loop on the wall's time, in a thread of its own; use it with `with`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="outside", daemon=True)
        self._asked: list[_Waiting] = []
        self._tasks: set[asyncio.Task[Call]] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run work there and wait for it: for opening and closing what lives there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def let_arrive(self) -> None:
        """Wait for what was asked, for it is paid; before what answers is closed."""
        self.run(self._arrive())

    async def ask(self, work: Work) -> Call:
        """Do `work` outside, on the wall's time; no time passes in a run meanwhile."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, VirtualLoop):
            return await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(work(), self._loop), loop=loop
            )
        waiting = _Waiting(loop.create_future())
        self._asked.append(waiting)
        loop.outside += 1
        # A context of its own: the run's deadline is told in event time and means nothing there.
        self._loop.call_soon_threadsafe(
            self._begin, loop, waiting, work, context=contextvars.Context()
        )
        return await waiting.answered

    def _begin(self, inside: VirtualLoop, waiting: _Waiting, work: Work) -> None:
        task = self._loop.create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

        def done(task: asyncio.Task[Call]) -> None:
            # The run may have ended meanwhile: then nobody waits for it.
            with contextlib.suppress(RuntimeError):
                inside.call_soon_threadsafe(self._arrived, inside, waiting, task)

        task.add_done_callback(done)

    def _arrived(self, loop: VirtualLoop, waiting: _Waiting, done: asyncio.Task[Call]) -> None:
        """Hand all answers on once the last one is there."""
        waiting.done = done
        if any(each.done is None for each in self._asked):
            return
        asked, self._asked = self._asked, []
        loop.outside = 0
        for each in asked:
            each.hand_on()

    async def _arrive(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE_S)

    async def _end(self) -> None:
        """Let what was asked arrive, then end what is left."""
        await self._arrive()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Waiting:
    """One question: who waits inside, and what came back."""

    def __init__(self, answered: asyncio.Future[Call]) -> None:
        self.answered = answered
        self.done: asyncio.Task[Call] | None = None

    def hand_on(self) -> None:
        """Wake who asked, unless he was cut off meanwhile."""
        if self.answered.done() or self.done is None:
            return
        if self.done.cancelled():
            self.answered.cancel()
        elif (error := self.done.exception()) is not None:
            self.answered.set_exception(error)
        else:
            self.answered.set_result(self.done.result())
