"""Let people watch: the event stream, the desk, the reference."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse

from api.desk.assets import FOR_EVER, assets, type_of
from api.problems import NotFound
from api.routes.asking import Events, spelled
from api.security import Access, needs
from domain.errors import ConfigError

router = APIRouter()

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
    request: Request,
    events: Events,
    quotes: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="Symbols whose quotes and bars are told, with commas between; "
            "all when it is left out, none when it is empty.",
            examples=["AAPL,BTC/USD"],
        ),
    ] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Server-sent events; `id` is a journal entry's number, so `Last-Event-ID` resumes.

    Kinds that are not journaled (quotes, bars, dropped tickets) carry no id. A watcher too slow for
    its queue gets a `gap` event with the number it missed.
    """
    client = request.client.host if request.client else ""
    return await events.watch(_number(last_event_id), client=client, quotes=_symbols(quotes))


@router.get("/", include_in_schema=False)
@needs(Access.OPEN)
async def desk() -> Response:
    """Show the desk."""
    return _page("desk.html")


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


@router.get("/static/{version}/{name}", include_in_schema=False)
@needs(Access.OPEN)
async def static(version: str, name: str) -> Response:
    """Serve the pages' own scripts and styles; `version` only makes the address new."""
    del version
    if name not in assets():
        raise NotFound("There is no such file.", remedy="Load the page again.")
    return Response(assets()[name], media_type=type_of(name), headers={"Cache-Control": FOR_EVER})


def _page(name: str) -> Response:
    return Response(assets()[name], media_type=type_of(name))


def _symbols(quotes: str | None) -> frozenset[str] | None:
    """Return which symbols' quotes are wanted; none means all."""
    return None if quotes is None else frozenset(filter(None, map(spelled, quotes.split(","))))


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
