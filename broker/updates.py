"""Follow our orders over the venue's `trade_updates` websocket.

There is no replay and no sequence number: what happens while the link is down is never told. So
every change of the link is yielded, and whoever reads reconciles on each `LinkUp`.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from broker import decode
from domain.orders import OrderEvent, OrderEventKind
from domain.ports import Clock, LinkDown, LinkUp, OrderUpdate
from domain.records import format_ns

log = structlog.get_logger(__name__)

STREAM = "trade_updates"
PING_INTERVAL_S, PING_TIMEOUT_S, CLOSE_TIMEOUT_S = 10.0, 20.0, 1.0
MAX_FRAME = 4 * 1024 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
# A storm of reconnections is answered by 429 on the upgrade; a wrong key does not mend itself.
_REFUSALS = frozenset({401, 403, 429})

_K = OrderEventKind

# The stream's names (Alpaca's order stream page). What is not here is told by the order beside it.
KINDS: dict[str, OrderEventKind] = {
    "new": _K.ACCEPTED,
    "accepted": _K.ACCEPTED,
    "pending_new": _K.ACCEPTED,
    "held": _K.HELD,
    "partial_fill": _K.PARTIALLY_FILLED,
    "fill": _K.FILLED,
    "pending_cancel": _K.PENDING_CANCEL,
    "pending_replace": _K.PENDING_REPLACE,
    "order_cancel_rejected": _K.CANCEL_REJECTED,
    "order_replace_rejected": _K.REPLACE_REJECTED,
    "canceled": _K.CANCELED,
    "replaced": _K.REPLACED,
    "expired": _K.EXPIRED,
    "rejected": _K.REJECTED,
    "trade_bust": _K.TRADE_BUSTED,
    "trade_correct": _K.TRADE_CORRECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdatesConfig:
    """Say where the stream is and how patiently to come back to it. The secret never prints.

    Back-off doubles from `backoff_s` to `backoff_max_s`, half of it jitter; `refused_backoff_s`
    follows a refusal (429 or 401 on the upgrade, a wrong key).
    """

    key: str
    secret: str = field(repr=False)
    url: str
    deadline_s: float = 10.0
    backoff_s: float = 0.5
    backoff_max_s: float = 30.0
    refused_backoff_s: float = 60.0
    is_msgpack: bool = False


class _Refused(Exception):
    """The venue will not serve the stream to us as we are."""


class UpdatesLine:
    """Hold one connection at a time (the venue allows one an account) and come back to it."""

    def __init__(
        self, config: UpdatesConfig, clock: Clock, *, rng: random.Random | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._rng = rng or random.Random()  # noqa: S311 - jitter, no secret
        self._closed = asyncio.Event()
        self._socket: ClientConnection | None = None
        self._failures = 0

    async def updates(self) -> AsyncIterator[OrderUpdate]:
        """Yield order events, `LinkUp` when listening, `LinkDown` when that ends or fails anew.

        An unreadable event yields `LinkUp` again: it may have been a fill, so reconcile.
        """
        told: str | None = None
        while not self._closed.is_set():
            started, is_refused = time.monotonic(), False
            try:
                async with self._connection() as socket:
                    await self._introduce(socket)
                    self._socket, told = socket, None
                    yield LinkUp()
                    async for frame in socket:
                        for update in self._read(frame):
                            yield update
                reason = "the venue closed the order stream"
            except (WebSocketException, OSError, ValueError, _Refused) as e:
                reason, is_refused = _reason(e), _is_refusal(e)
            finally:
                self._socket = None
            if reason != told and not self._closed.is_set():
                told = reason
                yield LinkDown(reason=reason)
            await self._wait(time.monotonic() - started, is_refused=is_refused)

    async def aclose(self) -> None:
        """End the iterator and close the socket."""
        self._closed.set()
        if self._socket is not None:
            await self._socket.close()

    def _connection(self) -> connect:
        codec = "application/msgpack" if self._config.is_msgpack else "application/json"
        is_local = urlsplit(self._config.url).hostname in _LOOPBACK
        return connect(
            self._config.url,
            additional_headers={"Content-Type": codec},
            proxy=None if is_local else True,
            open_timeout=self._config.deadline_s,
            ping_interval=PING_INTERVAL_S,
            ping_timeout=PING_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=MAX_FRAME,
        )

    async def _introduce(self, socket: ClientConnection) -> None:
        """Authenticate and listen; the venue answers each with what it granted."""
        keys = {"key_id": self._config.key, "secret_key": self._config.secret}
        async with asyncio.timeout(self._config.deadline_s):
            await socket.send(_text({"action": "authenticate", "data": keys}))
            answer = await self._answer(socket, "authorization")
            if answer.get("status") != "authorized":
                raise _Refused("the order stream refuses our key")
            await socket.send(_text({"action": "listen", "data": {"streams": [STREAM]}}))
            answer = await self._answer(socket, "listening")
            if STREAM not in (answer.get("streams") or ()):
                raise _Refused("the order stream does not let us listen")

    async def _answer(self, socket: ClientConnection, stream: str) -> dict[str, Any]:
        """Wait for one control message; nothing else can come before it that we would miss."""
        while True:
            for message in _messages(await socket.recv()):
                if message.get("stream") == stream:
                    data = message.get("data")
                    return data if isinstance(data, dict) else {}
                if message.get("action") == "error" or message.get("stream") == "authorization":
                    raise _Refused(f"the order stream answers {str(message)[:200]}")

    def _read(self, frame: str | bytes) -> list[OrderUpdate]:
        """Turn one frame into updates; what is not an order event is passed over."""
        try:
            return [*events_of(frame, format_ns(self._clock.now_ns()))]
        except ValueError as e:
            log.warning("order_event_unreadable", error=str(e), frame=repr(frame[:200]))
            return [LinkUp()]

    async def _wait(self, lasted_s: float, *, is_refused: bool) -> None:
        """Back off with jitter; a link that had lasted starts the count anew."""
        config = self._config
        self._failures = 1 if lasted_s > config.backoff_max_s else self._failures + 1
        delay = min(config.backoff_max_s, config.backoff_s * 2.0 ** min(self._failures - 1, 16))
        if is_refused:
            delay = config.refused_backoff_s
        try:
            async with asyncio.timeout(delay / 2 + self._rng.uniform(0, delay / 2)):
                await self._closed.wait()
        except TimeoutError:
            return


def events_of(frame: str | bytes, now: str) -> list[OrderEvent]:
    """Read one frame's order events; raises `ValueError` when one is unreadable."""
    messages = (message for message in _messages(frame) if message.get("stream") == STREAM)
    return [event_of(message.get("data"), now) for message in messages]


def event_of(raw: Any, now: str) -> OrderEvent:
    """Read one event; `now` stands in for a missing time. Raises `ValueError` when unreadable.

    Quantity and price beside the order are of this execution alone, those inside it cumulative.
    """
    if not isinstance(raw, dict):
        raise ValueError("an order event without data")  # noqa: TRY004 - of the wire
    report = decode.order_report(raw.get("order"))
    return OrderEvent(
        kind=KINDS.get(str(raw.get("event")), _K.REPORTED),
        client_order_id=report.client_order_id,
        ts_event=decode.time_text(raw.get("timestamp")) or report.ts_updated or now,
        venue_order_id=report.venue_order_id,
        execution_id=raw.get("execution_id") or None,
        fill_quantity=decode.maybe_positive(raw.get("qty")),
        fill_price=decode.maybe_positive(raw.get("price")),
        position_quantity=decode.maybe_decimal(raw.get("position_qty")),
        report=report,
        reason=str(raw.get("reason") or ""),
    )


def _messages(frame: str | bytes) -> list[dict[str, Any]]:
    """Decode a frame: JSON in text or in binary frames (paper does that), or msgpack.

    No msgpack map or array starts with a brace, a bracket or a blank, so the first byte tells.
    """
    data = frame.encode() if isinstance(frame, str) else frame
    is_json = data[:1] in {b"{", b"[", b" ", b"\n", b"\r", b"\t"}
    try:
        decoded = msgspec.json.decode(data) if is_json else msgspec.msgpack.decode(data)
    except RecursionError:
        raise ValueError("nested too deep") from None
    messages = decoded if isinstance(decoded, list) else [decoded]
    return [message for message in messages if isinstance(message, dict)]


def _text(message: dict[str, Any]) -> str:
    return msgspec.json.encode(message).decode()


def _is_refusal(error: Exception) -> bool:
    if isinstance(error, InvalidStatus):
        return error.response.status_code in _REFUSALS
    return isinstance(error, _Refused)


def _reason(error: Exception) -> str:
    if isinstance(error, InvalidStatus):
        return f"the order stream answers HTTP {error.response.status_code}"
    return str(error) or f"the order stream broke: {type(error).__name__}"
