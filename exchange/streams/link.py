"""Serve one market data client: handshake, keys, subscriptions, frames out.

Sources: Alpaca's real-time data pages for messages and codes; what they leave open (close codes
after an error) is marked unverified in the project's protocol notes.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed

from exchange.streams import errors
from exchange.streams.codec import codec_for, read_request
from exchange.streams.endpoints import Endpoint, StreamLimits
from exchange.streams.errors import ErrorFrame, StreamError
from exchange.streams.faults import Close, Frame, Freeze, LinkInfo, StreamFaults
from exchange.streams.keys import keys_from_headers
from exchange.streams.subscriptions import Subscription, read_channels

_POLICY_VIOLATION = 1008  # unverified: the venue's close code after an error is not documented
_LAST_WORDS_S = 1.0  # how long a slow client gets to read why it is cut off


class Host(Protocol):
    """What a link needs of the server that it belongs to."""

    limits: StreamLimits
    faults: StreamFaults

    def knows(self, key: str, secret: str) -> bool:
        """Tell whether these are the account's keys."""
        ...

    def admit(self, link: "Link") -> bool:
        """Take the endpoint's connection for this link; False when another holds it."""
        ...

    def resubscribe(self, link: "Link", before: Subscription) -> None:
        """Take notice of a link's new subscription."""
        ...

    def log(self, link: "Link", way: str, data: bytes) -> None:
        """Keep a frame for the record."""
        ...


async def emit(connection: ServerConnection, out: Frame | Close | Freeze) -> None:
    """Send one frame to a client, end its link, or stop hearing it for a while."""
    match out:
        case Frame():
            await connection.send(out.data, text=out.is_text)
        case Freeze():
            transport = connection.transport
            transport.pause_reading()
            asyncio.get_running_loop().call_later(out.seconds, transport.resume_reading)
        case Close(None):
            connection.transport.abort()
        case Close(code, reason):
            await connection.close(code or _POLICY_VIOLATION, reason)


class Outbox:
    """A queue of frames bounded by their messages. It never waits: `offer` says when it is full."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._waiting: deque[Frame | Close] = deque()
        self._messages = 0
        self._filled = asyncio.Event()

    def offer(self, frame: Frame) -> bool:
        """Queue a frame; False, and nothing queued, when the client is too far behind."""
        if self._messages + frame.count > self._limit:
            return False
        self._messages += frame.count
        self._put(frame)
        return True

    def finish(self, last: Frame | None, close: Close) -> None:
        """Queue the end of the link, after a last frame if there is one."""
        if last:
            self._put(last)
        self._put(close)

    def clear(self) -> None:
        """Drop what waits."""
        self._waiting.clear()
        self._messages = 0

    async def take(self) -> Frame | Close:
        """Return the next frame, waiting for it."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        item = self._waiting.popleft()
        if isinstance(item, Frame):
            self._messages -= item.count
        return item

    def _put(self, item: Frame | Close) -> None:
        self._waiting.append(item)
        self._filled.set()


class Link:
    """One connection to one endpoint."""

    def __init__(
        self, host: Host, connection: ServerConnection, endpoint: Endpoint, *, number: int
    ) -> None:
        headers = connection.request.headers if connection.request else Headers()
        self.codec = codec_for(headers.get("Content-Type"))
        self.info = LinkInfo(number=number, endpoint=endpoint.name, codec=self.codec)
        self.endpoint = endpoint
        self.subscription = Subscription(endpoint)
        self.is_authenticated = False
        self._host = host
        self._connection = connection
        self._headers = headers
        self._outbox = Outbox(limit=host.limits.outbox_messages)
        self._is_ending = False

    async def serve(self) -> None:
        """Answer the client until one side ends the connection."""
        try:
            async with asyncio.TaskGroup() as tasks:
                writing = tasks.create_task(self._write())
                self._tell({"T": "success", "msg": "connected"})
                self._use_header_keys()
                await self._read()
                writing.cancel()
        except* ConnectionClosed:
            pass

    def offer(self, frame: Frame) -> None:
        """Queue a data frame; a client that is too far behind is told so and cut off."""
        if not self._is_ending and not self._outbox.offer(frame):
            self._outbox.clear()
            self._refuse(errors.SLOW_CLIENT)
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._connection.transport.abort)

    async def _write(self) -> None:
        """Send what is queued, in order, through whatever the fault plan makes of it."""
        while True:
            item = await self._outbox.take()
            going: Sequence[Frame | Close | Freeze] = (
                [item]
                if isinstance(item, Close)
                else await self._host.faults.before_send(self.info, item)
            )
            for out in going:
                await self._emit(out)

    async def _emit(self, out: Frame | Close | Freeze) -> None:
        if isinstance(out, Frame):
            self._host.log(self, "out", out.data)
        await emit(self._connection, out)

    async def _read(self) -> None:
        """Take the client's messages; keys must come within the time-out."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._host.limits.auth_timeout_s) as deadline:
                while True:
                    if self.is_authenticated:
                        deadline.reschedule(None)
                    self._take(await self._connection.recv())
        self._refuse(errors.AUTH_TIMEOUT)
        await self._connection.wait_closed()

    def _take(self, data: str | bytes) -> None:
        try:
            request = self._request(data)
            self._answer(request)
        except StreamError as refused:
            self._refuse(refused.frame)

    def _request(self, data: str | bytes) -> dict[str, Any]:
        try:
            request = read_request(data)
        except ValueError:
            self._host.log(self, "in", data.encode() if isinstance(data, str) else data)
            raise StreamError(errors.INVALID_SYNTAX) from None
        hidden = {key: "***" for key in ("secret", "data") if key in request}
        self._host.log(self, "in", msgspec.json.encode(request | hidden))
        return request

    def _answer(self, request: dict[str, Any]) -> None:
        action = request.get("action")
        self._may(str(action))
        match action:
            case "auth":
                self._authenticate(request.get("key"), request.get("secret"))
            case "authenticate":
                data = request.get("data")
                keys = data if isinstance(data, dict) else {}
                self._authenticate(keys.get("key_id"), keys.get("secret_key"))
            case "subscribe":
                self._subscribe(request, is_more=True)
            case "unsubscribe":
                self._subscribe(request, is_more=False)
            case _:
                raise StreamError(errors.INVALID_SYNTAX)

    def _may(self, action: str) -> None:
        """Raise what the fault plan answers an action with."""
        if wrong := self._host.faults.before_action(self.info, action):
            raise StreamError(wrong)

    def _use_header_keys(self) -> None:
        """Authenticate by the handshake's headers when it brought any."""
        keys = keys_from_headers(self._headers)
        if keys:
            try:
                self._may("auth")
                self._authenticate(*keys)
            except StreamError as refused:
                self._refuse(refused.frame)

    def _authenticate(self, key: Any, secret: Any) -> None:
        if self.is_authenticated:
            raise StreamError(errors.ALREADY_AUTHENTICATED)
        if not isinstance(key, str) or not isinstance(secret, str):
            raise StreamError(errors.INVALID_SYNTAX)
        if not self._host.knows(key, secret):
            raise StreamError(errors.AUTH_FAILED)
        if not self._host.limits.allows(self.endpoint.name):
            raise StreamError(errors.INSUFFICIENT_SUBSCRIPTION)
        if not self._host.admit(self):
            raise StreamError(errors.CONNECTION_LIMIT)
        self.is_authenticated = True
        self._tell({"T": "success", "msg": "authenticated"})

    def _subscribe(self, request: dict[str, Any], *, is_more: bool) -> None:
        if not self.is_authenticated:
            raise StreamError(errors.NOT_AUTHENTICATED)
        channels = read_channels(request, self.endpoint)
        before = self.subscription
        if is_more:
            limit = self._host.limits.symbols
            self.subscription = before.added(channels, limit=limit)
        else:
            self.subscription = before.removed(channels)
        self._tell(self.subscription.acknowledgement())
        self._host.resubscribe(self, before)

    def _tell(self, message: dict[str, Any]) -> None:
        """Queue a control message: always a frame of its own."""
        self.offer(Frame(self.codec.frame([self.codec.encode(message)]), self.codec.is_text, 1))

    def _refuse(self, frame: ErrorFrame) -> None:
        if not frame.closes:
            self._tell(frame.message())
        elif not self._is_ending:
            self._is_ending = True
            self._outbox.finish(self.info.error(frame), Close(_POLICY_VIOLATION, frame.text))
