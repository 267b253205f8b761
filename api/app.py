"""Put the HTTP interface together: it asks the engine and shows what it says, nothing more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry
from starlette.routing import BaseRoute

from api import problems
from api.routes import approvals, history, reconciling, records, replaying, standing, watching
from api.routes import controls as control_routes
from api.schemas import Responses, components, problem
from api.security import (
    Access,
    AccessTable,
    ConnectionLimits,
    Gatekeeper,
    SecurityConfig,
    bounded,
    declared,
)
from api.stream import Stream, StreamConfig
from engine.bus import Bus
from engine.control import Controls

_ABOUT = """\
Every decision can be stepped through, replayed to the byte and audited.

Errors are RFC 9457 problem details with a stable `code` and a `remedy`. Lists are
`{"items": [...], "next": cursor or null}`, newest first. Money is a string of dollars, times are
RFC 3339 in UTC.
"""


_MAX_HEAD = 16 * 1024
"""What a request's line and headers may have, in bytes."""

_ROUTES = (
    control_routes,
    reconciling,
    approvals,
    standing,
    records,
    history,
    replaying,
    watching,
)

_SCHEME = "token"
_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "API_TOKEN, or one of the scope that the operation names.",
}

_TAGS = [
    {"name": "Controls", "description": "Ask the engine to do something."},
    {"name": "Approvals", "description": "What waits for a person."},
    {"name": "Standing", "description": "How things stand now."},
    {"name": "Records", "description": "What is on record."},
    {"name": "Watching", "description": "What happens, as it happens."},
]


def create_app(
    controls: Controls,
    *,
    security: SecurityConfig,
    bus: Bus,
    registry: CollectorRegistry,
    streaming: StreamConfig | None = None,
) -> FastAPI:
    """Build the application over one engine.

    `app.state.stream.close()` ends the event streams: call it before the server is asked to stop.
    """
    stream = Stream(streaming or StreamConfig(), bus=bus, reader=controls.reader)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(stream.run(), name="event-stream")
        try:
            yield
        finally:
            stream.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    app = FastAPI(
        title="AutoHedge",
        version=version("autohedge"),
        description=_ABOUT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.state.controls = controls
    app.state.stream = stream
    app.state.turn = asyncio.Lock()
    app.state.registry = registry
    for each in _ROUTES:
        app.include_router(each.router)
    problems.install(app)
    app.add_middleware(Gatekeeper, config=security, table=AccessTable(served_routes()))
    setattr(app, "openapi", lambda: _openapi(app, has_tokens=security.has_tokens))  # noqa: B010 - FastAPI's own way to extend it
    return app


def served_routes() -> Iterator[BaseRoute]:
    """Yield every route that is served."""
    for each in _ROUTES:
        yield from each.router.routes


def server_config(
    app: FastAPI, *, host: str, port: int, connections: ConnectionLimits | None = None
) -> uvicorn.Config:
    """Return how uvicorn serves it: quiet, bounded, and believing no proxy's word."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=bounded(connections or ConnectionLimits()),
        h11_max_incomplete_event_size=_MAX_HEAD,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=5,
    )


def _openapi(app: FastAPI, *, has_tokens: bool) -> dict[str, Any]:
    """Draw the schema once: the answers' own types, problems for errors, examples with nulls."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=_TAGS,
        )
        for route in served_routes():
            if isinstance(route, APIRoute) and route.include_in_schema:
                for operation in schema["paths"][route.path_format].values():
                    _finish(operation, route.responses)
                    if has_tokens:
                        operation["security"] = _security(declared(route) or Access.FULL)
        schema["components"] = {"schemas": components()}
        if has_tokens:
            schema["components"]["securitySchemes"] = {_SCHEME: _BEARER}
        app.openapi_schema = schema
    return app.openapi_schema


def _security(access: Access) -> list[dict[str, list[str]]]:
    """Name the scope that an operation needs; OpenAPI 3.1 lets any scheme list such roles."""
    return [] if access is Access.OPEN else [{_SCHEME: [access.value]}]


def _finish(operation: dict[str, Any], documented: Responses) -> None:
    """Put back what FastAPI's encoder drops (nulls), and say that errors are problems."""
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = problem("Any error: a problem with its code and remedy.")
    for status, answer in documented.items():
        for media_type, content in answer.get("content", {}).items():
            operation["responses"][str(status)]["content"][media_type] = content
