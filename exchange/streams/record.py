"""Every frame of every market data link, kept for assertions within a bound of bytes."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """One frame as it went over the wire; `link` counts connections since the start."""

    at_ns: int
    link: int
    endpoint: str
    way: Literal["in", "out"]
    data: bytes


class FrameLog:
    """Keep the newest frames up to `capacity_bytes` of their data, oldest dropped and counted."""

    def __init__(self, *, capacity_bytes: int = 16 << 20) -> None:
        self.capacity_bytes = capacity_bytes
        self.dropped = 0
        self._bytes = 0
        self._kept: deque[FrameRecord] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[FrameRecord]:
        return iter(self._kept)

    def add(self, record: FrameRecord) -> None:
        """Keep one frame, making room for it."""
        self._kept.append(record)
        self._bytes += len(record.data)
        while self._bytes > self.capacity_bytes and self._kept:
            self._bytes -= len(self._kept.popleft().data)
            self.dropped += 1
