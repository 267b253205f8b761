"""Put up a bot that trades, behind a door with every token, and look at what has changed."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.routing import Route

from api.app import create_app, served_routes, server_config
from api.assembly import Process
from api.proving.house import STOCK, House, ScriptedModel, open_house, serving, until
from api.security import Access, SecurityConfig, declared
from domain.ports import EntryKind
from domain.records import Record

TOKENS = {access: f"door-{access}-0123456789abcdef" for access in Access if access != "open"}
_UNBOUNDED = (1e6, 1_000_000)
SECURITY = SecurityConfig(
    token=TOKENS[Access.FULL],
    read_token=TOKENS[Access.READ],
    trade_token=TOKENS[Access.TRADE],
    approve_token=TOKENS[Access.APPROVE],
    open_rate=_UNBOUNDED,
    read_rate=_UNBOUNDED,
    control_rate=_UNBOUNDED,
    protective_rate=_UNBOUNDED,
)
"""Every token there is; the rates, which would hide the rest, are tested elsewhere."""

_PAGE = 500
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


class Standing(Record, frozen=True):
    """What a request could have changed. `sent` counts what the exchange was asked to do."""

    session: str
    trading: str
    code: str
    sent: int
    actions: int
    held: str


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One route and method, with a path and a body that would work."""

    method: str
    route: str
    path: str
    access: Access
    body: dict[str, Any] | None

    @property
    def name(self) -> str:
        """Return how the table calls it."""
        return f"{self.method} {self.route}"


@dataclass(frozen=True, kw_only=True)
class Stand:
    """A bot with a position and its stop at the venue, served at `url`."""

    house: House
    process: Process
    url: str
    schema: dict[str, Any]

    async def standing(self) -> Standing:
        """Look at the bot, at its journal and at the exchange's own record."""
        status = self.process.bot.status()
        record = self.house.exchange.venue.record
        return Standing(
            session=status.session,
            trading=status.trading,
            code=status.trading_code,
            sent=sum(request.method != "GET" for request in record.requests()),
            actions=await self._actions(),
            held=str(self.house.held(STOCK)),
        )

    async def operations(self) -> list[Operation]:
        """Return every operation, its parameters filled in with what is there."""
        page = await self.process.bot.reader().decisions.page(limit=1, after=None)
        decision = page.items[0]
        named = {
            "symbol": STOCK,
            "decision_id": decision.id,
            "digest": decision.window_digest,
            "version": "any",
            "name": "main.js",
        }
        bodies: dict[str, dict[str, Any]] = {
            "/resume": {"code": self.process.bot.status().trading_code, "reason": "door"},
            "/flatten": {"account_wide": True},
            "/cancel-all": {"protective": True},
        }
        return [
            Operation(
                method=method,
                route=route.path,
                path=_PARAMETER.sub(lambda found: named[found[1]], route.path),
                access=declared(route) or Access.FULL,
                body=bodies.get(route.path, {}) if method == "POST" else None,
            )
            for route in served_routes()
            if isinstance(route, Route)
            for method in sorted((route.methods or set()) - {"HEAD"})
        ]

    async def _actions(self) -> int:
        """Count the operators' actions in the journal."""
        reader, seq, count = self.process.bot.reader(), 0, 0
        while page := await reader.entries_after(
            seq, limit=_PAGE, kinds=(EntryKind.OPERATOR_ACTION,)
        ):
            seq, count = page[-1].seq, count + len(page)
        return count


@asynccontextmanager
async def standing_bot(folder: Path, seed: int) -> AsyncIterator[Stand]:
    """Bring a bot up, let it buy, wait until a stop protects it, and serve it."""
    async with (
        serving(ScriptedModel()) as model,
        open_house(model=model, folder=folder, seed=seed) as house,
        house.bot(MAX_ONE_WAY_FILLS=0) as process,
    ):
        model.wants[STOCK] = "buy"
        await until(lambda: house.resting_stop(STOCK), 60, what="a stop protects the position")
        model.wants.clear()
        app = create_app(process.bot, security=SECURITY, bus=process.bus, registry=process.registry)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            server = _QuietServer(server_config(app, host="127.0.0.1", port=port))
            http = asyncio.create_task(server.serve([listening]))
            await until(lambda: server.started, what="HTTP listens")
            try:
                url = f"http://127.0.0.1:{port}"
                yield Stand(house=house, process=process, url=url, schema=app.openapi())
            finally:
                app.state.stream.close()
                server.should_exit = True
                await http


def client(stand: Stand) -> httpx.AsyncClient:
    """Return a client without any token."""
    return httpx.AsyncClient(base_url=stand.url, timeout=30, trust_env=False)


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
