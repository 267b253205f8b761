"""Run a local Alpaca: REST and websockets on two ports of this machine, over one venue."""

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from websockets.asyncio.server import Server as StreamServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request as Handshake
from websockets.http11 import Response as HandshakeAnswer

from domain.errors import ConfigError
from exchange.admin import admin_router
from exchange.clock import VenueClock
from exchange.config import ExchangeConfig
from exchange.data import data_router
from exchange.faults import FaultPlan, Faults
from exchange.market.board import Board
from exchange.market.records import TopOfBook
from exchange.matching.sessions import AlwaysOpen, RegularSessions
from exchange.player import Player
from exchange.record import Record
from exchange.rest.limiter import RateLimiter
from exchange.rest.trading import trading_router
from exchange.rest.wire import ResettableProtocol
from exchange.sources import Sources
from exchange.streams.endpoints import ENDPOINTS, ORDER_STREAM
from exchange.streams.faults import StreamFaults
from exchange.streams.hub import Hub
from exchange.streams.record import FrameLog
from exchange.updates import OrderStream
from exchange.venue import Credentials, Venue

_CLOSE_TIMEOUT_S = 1.0
_WORDS = {404: "endpoint not found.", 405: "method not allowed."}


class ExchangeServer:
    """A local Alpaca from `async with` to its end.

    `venue` is the account and its matching, `board` the market, `frames` every frame that went
    over a market data link, `complaints` one line for each file that is not quite whole. The
    venue's time runs from construction, its market moves inside the context.

    `plan` is the fault plan that the admin interface acts on: the one given as `faults`, else an
    empty one. Faults of another class are asked in its place, and the admin interface says so.
    """

    def __init__(
        self,
        config: ExchangeConfig,
        *,
        faults: Faults | None = None,
        stream_faults: StreamFaults | None = None,
        record: Record | None = None,
    ) -> None:
        origin_ns = time.time_ns() if config.origin_ns is None else config.origin_ns
        # Before the sources are read, which takes seconds that the venue's time must not lose.
        clock = VenueClock(origin_ns=origin_ns, speed=config.speed)
        sessions = AlwaysOpen() if config.always_open else RegularSessions()
        sources = Sources(config, sessions=sessions, origin_ns=origin_ns)
        self.config = config
        self.complaints = tuple(sources.complaints)
        self.plan = faults if isinstance(faults, FaultPlan) else FaultPlan(seed=config.seed)
        self.frames = FrameLog()
        self.board = Board(sources.listed, start_ns=origin_ns)
        self.venue = Venue(
            clock=clock,
            listings=[symbol.listing for symbol in config.symbols],
            credentials=Credentials(key=config.key, secret=config.secret),
            knobs=config.knobs,
            sessions=sessions,
            faults=faults or self.plan,
            record=record,
        )
        streams = stream_faults or self.plan
        self._has_own_streams = stream_faults is None
        self.hub = Hub(
            self.venue,
            limits=config.limits,
            faults=streams,
            frames=self.frames,
            last_quote=self._last_quote,
        )
        self.board.with_days = lambda: self.hub.wants("dailyBars")
        test_board = Board([sources.test()], start_ns=origin_ns)
        self._player = Player(self.venue, self.hub, self.board, test_board)
        self._order_stream = OrderStream(self.venue, faults=streams, frames=self.frames)
        self._ports = (config.rest_port, config.stream_port)
        self._running: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()

    @property
    def rest_url(self) -> str:
        """Return the base of both REST APIs, as clients' `url_override` wants it."""
        return f"http://{self.config.host}:{self._ports[0]}"

    @property
    def stream_url(self) -> str:
        """Return the base of all websockets; a stream's path follows it."""
        return f"ws://{self.config.host}:{self._ports[1]}"

    @property
    def key(self) -> str:
        """Return the account's key id."""
        return self.config.key

    @property
    def secret(self) -> str:
        """Return the account's secret."""
        return self.config.secret

    async def __aenter__(self) -> Self:
        """Open both ports and set the market in motion; raises `ConfigError` for a taken port."""
        with _bound(self.config) as sockets:
            self._ports = (sockets[0].getsockname()[1], sockets[1].getsockname()[1])
            ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(sockets, ready))
            await asyncio.wait({self._running, ready}, return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                await self._running
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every connection and both ports."""
        self._stop.set()
        await self.wait()

    async def wait(self) -> None:
        """Return when the exchange has ended; raises what ended it if that was an error."""
        if self._running:
            await self._running

    async def _run(
        self, sockets: tuple[socket.socket, socket.socket], ready: asyncio.Future[None]
    ) -> None:
        """Serve until told to stop; one task owns everything that runs."""
        rest = _Rest(self._app())
        async with self._serve_streams(sockets[1]), asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(rest.serve(sockets=[sockets[0]]))
            playing = tasks.create_task(self._play())
            await rest.listening.wait()
            ready.set_result(None)
            await self._stop.wait()
            self.plan.clear()
            playing.cancel()
            rest.should_exit = True
            await serving

    async def _play(self) -> None:
        while True:
            has_caught_up = self._player.step()
            await asyncio.sleep(self.config.step_s if has_caught_up else 0)

    def _app(self) -> FastAPI:
        config = self.config
        app = FastAPI(title="Local Alpaca", openapi_url=None, docs_url=None, redoc_url=None)
        app.add_exception_handler(HTTPException, _not_here)
        plan = self.plan if self.venue.faults is self.plan and self._has_own_streams else None
        app.include_router(admin_router(plan, self.venue.record, self.frames))
        app.include_router(trading_router(self.venue))
        limiter = RateLimiter(config.data_requests_per_minute)
        app.include_router(
            data_router(self.venue, self.board, limits=config.limits, limiter=limiter)
        )
        return app

    def _serve_streams(self, bound: socket.socket) -> StreamServer:
        return serve(
            self._handle,
            sock=bound,
            process_request=self._check_handshake,
            compression="deflate" if self.config.limits.compression else None,
            close_timeout=_CLOSE_TIMEOUT_S,
        )

    def _check_handshake(
        self, connection: ServerConnection, request: Handshake
    ) -> HandshakeAnswer | None:
        """Refuse unknown paths, and whatever the fault plan wants refused."""
        path = _path(request)
        if path != ORDER_STREAM and path not in ENDPOINTS:
            return connection.respond(HTTPStatus.NOT_FOUND, "no such stream\n")
        refused = self.hub.faults.refuse_handshake(path)
        return None if refused is None else connection.respond(HTTPStatus(refused), "refused\n")

    async def _handle(self, connection: ServerConnection) -> None:
        path = _path(connection.request) if connection.request else ORDER_STREAM
        if path == ORDER_STREAM:
            await self._order_stream.serve(connection)
        else:
            await self.hub.serve(connection, ENDPOINTS[path])

    def _last_quote(self, symbol: str) -> TopOfBook | None:
        history = self.board.histories.get(symbol)
        return history.last_quote(self.board.public_ns - 1) if history else None


class _Rest(uvicorn.Server):
    """A uvicorn server inside another program: no signal handlers, and it says when it listens."""

    def __init__(self, app: FastAPI) -> None:
        config = uvicorn.Config(
            app,
            http=ResettableProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=int(_CLOSE_TIMEOUT_S),
        )
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the program."""
        yield


@contextmanager
def _bound(config: ExchangeConfig) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Bind both ports, or name the setting of the one that is taken."""
    rest = _bind(config.host, config.rest_port, "REST")
    try:
        yield rest, _bind(config.host, config.stream_port, "stream")
    except ConfigError:
        rest.close()
        raise


def _bind(host: str, port: int, name: str) -> socket.socket:
    # asyncio sends at once (TCP_NODELAY) only on sockets that name their protocol: without it each
    # answer waits 40 ms for the acknowledgement of its head.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"The exchange's {name} port {port} on {host} cannot be used: {error.strerror}.",
            remedy="Choose another port, or 0 for a free one.",
            code="PORT_UNAVAILABLE",
        ) from error
    return bound


def _path(request: Handshake) -> str:
    return request.path.partition("?")[0].rstrip("/")


async def _not_here(_request: Request, error: Exception) -> JSONResponse:
    """Answer an unknown route as the venue does: an object with a message."""
    if not isinstance(error, HTTPException):
        error = HTTPException(HTTPStatus.NOT_FOUND)
    status, words = error.status_code, _WORDS.get(error.status_code, error.detail)
    if error.detail != HTTPStatus(status).phrase:
        words = error.detail
    return JSONResponse({"message": words}, status_code=status)
