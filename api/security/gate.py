"""Let only those in who may: this machine without a token, others with one, no foreign web page.

A browser on this machine is the danger of an open loopback port: any page it shows can post to us
(cross-site) or come to us under a name of its own (DNS rebinding). The first gives itself away by
`Origin` and `Sec-Fetch-Site`, the second by `Host`; and what a form can post without asking first
is never JSON.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import (
    SAFE_HEADERS,
    Forbidden,
    MediaTypeRefused,
    ScopeMissing,
    TooMuch,
    TooSlow,
    Unauthorized,
    answer,
)
from api.security.access import Access, AccessTable
from api.security.config import LOOPBACK_NAMES, NOBODY_ASKED, Pass, SecurityConfig, is_loopback
from domain.errors import AutoHedgeError

PROTECTIVE = frozenset({"/halt", "/stop", "/reduce", "/flatten", "/cancel-all"})
"""Controls that only ever make things safer: they have a rate of their own, as exits do."""

_READING = frozenset({"GET", "HEAD"})


class Bucket:
    """Let through `rate` a second and `burst` at once."""

    def __init__(self, rate: float, burst: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._left = float(burst)
        self._seen = now()

    def take(self) -> bool:
        """Take one; false when there is none."""
        now = self._now()
        self._left = min(self._burst, self._left + (now - self._seen) * self._rate)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class Gatekeeper:
    """Check every request before anything else sees it, and put safe headers on every answer."""

    def __init__(self, app: ASGIApp, config: SecurityConfig, table: AccessTable) -> None:
        self._app = app
        self._config = config
        self._table = table
        self._names = LOOPBACK_NAMES | {name.lower() for name in config.hosts}
        self._in_flight = 0
        self._open = Bucket(*config.open_rate)
        self._reads = Bucket(*config.read_rate)
        self._controls = Bucket(*config.control_rate)
        self._protective = Bucket(*config.protective_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await answer(refusal, scope["path"])(scope, receive, send_safely)
            return
        body = _Body(receive, deadline_s=self._config.body_s)
        self._in_flight += 1
        try:
            await self._app(scope, body.receive, send_safely)
        finally:
            self._in_flight -= 1

    def _refusal(self, scope: Scope) -> AutoHedgeError | None:
        headers = Headers(scope=scope)
        access = self._table.needed(scope)
        return (
            self._bad_host(headers)
            or _bad_origin(headers, scope["method"])
            or self._bad_caller(scope, headers, access)
            or self._bad_body(scope, headers)
            or self._too_much(scope, access)
        )

    def _bad_host(self, headers: Headers) -> AutoHedgeError | None:
        hosts = headers.getlist("host")
        name = _name_of(hosts[0]) if len(hosts) == 1 else None
        if name in self._names:
            return None
        return Forbidden(
            "This name is not one we answer to.",
            remedy="Use http://127.0.0.1, or add the name to API_HOSTS.",
            code="HOST_NOT_ALLOWED",
        )

    def _bad_caller(self, scope: Scope, headers: Headers, access: Access) -> AutoHedgeError | None:
        """Let in who holds a token of the right scope; without tokens, this machine alone."""
        if access is Access.OPEN and self._config.has_tokens:
            return None
        caller = self._caller(headers)
        if caller is None:
            return Unauthorized(
                "A valid token is needed.", remedy="Send 'Authorization: Bearer $API_TOKEN'."
            )
        client = scope.get("client")
        if not self._config.has_tokens and client is not None and not is_loopback(client[0]):
            return Forbidden(
                "Only this machine may ask.",
                remedy="Set API_TOKEN to let others in.",
                code="LOOPBACK_ONLY",
            )
        if access not in caller.grants:
            return ScopeMissing(access.value, given=caller.name)
        scope.setdefault("state", {})["token"] = caller.name
        return None

    def _caller(self, headers: Headers) -> Pass | None:
        if not self._config.has_tokens:
            return NOBODY_ASKED
        given = headers.getlist("authorization")
        scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        found = self._config.recognise(token.strip())
        return found if scheme.lower() == "bearer" else None

    def _bad_body(self, scope: Scope, headers: Headers) -> AutoHedgeError | None:
        """Refuse what is too long or no JSON.

        A terminal's `curl -d` calls JSON a form; where that protects, nobody in a hurry is refused
        for it. Browsers are: they say where a request comes from.
        """
        size = headers.get("content-length", "0")
        if not size.isdecimal() or int(size) > self._config.max_body:
            return TooMuch(
                f"The body is larger than {self._config.max_body} bytes.",
                remedy="A control takes a short JSON object.",
                code="BODY_TOO_LARGE",
            )
        has_body = size != "0" or "transfer-encoding" in headers
        label = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] in _READING or not has_body or label == "application/json":
            return None
        is_browser = "origin" in headers or "sec-fetch-site" in headers
        if scope["path"] in PROTECTIVE and not is_browser:
            return None
        return MediaTypeRefused(
            f"The body is labelled {label[:80] or 'as nothing'!r}, and only JSON is taken.",
            remedy="Send 'Content-Type: application/json', or no body.",
        )

    def _too_much(self, scope: Scope, access: Access) -> AutoHedgeError | None:
        """Bound what may run and come at once; what protects is never crowded out by reads."""
        is_protective = scope["path"] in PROTECTIVE
        if self._in_flight >= self._config.max_in_flight and not is_protective:
            return TooMuch("Too many requests are open.", remedy="Ask again.", code="TOO_BUSY")
        if self._bucket(scope["method"], access, is_protective=is_protective).take():
            return None
        return TooMuch("Requests come too fast.", remedy="Ask again in a second.")

    def _bucket(self, method: str, access: Access, *, is_protective: bool) -> Bucket:
        if access is Access.OPEN:
            return self._open
        if method in _READING:
            return self._reads
        return self._protective if is_protective else self._controls


class _Body:
    """A request's body that must have come by its deadline."""

    def __init__(self, receive: Receive, *, deadline_s: float) -> None:
        self._receive = receive
        self._deadline_s = deadline_s
        self._due = asyncio.get_running_loop().time() + deadline_s
        self._is_read = False

    async def receive(self) -> Message:
        """Return the next part; raises `TooSlow`. What comes after the body may take its time."""
        if self._is_read:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow(
                f"The body had not come after {self._deadline_s:g} s.", remedy="Send it at once."
            ) from None
        self._is_read = not message.get("more_body", False)
        return message


def _bad_origin(headers: Headers, method: str) -> AutoHedgeError | None:
    origin = headers.get("origin")
    is_foreign = origin is not None and _place_of(origin) != headers["host"].lower()
    site = headers.get("sec-fetch-site", "none")
    is_cross_site = method not in _READING and site not in {"none", "same-origin"}
    if not is_foreign and not is_cross_site:
        return None
    return Forbidden(
        "Another site's page may not ask.",
        remedy="Use our own page at /, or curl.",
        code="ORIGIN_NOT_ALLOWED",
    )


def _place_of(origin: str) -> str | None:
    """Return host and port of an Origin header; none for `null` and nonsense."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _name_of(host: str) -> str | None:
    """Return the name in a Host header, without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
