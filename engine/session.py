"""Start and stop the deciding half: feeds, dispatcher and runs; never the guard.

Start and stop are idempotent and take turns: a second start finds the first one's session and
never makes another, and stop returns only when no task of the session is left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import format_ns
from engine.control import SessionState
from engine.deciding.dispatcher import Dispatcher
from engine.watching.market import MarketEars, MarketWatch, Publish

log = structlog.get_logger(__name__)

_WHO = "session"


class Session:
    """One session at a time, over parts that outlive it."""

    def __init__(  # noqa: PLR0913 - what a session starts and stops, each named
        self,
        *,
        watch: MarketWatch,
        ears: MarketEars,
        dispatcher: Dispatcher,
        prepare: Callable[[], Awaitable[object]],
        cancel_entries: Callable[[], Awaitable[Any]],
        journal: Journal,
        publish: Publish,
        alert: Callable[[str, str], None],
        clock: Clock,
    ) -> None:
        self._watch = watch
        self._ears = ears
        self._dispatcher = dispatcher
        self._prepare = prepare
        self._cancel_entries = cancel_entries
        self._journal = journal
        self._publish = publish
        self._alert = alert
        self._clock = clock
        self._turn = asyncio.Lock()
        self._dispatching: asyncio.Task[None] | None = None
        self.state = SessionState.STOPPED
        self.started_at: str | None = None

    async def start(self, *, actor: str, reason: str) -> bool:
        """Run; returns false when it runs already. What `prepare` raises leaves it stopped."""
        async with self._turn:
            if self.state is SessionState.RUNNING:
                return False
            self._set(SessionState.STARTING)
            try:
                await self._prepare()
                await self._journal.append(self._entry(SessionState.RUNNING, actor, reason))
            except BaseException:
                self._set(SessionState.STOPPED)
                raise
            self._open()
            return True

    async def stop(self, *, actor: str, reason: str) -> bool:
        """End; returns false when it is stopped already. Protection stays with the guard."""
        async with self._turn:
            if self.state is SessionState.STOPPED:
                return False
            self._set(SessionState.STOPPING)
            try:
                await self._close()
            finally:
                self._set(SessionState.STOPPED)
                self.started_at = None
            await self._journal.append(self._entry(SessionState.STOPPED, actor, reason))
            return True

    def _open(self) -> None:
        self._watch.want(_WHO)
        self._dispatching = asyncio.create_task(self._dispatcher.run_forever(), name="dispatcher")
        self._dispatching.add_done_callback(self._ended)
        self._ears.wakes = self._dispatcher
        self.started_at = format_ns(self._clock.now_ns())
        self._set(SessionState.RUNNING)

    async def _close(self) -> None:
        self._ears.wakes = None
        dispatching, self._dispatching = self._dispatching, None
        if dispatching is not None:
            dispatching.cancel()
            await asyncio.gather(dispatching, return_exceptions=True)
        self._watch.release(_WHO)
        await self._cancel_entries()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Say so loudly when the dispatcher ends by itself: no decision would be made any more."""
        if task.cancelled() or task is not self._dispatching:
            return
        log.error("dispatcher_ended", error=repr(task.exception()))
        self._publish(
            "alert_raised", {"code": "DISPATCHER_ENDED", "message": "POST /stop, /start."}
        )

    def _set(self, state: SessionState) -> None:
        self.state = state
        self._publish("state_changed", {"session": state.value})

    def _entry(self, state: SessionState, actor: str, reason: str) -> Entry:
        body = {"state": state.value, "actor": actor, "reason": reason}
        return Entry(kind=EntryKind.SESSION, ref="session", body=body)
