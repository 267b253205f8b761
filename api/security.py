"""Let only those in who may: this machine without a token, others with one, no foreign web page.

A browser on this machine is the danger of an open loopback port: any page it shows can post to us
(cross-site) or come to us under a name of its own (DNS rebinding). The first gives itself away by
`Origin` and `Sec-Fetch-Site`, the second by `Host`.
"""

from __future__ import annotations

import hmac
import ipaddress
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import Forbidden, TooMuch, Unauthorized, answer
from domain.errors import AutoHedgeError, ConfigError
from domain.records import Record

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
MIN_TOKEN = 16

OPEN_PATHS = frozenset({"/", "/docs", "/health", "/favicon.svg"})
OPEN_PREFIX = "/static/"
"""Pages without data: the dashboard asks for the token itself, probes need none."""

PROTECTIVE = frozenset({"/halt", "/stop", "/flatten", "/cancel-all"})
"""Controls that only ever make things safer: they have a rate of their own, as exits do."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityConfig(Record, frozen=True):
    """Who may ask, and how much. `hosts` are names beside loopback's under which we are called.

    Rates are (requests a second, burst). The token never prints.
    """

    token: str | None = None
    hosts: tuple[str, ...] = ()
    max_in_flight: int = 64
    read_rate: tuple[float, int] = (50, 200)
    control_rate: tuple[float, int] = (2, 20)
    protective_rate: tuple[float, int] = (2, 20)

    def __post_init__(self) -> None:
        """Refuse a token that could be guessed, and names that outsiders use without a token."""
        if self.token is not None and len(self.token) < MIN_TOKEN:
            raise ConfigError(
                f"API_TOKEN has {len(self.token)} characters.",
                remedy=f"Take {MIN_TOKEN} or more: openssl rand -hex 24.",
            )
        if self.hosts and self.token is None:
            raise ConfigError(
                f"API_HOSTS names {', '.join(self.hosts)}, but there is no API_TOKEN.",
                remedy="Set API_TOKEN, or leave API_HOSTS empty.",
            )

    def __repr__(self) -> str:
        token = "none" if self.token is None else "set"
        return f"SecurityConfig(token={token}, hosts={self.hosts})"

    def check_bind(self, host: str) -> None:
        """Refuse to listen beyond this machine without a token; raises `ConfigError`."""
        if self.token is None and not is_loopback(host):
            raise ConfigError(
                f"API_HOST is {host}, which others can reach, but there is no API_TOKEN.",
                remedy="Set API_TOKEN, or API_HOST=127.0.0.1.",
            )


def is_loopback(host: str) -> bool:
    """Tell whether an address or name means this machine."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


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

    def __init__(self, app: ASGIApp, config: SecurityConfig) -> None:
        self._app = app
        self._config = config
        self._names = LOOPBACK_NAMES | {name.lower() for name in config.hosts}
        self._in_flight = 0
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
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await answer(refusal, scope["path"])(scope, receive, send_safely)
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, send_safely)
        finally:
            self._in_flight -= 1

    def _refusal(self, scope: Scope) -> AutoHedgeError | None:
        headers = Headers(scope=scope)
        return (
            self._bad_host(headers)
            or _bad_origin(headers, scope["method"])
            or self._bad_caller(scope, headers)
            or self._too_much(scope)
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

    def _bad_caller(self, scope: Scope, headers: Headers) -> AutoHedgeError | None:
        path = scope["path"]
        is_open = path in OPEN_PATHS or path.startswith(OPEN_PREFIX)
        if self._config.token is not None:
            if is_open or _has_token(headers, self._config.token):
                return None
            return Unauthorized(
                "A valid token is needed.", remedy="Send 'Authorization: Bearer $API_TOKEN'."
            )
        client = scope.get("client")
        if client is None or is_loopback(client[0]):
            return None
        return Forbidden(
            "Only this machine may ask.",
            remedy="Set API_TOKEN to let others in.",
            code="LOOPBACK_ONLY",
        )

    def _too_much(self, scope: Scope) -> AutoHedgeError | None:
        """Bound what may run and come at once; what protects is never crowded out by reads."""
        is_protective = scope["path"] in PROTECTIVE
        if self._in_flight >= self._config.max_in_flight and not is_protective:
            return TooMuch("Too many requests are open.", remedy="Ask again.", code="TOO_BUSY")
        if scope["method"] in {"GET", "HEAD"}:
            bucket = self._reads
        else:
            bucket = self._protective if is_protective else self._controls
        if bucket.take():
            return None
        return TooMuch("Requests come too fast.", remedy="Ask again in a second.")


def _has_token(headers: Headers, token: str) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    is_right = hmac.compare_digest(given.strip().encode(), token.encode())
    return is_right and scheme.lower() == "bearer"


def _bad_origin(headers: Headers, method: str) -> AutoHedgeError | None:
    origin = headers.get("origin")
    is_foreign = origin is not None and _place_of(origin) != headers["host"].lower()
    site = headers.get("sec-fetch-site", "none")
    is_cross_site = method not in {"GET", "HEAD"} and site not in {"none", "same-origin"}
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
