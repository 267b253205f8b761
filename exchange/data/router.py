"""The routes of the market data API (source: the official OpenAPI file)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest

from exchange.data.actions import MarketActions, NewsActions
from exchange.data.gate import Action, DataGate
from exchange.market.board import Board
from exchange.rest.limiter import RateLimiter
from exchange.streams.endpoints import StreamLimits
from exchange.venue import Venue


class Route(NamedTuple):
    """One path, what answers it, and whether it needs no keys."""

    path: str
    action: Action
    is_public: bool = False


def data_router(
    venue: Venue, board: Board, *, limits: StreamLimits, limiter: RateLimiter
) -> APIRouter:
    """Return the routes of the market data API, to be mounted at the root."""
    gate = DataGate(venue, limiter)
    router = APIRouter()
    for route in _routes(board, limits):
        router.add_api_route(
            route.path, _endpoint(gate, route), methods=["GET"], include_in_schema=False
        )
    return router


def _endpoint(gate: DataGate, route: Route) -> Callable[[HttpRequest], object]:
    async def endpoint(request: HttpRequest) -> Response:
        return await gate.pass_through(request, route.action, is_public=route.is_public)

    return endpoint


def _routes(board: Board, limits: StreamLimits) -> Iterator[Route]:
    """Yield the routes, those for many symbols before those whose path holds one."""
    stocks = MarketActions(board, is_crypto=False, limits=limits)
    crypto = MarketActions(board, is_crypto=True, limits=limits)
    yield Route("/v1beta1/news", NewsActions(board).news)
    for base in ("/v2/stocks", "/v2/stocks/{symbol}"):
        yield from _history_routes(base, stocks)
        for kind, action in _latest(stocks).items():
            yield Route(f"{base}/{kind}/latest", action)
    yield Route("/v2/stocks/snapshots", stocks.snapshots)
    yield Route("/v2/stocks/{symbol}/snapshot", stocks.snapshots)
    base = "/v1beta3/crypto/{loc}"
    for route in _history_routes(base, crypto):
        yield route._replace(is_public=True)
    for kind, action in _latest(crypto).items():
        yield Route(f"{base}/latest/{kind}", action, is_public=True)
    yield Route(f"{base}/latest/orderbooks", crypto.latest_orderbooks, is_public=True)
    yield Route(f"{base}/snapshots", crypto.snapshots, is_public=True)


def _history_routes(base: str, actions: MarketActions) -> Iterator[Route]:
    yield Route(f"{base}/bars", actions.bars)
    yield Route(f"{base}/trades", actions.trades)
    yield Route(f"{base}/quotes", actions.quotes)


def _latest(actions: MarketActions) -> dict[str, Action]:
    return {
        "bars": actions.latest_bars,
        "trades": actions.latest_trades,
        "quotes": actions.latest_quotes,
    }
