"""A scripted HTTP venue on a real socket: what it answers, and what it was asked."""

import asyncio
import json
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from domain.account import Ledger, Position
from domain.market import AssetClass, Instrument
from domain.orders import Leg, OrderRequest, OrderType, Side, TimeInForce
from domain.risk import Facts, Limits, authorize

REASONS = {200: "OK", 204: "No Content"}


@dataclass(frozen=True)
class Reply:
    """One answer; `body` may be bytes (sent as they are), text, or anything JSON can say."""

    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)

    def encode(self):
        if isinstance(self.body, bytes):
            body = self.body
        elif isinstance(self.body, str):
            body = self.body.encode()
        else:
            body = b"" if self.body is None else json.dumps(self.body).encode()
        lines = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Refused')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    body: object


class ScriptedVenue:
    """Answer requests from a script, one answer a request; the last one repeats."""

    RESET = "reset"
    HANG = "hang"
    reply = Reply

    def __init__(self):
        self.asked = []
        self.script = deque([Reply(body={})])
        self.released = asyncio.Event()
        self.arrived = asyncio.Condition()
        self.url = ""

    def answer(self, *replies):
        self.script = deque(replies)

    async def was_asked(self, times):
        """Wait, with a deadline, until so many requests have arrived."""
        async with asyncio.timeout(60), self.arrived:
            await self.arrived.wait_for(lambda: len(self.asked) >= times)

    async def serve(self, reader, writer):
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._one(head.decode(), reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, head, reader, writer):
        method, path, _ = head.split("\r\n")[0].split(" ")
        lengths = [
            line for line in head.lower().split("\r\n") if line.startswith("content-length:")
        ]
        size = int(lengths[0].split(":")[1]) if lengths else 0
        body = await reader.readexactly(size)
        self.asked.append(Asked(method, path, json.loads(body) if body else None))
        async with self.arrived:
            self.arrived.notify_all()
        reply = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if reply == self.RESET:
            writer.transport.abort()
            raise ConnectionResetError
        if reply == self.HANG:
            await self.released.wait()
            raise ConnectionResetError
        writer.write(reply.encode())
        await writer.drain()


@asynccontextmanager
async def scripted_venue():
    venue = ScriptedVenue()
    server = await asyncio.start_server(venue.serve, "127.0.0.1", 0)
    venue.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield venue
    finally:
        venue.released.set()
        server.close()
        await server.wait_closed()


@pytest.fixture
async def venue():
    async with scripted_venue() as running:
        yield running


@pytest.fixture
def stop_order():
    """An authorized stop for a share that is held: only `authorize` can make one."""
    ledger = Ledger(["AAPL"])
    held = Position(
        symbol="AAPL", quantity=Decimal(1), average_price=Decimal(100), available=Decimal(1)
    )
    ledger.correct(None, [held], 0)
    request = OrderRequest(
        decision_id="0123",
        leg=Leg.STOP,
        symbol="AAPL",
        side=Side.SELL,
        quantity=Decimal(1),
        order_type=OrderType.STOP,
        time_in_force=TimeInForce.DAY,
        reference_price=Decimal(98),
        valid_until="2099-01-01T00:00:00Z",
        client_order_id="ah-0123-stop-1",
        stop_price=Decimal(98),
    )
    rules = Instrument(
        symbol="AAPL",
        asset_class=AssetClass.STOCK,
        tick=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_notional=Decimal(1),
        fractionable=True,
    )
    return authorize(request, Facts(instrument=rules), Limits(), ledger)
