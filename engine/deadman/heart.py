"""Beat for a dead-man and keep one alive: the engine's side of the pipe."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
import structlog

from engine.deadman.duty import BEAT, GOODBYE, Acted, Duty, Ready, decode, encode

log = structlog.get_logger(__name__)

Tell = Callable[[str, str], None]
"""Hear (code, message) for the operator."""

_BEATS = 5
"""How many beats fit into the silence that acts."""

_LONGEST_BEAT_S = 1.0
_READY_S = 20.0
_LEAVE_S = 5.0
_RETRY_S = 2.0
_FULL = 1024


class Heart:
    """Start a dead-man, beat, and start another when it has ended."""

    def __init__(
        self, command: Sequence[str], duty: Duty, *, environ: Mapping[str, str], tell: Tell
    ) -> None:
        self._command = command
        self._duty = duty
        self._environ = dict(environ)
        self._tell = tell
        self._child: asyncio.subprocess.Process | None = None
        self.ready: Ready | None = None

    async def begin(self) -> None:
        """Start the dead-man and wait until it watches; a failure is told, and tried again."""
        self.ready = None
        try:
            async with asyncio.timeout(_READY_S):
                child = self._child = await asyncio.create_subprocess_exec(
                    *self._command,
                    stdin=asyncio.subprocess.PIPE,
                    stdout=asyncio.subprocess.PIPE,
                    env=self._environ,
                    start_new_session=True,
                )
                assert child.stdin is not None
                assert child.stdout is not None
                child.stdin.write(encode(self._duty))
                self._hear(await child.stdout.readline())
        except (OSError, TimeoutError) as error:
            log.warning("deadman_not_started", error=repr(error))
        if self.ready is None:
            self._tell("DEADMAN_FAILED", "No dead-man watches: entries would outlive a crash.")

    async def run(self) -> None:
        """Beat until cancelled; a dead-man that acted or died is replaced."""
        while True:
            listening = asyncio.create_task(self._listen(), name="deadman-ears")
            try:
                await self._beat_until(listening)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
            await asyncio.sleep(_RETRY_S)
            await self._leave()
            await self.begin()

    async def end(self, *, in_order: bool) -> None:
        """Say goodbye, or close the pipe without: then the dead-man acts, and nobody waits."""
        child = self._child
        if child is None or child.stdin is None:
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            if in_order:
                child.stdin.write(GOODBYE)
                await child.stdin.drain()
        if in_order:
            await self._leave()
        else:
            child.stdin.close()

    async def _beat_until(self, listening: asyncio.Task[None]) -> None:
        every_s = min(_LONGEST_BEAT_S, self._duty.silence_s / _BEATS)
        while not listening.done():
            self._beat()
            await asyncio.wait({listening}, timeout=every_s)

    def _beat(self) -> None:
        """Write one beat; a dead-man that reads none is left alone, not queued for."""
        pipe = None if self._child is None else self._child.stdin
        if pipe is not None and pipe.transport.get_write_buffer_size() < _FULL:
            pipe.write(BEAT)

    async def _listen(self) -> None:
        """Hear what the dead-man tells until it ends."""
        source = None if self._child is None else self._child.stdout
        while source is not None and (line := await source.readline()):
            self._hear(line)

    def _hear(self, line: bytes) -> None:
        try:
            told = decode(line)
        except (msgspec.MsgspecError, ValueError):
            return
        match told:
            case Ready(venue=""):
                self.ready = told
            case Ready(venue=fault):
                self.ready = told
                self._tell("DEADMAN_CANNOT_ACT", f"The dead-man cannot reach the venue: {fault}")
            case Acted():
                self._tell("DEADMAN_ACTED", told.line)

    async def _leave(self) -> None:
        """Let the child end, then end it."""
        child, self._child = self._child, None
        if child is None or child.stdin is None:
            return
        child.stdin.close()
        try:
            async with asyncio.timeout(_LEAVE_S):
                await child.wait()
        except TimeoutError:
            child.kill()
            await child.wait()


@asynccontextmanager
async def watched_over(heart: Heart) -> AsyncIterator[Heart]:
    """Beat for as long as the block runs; only a block that ends well says goodbye."""
    await heart.begin()
    beating = asyncio.create_task(heart.run(), name="heart")
    is_well = False
    try:
        yield heart
        is_well = True
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        await heart.end(in_order=is_well)
