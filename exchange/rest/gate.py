"""What every REST request passes: keys, budget, faults, record, and the rendering of refusals."""

import base64
import binascii
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from fastapi import Request as HttpRequest
from fastapi import Response
from starlette.requests import ClientDisconnect

from exchange.errors import VenueRefusal, bad_input, rate_limited, refusal
from exchange.faults import Answer, Request
from exchange.record import RequestRecord
from exchange.rest.limiter import RateLimiter
from exchange.rest.query import Query
from exchange.rest.wire import reset
from exchange.venue import Venue

_BAD_BODY = 40010000
_NO_CONTENT = 204
_CLIENT_GONE = 499
"""Nobody hears it: the client died before its request was whole."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as an action sees it. `path` holds the path's parameters; `body` is JSON."""

    path: dict[str, str]
    query: Query
    body: Any = None

    @property
    def fields(self) -> dict[str, Any]:
        """Return the body of a request that must carry an object."""
        if not isinstance(self.body, dict):
            raise bad_input("request body must be an object")
        return self.body


Action = Callable[[Call], Answer]


class Gate:
    """Let a request through to its action, or answer it before.

    The order is the venue's: keys, then budget; then faults may answer in the action's place, or
    change what it answered after it had its effect. All of it is recorded.
    """

    def __init__(self, venue: Venue, limiter: RateLimiter) -> None:
        self._venue = venue
        self._limiter = limiter

    async def pass_through(self, http: HttpRequest, action: Action) -> Response:
        """Answer one request."""
        try:
            raw = await http.body()
        except ClientDisconnect:
            return Response(status_code=_CLIENT_GONE)
        request = Request(
            method=http.method,
            path=http.url.path,
            query=http.url.query,
            body=_lenient(raw),
            at_ns=self._venue.clock.now_ns(),
        )
        answer = await self._answer(http, request, action)
        self._venue.record.add(
            RequestRecord(
                at_ns=request.at_ns,
                method=request.method,
                path=request.path,
                query=request.query,
                body=request.body,
                status=answer.status,
                faults=tuple(request.struck),
            )
        )
        return reset(http) if answer.is_cut else _response(answer)

    async def _answer(self, http: HttpRequest, request: Request, action: Action) -> Answer:
        faults, venue = self._venue.faults, self._venue
        headers = {"X-Request-ID": uuid.uuid4().hex}
        try:
            venue.check_keys(*_keys(http))
            budget = self._limiter.take()
            headers |= budget.headers
            if not budget.allowed:
                raise rate_limited()
            answer = await faults.before_request(request)
            if answer is None:
                venue.advance()
                answer = action(_call(http, await http.body()))
        except VenueRefusal as refused:
            answer = Answer(status=refused.status, body=refused.body)
        answer = replace(answer, headers=headers | answer.headers)
        return await faults.after_request(request, answer)


def _keys(http: HttpRequest) -> tuple[str | None, str | None]:
    """Return key and secret from the venue's headers, or from HTTP basic authentication."""
    scheme, _, encoded = http.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            key, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None, None
        return key, secret
    return http.headers.get("APCA-API-KEY-ID"), http.headers.get("APCA-API-SECRET-KEY")


def _call(http: HttpRequest, raw: bytes) -> Call:
    """Read a request; numbers of its body become decimals as written, never floats."""
    try:
        body = json.loads(raw, parse_float=Decimal) if raw else None
    except (ValueError, ArithmeticError, RecursionError):
        raise refusal(400, _BAD_BODY, "request body format is invalid") from None
    return Call(dict(http.path_params), Query(http.query_params), body)


def _lenient(raw: bytes) -> Any:
    """Return the body for the record: JSON when it is, else its text."""
    try:
        return json.loads(raw) if raw else None
    except (ValueError, RecursionError):
        return raw.decode(errors="replace")


def _response(answer: Answer) -> Response:
    if answer.status == _NO_CONTENT:
        return Response(status_code=_NO_CONTENT, headers=answer.headers)
    content = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body)
    return Response(
        content, status_code=answer.status, headers=answer.headers, media_type=answer.media_type
    )
