"""The routes of the trading API (source: the official OpenAPI file and the protocol notes)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from exchange.rest import account, assets, orders, positions, times
from exchange.rest.gate import Action, Gate
from exchange.rest.limiter import RateLimiter
from exchange.venue import Venue


class Route(NamedTuple):
    """One method and path, and what answers them."""

    method: str
    path: str
    action: Action


def trading_router(venue: Venue, *, limiter: RateLimiter | None = None) -> APIRouter:
    """Return the routes of the trading API for one venue, to be mounted at the root."""
    gate = Gate(venue, limiter or RateLimiter(venue.knobs.requests_per_minute))
    router = APIRouter()
    for route in _routes(venue):
        router.add_api_route(
            route.path,
            _endpoint(gate, route.action),
            methods=[route.method],
            include_in_schema=False,
        )
    return router


def _endpoint(gate: Gate, action: Action) -> Callable[[HttpRequest], object]:
    async def endpoint(request: HttpRequest) -> Response:
        return await gate.pass_through(request, action)

    return endpoint


def _routes(venue: Venue) -> Iterator[Route]:
    for module in (account, assets, orders, positions, times):
        for (method, path), action in module.actions(venue).items():
            yield Route(method, path, action)
