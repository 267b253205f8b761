"""Answer every error as RFC 9457 problem details, with a stable code and what to do.

Our own errors carry both; a stranger's error is answered without its text, which may hold secrets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from domain.errors import (
    AutoHedgeError,
    BrokerError,
    ConfigError,
    JournalError,
    NotSent,
    RateLimited,
)
from engine.control import ControlRefused, UnknownApproval, UnknownSymbol

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"

_PATH_SAFE = "/:@!$&'()*+,;=~"
"""What stands in a path as it is (source: RFC 3986, section 3.3)."""

SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""What every answer carries, a crash's too, which no middleware of ours sees."""


class Fault(BaseModel):
    """One field of a request that is wrong."""

    field: str = Field(examples=["query.limit"])
    message: str = Field(examples=["Input should be less than or equal to 500"])


class Problem(BaseModel):
    """What went wrong (RFC 9457), with a stable `code` and a `remedy` in one line."""

    type: str = Field(examples=["urn:autohedge:problem:not-pending"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(examples=["No approval of that decision is pending."])
    instance: str = Field(examples=["/approvals/1f0c/approve"])
    code: str = Field(examples=["NOT_PENDING"])
    remedy: str = Field(examples=["GET /approvals lists what is."])
    errors: list[Fault] | None = None


class NotFound(AutoHedgeError):
    """What was asked for by name is not there."""

    code = "NOT_FOUND"


class NotReady(AutoHedgeError):
    """The answer is not known yet; it will be."""

    code = "NOT_READY"


class TooMuch(AutoHedgeError):
    """The request is larger, or the requests are more, than is served."""

    code = "TOO_MANY_REQUESTS"


class Forbidden(AutoHedgeError):
    """The request comes from where none is taken."""

    code = "FORBIDDEN"


class Unauthorized(AutoHedgeError):
    """The request carries no valid token."""

    code = "TOKEN_INVALID"


class ScopeMissing(AutoHedgeError):
    """The request's token is known, and opens less than this."""

    code = "SCOPE_MISSING"

    def __init__(self, scope: str, *, given: str) -> None:
        token = "API_TOKEN" if scope == "full" else f"API_TOKEN_{scope.upper()} or API_TOKEN"
        super().__init__(
            f"This needs a token with the scope {scope!r}; {given} has it not.",
            remedy=f"Send {token}.",
        )
        self.scope = scope


class MediaTypeRefused(AutoHedgeError):
    """The request's body is labelled as something that is not taken."""

    code = "MEDIA_TYPE_REFUSED"


class TooSlow(AutoHedgeError):
    """The request's body did not come in time."""

    code = "BODY_TOO_SLOW"


_STATUS: tuple[tuple[type[AutoHedgeError], HTTPStatus], ...] = (
    (ScopeMissing, HTTPStatus.FORBIDDEN),
    (MediaTypeRefused, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (TooSlow, HTTPStatus.REQUEST_TIMEOUT),
    (NotFound, HTTPStatus.NOT_FOUND),
    (UnknownSymbol, HTTPStatus.NOT_FOUND),
    (UnknownApproval, HTTPStatus.NOT_FOUND),
    (NotReady, HTTPStatus.SERVICE_UNAVAILABLE),
    (TooMuch, HTTPStatus.TOO_MANY_REQUESTS),
    (Forbidden, HTTPStatus.FORBIDDEN),
    (Unauthorized, HTTPStatus.UNAUTHORIZED),
    (ControlRefused, HTTPStatus.CONFLICT),
    (ConfigError, HTTPStatus.BAD_REQUEST),
    (JournalError, HTTPStatus.SERVICE_UNAVAILABLE),
    (NotSent, HTTPStatus.SERVICE_UNAVAILABLE),
    (RateLimited, HTTPStatus.SERVICE_UNAVAILABLE),
    (BrokerError, HTTPStatus.BAD_GATEWAY),
)

_STATUS_OF_CODE = {
    "BODY_TOO_LARGE": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "BODY_INVALID": HTTPStatus.UNPROCESSABLE_ENTITY,
    "TOO_BUSY": HTTPStatus.SERVICE_UNAVAILABLE,
}

_HEADERS_OF = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="autohedge"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "1"},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": "1"},
}

_BY_STATUS = {
    404: ("NOT_FOUND", "There is nothing at this path.", "GET /docs lists what there is."),
    405: (
        "METHOD_NOT_ALLOWED",
        "This path does not take this method.",
        "The Allow header names those it takes; GET /docs explains them.",
    ),
}


def answer(error: AutoHedgeError, path: str, *, faults: Sequence[Fault] = ()) -> Response:
    """Answer one of our own errors."""
    status = _STATUS_OF_CODE.get(error.code) or next(
        (status for kind, status in _STATUS if isinstance(error, kind)),
        HTTPStatus.INTERNAL_SERVER_ERROR,
    )
    return _response(status, error, path, faults=faults, headers=_challenge(error))


def _challenge(error: AutoHedgeError) -> Mapping[str, str] | None:
    """Name the scope that is needed, as RFC 6750 (3.1) has it."""
    if not isinstance(error, ScopeMissing):
        return None
    told = f'Bearer realm="autohedge", error="insufficient_scope", scope="{error.scope}"'
    return {"WWW-Authenticate": told}


def install(app: FastAPI) -> None:
    """Make `app` answer every error, its own and the framework's, as a problem."""
    app.add_exception_handler(AutoHedgeError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(Exception, _on_crash)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, AutoHedgeError)
    return answer(error, request.url.path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    """Name each wrong field and what it may hold, never what it held."""
    assert isinstance(error, RequestValidationError)
    faults = [
        Fault(field=".".join(map(str, found["loc"])), message=found["msg"])
        for found in error.errors()
    ]
    invalid = AutoHedgeError(
        "; ".join(f"{fault.field}: {fault.message}" for fault in faults),
        remedy="GET /docs shows what this path takes.",
        code="REQUEST_INVALID",
    )
    return _response(HTTPStatus.UNPROCESSABLE_ENTITY, invalid, request.url.path, faults=faults)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code, detail, remedy = _BY_STATUS.get(status, (status.name, status.description, ""))
    named = AutoHedgeError(detail, remedy=remedy, code=code)
    return _response(status, named, request.url.path, headers=error.headers)


async def _on_crash(request: Request, error: Exception) -> Response:
    log.error("request_crashed", path=request.url.path, error=type(error).__name__)
    crash = AutoHedgeError(
        "This request hit a defect of ours. Trading does not depend on it.",
        remedy="The log has the details; GET /status tells how the bot stands.",
        code="INTERNAL_ERROR",
    )
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _response(status, crash, request.url.path, headers=SAFE_HEADERS)


def _visible(text: str) -> str:
    """Write out what a terminal would obey or not draw: a symbol that was asked for is echoed."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _response(
    status: HTTPStatus,
    error: AutoHedgeError,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    faults: Sequence[Fault] = (),
) -> Response:
    problem = Problem(
        type=f"urn:autohedge:problem:{error.code.lower().replace('_', '-')}",
        title=status.phrase,
        status=status,
        detail=_visible(str(error.args[0])),
        instance=quote(path, safe=_PATH_SAFE),
        code=error.code,
        remedy=_visible(error.remedy),
        errors=list(faults) or None,
    )
    return Response(
        problem.model_dump_json(exclude_none=True),
        status_code=status,
        headers={**_HEADERS_OF.get(status, {}), **(headers or {})},
        media_type=MEDIA_TYPE,
    )
