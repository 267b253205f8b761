"""Seal entries into a chain of hashes, so that no one can change the past unnoticed.

An entry's hash covers the hash before it, its place, time, kind, reference and body. Bodies name
windows and prompts by the sha256 of their bytes, so the chain covers those too, wherever they are
stored.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from domain.errors import InvariantBroken
from domain.ports import Entry, EntryKind
from domain.records import canonical
from journal.projections.views import VIEWS, DecisionBody, View

GENESIS = bytes(32)
"""What the first entry's hash stands on."""


_NO_WINDOW = b"null"


class Content(msgspec.Struct, frozen=True):
    """What a decision saw and was asked, kept beside the chain: they share bars and compress well.

    `window` is the canonical JSON whose sha256 is the window's digest, byte for byte; `null`
    where there was none.
    """

    window: msgspec.Raw
    prompts: dict[str, str]


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """An entry encoded and checked, ready for its place in the chain."""

    ts: int
    kind: EntryKind
    ref: str
    body: bytes
    view: View
    content: bytes | None = None

    @property
    def size(self) -> int:
        """Return how many bytes it holds in the queue."""
        return len(self.body) + len(self.content or b"")


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
        encoded, content = written(entry)
        view = VIEWS[entry.kind].decode(encoded)
    except (msgspec.ValidationError, TypeError, ValueError, KeyError, AttributeError) as error:
        raise InvariantBroken(
            f"A journal entry of kind {entry.kind} has the wrong shape: {error}"
        ) from error
    return Sealed(ts=ts, kind=entry.kind, ref=entry.ref, body=encoded, view=view, content=content)


def written(entry: Entry) -> tuple[bytes, bytes | None]:
    """Return an entry's body as it is hashed, and the large parts that are kept beside it."""
    body, content = _without_content(entry)
    return canonical(body), content


class Line(msgspec.Struct, frozen=True, gc=False):
    """What an entry's hash covers beside the hash before it."""

    seq: int
    ts: int
    kind: str
    ref: str
    body: bytes


def link(head: Head, sealed: Sealed) -> Head:
    """Return the new end of the chain with `sealed` in the next place."""
    return follow(head, Line(head.seq + 1, sealed.ts, sealed.kind, sealed.ref, sealed.body))


def follow(head: Head, line: Line) -> Head:
    """Return the new end of the chain with this line in the next place."""
    return Head(line.seq, entry_hash(head.hash, line))


def entry_hash(prev: bytes, line: Line) -> bytes:
    """Return sha256 over the previous hash, the entry's place and name, and its body.

    The middle is a JSON array, which ends itself: no two entries share one text.
    """
    name = canonical((line.seq, line.ts, line.kind, line.ref))
    return hashlib.sha256(b"".join((prev, name, line.body))).digest()


def _without_content(entry: Entry) -> tuple[dict[str, Any], bytes | None]:
    """Replace a decision's window by its digest and each prompt by the digest of its text."""
    if entry.kind is not EntryKind.DECISION:
        return entry.body, None
    body = dict(entry.body)
    prompts = body.get("prompts", {})
    body["prompts"] = {name: _digest(text.encode()) for name, text in prompts.items()}
    window = canonical(body.get("window"))
    if window != _NO_WINDOW:
        body["window"] = _digest(window)
    elif not prompts:
        return body, None
    return body, msgspec.json.encode(Content(msgspec.Raw(window), prompts))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def named_contents(kind: str, body: bytes) -> frozenset[str]:
    """Return the digests of the contents that an entry's body names."""
    if kind != EntryKind.DECISION:
        return frozenset()
    view: DecisionBody = VIEWS[EntryKind.DECISION].decode(body)
    return frozenset(view.prompts.values()) | ({view.window} if view.window else set())


def kept_contents(content: bytes) -> frozenset[str]:
    """Return the digests of the contents that are kept; raises `msgspec.MsgspecError`."""
    kept = msgspec.json.decode(content, type=Content)
    texts = [bytes(kept.window), *(text.encode() for text in kept.prompts.values())]
    return frozenset(_digest(text) for text in texts)
