"""Decode Alpaca's frames, MessagePack or JSON; a bad message never costs its neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from feeds.alpaca.wire import KINDS, WireMessage, text_stamp

UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)
"""What a decoder raises for bytes of a stranger: bad structure, text in no encoding, numbers
too big, nesting too deep, maps whose keys cannot be keys."""

Data = bytes | bytearray | memoryview
TIME_KEYS = ("t", "created_at")
"""The keys whose texts are times."""


class FrameDecoder:
    """Decode frames of either codec; what cannot be read is counted by reason and dropped.

    MessagePack is the fast way. JSON (text frames, REST, tapes) is stamped and packed first, so
    that both give the same structs and everything behind knows one form.
    """

    def __init__(self) -> None:
        self.rejects: Counter[str] = Counter()
        self._frame = msgspec.msgpack.Decoder(list[WireMessage])
        self._message = msgspec.msgpack.Decoder(WireMessage)
        self._pack = msgspec.msgpack.Encoder().encode

    def decode(self, data: Data) -> Sequence[WireMessage]:
        """Return the messages of a MessagePack frame, in order."""
        try:
            return self._frame.decode(data)
        except UNREADABLE:
            return self._decode_each(data)

    def decode_text(self, data: Data) -> Sequence[WireMessage]:
        """Return the messages of a JSON frame, in order."""
        try:
            messages = msgspec.json.decode(data, type=list[Any])
        except UNREADABLE:
            self.rejects["frame_unreadable"] += 1
            return ()
        return self.decode_plain(messages)

    def decode_plain(self, messages: Iterable[Any]) -> Sequence[WireMessage]:
        """Return the typed messages of parsed JSON (a tape's line, the rows of a REST page)."""
        stamped = [_stamped(message) for message in messages]
        try:
            return self.decode(self._pack(stamped))
        except UNREADABLE:
            return self.decode(_array(self._packed_each(stamped)))

    def _packed_each(self, messages: list[Any]) -> Iterator[bytes]:
        for message in messages:
            try:
                yield self._pack(message)
            except UNREADABLE:
                self.rejects["message_malformed"] += 1

    def _decode_each(self, data: Data) -> Sequence[WireMessage]:
        try:
            raws = msgspec.msgpack.decode(data, type=list[msgspec.Raw])
        except UNREADABLE:
            self.rejects["frame_unreadable"] += 1
            return ()
        messages = []
        for raw in raws:
            try:
                messages.append(self._message.decode(raw))
            except UNREADABLE:
                self.rejects[_reason(raw)] += 1
        return messages


def _array(packed: Iterable[bytes]) -> bytes:
    """Put packed messages into one MessagePack array (of the 32-bit form)."""
    items = list(packed)
    return b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)


def _stamped(message: Any) -> Any:
    """Put a stamp in the place of a time's text; what is no time stays and fails to decode."""
    if not isinstance(message, dict):
        return message
    for key in TIME_KEYS:
        text = message.get(key)
        if isinstance(text, str):
            try:
                message = {**message, key: text_stamp(text)}
            except (ValueError, OverflowError):
                return message
    return message


def _reason(raw: msgspec.Raw) -> str:
    try:
        message = msgspec.msgpack.decode(raw)
    except UNREADABLE:
        return "message_unreadable"
    if not isinstance(message, dict):
        return "message_unreadable"
    return "message_malformed" if str(message.get("T")) in KINDS else "kind_unknown"
