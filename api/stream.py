"""Stream what happens to whoever watches, over server-sent events that can be resumed.

What is journaled is told from the journal: every such event carries its entry's number as `id`, in
order, none twice, and a watcher who comes back with `Last-Event-ID` misses nothing. What is not
journaled (quotes, bars, dropped tickets) is told from the bus as it comes. One task reads for all
watchers; each has a bounded queue of its own, and one who cannot keep up is told what it missed or,
when its connection takes nothing at all, let go.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager

import structlog
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.happenings import JOURNALED, KINDS, happening
from api.problems import TooMuch
from api.schemas import encode
from domain.errors import JournalError
from domain.records import Record
from engine.bus import Bus, BusEvent, EventKind, Subscription
from journal.reads.reader import Reader

log = structlog.get_logger(__name__)

IDLE_S = 1.0
HOT_S = 0.1
HOT_FOR_S = 2.0
READ_GAP_S = 0.05
PAGE = 500

_PRICES = frozenset({EventKind.QUOTE_UPDATED, EventKind.BAR_CLOSED})

_KEEP_ALIVE = b": keep-alive\n\n"
_OPENING = b"retry: 2000\n\n"
_KNOWN = b"id: %d\n\n"
"""Says where a new watcher begins, so that one who is cut before its first event misses nothing."""


class StreamConfig(Record, frozen=True):
    """What watchers are given; times in wall seconds.

    `max_replay` entries are replayed to one who comes back, what lies before is told as a gap. A
    connection that takes nothing for `send_deadline_s` is let go.
    """

    max_watchers: int = 32
    max_watchers_per_client: int = 8
    max_replay: int = 20_000
    heartbeat_s: float = 15.0
    send_deadline_s: float = 20.0


class Stream:
    """Merge bus and journal into one stream for any number of watchers."""

    def __init__(self, config: StreamConfig, *, bus: Bus, reader: Callable[[], Reader]) -> None:
        self._config = config
        self._source = bus
        self._out = Bus()
        self._reader = reader
        self._seq: int | None = None
        self._read_at = 0.0
        self._hot_until = 0.0
        self._is_blind = False
        self._closed = asyncio.Event()
        self._by_client: Counter[str] = Counter()

    @property
    def watchers(self) -> int:
        """Return how many watch."""
        return self._out.subscribers

    def close(self) -> None:
        """End every watcher's stream, so that a server that stops need not wait for them."""
        self._closed.set()

    async def run(self) -> None:
        """Copy what happens to the watchers until cancelled; costs nothing while there are none."""
        with self._source.subscribe() as source:
            while True:
                is_hot = time.monotonic() < self._hot_until
                event = await _next(source, HOT_S if is_hot else IDLE_S)
                if not self._out.subscribers:
                    self._seq = None
                    continue
                if event is not None and event.kind in JOURNALED:
                    self._hot_until = time.monotonic() + HOT_FOR_S
                await self._catch_up()
                if event is not None and (self._is_blind or event.kind not in JOURNALED):
                    self._out.publish(event.kind, event.data)

    async def watch(
        self, last_id: int | None, *, client: str = "", quotes: frozenset[str] | None = None
    ) -> Response:
        """Return the response that streams to one more watcher.

        `last_id` is the number of the last entry the watcher knows, none for one who is new;
        `client` is the address it watches from. `quotes` are the symbols whose quotes and bars are
        told, none for all: a page that shows one of fifty takes, and costs, a fiftieth. Raises
        `TooMuch`, and `JournalError` when the journal cannot say where it ends.
        """
        limit, each = self._config.max_watchers, self._config.max_watchers_per_client
        if self.watchers >= limit or self._by_client[client] >= each:
            raise TooMuch(
                f"{limit} may watch, {each} from one address, and they do.",
                remedy="Close one.",
                code="TOO_MANY_STREAMS",
            )
        with ExitStack() as stack:
            stack.enter_context(self._counted(client))
            live = stack.enter_context(self._out.subscribe())
            start = await self._position()
            held = stack.pop_all()
        return StreamResponse(
            self._events(live, last_id, start, quotes),
            closed=self._closed,
            held=held,
            deadline_s=self._config.send_deadline_s,
        )

    @contextmanager
    def _counted(self, client: str) -> Iterator[None]:
        self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client[client] -= 1
            if not self._by_client[client]:
                del self._by_client[client]

    async def _position(self) -> int:
        """Return the entry after which everything comes live."""
        if self._seq is None:
            seq = await self._reader().last_seq()
            self._seq = seq if self._seq is None else self._seq
        return self._seq

    async def _catch_up(self) -> None:
        """Publish what the journal has gained; at most one read every few milliseconds."""
        now = time.monotonic()
        if self._seq is None or now - self._read_at < READ_GAP_S:
            return
        self._read_at = now
        try:
            entries = await self._reader().entries_after(self._seq, limit=PAGE, kinds=KINDS)
        except JournalError as error:
            self._is_blind = True
            log.warning("stream_cannot_read_the_journal", code=error.code)
            return
        self._is_blind = False
        for entry in entries:
            self._seq = entry.seq
            event = happening(entry)
            if event is not None:
                self._out.publish(event.kind, event.data)
        if len(entries) == PAGE:
            self._hot_until = time.monotonic() + HOT_FOR_S

    async def _events(
        self,
        live: Subscription,
        last_id: int | None,
        start: int,
        quotes: frozenset[str] | None,
    ) -> AsyncIterator[bytes]:
        yield _OPENING
        if last_id is None:
            yield _KNOWN % start
        else:
            async for event in self._replay(last_id, start):
                yield frame(event)
        while True:
            event_or_none = await _next(live, self._config.heartbeat_s)
            if event_or_none is None:
                yield _KEEP_ALIVE
            elif _is_wanted(event_or_none, quotes):
                yield frame(event_or_none)

    async def _replay(self, last_id: int, until: int) -> AsyncIterator[BusEvent]:
        """Yield what was journaled after `last_id`, up to where the live stream begins."""
        seq = min(last_id, until)
        most = self._config.max_replay
        if until - seq > most:
            yield BusEvent(EventKind.GAP, {"dropped": until - seq - most})
            seq = until - most
        while entries := await self._reader().entries_after(seq, limit=PAGE, kinds=KINDS):
            for entry in entries:
                seq = entry.seq
                if seq > until:
                    return
                event = happening(entry)
                if event is not None:
                    yield event


class StreamResponse(Response):
    """Send chunks until the watcher leaves, takes nothing for too long, or the server stops."""

    media_type = "text/event-stream"

    def __init__(
        self,
        chunks: AsyncIterator[bytes],
        *,
        closed: asyncio.Event,
        held: ExitStack,
        deadline_s: float,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no", "Cache-Control": "no-store"})
        del self.headers["content-length"]
        self._chunks = chunks
        self._closed = closed
        self._held = held
        self._deadline_s = deadline_s

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Stream; whichever of its ends comes first takes the others down."""
        with self._held:
            tasks = [
                asyncio.create_task(self._send_all(send)),
                asyncio.create_task(_left(receive)),
                asyncio.create_task(self._closed.wait()),
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
        await self._finish(ends[0], send)

    async def _finish(self, end: object, send: Send) -> None:
        """End the response, unless its connection is gone or takes nothing."""
        if isinstance(end, OSError):
            return
        if isinstance(end, JournalError):
            log.warning("stream_cut", code=end.code)
        elif isinstance(end, Exception):
            raise end
        async with asyncio.timeout(self._deadline_s):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        """Send every chunk; between two of them whoever notices that the watcher left has a turn.

        A send to a connection that is gone does not wait, and a replay has thousands ready.
        """
        start = {
            "type": "http.response.start",
            "status": self.status_code,
            "headers": self.raw_headers,
        }
        await send(start)
        async for chunk in self._chunks:
            await asyncio.sleep(0)
            async with asyncio.timeout(self._deadline_s):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})


def frame(event: BusEvent) -> bytes:
    """Write an event as the HTML standard's `text/event-stream` has it; JSON holds no newline."""
    number = b"" if event.seq is None else b"id: %d\n" % event.seq
    return b"%bevent: %b\ndata: %b\n\n" % (number, event.kind.encode(), encode(event.data))


def _is_wanted(event: BusEvent, quotes: frozenset[str] | None) -> bool:
    """Tell whether a watcher of these symbols' quotes wants to hear of an event."""
    return quotes is None or event.kind not in _PRICES or event.data["symbol"] in quotes


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(events: Subscription, wait_s: float) -> BusEvent | None:
    """Return the next event, or none when there was none for so long."""
    try:
        async with asyncio.timeout(wait_s):
            return await anext(events)
    except TimeoutError:
        return None
