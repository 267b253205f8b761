"""Keep what must be remembered while the journal is down: protection and flattening still go.

A file of JSON lines, each synced before the order it speaks of is sent. Its room is taken when it
is opened, so that a full disk cannot refuse it. Several processes may append: the command line's
emergency halt writes here while the engine holds the journal. Replay is idempotent by line id.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import JournalError
from domain.ports import Entry, EntryKind
from domain.records import canonical

ROOM_BYTES = 1024 * 1024


class SpooledEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line: an entry with its own name and the time it was handed over (ns)."""

    id: str
    ts: int
    kind: EntryKind
    ref: str
    body: dict[str, Any]

    @property
    def entry(self) -> Entry:
        """Return the entry as it was handed over."""
        return Entry(kind=self.kind, ref=self.ref, body=self.body)


class Spool:
    """Append entries to the file, read them back, and empty it once they are journaled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._own: set[str] = set()

    def reserve(self) -> None:
        """Create the file and take its room on the disk; raises `JournalError`."""
        with self._locked() as fd:
            missing = ROOM_BYTES - os.fstat(fd).st_size
            if missing > 0:
                _write_all(fd, bytes(missing), os.fstat(fd).st_size)
                os.fsync(fd)

    def append(self, entries: Sequence[Entry], ts: int) -> None:
        """Write and sync entries; raises `JournalError` when even this disk fails."""
        named = {uuid.uuid4().hex: entry for entry in entries}
        lines = b"".join(_line(name, entry, ts) for name, entry in named.items())
        with self._locked() as fd:
            _write_all(fd, lines, len(_content(fd)))
            os.fsync(fd)
        self._own |= named.keys()

    def is_own(self, line_id: str) -> bool:
        """Tell whether this process wrote the line."""
        return line_id in self._own

    def has_lines(self) -> bool:
        """Tell, cheaply, whether anything waits to be journaled."""
        try:
            with self.path.open("rb") as file:
                return file.read(1) not in {b"", b"\0"}
        except OSError:
            return False

    def read(self) -> tuple[list[SpooledEntry], int]:
        """Return the entries that wait, oldest first, and how many bytes they take."""
        if not self.path.exists():
            return [], 0
        with self._locked() as fd:
            content = _content(fd)
        return [_parse(line) for line in content.splitlines()], len(content)

    def clear(self, size: int) -> None:
        """Empty the file when it still holds just the `size` bytes that were read.

        Lines that came meanwhile stay, with those before them; the next replay skips the known.
        """
        with self._locked() as fd:
            if len(_content(fd)) == size:
                _write_all(fd, bytes(size), 0)
                os.fsync(fd)
                self._own.clear()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX)
                yield fd
            finally:
                os.close(fd)
        except OSError as error:
            raise JournalError(
                f"The spool cannot be used: {error.strerror} ({self.path}).",
                remedy="Check its disk: without journal and spool no order may be sent.",
            ) from error


def _line(name: str, entry: Entry, ts: int) -> bytes:
    line = {"id": name, "ts": ts, "kind": entry.kind, "ref": entry.ref, "body": entry.body}
    return canonical(line) + b"\n"


def _content(fd: int) -> bytes:
    """Return whole lines up to the first unused byte; a torn last line was never acknowledged."""
    used = os.pread(fd, os.fstat(fd).st_size, 0).partition(b"\0")[0]
    return used[: used.rfind(b"\n") + 1]


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


def _parse(line: bytes) -> SpooledEntry:
    try:
        return msgspec.json.decode(line, type=SpooledEntry)
    except msgspec.MsgspecError as error:
        raise JournalError(
            f"The spool holds a line that is not an entry: {error}",
            remedy="Look at the file, remove the line by hand, and start again.",
        ) from error
