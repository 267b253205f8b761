"""Bound connections below HTTP: how many, how long a head may take, how long an answer may wait.

uvicorn waits for a request's head as long as its sender likes (it times only what comes after an
answer), and for a reader that reads nothing, too. A few hundred such connections would keep an
operator's `/halt` out.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from domain.records import Record


class ConnectionLimits(Record, frozen=True):
    """How many connections, and how many seconds each may keep us waiting.

    `head_s` is for a request's line and headers, from the connection's begin or the last answer's
    end; `stalled_s` for a peer that takes nothing of what we write.
    """

    total: int = 256
    per_client: int = 64
    head_s: float = 10.0
    stalled_s: float = 30.0


def bounded(limits: ConnectionLimits) -> type[H11Protocol]:
    """Return the protocol that uvicorn is to speak with these limits."""

    class Bounded(BoundedProtocol):
        allowed = limits

    return Bounded


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn speaks it, with an end to waiting.

    When there are too many connections, the one that has idled longest makes room for the new one;
    when none idles, the new one is not taken.
    """

    allowed = ConnectionLimits()
    _since = 0.0
    _head: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    @property
    def is_answering(self) -> bool:
        """Tell whether a request's head has come and its answer is not complete."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection if there is room, and wait for its first request's head."""
        super().connection_made(transport)
        self._since = self.loop.time()
        if self._has_room():
            self._time_head()
        else:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on; a head that is complete no longer runs against the clock."""
        super().data_received(data)
        self._time_head()

    def on_response_complete(self) -> None:
        """Wait for the next request's head, which may be here already."""
        super().on_response_complete()
        self._since = self.loop.time()
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the clocks."""
        _stop(self._head)
        self._head = None
        _stop(self._stalled)
        self._stalled = None
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Start to time a reader that does not read."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.allowed.stalled_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop timing it."""
        _stop(self._stalled)
        self._stalled = None
        super().resume_writing()

    def _time_head(self) -> None:
        if self.is_answering or self.transport.is_closing():
            _stop(self._head)
            self._head = None
        elif self._head is None:
            self._head = self.loop.call_later(self.allowed.head_s, self._end)

    def _end(self) -> None:
        """End the connection; what an answer still has to send may flow off while it flows."""
        self._head = None
        if not self.transport.get_write_buffer_size():
            self.transport.abort()
            return
        self.transport.close()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.allowed.stalled_s, self.transport.abort)

    def _has_room(self) -> bool:
        """Make room by ending the longest idle connection, of the same client if it has many."""
        everyone = [each for each in self.connections if isinstance(each, BoundedProtocol)]
        ours = [each for each in everyone if _host(each.client) == _host(self.client)]
        crowd = ours if len(ours) > self.allowed.per_client else everyone
        if crowd is everyone and len(everyone) <= self.allowed.total:
            return True
        idle = [each for each in crowd if each is not self and each.is_idle]
        if idle:
            min(idle, key=lambda each: each._since).transport.abort()  # noqa: SLF001 - our own kind
        return bool(idle)

    @property
    def is_idle(self) -> bool:
        """Tell whether nobody would miss this connection."""
        return not self.is_answering and not self.transport.is_closing()


def _host(client: tuple[str, int] | None) -> str:
    return client[0] if client else ""


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
