"""What happened at the venue, kept for assertions: every request, every order event."""

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """One REST request and how it was answered. `at_ns` is venue time.

    `status` is 0 when the connection was reset instead; `faults` names what struck.
    """

    at_ns: int
    method: str
    path: str
    query: str
    body: Any
    status: int
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRecord:
    """One order event as emitted by matching, before any fault touched it."""

    at_ns: int
    event: dict[str, Any]


class Record:
    """Keep the newest `capacity` records, oldest dropped first; write all to `path` when given."""

    def __init__(self, *, capacity: int = 20_000, path: Path | None = None) -> None:
        self._kept: deque[RequestRecord | EventRecord] = deque(maxlen=capacity)
        self._file = path.open("a", encoding="utf-8") if path else None
        self.requests_dropped = 0
        self.events_dropped = 0

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[RequestRecord | EventRecord]:
        return iter(self._kept)

    @property
    def dropped(self) -> int:
        """Return how many entries were pushed out."""
        return self.requests_dropped + self.events_dropped

    def add(self, entry: RequestRecord | EventRecord) -> None:
        """Keep one entry, counting the one it pushes out."""
        if len(self._kept) == self._kept.maxlen:
            oldest = self._kept.popleft()
            self.requests_dropped += isinstance(oldest, RequestRecord)
            self.events_dropped += isinstance(oldest, EventRecord)
        self._kept.append(entry)
        if self._file:
            self._file.write(json.dumps(asdict(entry), default=str) + "\n")

    def requests(self, method: str | None = None, path: str | None = None) -> list[RequestRecord]:
        """Return the kept requests, oldest first, of one method and path when asked."""
        return [
            entry
            for entry in self._kept
            if isinstance(entry, RequestRecord)
            and method in (None, entry.method)
            and path in (None, entry.path)
        ]

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the kept order events, oldest first, of one kind when asked."""
        return [e.event for e in self.event_records() if kind in (None, e.event["event"])]

    def event_records(self) -> list[EventRecord]:
        """Return the kept order events with their times, oldest first."""
        return [entry for entry in self._kept if isinstance(entry, EventRecord)]

    def close(self) -> None:
        """Close the file, if there is one."""
        if self._file:
            self._file.close()
            self._file = None
