"""Keep the chain's end outside the database, so that a shortened chain is found out.

A chain whose last entries were deleted is still a valid chain. Every so often, and when the
journal is closed, its end is written to a file beside the database and synced.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from domain.errors import JournalError
from domain.records import canonical


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that was there. `hash` in hexadecimal."""

    seq: int
    ts: int
    hash: str


class AnchorFile:
    """Append anchors, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, anchor: Anchor) -> None:
        """Write and sync one anchor; raises `OSError`."""
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(fd, canonical(anchor) + b"\n")
            os.fsync(fd)
        finally:
            os.close(fd)

    def read(self) -> list[Anchor]:
        """Return every anchor, oldest first; a torn last line was never an anchor.

        Raises `JournalError` for a line that is none.
        """
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        try:
            return [msgspec.json.decode(line, type=Anchor) for line in lines[:-1]]
        except msgspec.MsgspecError as error:
            raise JournalError(
                f"{self.path} holds a line that is no anchor: {error}",
                remedy="Restore it; to go on without its witness, move it away.",
                code="JOURNAL_BROKEN",
            ) from error
