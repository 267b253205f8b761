"""Verify the chain: every entry, every blob it names, every anchor, and name the first bad one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import zstandard

from domain.records import Record
from journal import schema
from journal.anchors import Anchor, AnchorFile
from journal.chain import Head, Line, blob_digests, entry_hash
from journal.database import JournalConfig, address_of
from journal.reads.queries import Queries

_ENTRIES = schema.entries
_BLOBS = schema.blobs
_ANCHORS = schema.anchors


class BadEntry(Record, frozen=True):
    """The first entry that does not hold, and why."""

    seq: int
    reason: str


class Verdict(Record, frozen=True):
    """What a verification found. `entries` were checked before it ended."""

    entries: int
    anchors: int
    blobs: int
    head: str
    first_bad: BadEntry | None

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was changed, removed or put in between."""
        return self.first_bad is None


class Audit:
    """Walk the chain from its first entry."""

    def __init__(self, queries: Queries, config: JournalConfig) -> None:
        path: Path = config.anchor_file or address_of(config.url).beside(".anchors")
        self._queries = queries
        self._file = AnchorFile(path)

    async def verify(self) -> Verdict:
        """Check every hash, blob and anchor; ends at the first entry that does not hold."""
        expected = await self._anchors()
        head, blobs, bad = Head(), 0, None
        async for rows in self._queries.chunks(sa.select(_ENTRIES), _ENTRIES.c.seq):
            head, bad = _walk(head, rows, expected)
            digests = _named(rows, below=bad.seq if bad else head.seq + 1)
            blobs += len(digests)
            bad = _first(bad, await self._bad_blob(digests))
            if bad is not None:
                break
        if bad is None:
            bad = _missing(head, expected)
        return Verdict(
            entries=head.seq if bad is None else min(head.seq, bad.seq - 1),
            anchors=len(expected),
            blobs=blobs,
            head=head.hash.hex(),
            first_bad=bad,
        )

    async def _anchors(self) -> dict[int, str]:
        rows = await self._queries.all(sa.select(_ANCHORS))
        in_table = (Anchor(seq=row.seq, ts=row.ts, hash=row.hash) for row in rows)
        return {a.seq: a.hash for anchors in (in_table, self._file.read()) for a in anchors}

    async def _bad_blob(self, digests: dict[str, int]) -> BadEntry | None:
        """Return the first entry whose content is missing or is not what its digest names."""
        sound: set[str] = set()
        names = list(digests)
        for start in range(0, len(names), 500):
            query = sa.select(_BLOBS).where(_BLOBS.c.digest.in_(names[start : start + 500]))
            sound.update(row.digest for row in await self._queries.all(query) if _is_sound(row))
        bad = [(seq, digest) for digest, seq in digests.items() if digest not in sound]
        if not bad:
            return None
        seq, digest = min(bad)
        return BadEntry(seq=seq, reason=f"the content {digest} it names is missing or changed")


def _walk(
    head: Head, rows: Sequence[sa.Row[Any]], anchors: dict[int, str]
) -> tuple[Head, BadEntry | None]:
    for row in rows:
        line = Line(row.seq, row.ts, row.kind, row.ref, bytes(row.body))
        reason = _fault(head, line, row, anchors)
        if reason is not None:
            return head, BadEntry(seq=head.seq + 1, reason=reason)
        head = Head(row.seq, bytes(row.hash))
    return head, None


def _fault(head: Head, line: Line, row: sa.Row[Any], anchors: dict[int, str]) -> str | None:
    if line.seq != head.seq + 1:
        return f"it is missing: the next one is {line.seq}"
    if bytes(row.prev_hash) != head.hash:
        return "it does not follow the entry before it"
    if entry_hash(head.hash, line) != bytes(row.hash):
        return "its content is not what was hashed"
    anchored = anchors.get(line.seq)
    if anchored is not None and anchored != bytes(row.hash).hex():
        return "it is not the entry that its anchor names"
    return None


def _named(rows: Sequence[sa.Row[Any]], *, below: int) -> dict[str, int]:
    """Return the digests that sound entries name, each with the first entry to do so."""
    named: dict[str, int] = {}
    for row in rows:
        if row.seq < below:
            for digest in blob_digests(row.kind, bytes(row.body)):
                named.setdefault(digest, row.seq)
    return named


def _is_sound(row: sa.Row[Any]) -> bool:
    try:
        content = zstandard.ZstdDecompressor().decompress(row.content, row.size)
    except zstandard.ZstdError:
        return False
    return hashlib.sha256(content).hexdigest() == str(row.digest)


def _missing(head: Head, anchors: Iterable[int]) -> BadEntry | None:
    beyond = [seq for seq in anchors if seq > head.seq]
    if not beyond:
        return None
    return BadEntry(
        seq=head.seq + 1, reason=f"it is missing: an anchor names entry {min(beyond)} after it"
    )


def _first(one: BadEntry | None, other: BadEntry | None) -> BadEntry | None:
    found = [bad for bad in (one, other) if bad is not None]
    return min(found, key=lambda bad: bad.seq) if found else None
