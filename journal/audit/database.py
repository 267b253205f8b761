"""Audit a journal where it lives, in one snapshot, beside a bot that goes on writing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard
from msgspec.structs import replace

from domain.errors import JournalError
from domain.ports import EntryKind
from domain.records import Record
from journal import schema
from journal.anchors import Anchor, AnchorFile
from journal.audit.findings import BadEntry, Tell, Verdict, tell_nobody
from journal.audit.rebuilt import Rebuilt
from journal.audit.walk import Link, Pruned, Walk
from journal.chain import Line, kept_contents, named_contents
from journal.connections.engines import snapshot
from journal.connections.errors import readable_errors
from journal.database import JournalConfig, address_of
from journal.migrate import require_current
from journal.projections.views import VIEWS, AnchorBody

_ENTRIES = schema.entries
_CONTENTS = schema.contents
_CHUNK = 500


class AuditOptions(Record, frozen=True):
    """What to check beside the chain, its contents and the anchors that are found.

    `expected` are anchors that a person kept: hashes by entry. Without `has_projections` the
    tables made from entries are not compared.
    """

    expected: dict[int, str] = msgspec.field(default_factory=dict)
    has_projections: bool = True


async def audit(
    config: JournalConfig, options: AuditOptions | None = None, tell: Tell = tell_nobody
) -> Verdict:
    """Check every entry, content, anchor and projection; the verdict names the first bad entry.

    Raises `JournalError` when the journal cannot be read.
    """
    address = address_of(config.url)
    if address.path is not None and not address.path.exists():
        raise JournalError(
            f"There is no journal at {address.path}.",
            remedy="Name it with --database or DATABASE_URL.",
        )
    witness = AnchorFile(config.anchor_path).read()
    work = partial(_audit, config, witness, options or AuditOptions(), tell)
    with readable_errors(address.shown):
        return await snapshot(address, config, work)


def _audit(
    config: JournalConfig,
    witness: Sequence[Anchor],
    options: AuditOptions,
    tell: Tell,
    connection: sa.Connection,
) -> Verdict:
    require_current(connection, address_of(config.url).shown)
    anchors = _anchors(connection, witness) | options.expected
    pass_ = _Pass(connection, Walk(anchors, _removed(connection)))
    has_witness = bool(witness or options.expected)
    with ExitStack() as stack:
        rebuilt = stack.enter_context(Rebuilt()) if options.has_projections else None
        bad = pass_.run(rebuilt, tell) or pass_.walk.end()
        bad = bad or _unwitnessed(connection, has_witness=has_witness)
        first = pass_.walk.first
        if bad is None and rebuilt is not None:
            bad = rebuilt.compare(connection, first=first.seq if first else 1)
        if bad is not None and not bad.kind:
            bad = replace(bad, kind=_kind(connection, bad.seq))
        head = pass_.walk.head
        return Verdict(
            entries=head.seq - (first.seq - 1 if first else 0),
            anchors=len(anchors),
            contents=pass_.contents,
            head=head.hash.hex(),
            first_bad=bad,
            rows=rebuilt.rows if rebuilt else 0,
            first=first.seq if first else 1,
            first_ts=first.ts if first else 0,
            last=head.seq,
            witnessed_from=witness[0].seq if witness else 0,
        )


class _Pass:
    """One pass over the entries, in chunks."""

    def __init__(self, connection: sa.Connection, walk: Walk) -> None:
        self._connection = connection
        self.walk = walk
        self.contents = 0

    def run(self, rebuilt: Rebuilt | None, tell: Tell) -> BadEntry | None:
        total = self._connection.scalar(sa.select(sa.func.count()).select_from(_ENTRIES)) or 0
        done = 0
        for links, following in self._chunks():
            bad = self._check(links, following, rebuilt)
            if bad is not None:
                return bad
            done += len(links)
            tell(done, total)
        return None

    def _chunks(self) -> Iterator[tuple[list[Link], bytes | None]]:
        """Yield entries, and the hash that the one after them says it follows."""
        links: list[Link] = []
        while True:
            after = links[-1].line.seq if links else 0
            query = sa.select(_ENTRIES).where(_ENTRIES.c.seq > after).order_by(_ENTRIES.c.seq)
            following = [_link(row) for row in self._connection.execute(query.limit(_CHUNK))]
            if links:
                yield links, following[0].prev_hash if following else None
            if not following:
                return
            links = following

    def _check(
        self, links: list[Link], following: bytes | None, rebuilt: Rebuilt | None
    ) -> BadEntry | None:
        bad: BadEntry | None = None
        sound: list[Link] = []
        nexts = [link.prev_hash for _, link in pairwise(links)]
        for link, after in zip(links, [*nexts, following], strict=True):
            bad = self.walk.take(link, after) or (rebuilt.take(link) if rebuilt else None)
            if bad is not None:
                break
            sound.append(link)
        return self._bad_content(sound) or bad

    def _bad_content(self, links: list[Link]) -> BadEntry | None:
        """Return the first entry whose window or prompts are missing or not what it names."""
        named = {
            link.line.seq: digests
            for link in links
            if (digests := named_contents(link.line.kind, link.line.body))
            and link.line.seq > self.walk.removed.contents_through
        }
        if not named:
            return None
        query = sa.select(_CONTENTS).where(_CONTENTS.c.seq.in_(named))
        kept = {row.seq: _kept(row.content) for row in self._connection.execute(query)}
        for seq, digests in named.items():
            if not digests <= kept.get(seq, frozenset()):
                reason = "the window or a prompt it names is missing or changed"
                return BadEntry(seq=seq, reason=reason)
        self.contents += len(named)
        return None


def _link(row: sa.Row[Any]) -> Link:
    line = Line(row.seq, row.ts, row.kind, row.ref, _bytes(row.body))
    return Link(line, _bytes(row.prev_hash), _bytes(row.hash))


def _bytes(value: object) -> bytes:
    """Take whatever a forger left in the column: SQLite holds any type anywhere."""
    if isinstance(value, bytes | memoryview):
        return bytes(value)
    return str(value).encode()


def _kept(content: bytes) -> frozenset[str]:
    try:
        return kept_contents(zstandard.ZstdDecompressor().decompress(content))
    except (zstandard.ZstdError, msgspec.MsgspecError, TypeError):
        return frozenset()


def _removed(connection: sa.Connection) -> Pruned:
    """Return what the journal says retention removed: its newest records of that, by their kind.

    They are entries themselves: the walk proves them.
    """
    query = sa.select(_ENTRIES.c.body).where(_ENTRIES.c.kind == EntryKind.ANCHOR.value)
    removed = Pruned()
    for body in connection.scalars(query.order_by(_ENTRIES.c.seq)):
        anchor: AnchorBody = VIEWS[EntryKind.ANCHOR].decode(body)
        if anchor.removed == "entries":
            removed = replace(removed, through=anchor.seq, hash=anchor.hash)
        elif anchor.removed == "contents":
            removed = replace(removed, contents_through=anchor.seq)
    return removed


def _unwitnessed(connection: sa.Connection, *, has_witness: bool) -> BadEntry | None:
    """Return the last anchor when nothing outside the database tells of any."""
    query = sa.select(sa.func.max(_ENTRIES.c.seq)).where(_ENTRIES.c.kind == EntryKind.ANCHOR.value)
    seq = None if has_witness else connection.scalar(query)
    if seq is None:
        return None
    reason = "the file of anchors, which holds it, is missing or empty"
    return BadEntry(seq=seq, reason=reason)


def _kind(connection: sa.Connection, seq: int) -> str:
    return connection.scalar(sa.select(_ENTRIES.c.kind).where(_ENTRIES.c.seq == seq)) or ""


def _anchors(connection: sa.Connection, witness: Sequence[Anchor]) -> dict[int, str]:
    """Return the anchors of the database and, above them, those of the file."""
    table = schema.anchors
    in_table = {row.seq: row.hash for row in connection.execute(sa.select(table))}
    return in_table | {anchor.seq: anchor.hash for anchor in witness}
