"""Let people watch: the event stream, the status page, the reference."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from api.problems import NotFound
from api.routes.asking import Events
from api.security import Access, needs
from domain.errors import ConfigError

router = APIRouter()

_PAGES = files("api").joinpath("dashboard")
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_STATIC = {"status.css", "status.js", "docs.js", "server.js"}

_DIGITS = 18
"""What a number of an entry has at most; a database's integer holds it."""


@router.get(
    "/events",
    tags=["Watching"],
    summary="What happens, as it happens",
    response_class=Response,
    responses={200: {"description": "Server-sent events.", "content": {"text/event-stream": {}}}},
)
@needs(Access.READ)
async def events(
    request: Request, events: Events, last_event_id: Annotated[str | None, Header()] = None
) -> Response:
    """Server-sent events; `id` is a journal entry's number, so `Last-Event-ID` resumes.

    Kinds that are not journaled (quotes, bars, dropped tickets) carry no id. A watcher too slow for
    its queue gets a `gap` event with the number it missed.
    """
    client = request.client.host if request.client else ""
    return await events.watch(_number(last_event_id), client=client)


@router.get("/", include_in_schema=False)
@needs(Access.OPEN)
async def dashboard() -> Response:
    """Show the status page."""
    return _page("status.html")


@router.get("/docs", include_in_schema=False)
@needs(Access.OPEN)
async def reference() -> Response:
    """Show the reference, drawn from /openapi.json by a page of our own.

    The usual page loads its scripts from a foreign host, into an origin that can trade.
    """
    return _page("docs.html")


@router.get("/openapi.json", include_in_schema=False)
@needs(Access.READ)
async def schema(request: Request) -> Response:
    """Answer the schema of this interface."""
    return JSONResponse(request.app.openapi())


@router.get("/favicon.svg", include_in_schema=False)
@needs(Access.OPEN)
async def icon() -> Response:
    """Show the mark."""
    return _page("favicon.svg")


@router.get("/static/{name}", include_in_schema=False)
@needs(Access.OPEN)
async def static(name: str) -> Response:
    """Serve the pages' own scripts and styles."""
    if name not in _STATIC:
        raise NotFound("There is no such file.")
    return _page(name)


def _page(name: str) -> Response:
    content = _PAGES.joinpath(name).read_bytes()
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]])


def _number(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) <= _DIGITS:
        return int(last_event_id)
    raise ConfigError(
        f"Last-Event-ID is {last_event_id[:40]!r}, which is no entry's number.",
        remedy="Send the last `id` you saw, or no such header.",
        code="EVENT_ID_INVALID",
    )
