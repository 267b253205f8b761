"""Say what an audit found."""

from __future__ import annotations

from collections.abc import Callable

from domain.records import Record

Tell = Callable[[int, int], None]
"""Feed a progress bar: how many entries are done, of how many."""


def tell_nobody(_done: int, _of: int) -> None:
    """Show no progress."""


class BadEntry(Record, frozen=True):
    """The first entry that does not hold, and why; `kind` is empty for one that is missing."""

    seq: int
    reason: str
    kind: str = ""

    @property
    def line(self) -> str:
        """Return one line for a person."""
        return f"Entry {self.seq}{f' ({self.kind})' if self.kind else ''}: {self.reason}."


class Verdict(Record, frozen=True):
    """What a verification found.

    `entries`, `contents` and `rows` (of the tables made from entries) were checked before it
    ended. The journal is whole from entry `first` on: 1, or what retention left. `anchors` were
    known, the oldest one outside the database at `witnessed_from` (0: none). `head` is the hash of
    the last good entry, `last` its number.
    """

    entries: int
    anchors: int
    contents: int
    head: str
    first_bad: BadEntry | None
    rows: int = 0
    first: int = 1
    first_ts: int = 0
    last: int = 0
    witnessed_from: int = 0

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was changed, removed or put in between."""
        return self.first_bad is None

    @property
    def anchor(self) -> str:
        """Return the end of what was verified, to be kept elsewhere: `seq:hash`."""
        return f"{self.last}:{self.head}"
