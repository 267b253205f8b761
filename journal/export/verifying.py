"""Verify an export: its files against the manifest, its chain against itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from domain.errors import JournalError
from journal.audit.findings import BadEntry, Tell, Verdict, tell_nobody
from journal.audit.walk import Link, Pruned, Walk
from journal.chain import Head, entry_hash
from journal.export.files import MANIFEST, Manifest, read_links, sha256_of

_TELL_EVERY = 500


def verify_export(
    folder: Path, expected: dict[int, str] | None = None, tell: Tell = tell_nobody
) -> Verdict:
    """Walk an exported chain; `expected` are hashes by entry that a person kept.

    An export of some kinds only has gaps: each of its entries is then checked alone, against the
    hash before it that it carries. Raises `JournalError` when the folder cannot be read.
    """
    manifest = _manifest(folder)
    last, _, head = manifest.anchor.partition(":")
    anchors = ({int(last): head} if manifest.entries else {}) | (expected or {})
    try:
        return _verify(folder, manifest, anchors, tell)
    except OSError as error:
        raise _unreadable(folder, error.strerror or str(error)) from error


def _verify(folder: Path, manifest: Manifest, anchors: dict[int, str], tell: Tell) -> Verdict:
    walk = _Gaps(anchors) if manifest.kinds else _Whole(anchors)
    bad: BadEntry | None = None
    done = 0
    for link in _links(folder / manifest.file, walk):
        bad = link if isinstance(link, BadEntry) else walk.take(link)
        if bad is not None:
            break
        done += 1
        if done % _TELL_EVERY == 0:
            tell(done, manifest.entries)
    bad = bad or walk.end() or _changed_file(folder, manifest, walk.head.seq)
    return Verdict(
        entries=done,
        anchors=len(anchors),
        contents=0,
        head=walk.head.hash.hex(),
        first_bad=bad,
        first=manifest.first,
        last=walk.head.seq,
    )


class _Whole:
    """A span without gaps: the first entry is believed, the rest must follow from it."""

    def __init__(self, anchors: dict[int, str]) -> None:
        self._anchors = anchors
        self._walk: Walk | None = None

    @property
    def head(self) -> Head:
        return self._walk.head if self._walk else Head()

    def take(self, link: Link) -> BadEntry | None:
        if self._walk is None:
            removed = Pruned(through=link.line.seq - 1, hash=link.prev_hash.hex())
            self._walk = Walk(self._anchors, removed)
        return self._walk.take(link)

    def end(self) -> BadEntry | None:
        return (self._walk or Walk(self._anchors, Pruned())).end()


class _Gaps:
    """Some kinds only: each entry must be what was hashed, and neighbours must be neighbours."""

    def __init__(self, anchors: dict[int, str]) -> None:
        self._anchors = anchors
        self.head = Head()

    def take(self, link: Link) -> BadEntry | None:
        line, reason = link.line, ""
        if line.seq <= self.head.seq:
            reason = "it stands after a later one"
        elif entry_hash(link.prev_hash, line) != link.hash:
            reason = "its content is not what was hashed"
        elif line.seq == self.head.seq + 1 and self.head.seq and link.prev_hash != self.head.hash:
            reason = "it does not follow the entry before it"
        elif self._anchors.get(line.seq, link.hash.hex()) != link.hash.hex():
            reason = "it is not the entry that its anchor names"
        if reason:
            return BadEntry(seq=line.seq, kind=line.kind, reason=reason)
        self.head = Head(line.seq, link.hash)
        return None

    def end(self) -> BadEntry | None:
        beyond = [seq for seq in self._anchors if seq > self.head.seq]
        if not beyond:
            return None
        return BadEntry(seq=min(beyond), reason="it is missing at the end of the export")


def _links(path: Path, walk: _Whole | _Gaps) -> Iterator[Link | BadEntry]:
    """Yield entries; what is none becomes the finding that it is."""
    try:
        yield from read_links(path)
    except (ValueError, msgspec.MsgspecError) as error:
        reason = f"what follows entry {walk.head.seq} in {path.name} is no entry: {error}"
        yield BadEntry(seq=walk.head.seq + 1, reason=reason.splitlines()[0])


def _changed_file(folder: Path, manifest: Manifest, seq: int) -> BadEntry | None:
    for name, digest in manifest.sha256.items():
        if sha256_of(folder / name) != digest:
            return BadEntry(seq=seq, reason=f"{name} is not the file that the manifest names")
    return None


def _manifest(folder: Path) -> Manifest:
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except OSError as error:
        raise _unreadable(folder, error.strerror or str(error)) from error
    except msgspec.MsgspecError as error:
        raise _unreadable(folder, f"{MANIFEST}: {error}") from error


def _unreadable(folder: Path, why: str) -> JournalError:
    return JournalError(
        f"{folder} is no export that can be read: {why}.",
        remedy="Name the folder that `autohedge export --to` wrote.",
    )
