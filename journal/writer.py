"""Queue entries and commit them in groups: one transaction for all that waits.

All of it runs on the event loop but the transaction itself. While one commit syncs, the next
group gathers, so under load a commit carries many entries and costs each little. When a commit
fails every waiter is told, and the writer tries on its own until the disk is back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Callable

import structlog

from domain.errors import InvariantBroken, JournalError
from domain.ports import Clock, Entry, EntryKind
from domain.records import NS_PER_S, Record
from journal.chain import seal
from journal.database import JournalConfig
from journal.spool import Spool
from journal.store import Request, Store
from journal.upkeep.retention import Removed

log = structlog.get_logger(__name__)

_DAY_NS = 86_400 * NS_PER_S

OnChange = Callable[[JournalError | None], None]
"""Called on the event loop with why the journal went down, or none when it is back."""

OnOthers = Callable[[tuple[Entry, ...]], None]
"""Called on the event loop with what another process appended or spooled, oldest first.

A commit that meets such entries tells of them before it answers its own callers, so that an
order's write-ahead never returns while a halt that stands before it in the chain is unknown.
"""


class Listeners(Record, frozen=True):
    """Who is told of what the writer finds; others' entries are kept until somebody listens."""

    on_change: OnChange = lambda _failure: None
    on_others: OnOthers | None = None


class _Waiting:
    """A request in the queue; without a future it is a trace."""

    __slots__ = ("future", "request", "size")

    def __init__(self, request: Request, future: asyncio.Future[int | None] | None) -> None:
        self.request = request
        self.future = future
        self.size = sum(sealed.size for sealed in request.items)


class Writer:
    """Be the one task that commits; every method is for the event loop's own thread."""

    def __init__(
        self,
        store: Store,
        spool: Spool,
        clock: Clock,
        config: JournalConfig,
        listeners: Listeners,
    ) -> None:
        self._store = store
        self._spool = spool
        self._clock = clock
        self._config = config
        self._on_change = listeners.on_change
        self._on_others = listeners.on_others
        self._others: list[Entry] = []
        self._queue: deque[_Waiting] = deque()
        self._in_flight: list[_Waiting] = []
        self._queued_entries = 0
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._look_at = 0.0
        days = {
            Removed.CONTENTS: config.retention_contents_days,
            Removed.ENTRIES: config.retention_days,
        }
        self._retention = {what: kept for what, kept in days.items() if kept is not None}
        self._removing = dict.fromkeys(self._retention, 0)
        self._retain_at = 0
        self._task: asyncio.Task[None] | None = None
        self._failure: JournalError | None = _closed()
        self._is_closing = False
        self.commits = 0
        self.commit_s: float | None = None
        """How many seconds the last commit took; none before the first."""
        self.lost: Counter[str] = Counter()

    @property
    def failure(self) -> JournalError | None:
        """Return why the journal is down, or none when it is up."""
        return self._failure

    @property
    def queued(self) -> int:
        """Return how many entries wait."""
        return self._queued_entries

    async def start(self) -> None:
        """Write what the spool holds, then serve; raises `JournalError`."""
        await self._replay_spool()
        self._failure = None
        self._look_at = asyncio.get_running_loop().time() + self._config.look_every_s
        self._task = asyncio.create_task(self._run(), name="journal")

    async def append(self, request: Request) -> int | None:
        """Wait until the request is committed; none when its approval was closed already."""
        if self._failure is not None:
            raise _again(self._failure)
        if not self._has_room(request):
            raise JournalError(
                f"The journal is behind: {self._queued_entries} entries wait.",
                remedy="Its disk is too slow for this load.",
            )
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._enqueue(waiting)
        self._wake.set()
        assert waiting.future is not None
        try:
            async with asyncio.timeout(self._config.append_timeout_s):
                return await waiting.future
        except TimeoutError:
            raise JournalError(
                f"The journal did not commit within {self._config.append_timeout_s:g} s.",
                remedy="Its disk is stuck or too slow.",
            ) from None

    def trace(self, request: Request) -> None:
        """Take entries along with the next commit; a full queue drops and counts them."""
        if self._is_closing or not self._has_room(request):
            self._lose(request)
            return
        self._enqueue(_Waiting(request, None))
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._config.trace_delay_s, self._wake.set)

    async def close(self) -> None:
        """Commit what waits, once, and end."""
        self._is_closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        try:
            while not (self._is_closing and not self._queue):
                await self._work()
                is_well = await self._commit_group() and await self._look_when_due()
                if not is_well and not await self._recover():
                    return
        finally:
            self._end()

    async def _work(self) -> None:
        """Wait until an append arrives, the oldest trace has waited long enough, or all ends.

        Ends too when it is time to look for what others wrote.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._look_at):
                await self._wake.wait()
        self._wake.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _commit_group(self) -> bool:
        group = self._take()
        if not group:
            return True
        self._in_flight = group
        began = asyncio.get_running_loop().time()
        try:
            results = await self._store.commit([waiting.request for waiting in group])
        except JournalError as error:
            self._fail(error)
            return False
        self._in_flight = []
        self.commits += 1
        self.commit_s = asyncio.get_running_loop().time() - began
        self._tell_of_others()
        for waiting, result in zip(group, results, strict=True):
            if waiting.future is not None and not waiting.future.done():
                waiting.future.set_result(result)
        if self._queue:
            self._wake.set()
        return True

    async def _look_when_due(self) -> bool:
        """See what other processes appended or spooled; false when the database is not there."""
        if self._is_closing or asyncio.get_running_loop().time() < self._look_at:
            return True
        try:
            await self._store.look()
            self._tell_of_others()
            if self._spool.has_lines():
                await self._replay_spool()
            await self._retain()
        except JournalError as error:
            self._fail(error)
            return False
        self._look_at = asyncio.get_running_loop().time() + self._config.look_every_s
        return True

    async def _retain(self) -> None:
        """Remove one batch of what is too old; once in a while see what has become so."""
        now = self._clock.now_ns()
        for what, days in self._retention.items():
            if now >= self._retain_at:
                before = now - int(days * _DAY_NS)
                self._removing[what] = await self._store.begin_removal(what, before, now)
            through = self._removing[what]
            if through and not await self._store.remove_some(what, through):
                self._removing[what] = 0
        if now >= self._retain_at:
            self._retain_at = now + int(self._config.retain_every_s * NS_PER_S)

    def hear_others(self, listener: OnOthers) -> None:
        """Tell `listener` of what other processes append, and at once of what they did so far."""
        self._on_others = listener
        self._tell_of_others()

    def _tell_of_others(self) -> None:
        self._others += self._store.take_others()
        if self._others and self._on_others is not None:
            others, self._others = tuple(self._others), []
            self._on_others(others)

    def _take(self) -> list[_Waiting]:
        """Take the next group, leaving out those whose caller has given up."""
        group: list[_Waiting] = []
        entries = 0
        while self._queue and entries < self._config.batch_entries:
            waiting = self._queue.popleft()
            self._queued_entries -= len(waiting.request.items)
            self._queued_bytes -= waiting.size
            if waiting.future is None or not waiting.future.done():
                group.append(waiting)
                entries += len(waiting.request.items)
        return group

    def _fail(self, error: JournalError) -> None:
        """Tell every waiter, keep traces for the next try unless they may be the cause."""
        self._failure = error
        for waiting in self._all_waiting():
            if waiting.future is not None:
                if not waiting.future.done():
                    waiting.future.set_exception(_again(error))
            elif error.code == "JOURNAL_REFUSED":
                self._lose(waiting.request)
            else:
                self._enqueue(waiting)
        log.error("journal_down", reason=error.line)
        self._on_change(error)

    def _all_waiting(self) -> list[_Waiting]:
        """Empty the queue, the group of a failed commit first."""
        waiting = [*self._in_flight, *self._queue]
        self._in_flight = []
        self._queue.clear()
        self._queued_entries = self._queued_bytes = 0
        return waiting

    async def _recover(self) -> bool:
        """Try with growing pauses until a commit goes through; false when closed before that."""
        delay = self._config.retry_first_s
        while not self._is_closing:
            self._wake.clear()
            try:
                async with asyncio.timeout(delay):
                    await self._closing()
            except TimeoutError:
                delay = min(delay * 2, self._config.retry_last_s)
            if await self._try_again():
                return True
        return False

    async def _closing(self) -> None:
        while not self._is_closing:
            self._wake.clear()
            await self._wake.wait()

    async def _try_again(self) -> bool:
        try:
            await self._store.reconnect()
            await self._store.commit([self._back_again()])
            await self._replay_spool()
        except JournalError as error:
            self._failure = error
            return False
        self._tell_of_others()
        self._failure = None
        self._wake.set()
        log.info("journal_up")
        self._on_change(None)
        return True

    def _back_again(self) -> Request:
        """Make the entry that says the journal was away, and what was lost by it."""
        lost = {str(kind): count for kind, count in self.lost.items()}
        body = {
            "code": "JOURNAL_RECOVERED",
            "message": f"The journal was down: {self._failure.line if self._failure else ''}",
            "lost": lost,
        }
        entry = Entry(kind=EntryKind.ALERT, ref="journal", body=body)
        return Request(items=(seal(entry, self._clock.now_ns()),))

    async def _replay_spool(self) -> None:
        spooled, size = self._spool.read()
        if not spooled:
            return
        try:
            items = tuple(seal(line.entry, line.ts) for line in spooled)
        except InvariantBroken as error:
            raise JournalError(
                f"The spool holds an entry this version cannot read: {error}",
                remedy=f"Start the version that wrote it, or move {self._spool.path} away.",
            ) from error
        ids = tuple(line.id for line in spooled)
        await self._store.commit([Request(items=items, spool_ids=ids)])
        others = [line.entry for line in spooled if not self._spool.is_own(line.id)]
        self._spool.clear(size)
        log.info("spool_replayed", entries=len(spooled))
        if self._task is not None:
            self._others += others
            self._tell_of_others()

    def _has_room(self, request: Request) -> bool:
        size = sum(sealed.size for sealed in request.items)
        return (
            self._queued_entries + len(request.items) <= self._config.queue_entries
            and self._queued_bytes + size <= self._config.queue_bytes
        )

    def _enqueue(self, waiting: _Waiting) -> None:
        self._queue.append(waiting)
        self._queued_entries += len(waiting.request.items)
        self._queued_bytes += waiting.size

    def _lose(self, request: Request) -> None:
        self.lost.update(sealed.kind.value for sealed in request.items)

    def _end(self) -> None:
        """Leave no waiter behind, whatever ended the task."""
        if self._timer is not None:
            self._timer.cancel()
        self._failure = failure = self._failure or _closed()
        for waiting in self._all_waiting():
            if waiting.future is None:
                self._lose(waiting.request)
            elif not waiting.future.done():
                waiting.future.set_exception(_again(failure))
        if not self._is_closing:
            self._on_change(failure)


def _closed() -> JournalError:
    return JournalError("The journal is closed.", remedy="Start the bot again.")


def _again(error: JournalError) -> JournalError:
    """Copy an error: one instance raised in many tasks would gather their tracebacks."""
    return type(error)(error.args[0], remedy=error.remedy, code=error.code)


def sealed_request(entries: tuple[Entry, ...], ts: int, *, pending: str | None = None) -> Request:
    """Encode entries that belong together; raises `InvariantBroken` for a wrong shape."""
    return Request(items=tuple(seal(entry, ts) for entry in entries), pending=pending)
