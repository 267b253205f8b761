"""Send pre-encoded market data frames as fast as a client reads them, so the client is the limit.

The handshake, keys and subscription are Alpaca's, spoken by websockets; what follows is bytes that
were framed beforehand and go straight to the transport. Event times advance by `SPACING_NS` a
message, so that a client's candles close. Run by itself it measures a bare client, as a reference:

    python -m benchmarks.stage.firehose
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets
from websockets.exceptions import ConnectionClosed

SPACING_NS = 100_000  # between two messages: 10,000 a second of event time
CHUNK_BYTES = 1 << 16
SYMBOLS = tuple(f"S{n:02}" for n in range(30))

_ENCODER = msgspec.msgpack.Encoder()


def serve(port: int, messages_per_frame: int, total: int, symbols: Sequence[str] = SYMBOLS) -> None:
    """Serve until killed: each client that subscribes gets `total` messages, then silence."""
    _serve(port, messages_per_frame, total, symbols, lambda: None)


@contextlib.contextmanager
def serving(
    messages_per_frame: int,
    total: int,
    symbols: Sequence[str] = SYMBOLS,
    *,
    core: int | None = None,
) -> Iterator[str]:
    """Run `serve` in a process of its own, on one core if asked; yield the stream's URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    process = context.Process(
        target=_serve_on, args=(core, port, messages_per_frame, total, tuple(symbols), ready)
    )
    process.start()
    try:
        if not ready.wait(60):
            raise RuntimeError("the firehose did not start within a minute")
        yield f"ws://127.0.0.1:{port}/v2/sip"
    finally:
        process.terminate()
        process.join()


def frames(messages_per_frame: int, total: int, symbols: Sequence[str]) -> list[bytes]:
    """Return websocket frames (unmasked, binary) of trades and quotes in turn, ready to write."""
    start_ns = time.time_ns()
    encoded = [
        _ENCODER.encode(message(n, symbols[n // 2 % len(symbols)], start_ns + n * SPACING_NS))
        for n in range(total)
    ]
    return [
        websocket_frame(encoded[at : at + messages_per_frame])
        for at in range(0, total, messages_per_frame)
    ]


def message(number: int, symbol: str, ts_ns: int) -> dict[str, Any]:
    """Make a quote for an even number, a trade at it for an odd one; prices walk within a band."""
    price = 100.0 + 0.01 * ((number // 2 * 7) % 200)
    stamp = msgspec.msgpack.Ext(-1, _timestamp(ts_ns))
    if number % 2:
        head: dict[str, Any] = {"T": "t", "S": symbol, "i": number, "x": "V", "p": price}
        return {**head, "s": 100, "c": ["@"], "z": "C", "t": stamp}
    sides = {"bx": "V", "bp": price - 0.01, "bs": 300, "ax": "V", "ap": price + 0.01, "as": 200}
    return {"T": "q", "S": symbol, **sides, "c": ["R"], "z": "C", "t": stamp}


def websocket_frame(encoded: Sequence[bytes]) -> bytes:
    """Frame a msgpack array of encoded messages (sources: msgpack specification, RFC 6455)."""
    body = struct.pack(">BH", 0xDC, len(encoded)) + b"".join(encoded)
    size = len(body)
    if size < 126:
        return struct.pack(">BB", 0x82, size) + body
    if size < 1 << 16:
        return struct.pack(">BBH", 0x82, 126, size) + body
    return struct.pack(">BBQ", 0x82, 127, size) + body


def _timestamp(ts_ns: int) -> bytes:
    seconds, nanoseconds = divmod(ts_ns, 1_000_000_000)
    return struct.pack(">Q", nanoseconds << 34 | seconds)


def _serve_on(
    core: int | None, port: int, messages_per_frame: int, total: int, symbols: Any, ready: Any
) -> None:
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    _serve(port, messages_per_frame, total, symbols, ready.set)


def _serve(
    port: int,
    messages_per_frame: int,
    total: int,
    symbols: Sequence[str],
    on_ready: Callable[[], None],
) -> None:
    chunks = _chunks(frames(messages_per_frame, total, symbols))

    async def handle(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await _shake_hands(connection)
            for chunk in chunks:
                connection.transport.write(chunk)
                await connection.drain()
            await connection.wait_closed()

    async def run() -> None:
        async with serve_websockets(handle, "127.0.0.1", port, compression=None):
            on_ready()
            await asyncio.Future()

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run())


def _chunks(framed: Sequence[bytes]) -> list[bytes]:
    """Join small frames, so that the server writes seldom and is never the limit."""
    joined: list[bytes] = []
    waiting: list[bytes] = []
    size = 0
    for frame in framed:
        waiting.append(frame)
        size += len(frame)
        if size >= CHUNK_BYTES:
            joined.append(b"".join(waiting))
            waiting, size = [], 0
    return [*joined, b"".join(waiting)]


async def _shake_hands(connection: ServerConnection) -> None:
    """Speak Alpaca's handshake: connected, authenticated, and the subscription as asked."""

    async def tell(told: dict[str, Any]) -> None:
        await connection.send(_ENCODER.encode([told]))

    await tell({"T": "success", "msg": "connected"})
    await connection.recv()
    await tell({"T": "success", "msg": "authenticated"})
    asked = msgspec.msgpack.decode(await connection.recv(decode=False))
    channels = ("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds")
    lists = {channel: asked.get(channel, []) for channel in channels}
    followers = dict.fromkeys(("corrections", "cancelErrors"), lists["trades"])
    await tell({"T": "subscription", **lists, **followers})


async def _bare_client(url: str, total: int) -> float:
    """Return CPU microseconds a message of websockets and an untyped msgspec decode."""
    headers = {"Content-Type": "application/msgpack"}
    async with connect(url, additional_headers=headers, compression=None) as socket_:
        await socket_.recv()
        await socket_.send(_ENCODER.encode({"action": "auth", "key": "k", "secret": "s"}))
        await socket_.recv()
        await socket_.send(
            _ENCODER.encode({"action": "subscribe", "trades": ["*"], "quotes": ["*"]})
        )
        await socket_.recv()
        decode = msgspec.msgpack.Decoder().decode
        seen, before = 0, time.process_time()
        while seen < total:
            seen += len(decode(await socket_.recv(decode=False)))
        return (time.process_time() - before) / total * 1e6


def main() -> None:
    """Print what a bare client costs at 1, 10 and 100 messages a frame."""
    for messages_per_frame, total in ((1, 100_000), (10, 300_000), (100, 500_000)):
        with serving(messages_per_frame, total) as url:
            cost = asyncio.run(_bare_client(url, total))
        print(
            f"bare websockets + msgspec, {messages_per_frame:>3} a frame: {cost:.2f} us a message"
        )


if __name__ == "__main__":
    main()
