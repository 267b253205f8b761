"""The seam for REST and order events going wrong on purpose: what a fault plan may touch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exchange.venue import Venue

UNANSWERED = 0
"""The status of an answer that never went out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One REST request as the venue saw it. `at_ns` is venue time; `body` is None when empty.

    `struck` is where faults write their names, for the record.
    """

    method: str
    path: str
    query: str
    body: Any
    at_ns: int
    struck: list[str] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One REST answer. A `body` of bytes goes out as it is (an HTML page of a proxy, say).

    With `is_cut` nothing goes out: the TCP connection is reset.
    """

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    is_cut: bool = False


class Faults:
    """Let everything pass; a fault plan overrides what it wants to break."""

    def attach(self, _venue: Venue) -> None:
        """Get to know the venue: its clock, and its door for order events that go out later."""

    async def before_request(self, _request: Request) -> Answer | None:
        """Return an answer to give instead of handling the request; may await, to be slow."""
        return None

    async def after_request(self, _request: Request, answer: Answer) -> Answer:
        """Return what the client gets in place of `answer`; the request has had its effect."""
        return answer

    def before_event(self, event: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Return the order events to send for this one: none, itself, twice, or older ones too."""
        return (event,)
