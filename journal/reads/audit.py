"""Verify the chain, its entries, their contents and its anchors, and name the first bad entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard

from domain.records import Record
from journal import schema
from journal.anchors import Anchor, AnchorFile
from journal.chain import Head, Line, entry_hash, kept_contents, named_contents
from journal.database import JournalConfig
from journal.reads.queries import Queries, unpacked

_ENTRIES = schema.entries
_CONTENTS = schema.contents
_ANCHORS = schema.anchors


class BadEntry(Record, frozen=True):
    """The first entry that does not hold, and why."""

    seq: int
    reason: str


class Verdict(Record, frozen=True):
    """What a verification found. `entries` were checked before it ended."""

    entries: int
    anchors: int
    contents: int
    head: str
    first_bad: BadEntry | None

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing was changed, removed or put in between."""
        return self.first_bad is None


class Audit:
    """Walk the chain from its first entry."""

    def __init__(self, queries: Queries, config: JournalConfig) -> None:
        self._queries = queries
        self._file = AnchorFile(config.anchor_path)

    async def verify(self) -> Verdict:
        """Check every hash, content and anchor; ends at the first entry that does not hold."""
        expected = await self._anchors()
        head, contents, bad = Head(), 0, None
        async for rows in self._queries.chunks(sa.select(_ENTRIES), _ENTRIES.c.seq):
            head, bad = _walk(head, rows, expected)
            named = _named(rows, below=bad.seq if bad else head.seq + 1)
            contents += len(named)
            bad = await self._bad_content(named) or bad
            if bad is not None:
                break
        if bad is None:
            bad = _missing(head, expected)
        return Verdict(
            entries=head.seq if bad is None else min(head.seq, bad.seq - 1),
            anchors=len(expected),
            contents=contents,
            head=head.hash.hex(),
            first_bad=bad,
        )

    async def _anchors(self) -> dict[int, str]:
        rows = await self._queries.all(sa.select(_ANCHORS))
        in_table = (Anchor(seq=row.seq, ts=row.ts, hash=row.hash) for row in rows)
        return {a.seq: a.hash for anchors in (in_table, self._file.read()) for a in anchors}

    async def _bad_content(self, named: dict[int, frozenset[str]]) -> BadEntry | None:
        """Return the first entry whose window or prompts are missing or not what it names."""
        for seqs in _batches(sorted(named), 200):
            query = sa.select(_CONTENTS).where(_CONTENTS.c.seq.in_(seqs))
            kept = {row.seq: _kept(row.content) for row in await self._queries.all(query)}
            for seq in seqs:
                if not named[seq] <= kept.get(seq, frozenset()):
                    reason = "the window or a prompt it names is missing or changed"
                    return BadEntry(seq=seq, reason=reason)
        return None


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


def _batches(numbers: list[int], size: int) -> Iterator[list[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def _named(rows: Sequence[sa.Row[Any]], *, below: int) -> dict[int, frozenset[str]]:
    """Return what sound entries name, by the entry's number."""
    sound = (
        (row.seq, named_contents(row.kind, bytes(row.body))) for row in rows if row.seq < below
    )
    return {seq: digests for seq, digests in sound if digests}


def _kept(content: bytes) -> frozenset[str]:
    try:
        return kept_contents(unpacked(content))
    except (zstandard.ZstdError, msgspec.MsgspecError):
        return frozenset()


def _missing(head: Head, anchors: Iterable[int]) -> BadEntry | None:
    beyond = [seq for seq in anchors if seq > head.seq]
    if not beyond:
        return None
    return BadEntry(
        seq=head.seq + 1, reason=f"it is missing: an anchor names entry {min(beyond)} after it"
    )
