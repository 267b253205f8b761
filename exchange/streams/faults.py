"""The seam for streams going wrong on purpose: handshakes, messages, frames, links."""

from collections.abc import Sequence
from dataclasses import dataclass

from exchange.market.records import MarketMessage
from exchange.streams.codec import Codec
from exchange.streams.endpoints import Stream
from exchange.streams.errors import ErrorFrame


@dataclass(frozen=True, slots=True)
class Frame:
    """One websocket message on its way to a client, and how many messages are in it."""

    data: bytes
    is_text: bool
    count: int


@dataclass(frozen=True, slots=True)
class Close:
    """End the link: with a close frame, or by cutting the line when `code` is None."""

    code: int | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Freeze:
    """Read nothing more from the client for so long: its pings get no pong, its words no answer."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkInfo:
    """Which link a frame goes out on; `number` counts connections since the start."""

    number: int
    endpoint: str
    codec: Codec

    def error(self, frame: ErrorFrame) -> Frame:
        """Return an error frame as this link would carry it, to be put among the others."""
        data = self.codec.frame([self.codec.encode(frame.message())])
        return Frame(data, self.codec.is_text, 1)


class StreamFaults:
    """Let everything pass; a fault plan overrides what it wants to break.

    Drop is an empty answer, duplicate the same frame twice, reorder a frame held back and given
    later, corrupt another frame, mute an empty answer for ever; delay is a wait in `before_send`,
    and a dead peer a `Freeze`.
    """

    def refuse_handshake(self, _path: str) -> int | None:
        """Return the HTTP status to answer instead of 101, None to go on."""
        return None

    def before_action(self, _link: LinkInfo, _action: str) -> ErrorFrame | None:
        """Return the error to answer a client's action with, which then has no effect."""
        return None

    def before_publish(self, _stream: Stream, messages: list[MarketMessage]) -> list[MarketMessage]:
        """Return the messages to publish in place of these, before any subscriber is looked at."""
        return messages

    async def before_send(self, _link: LinkInfo, frame: Frame) -> Sequence[Frame | Close | Freeze]:
        """Return what goes out in place of a frame, control frames included; may wait."""
        return (frame,)
