"""The order stream `/stream`: `trade_updates` as Alpaca sends them, to any number of clients."""

import asyncio
import json
from contextlib import suppress
from typing import Any

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from exchange.venue import Venue

TRADE_UPDATES = "trade_updates"
# Named by the documentation beside trade_updates; accepted, and silent here.
_STREAMS = (TRADE_UPDATES, "account_updates")
_POLICY_VIOLATION = 1008


class OrderStream:
    """Serve `trade_updates` on websocket connections; `serve` is the handler of one.

    JSON travels in binary frames, as the paper API does it; a handshake with
    `Content-Type: application/msgpack` gets msgpack (its exact form is unverified). There is no
    replay: what a client misses while away, it reads over REST. A client that lets `queue_size`
    frames pile up is cut off, since dropping single events would lie to it.
    """

    def __init__(
        self, venue: Venue, *, queue_size: int = 10_000, auth_timeout_s: float = 10.0
    ) -> None:
        self._venue = venue
        self._queue_size = queue_size
        self._auth_timeout_s = auth_timeout_s
        self.cut_off = 0
        self._clients: set[_Client] = set()

    @property
    def listeners(self) -> int:
        """Return how many clients listen to order events now."""
        return sum(client.is_listening for client in self._clients)

    async def serve(self, connection: ServerConnection) -> None:
        """Answer one client until it leaves."""
        client = _Client(self._venue, connection, self._queue_size)
        self._clients.add(client)
        unsubscribe = self._venue.subscribe_orders(client.offer)
        writing = asyncio.create_task(client.write())
        try:
            await client.read(self._auth_timeout_s)
        except ConnectionClosed:
            pass
        except TimeoutError:
            await connection.close(_POLICY_VIOLATION, "auth timeout")
        finally:
            unsubscribe()
            self._clients.remove(client)
            self.cut_off += client.is_cut_off
            writing.cancel()
            with suppress(asyncio.CancelledError, ConnectionClosed):
                await writing


class _Client:
    """One connection: whether it has shown its keys, and what it listens to."""

    def __init__(self, venue: Venue, connection: ServerConnection, queue_size: int) -> None:
        self._venue = venue
        self._connection = connection
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(queue_size)
        self._authorized = asyncio.Event()
        self._streams: list[str] = []
        self.is_cut_off = False
        request = connection.request
        kind = request.headers.get("Content-Type", "") if request else ""
        self._encode = (
            msgspec.msgpack.encode if kind == "application/msgpack" else msgspec.json.encode
        )

    @property
    def is_listening(self) -> bool:
        """Tell whether the client has asked for order events."""
        return TRADE_UPDATES in self._streams

    def offer(self, event: dict[str, Any]) -> None:
        """Queue one order event for a client that listens; never wait for it."""
        if self.is_listening:
            self._send({"stream": TRADE_UPDATES, "data": event})

    async def write(self) -> None:
        """Send what is queued, in order."""
        while True:
            message = await self._queue.get()
            await self._connection.send(self._encode(message))

    async def read(self, auth_timeout_s: float) -> None:
        """Answer the client's messages until it closes; keys must come within the time-out."""
        async with asyncio.timeout(auth_timeout_s):
            while not self._authorized.is_set():
                self._answer(await self._connection.recv())
        while True:
            self._answer(await self._connection.recv())

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.is_cut_off = True
            self._connection.transport.abort()

    def _answer(self, frame: str | bytes) -> None:
        message = _decode(frame)
        match message.get("action"):
            case "authenticate":
                data = message.get("data")
                keys = data if isinstance(data, dict) else {}
                self._authenticate(keys.get("key_id"), keys.get("secret_key"))
            case "auth":
                self._authenticate(message.get("key"), message.get("secret"))
            case "listen":
                self._listen(message.get("data"))
            case action:
                error = {"error_message": f"unknown action: {action}"}
                self._send({"action": "error", "data": error})

    def _authenticate(self, key: Any, secret: Any) -> None:
        known = isinstance(key, str) and isinstance(secret, str) and self._venue.knows(key, secret)
        if known:
            self._authorized.set()
        self._authorization("authenticate", is_authorized=known)

    def _authorization(self, action: str, *, is_authorized: bool) -> None:
        status = "authorized" if is_authorized else "unauthorized"
        self._send({"stream": "authorization", "data": {"status": status, "action": action}})

    def _listen(self, data: Any) -> None:
        """Replace what the client listens to; doing so twice changes nothing."""
        if not self._authorized.is_set():
            self._authorization("listen", is_authorized=False)
            return
        asked = data.get("streams") if isinstance(data, dict) else None
        wanted = asked if isinstance(asked, list) else []
        self._streams = [stream for stream in _STREAMS if stream in wanted]
        self._send({"stream": "listening", "data": {"streams": self._streams}})


def _decode(frame: str | bytes) -> dict[str, Any]:
    """Read a client's message, JSON or msgpack, text or binary; nonsense reads as empty."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        message = _unpack(frame)
    return message if isinstance(message, dict) else {}


def _unpack(frame: str | bytes) -> Any:
    if isinstance(frame, str):
        return None
    try:
        return msgspec.msgpack.decode(frame)
    except (msgspec.DecodeError, RecursionError):
        return None
