"""Record the live stream to a tape, and play a tape as a feed.

A tape is zstd over lines. The first is the header, each other one frame: its receive time, its
channel and its messages as Alpaca's JSON, whatever codec the wire used. The recorder takes raw
frames beside the decoder: what we misread is on the tape as it came.
"""

from __future__ import annotations

import asyncio
import io
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
import zstandard
from msgspec.msgpack import Ext

from domain.errors import ConfigError, FeedError
from domain.market import MarketEvent, TapeLine
from domain.ports import Clock, MarketSink
from domain.records import NS_PER_S, format_ns
from feeds.alpaca.decoder import FrameDecoder
from feeds.alpaca.events import to_event
from feeds.alpaca.wire import stamp_ns

log = structlog.get_logger(__name__)

TAPE_VERSION = 1
_QUEUE_FRAMES = 20_000
_FLUSH_EVERY = 500
_YIELD_EVERY = 256

_Value = Ext | str | int | float | bool | list[Any] | dict[str, Any] | None
"""What a message holds: naming the extension keeps times to the nanosecond, undecoded."""


class TapeHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: version, where the ticks are from, their licence, and the first's time."""

    tape: int
    source: str
    licence: str
    origin_ns: int


class TapeRecorder:
    """Write frames to a tape from a thread of its own; ingest never waits for the disk.

    The queue is bounded: when the disk falls behind, frames are dropped and counted in `dropped`.
    """

    def __init__(self, path: Path, *, source: str, licence: str, clock: Clock) -> None:
        self.path = path
        self.dropped = 0
        self.written = 0
        self._header = TapeHeader(
            tape=TAPE_VERSION, source=source, licence=licence, origin_ns=clock.now_ns()
        )
        self._clock = clock
        self._queue: queue.Queue[tuple[int, str, bytes, bool] | None] = queue.Queue(_QUEUE_FRAMES)
        self._thread = threading.Thread(target=self._write, name="tape", daemon=True)
        self._failure: OSError | None = None

    async def __aenter__(self) -> Self:
        """Create the file; raises `ConfigError` when it cannot be written."""
        try:
            self._file = await asyncio.to_thread(self._create)
        except OSError as error:
            raise ConfigError(
                f"{self.path} cannot be written: {error.strerror}.",
                remedy="Choose another path for the tape.",
                code="TAPE_UNWRITABLE",
            ) from error
        self._thread.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what waits and close the tape; raises `FeedError` when the disk failed."""
        await asyncio.to_thread(self._queue.put, None)
        await asyncio.to_thread(self._thread.join)
        if self._failure is not None and error is None:
            raise FeedError(f"The tape {self.path} is cut: {self._failure.strerror}.")

    def record(self, channel: str, frame: bytes, *, is_text: bool) -> None:
        """Take one raw frame as it came; never blocks and never raises."""
        try:
            self._queue.put_nowait((self._clock.now_ns(), channel, frame, is_text))
        except queue.Full:
            self.dropped += 1

    def _create(self) -> io.BufferedWriter:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return self.path.open("xb")

    def _write(self) -> None:
        try:
            with (
                self._file as file,
                zstandard.ZstdCompressor(level=6).stream_writer(file) as out,
            ):
                out.write(msgspec.json.encode(self._header) + b"\n")
                while (item := self._queue.get()) is not None:
                    self._write_one(out, item)
        except OSError as error:
            self._failure = error
            while self._queue.get() is not None:
                self.dropped += 1

    def _write_one(
        self, out: zstandard.ZstdCompressionWriter, item: tuple[int, str, bytes, bool]
    ) -> None:
        ts, channel, frame, is_text = item
        messages = plain_frame(frame, is_text=is_text)
        if messages is None:
            self.dropped += 1
            return
        out.write(msgspec.json.encode(TapeLine(r=ts, c=channel, f=messages)) + b"\n")
        self.written += 1
        if self.written % _FLUSH_EVERY == 0:
            out.flush(zstandard.FLUSH_BLOCK)


def plain_frame(frame: bytes, *, is_text: bool) -> list[dict[str, Any]] | None:
    """Return a frame's messages as Alpaca's JSON has them; none when it is no list of maps."""
    try:
        if is_text:
            return msgspec.json.decode(frame, type=list[dict[str, Any]])
        messages = msgspec.msgpack.decode(frame, type=list[dict[str, _Value]])
    except (msgspec.MsgspecError, ValueError):
        return None
    return [{key: _texted(value) for key, value in message.items()} for message in messages]


def _texted(value: Any) -> Any:
    """Write a time as JSON does, to the nanosecond."""
    if isinstance(value, Ext):
        return format_ns(stamp_ns(value))
    return value


def read_tape(path: Path) -> Iterator[tuple[int, TapeHeader | TapeLine]]:
    """Yield (line number, header or line); raises `ConfigError` that names what is wrong where."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", code="TAPE_UNREADABLE"
        ) from error
    number = 0
    with file, zstandard.ZstdDecompressor().stream_reader(file) as plain:
        lines = io.BufferedReader(plain)
        while True:
            number += 1
            try:
                line = lines.readline()
                if not line:
                    break
                if number == 1:
                    yield number, msgspec.json.decode(line, type=TapeHeader)
                else:
                    yield number, msgspec.json.decode(line, type=TapeLine)
            except (zstandard.ZstdError, msgspec.MsgspecError) as error:
                raise ConfigError(
                    f"{path} is cut or damaged at line {number}: {error}.",
                    remedy="What comes before it can be played: cut the tape there.",
                    code="TAPE_DAMAGED",
                ) from error
    if number == 1:
        raise ConfigError(f"{path} is empty.", code="TAPE_DAMAGED")


def tape_events(path: Path, decoder: FrameDecoder) -> Iterator[tuple[int, list[MarketEvent]]]:
    """Yield (receive time, events) of each line, one line in memory at a time.

    A line that holds nothing for us yields an empty list. What cannot be read is counted in the
    decoder's rejects. Raises `ConfigError` naming the line where a tape is damaged.
    """
    for _, line in read_tape(path):
        if isinstance(line, TapeHeader):
            _check_version(path, line)
        else:
            yield line.r, _events_of(line, decoder)


def _check_version(path: Path, header: TapeHeader) -> None:
    if header.tape != TAPE_VERSION:
        raise ConfigError(
            f"{path} is a tape of version {header.tape}; this reads {TAPE_VERSION}.",
            code="TAPE_VERSION_UNKNOWN",
        )


def _events_of(line: TapeLine, decoder: FrameDecoder) -> list[MarketEvent]:
    events = []
    for message in decoder.decode_plain(line.f):
        try:
            event = to_event(message, line.r)
        except ValueError:
            decoder.rejects["time_invalid"] += 1
            continue
        if event is not None:
            events.append(event)
    return events


class TapeFeed:
    """Play a tape into a sink, at a speed or as fast as it can be read.

    With `speed` none nothing waits and the clock is the caller's; else a line is handed over when
    `clock` has moved as far as the tape's receive times have.
    """

    def __init__(self, path: Path, clock: Clock, *, speed: float | None = 1.0) -> None:
        self._path = path
        self._clock = clock
        self._speed = speed
        self._decoder = FrameDecoder()
        self.rejects = self._decoder.rejects

    async def run(self, sink: MarketSink) -> None:
        """Play to the end; raises `ConfigError` naming the line where a tape is damaged."""
        first_r: int | None = None
        started_ns = self._clock.monotonic_ns()
        for number, (ts_recv, events) in enumerate(tape_events(self._path, self._decoder)):
            if first_r is None:
                first_r = ts_recv
            await self._wait_for(ts_recv - first_r, started_ns)
            if events:
                sink.apply(events)
            if number % _YIELD_EVERY == 0:
                await asyncio.sleep(0)

    async def _wait_for(self, offset_ns: int, started_ns: int) -> None:
        if self._speed is None:
            return
        due_ns = started_ns + int(offset_ns / self._speed)
        left_ns = due_ns - self._clock.monotonic_ns()
        if left_ns > 0:
            await self._clock.sleep(left_ns / NS_PER_S)
