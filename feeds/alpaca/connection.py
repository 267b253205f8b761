"""Hand each websocket message over in the moment it is read.

websockets' own `recv` costs a queue, a future and a task switch a message. Its documented seam for
customised connections, `create_connection`, lets ours see frames as they are parsed: no queue, so
nothing to overflow; a slow consumer holds the socket back, the venue notices (407) and we reconnect
and fill the gap.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import BINARY, CONT, TEXT, Frame
from websockets.protocol import Event

from domain.errors import ConfigError, Disconnected
from feeds.alpaca.config import AlpacaFeedConfig, Codec
from feeds.alpaca.refusals import error_of_upgrade

OnFrame = Callable[[bytes | bytearray, bool], None]
"""Take one whole message and whether it is text; called on the event loop, must not block."""

_CONTENT_TYPES = {Codec.MSGPACK: "application/msgpack", Codec.JSON: "application/json"}
_CLOSE_S = 2.0


class FrameConnection(ClientConnection):
    """A websocket that calls `on_frame` with each whole message; `recv` has nothing to give."""

    def __init__(self, *args: Any, on_frame: OnFrame, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._on_frame = on_frame
        self._parts: list[bytes] = []
        self._is_text = False

    def process_event(self, event: Event) -> None:
        """Take data frames out before they are queued; leave the rest to the parent."""
        if type(event) is Frame:
            opcode = event.opcode
            if event.fin and (opcode is BINARY or opcode is TEXT):
                self._on_frame(cast("bytes", event.data), opcode is TEXT)
                return
            if opcode is BINARY or opcode is TEXT or opcode is CONT:
                self._take_part(event)
                return
        super().process_event(event)

    def _take_part(self, frame: Frame) -> None:
        """Join fragments; the protocol itself bounds their sum by `max_size`."""
        if frame.opcode is not CONT:
            self._parts.clear()
            self._is_text = frame.opcode is TEXT
        self._parts.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._parts)
            self._parts.clear()
            self._on_frame(data, self._is_text)


async def open_connection(config: AlpacaFeedConfig, on_frame: OnFrame) -> FrameConnection:
    """Connect; raises `Disconnected`, `FeedRefused` or `ConfigError`."""
    factory = partial(FrameConnection, on_frame=on_frame)
    try:
        connection = await connect(
            config.url,
            additional_headers={"Content-Type": _CONTENT_TYPES[config.codec]},
            compression="deflate" if config.compress else None,
            create_connection=cast("type[ClientConnection]", factory),
            open_timeout=config.reply_timeout_s,
            ping_interval=config.ping_s,
            ping_timeout=2 * config.ping_s,
            close_timeout=_CLOSE_S,
            max_size=config.max_frame_bytes,
        )
    except InvalidStatus as error:
        raise error_of_upgrade(error, config) from error
    except InvalidURI as error:
        raise ConfigError(f"{config.url} is no websocket address.") from error
    except (OSError, TimeoutError, InvalidHandshake, EOFError) as error:
        raise Disconnected(
            f"The {config.name} stream cannot be reached ({type(error).__name__})."
        ) from error
    return cast("FrameConnection", connection)


async def send(connection: FrameConnection, data: bytes, config: AlpacaFeedConfig) -> None:
    """Send one message in the connection's codec, in time; raises `Disconnected`."""
    try:
        async with asyncio.timeout(config.reply_timeout_s):
            await connection.send(data, text=config.codec is Codec.JSON)
    except (ConnectionClosed, TimeoutError) as error:
        raise Disconnected(f"The {config.name} stream closed while we spoke.") from error
