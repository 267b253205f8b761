"""Knock as everyone who has no business here, at every operation, and watch what changes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from api.proving.door.stand import TOKENS, Operation, Stand, Standing, client
from api.security import Access

_UNAUTHORIZED, _FORBIDDEN, _SERVER_ERROR = 401, 403, 500

_FULL = f"Bearer {TOKENS[Access.FULL]}"
# What each scope opens, written down here again: a table read from the code would prove itself.
_OPENS = {
    Access.READ: {"open", "read"},
    Access.TRADE: {"open", "read", "trade"},
    Access.APPROVE: {"open", "read", "approve"},
    Access.FULL: {"open", "read", "trade", "approve", "full"},
}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who knocks: what is sent along, which scopes that must open, and how else it is refused.

    `refusal` is the status of those who are nobody: a foreign page's is 403 with any token.
    """

    name: str
    headers: Mapping[str, str]
    opens: frozenset[str] = frozenset()
    refusal: int = _UNAUTHORIZED
    query: str = ""

    def may(self, operation: Operation) -> bool:
        """Tell whether this caller is to be let in there."""
        return operation.access.value in self.opens


def _nobody(name: str, *, query: str = "", **headers: str) -> Caller:
    return Caller(name=name, headers=headers, opens=frozenset({"open"}), query=query)


def _foreign(name: str, **headers: str) -> Caller:
    sent = {"authorization": _FULL, **{key.replace("_", "-"): v for key, v in headers.items()}}
    return Caller(name=name, headers=sent, refusal=_FORBIDDEN)


CALLERS = (
    _nobody("no token"),
    _nobody("wrong token", authorization="Bearer door-full-0123456789abcdeg"),
    _nobody("token cut short", authorization=_FULL[:-1]),
    _nobody("token of another scheme", authorization=_FULL.replace("Bearer", "Basic")),
    _nobody("token and more", authorization=f"{_FULL} {TOKENS[Access.READ]}"),
    _nobody("empty token", authorization="Bearer"),
    _nobody("token in the query", query=f"token={TOKENS[Access.FULL]}&access_token=x"),
    _nobody("token in a cookie", cookie=f"token={TOKENS[Access.FULL]}"),
    _foreign("full token, foreign page", origin="https://evil.example"),
    _foreign("full token, opaque page", origin="null"),
    _foreign("full token, rebound name", host="evil.example"),
    *(
        Caller(
            name=f"{access} token",
            headers={"authorization": f"Bearer {TOKENS[access]}"},
            opens=frozenset(opens),
            refusal=_FORBIDDEN,
        )
        for access, opens in _OPENS.items()
    ),
)


@dataclass
class Knocks:
    """What came of it: by caller, how many were refused and let in."""

    refused: Counter[str] = field(default_factory=Counter)
    let_in: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """Return how often was knocked."""
        return self.refused.total() + self.let_in.total()


async def knock(stand: Stand, tell: Callable[[], None]) -> Knocks:
    """Knock as everyone at every operation that reads, and wherever the caller is to be refused.

    A caller that may change something does so only in `enter`, or the rest would prove nothing.
    """
    found = Knocks()
    operations = await stand.operations()
    known = await stand.standing()
    async with client(stand) as http:
        for operation in operations:
            for caller in CALLERS:
                if not caller.may(operation):
                    known = await _refused(stand, http, (caller, operation, known), found)
                elif operation.method == "GET" and operation.route != "/events":
                    await _let_in(http, caller, operation, found)
                tell()
    return found


async def enter(stand: Stand) -> list[str]:
    """Show that what was refused works with the right token: else the door is a wall.

    Returns the operations that changed nothing; none is right.
    """
    headers, idle = {"authorization": f"Bearer {TOKENS[Access.TRADE]}"}, []
    async with client(stand) as http:
        for path in ("/halt", "/flatten"):
            before = await stand.standing()
            answer = await http.post(path, headers=headers)
            if answer.is_error or await stand.standing() == before:
                idle.append(f"POST {path} with the trade token changed nothing: {answer.text}")
    return idle


async def _refused(
    stand: Stand, http: httpx.AsyncClient, case: tuple[Caller, Operation, Standing], found: Knocks
) -> Standing:
    """Hold that a refusal says so and that nothing has changed; return how things stand now."""
    caller, operation, before = case
    answer = await _ask(http, caller, operation)
    after = await stand.standing()
    found.refused[caller.name] += 1
    who = f"{operation.name} as {caller.name}"
    if answer.status_code != caller.refusal:
        found.breaches.append(f"{who}: answered {answer.status_code}, not {caller.refusal}")
    elif answer.headers["content-type"] != "application/problem+json":
        found.breaches.append(f"{who}: refused without a problem")
    elif caller.opens - {"open"} and operation.access.value not in answer.json()["detail"]:
        found.breaches.append(f"{who}: refused without naming {operation.access}")
    if after != before:
        found.breaches.append(f"{who}: changed {before} to {after}")
    return after


async def _let_in(
    http: httpx.AsyncClient, caller: Caller, operation: Operation, found: Knocks
) -> None:
    answer = await _ask(http, caller, operation)
    found.let_in[caller.name] += 1
    if answer.status_code in {_UNAUTHORIZED, _FORBIDDEN} or answer.status_code >= _SERVER_ERROR:
        found.breaches.append(
            f"{operation.name} as {caller.name}: answered {answer.status_code}, was to be let in"
        )


async def _ask(http: httpx.AsyncClient, caller: Caller, operation: Operation) -> httpx.Response:
    path = f"{operation.path}?{caller.query}" if caller.query else operation.path
    return await http.request(
        operation.method, path, headers=dict(caller.headers), json=operation.body
    )
