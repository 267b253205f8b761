"""Cut history into pages that count points across symbols, and pick up where a page ended.

A token is base64 of `SYMBOL|KIND|TIME|SEEN` (Alpaca's own has the first three): the last point
given, and how many points of that very moment the client has seen.
"""

import asyncio
import base64
import binascii
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from exchange.data.query import Span
from exchange.data.refusals import bad_request
from exchange.market.stamps import from_rfc3339, to_rfc3339

_LETTING_GO = 500  # points between two pauses, so that a long page does not stop the market


class Point(Protocol):
    """Anything that stands in time."""

    @property
    def ts_event(self) -> int:
        """Return when it happened."""
        ...


P = TypeVar("P", bound=Point)
Read = Callable[[str, int, int], Iterator[P]]
"""Read a symbol's points of a closed span, in the asked order."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended."""

    symbol: str
    ts_ns: int
    seen: int

    def token(self, kind: str) -> str:
        """Write it for the client."""
        text = f"{self.symbol}|{kind}|{to_rfc3339(self.ts_ns)}|{self.seen}"
        return base64.b64encode(text.encode()).decode()

    @classmethod
    def read(cls, token: str, kind: str) -> "Place":
        """Read it back; a token of another kind of page is refused."""
        try:
            symbol, told, time, *rest = base64.b64decode(token, validate=True).decode().split("|")
            seen = int(rest[0]) if rest else 1
            ts_ns = from_rfc3339(time)
        except (binascii.Error, ValueError):
            raise bad_request(f"invalid page_token: {token}") from None
        if told != kind:
            raise bad_request(f"invalid page_token: {token}")
        return cls(symbol, ts_ns, seen)


async def page(span: Span, kind: str, read: Read[P]) -> tuple[dict[str, list[P]], str | None]:
    """Return one page, points by symbol, and the token of the next if there is more."""
    at = Place.read(span.token, kind) if span.token else None
    found: dict[str, list[P]] = {}
    left = span.limit
    last: Place | None = None
    for symbol in span.symbols:
        if at and symbol < at.symbol:
            continue
        resume = at if at and symbol == at.symbol else None
        points = _points(span, symbol, resume, read)
        while chunk := list(islice(points, min(left, _LETTING_GO) or 1)):
            if not left:
                return found, last.token(kind) if last else None
            found.setdefault(symbol, []).extend(chunk)
            left -= len(chunk)
            last = _place(symbol, found[symbol], resume)
            await asyncio.sleep(0)
    return found, None


def _points(span: Span, symbol: str, resume: Place | None, read: Read[P]) -> Iterator[P]:
    """Read a symbol's points, without those that earlier pages gave."""
    if resume is None:
        yield from read(symbol, span.start_ns, span.end_ns)
        return
    bounds = (
        (span.start_ns, min(resume.ts_ns, span.end_ns))
        if span.newest_first
        else (max(resume.ts_ns, span.start_ns), span.end_ns)
    )
    skipped = 0
    for point in read(symbol, *bounds):
        if point.ts_event == resume.ts_ns and skipped < resume.seen:
            skipped += 1
            continue
        yield point


def _place(symbol: str, given: list[P], resume: Place | None) -> Place:
    """Return the place after the last point, counting all given ones of its moment."""
    ts_ns = given[-1].ts_event
    seen = 0
    for point in reversed(given):
        if point.ts_event != ts_ns:
            break
        seen += 1
    if seen == len(given) and resume and resume.ts_ns == ts_ns:
        seen += resume.seen
    return Place(symbol, ts_ns, seen)
