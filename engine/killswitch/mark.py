"""Leave a person's halt where every process finds it: a file beside the journal.

A bot that hangs answers no HTTP and holds the journal, so the command that halts it can reach
neither. A file needs no lock that a stopped process could hold. The bot looks for it whenever it is
asked for the trading state: the halt binds the first verdict after it wakes, and its next start.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

import msgspec

from domain.errors import JournalError
from domain.records import Record


class HaltOrder(Record, frozen=True):
    """What a person asked for; `id` tells one order from the next."""

    id: str
    actor: str
    reason: str
    ts: str
    protective: bool = False
    flatten: bool = False
    account_wide: bool = False


_UNREADABLE = HaltOrder(
    id="", actor="autohedge", reason="The halt beside the journal is unreadable.", ts=""
)


def new_id() -> str:
    """Name a halt."""
    return uuid.uuid4().hex


class HaltMark:
    """One halt that waits to be taken up; the newest stands."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def is_set(self) -> bool:
        """Tell whether a halt waits: one look at the file's name, cheap enough for every order."""
        return self._path.exists()

    def set(self, order: HaltOrder) -> None:
        """Write the halt, synced, whole or not at all; raises `JournalError` when it cannot."""
        draft = self._path.with_name(f"{self._path.name}.{order.id}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("xb") as file:
                file.write(msgspec.json.encode(order))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._path)
            _sync(self._path.parent)
        except OSError as error:
            raise JournalError(
                f"The halt cannot be left beside the journal: {error.strerror} ({self._path}).",
                remedy="End the bot's process yourself: nothing else tells it that it is halted.",
                code="HALT_NOT_MARKED",
            ) from error

    def read(self) -> HaltOrder | None:
        """Return the halt that waits; one that cannot be read still halts."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=HaltOrder)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.MsgspecError):
            return _UNREADABLE

    def clear(self, order: HaltOrder) -> None:
        """Take the halt away once it is journaled, unless a newer one stands there by now."""
        if self.read() == order:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Sync the folder, without which a power cut could lose the name."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
