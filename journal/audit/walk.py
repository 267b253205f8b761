"""Walk a chain entry by entry: the part of an audit that a database and an export share."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from domain.records import Record
from journal.audit.findings import BadEntry
from journal.chain import GENESIS, Head, Line, entry_hash

_MOVED_WITHIN = 2_000


class Link(msgspec.Struct, frozen=True, gc=False):
    """An entry as it is kept, with both its hashes."""

    line: Line
    prev_hash: bytes
    hash: bytes


class Pruned(Record, frozen=True):
    """What the journal says retention removed from its beginning, through which entries.

    `hash` is entry `through`'s; contents are windows and prompts.
    """

    through: int = 0
    hash: str = GENESIS.hex()
    contents_through: int = 0


class Walk:
    """Follow the chain; `anchors` are hashes in hexadecimal by entry."""

    def __init__(self, anchors: Mapping[int, str], removed: Pruned) -> None:
        self._anchors = anchors
        self.removed = removed
        self.head = Head()
        self.first: Line | None = None

    def take(self, link: Link, following: bytes | None = None) -> BadEntry | None:
        """Take the next entry; `following` is the hash that the one after it says it follows."""
        if self.first is None:
            bad = self._begin(link)
            if bad is not None:
                return bad
        line = link.line
        if line.seq != self.head.seq + 1:
            reason = f"it is missing: the next one is {line.seq}"
            return BadEntry(seq=self.head.seq + 1, reason=reason)
        fault = self._fault(link, following)
        if fault is not None:
            return BadEntry(seq=line.seq, kind=line.kind, reason=fault)
        self.head = Head(line.seq, link.hash)
        return None

    def end(self) -> BadEntry | None:
        """Return what is missing after the last entry, by the anchors."""
        beyond = [seq for seq in self._anchors if seq > self.head.seq]
        if not beyond:
            return None
        reason = f"it is missing: an anchor names entry {min(beyond)} after it"
        return BadEntry(seq=self.head.seq + 1, reason=reason)

    def _begin(self, link: Link) -> BadEntry | None:
        """Accept a first entry that is not 1 when the journal says that it removed those before."""
        start, through = link.line.seq, self.removed.through
        if start > through + 1:
            return BadEntry(seq=through + 1, reason=f"it is missing: the first one is {start}")
        self.first = link.line
        before = GENESIS if start == 1 else link.prev_hash
        self.head = Head(start - 1, before)
        if start == through + 1 and before.hex() != self.removed.hash:
            reason = "it does not follow the last entry that retention removed"
            return BadEntry(seq=start, kind=link.line.kind, reason=reason)
        return None

    def _fault(self, link: Link, following: bytes | None) -> str | None:
        line = link.line
        hashed = entry_hash(self.head.hash, line)
        if link.prev_hash != self.head.hash:
            return self._misplaced(link, hashed)
        if hashed != link.hash:
            if hashed == following:
                return "its hash was changed"
            return _moved(link) or "its content is not what was hashed"
        shown = link.hash.hex()
        if self._anchors.get(line.seq, shown) != shown:
            return "it is not the entry that its anchor names"
        if line.seq == self.removed.through and shown != self.removed.hash:
            return "it is not the entry that retention named when it began to remove"
        return None

    def _misplaced(self, link: Link, hashed: bytes) -> str:
        if hashed == link.hash:
            return "the hash that it follows was changed"
        if entry_hash(link.prev_hash, link.line) == link.hash:
            return "it follows another entry than the one before it, which was put in or replaced"
        return _moved(link) or "it does not follow the entry before it"


def _moved(link: Link) -> str | None:
    """Find the place that an entry was hashed at, when that is near."""
    line = link.line
    for seq in range(max(1, line.seq - _MOVED_WITHIN), line.seq + _MOVED_WITHIN):
        moved = Line(seq, line.ts, line.kind, line.ref, line.body)
        if entry_hash(link.prev_hash, moved) == link.hash:
            return f"it is entry {seq}, moved here"
    return None
