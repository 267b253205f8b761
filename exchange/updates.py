"""The order stream `/stream`: `trade_updates` as Alpaca sends them, to any number of clients."""

import asyncio
import json
from contextlib import suppress
from typing import Any, Literal

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from exchange.streams.codec import codec_for
from exchange.streams.endpoints import ORDER_EVENTS
from exchange.streams.errors import AUTH_FAILED, ErrorFrame
from exchange.streams.faults import Close, Frame, LinkInfo, StreamFaults
from exchange.streams.link import emit
from exchange.streams.record import FrameLog, FrameRecord
from exchange.venue import Venue

TRADE_UPDATES = ORDER_EVENTS
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
        self,
        venue: Venue,
        *,
        faults: StreamFaults | None = None,
        frames: FrameLog | None = None,
        queue_size: int = 10_000,
        auth_timeout_s: float = 10.0,
    ) -> None:
        self.venue = venue
        self.faults = faults or StreamFaults()
        self.queue_size = queue_size
        self._frames = frames
        self._auth_timeout_s = auth_timeout_s
        self.cut_off = 0
        self._connected = 0
        self._clients: set[_Client] = set()

    @property
    def listeners(self) -> int:
        """Return how many clients listen to order events now."""
        return sum(client.is_listening for client in self._clients)

    async def serve(self, connection: ServerConnection) -> None:
        """Answer one client until it leaves."""
        self._connected += 1
        client = _Client(self, connection, number=self._connected)
        self._clients.add(client)
        unsubscribe = self.venue.subscribe_orders(client.offer)
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

    def log(self, link: LinkInfo, way: Literal["in", "out"], data: bytes) -> None:
        """Keep a frame for the record, if there is one."""
        if self._frames is not None:
            at_ns = self.venue.clock.now_ns()
            self._frames.add(FrameRecord(at_ns, link.number, link.endpoint, way, data))


class _OrderLink(LinkInfo):
    """An order stream's link: one map a message, never an array."""

    def error(self, frame: ErrorFrame) -> Frame:
        """Return an error in the words that the order stream has for it."""
        return Frame(self.codec.encode(_error(frame.text)), is_text=False, count=1)


class _Client:
    """One connection: whether it has shown its keys, and what it listens to."""

    def __init__(self, host: OrderStream, connection: ServerConnection, *, number: int) -> None:
        self._host = host
        self._venue = host.venue
        self._connection = connection
        self._queue: asyncio.Queue[dict[str, Any] | Close] = asyncio.Queue(host.queue_size)
        self._authorized = asyncio.Event()
        self._streams: list[str] = []
        self.is_cut_off = False
        request = connection.request
        codec = codec_for(request.headers.get("Content-Type") if request else None)
        self._info = _OrderLink(number=number, endpoint=ORDER_EVENTS, codec=codec)

    @property
    def is_listening(self) -> bool:
        """Tell whether the client has asked for order events."""
        return TRADE_UPDATES in self._streams

    def offer(self, event: dict[str, Any]) -> None:
        """Queue one order event for a client that listens; never wait for it."""
        if self.is_listening:
            self._send({"stream": TRADE_UPDATES, "data": event})

    async def write(self) -> None:
        """Send what is queued, in order, through whatever the fault plan makes of it."""
        while True:
            message = await self._queue.get()
            if isinstance(message, Close):
                await emit(self._connection, message)
                continue
            frame = Frame(self._info.codec.encode(message), is_text=False, count=1)
            for out in await self._host.faults.before_send(self._info, frame):
                if isinstance(out, Frame):
                    self._host.log(self._info, "out", out.data)
                await emit(self._connection, out)

    async def read(self, auth_timeout_s: float) -> None:
        """Answer the client's messages until it closes; keys must come within the time-out."""
        async with asyncio.timeout(auth_timeout_s):
            while not self._authorized.is_set():
                self._answer(await self._connection.recv())
        while True:
            self._answer(await self._connection.recv())

    def _send(self, message: dict[str, Any] | Close) -> None:
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self.is_cut_off = True
            self._connection.transport.abort()

    def _answer(self, frame: str | bytes) -> None:
        message = _decode(frame)
        self._host.log(self._info, "in", json.dumps(_masked(message), default=str).encode())
        action = {"listen": "subscribe"}.get(str(message.get("action")), message.get("action"))
        if wrong := self._host.faults.before_action(self._info, str(action)):
            self._fail(wrong)
            return
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
                self._send(_error(f"unknown action: {action}"))

    def _fail(self, wrong: ErrorFrame) -> None:
        """Answer as a fault plan wants; the stream has words of its own for wrong keys."""
        if wrong == AUTH_FAILED:
            self._authorization("authenticate", is_authorized=False)
        else:
            self._send(_error(wrong.text))
        if wrong.closes:
            self._send(Close(_POLICY_VIOLATION, wrong.text))

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


def _masked(message: dict[str, Any]) -> dict[str, Any]:
    """Return a client's message for the record, without its keys."""
    secret = {"key", "secret", *(["data"] if message.get("action") == "authenticate" else [])}
    return message | {name: "***" for name in secret if name in message}


def _error(words: str) -> dict[str, Any]:
    """Return an error in the form that the official TypeScript client reads."""
    return {"action": "error", "data": {"error_message": words}}


def _decode(frame: str | bytes) -> dict[str, Any]:
    """Read a client's message, JSON or msgpack, text or binary; nonsense reads as empty."""
    try:
        message = json.loads(frame)
    except (ValueError, RecursionError):
        message = _unpack(frame)
    is_read = isinstance(message, dict) and all(isinstance(key, str) for key in message)
    return message if is_read else {}


def _unpack(frame: str | bytes) -> Any:
    if isinstance(frame, str):
        return None
    try:
        return msgspec.msgpack.decode(frame)
    except (msgspec.DecodeError, RecursionError):
        return None
