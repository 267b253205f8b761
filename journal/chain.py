"""Seal entries into a chain of hashes, so that no one can change the past unnoticed.

An entry's hash covers the hash before it, its place, time, kind, reference and body. Bodies name
windows and prompts by the sha256 of their bytes, so the chain covers those too, wherever they are
stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec

from domain.errors import InvariantBroken
from domain.ports import Entry, EntryKind
from domain.records import canonical
from journal.projections.views import VIEWS, View

GENESIS = bytes(32)
"""What the first entry's hash stands on."""


class Blob(msgspec.Struct, frozen=True, gc=False):
    """Large content kept once, under the sha256 of its bytes."""

    digest: str
    content: bytes


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry encoded and checked, ready for its place in the chain."""

    ts: int
    kind: EntryKind
    ref: str
    body: bytes
    view: View
    blobs: tuple[Blob, ...] = ()

    @property
    def size(self) -> int:
        """Return how many bytes it holds in the queue."""
        return len(self.body) + sum(len(blob.content) for blob in self.blobs)


class Head(msgspec.Struct, frozen=True):
    """The end of the chain."""

    seq: int = 0
    hash: bytes = GENESIS


def seal(entry: Entry, ts: int) -> Sealed:
    """Encode an entry and move its large parts out; raises `InvariantBroken` for a wrong shape.

    Done when the entry is handed over, so that a malformed one fails its own caller and not the
    batch it would have ridden in.
    """
    try:
        body, blobs = _without_blobs(entry)
        encoded = canonical(body)
        view = VIEWS[entry.kind].decode(encoded)
    except (msgspec.ValidationError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvariantBroken(
            f"A journal entry of kind {entry.kind} has the wrong shape: {error}"
        ) from error
    return Sealed(
        ts=ts, kind=entry.kind, ref=entry.ref, body=encoded, view=view, blobs=tuple(blobs)
    )


class Line(msgspec.Struct, frozen=True, gc=False):
    """What an entry's hash covers beside the hash before it."""

    seq: int
    ts: int
    kind: str
    ref: str
    body: bytes


def link(head: Head, sealed: Sealed) -> Head:
    """Return the new end of the chain with `sealed` in the next place."""
    line = Line(head.seq + 1, sealed.ts, sealed.kind, sealed.ref, sealed.body)
    return Head(line.seq, entry_hash(head.hash, line))


def entry_hash(prev: bytes, line: Line) -> bytes:
    """Return sha256 over the previous hash, the entry's place and name, and its body.

    The middle is a JSON array, which ends itself: no two entries share one text.
    """
    name = canonical((line.seq, line.ts, line.kind, line.ref))
    return hashlib.sha256(b"".join((prev, name, line.body))).digest()


def blob_of(content: bytes) -> Blob:
    """Name content by its sha256."""
    return Blob(hashlib.sha256(content).hexdigest(), content)


def _without_blobs(entry: Entry) -> tuple[dict[str, Any], list[Blob]]:
    """Replace a decision's window by its digest and each prompt by the digest of its bytes."""
    if entry.kind is not EntryKind.DECISION:
        return entry.body, []
    body = dict(entry.body)
    blobs = []
    window = body.get("window")
    if window is not None:
        blobs.append(blob_of(canonical(window)))
        body["window"] = blobs[0].digest
    prompts = {}
    for name, text in body.get("prompts", {}).items():
        blob = blob_of(text.encode())
        blobs.append(blob)
        prompts[name] = blob.digest
    body["prompts"] = prompts
    return body, blobs


def blob_digests(kind: str, body: bytes) -> Iterator[str]:
    """Yield the digests of the blobs that an entry's body names."""
    if kind == EntryKind.DECISION:
        view = VIEWS[EntryKind.DECISION].decode(body)
        if view.window is not None:
            yield view.window
        yield from view.prompts.values()
