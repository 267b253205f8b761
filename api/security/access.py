"""Declare what each route needs, and look up what a request's path needs.

Every route says so itself, beside its path, with `@needs(...)`. One that does not is closed to
every token but the full one, so a route that is forgotten is shut and not open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from starlette.routing import BaseRoute, Match, Route

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__access__"


class Access(StrEnum):
    """What a route needs.

    `open` is for pages without data and probes. `read` shows and changes nothing, `trade` moves the
    session, the trading state or orders, `approve` settles what waits for a person; `full` is what
    a route needs that declares nothing: all of it.
    """

    OPEN = "open"
    READ = "read"
    TRADE = "trade"
    APPROVE = "approve"
    FULL = "full"


EVERYTHING = frozenset(Access)
GRANTS: Mapping[Access, frozenset[Access]] = {
    Access.READ: frozenset({Access.OPEN, Access.READ}),
    Access.TRADE: frozenset({Access.OPEN, Access.READ, Access.TRADE}),
    Access.APPROVE: frozenset({Access.OPEN, Access.READ, Access.APPROVE}),
    Access.FULL: EVERYTHING,
}
"""What a token of each scope may do. Whoever trades does not approve: two people, two tokens."""


def needs(access: Access) -> Callable[[F], F]:
    """Mark an endpoint with what it needs."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _MARK, access)
        return endpoint

    return mark


def declared(route: BaseRoute) -> Access | None:
    """Return what a route says that it needs; none when it says nothing."""
    access = getattr(getattr(route, "endpoint", None), _MARK, None)
    return access if isinstance(access, Access) else None


class AccessTable:
    """What every path needs, from the routes themselves."""

    def __init__(self, routes: Iterable[BaseRoute]) -> None:
        self._routes = tuple(route for route in routes if isinstance(route, Route))

    def needed(self, scope: Mapping[str, Any]) -> Access:
        """Return what this request needs; a path or method that is not there may be read about."""
        for route in self._routes:
            match, _ = route.matches(dict(scope))
            if match is Match.FULL:
                return declared(route) or Access.FULL
        return Access.READ
