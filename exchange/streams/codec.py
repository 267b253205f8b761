"""Encode frames as JSON text or as msgpack with timestamp extensions; read what clients send.

Deliberately the exchange's own: a codec shared with the bot would hide a misread protocol.
"""

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.msgpack import Ext

from exchange.market.minute import NS_PER_S
from exchange.market.stamps import to_rfc3339

_TIMESTAMP = -1  # msgpack's own extension type for times
_WIDE_SECONDS = 1 << 34
_FIXARRAY, _ARRAY16, _ARRAY32 = 0x90, 0xDC, 0xDD
_FIXARRAY_MOST, _ARRAY16_MOST = 15, 0xFFFF


class Codec(ABC):
    """One way of writing frames: every frame is an array of messages."""

    name: str
    is_text: bool

    @abstractmethod
    def stamp(self, ts_ns: int) -> Any:
        """Return a time as this codec's messages carry it."""

    @abstractmethod
    def encode(self, message: dict[str, Any]) -> bytes:
        """Write one message."""

    @abstractmethod
    def frame(self, encoded: Sequence[bytes]) -> bytes:
        """Join encoded messages to one frame, without encoding them again."""


class JsonCodec(Codec):
    """RFC 8259 text; times as RFC 3339 with trailing zeros dropped."""

    name = "json"
    is_text = True

    def __init__(self) -> None:
        self._encoder = msgspec.json.Encoder()

    def stamp(self, ts_ns: int) -> str:
        """Return RFC 3339 text."""
        return to_rfc3339(ts_ns)

    def encode(self, message: dict[str, Any]) -> bytes:
        """Write one message as JSON."""
        return self._encoder.encode(message)

    def frame(self, encoded: Sequence[bytes]) -> bytes:
        """Join encoded messages to a JSON array."""
        return b"[" + b",".join(encoded) + b"]"


class MsgpackCodec(Codec):
    """msgpack; times as extension type -1 with nanoseconds, never as text."""

    name = "msgpack"
    is_text = False

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()

    def stamp(self, ts_ns: int) -> Ext:
        """Return the timestamp extension (source: msgpack specification, timestamp 64 and 96)."""
        seconds, nanoseconds = divmod(ts_ns, NS_PER_S)
        if 0 <= seconds < _WIDE_SECONDS:
            return Ext(_TIMESTAMP, struct.pack(">Q", nanoseconds << 34 | seconds))
        return Ext(_TIMESTAMP, struct.pack(">Iq", nanoseconds, seconds))

    def encode(self, message: dict[str, Any]) -> bytes:
        """Write one message as msgpack."""
        return self._encoder.encode(message)

    def frame(self, encoded: Sequence[bytes]) -> bytes:
        """Join encoded messages to a msgpack array (source: msgpack specification, arrays)."""
        count = len(encoded)
        if count <= _FIXARRAY_MOST:
            head = bytes([_FIXARRAY | count])
        elif count <= _ARRAY16_MOST:
            head = struct.pack(">BH", _ARRAY16, count)
        else:
            head = struct.pack(">BI", _ARRAY32, count)
        return head + b"".join(encoded)


JSON = JsonCodec()
MSGPACK = MsgpackCodec()


def codec_for(content_type: str | None) -> Codec:
    """Choose by the handshake's Content-Type: msgpack when asked for, else JSON."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return MSGPACK if kind == "application/msgpack" else JSON


def read_request(data: str | bytes) -> dict[str, Any]:
    """Read a client's message, msgpack or JSON whatever the frame; raises `ValueError`.

    alpaca-py sends msgpack in binary frames, other clients JSON in text or in binary ones.
    """
    decoders: list[Any] = [msgspec.json.decode]
    if isinstance(data, bytes):
        decoders.insert(0, msgspec.msgpack.decode)
    for decode in decoders:
        try:
            request = decode(data)
        except (msgspec.DecodeError, RecursionError):
            continue
        if isinstance(request, dict) and all(isinstance(key, str) for key in request):
            return request
    raise ValueError("not a map in JSON or msgpack")
