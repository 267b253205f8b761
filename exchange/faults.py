"""The seam for things going wrong on purpose: what a fault plan may touch."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One REST request as the venue saw it. `at_ns` is venue time; `body` is None when empty."""

    method: str
    path: str
    query: str
    body: Any
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One REST answer. A `body` of bytes goes out as it is (an HTML page of a proxy, say)."""

    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)
    media_type: str = "application/json"


class Faults:
    """Let everything pass; a fault plan overrides what it wants to break."""

    async def before_request(self, _request: Request) -> Answer | None:
        """Return an answer to give instead of handling the request; may await, to be slow."""
        return None

    async def after_request(self, _request: Request, answer: Answer) -> Answer:
        """Return what the client gets in place of `answer`; the request has had its effect."""
        return answer

    def before_event(self, event: dict[str, Any]) -> Iterable[dict[str, Any]]:
        """Return the order events to send for this one: none, itself, twice, or older ones too."""
        return (event,)
