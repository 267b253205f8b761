"""Measure what one market message costs from the socket on, beside two clients that do less.

All three read the same frames from the same server in one run, each in a process of its own:

- ours: decode, rolling store, candle, indicators at each close, and the price bands of the
  dispatcher and of the exits, for 30 symbols;
- alpaca-py's `StockDataStream` with a handler that does nothing;
- bare `websockets` with msgspec decoding into structs, and nothing else.

Bars: at most 1/5 of alpaca-py at 10 messages a frame and 1/6 at 100; at most 4 times the bare one.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import msgspec
from alpaca.data.live import StockDataStream
from websockets.asyncio.client import connect

from benchmarks.figures import Figure, show
from benchmarks.stage.firehose import SYMBOLS, serving
from engine.clock import LiveClock
from feeds.alpaca import AlpacaFeed, AlpacaFeedConfig, Channel
from feeds.alpaca.wire import QuoteMessage, TradeMessage, stamp_ns
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore, StoreConfig

SIZES = ((1, 40_000), (10, 200_000), (100, 300_000))
SLOW_SHARE = 5  # alpaca-py gets a fifth of the messages: it needs ten times as long for each
ROUNDS = 3
ALPACA_MOST = {10: 1 / 5, 100: 1 / 6}
BARE_MOST = 4.0
SERVER_CORE, CLIENT_CORE = 0, 1


class Deaf:
    """A listener with nothing to do."""

    def __getattr__(self, _name: str) -> Callable[..., None]:
        return _nothing


def _nothing(*_args: Any, **_kwargs: Any) -> None:
    return None


class EventClock(LiveClock):
    """Wall time moved to where the frames' own time begins: they were stamped a while ago."""

    def __init__(self, origin_ns: int) -> None:
        self._behind_ns = time.time_ns() - origin_ns

    def now_ns(self) -> int:
        """Return event time."""
        return time.time_ns() - self._behind_ns


async def _until(is_done: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not is_done():  # noqa: ASYNC110 - polling costs the measured code nothing
            await asyncio.sleep(0.002)


async def ours(url: str, total: int, messages_per_frame: int) -> float:
    """Return CPU microseconds a message of the live feed into the rolling store."""
    _, origin_ns = await _drain(url, total)
    clock = EventClock(origin_ns)
    store = RollingStore(
        StoreConfig(symbols=SYMBOLS), listener=Deaf(), clock=clock, calendar=AlwaysOpenCalendar()
    )
    for symbol in SYMBOLS:
        store.set_band(symbol, "wakes", 1.0, 1e6)
        store.set_band(symbol, "exits", 0.5, 2e6)
    config = AlpacaFeedConfig(
        channel=Channel.STOCKS,
        symbols=SYMBOLS,
        key="k",
        secret="s",
        stream_url=url.removesuffix("/v2/sip"),
        feed="sip",
        data_url="",
        settle_s=0.0,
    )
    feed = AlpacaFeed(config, clock)
    running = asyncio.create_task(feed.run(store))
    n_handshake, n_frames = 3, -(-total // messages_per_frame)
    await _until(lambda: feed.frames > n_handshake)
    before, seen = time.process_time(), feed.frames - n_handshake
    while feed.frames < n_handshake + n_frames:
        await asyncio.sleep(0.05)
        store.close_due(clock.now_ns())
    cost = time.process_time() - before
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    if store.counts():
        raise RuntimeError(f"the store refused messages: {store.counts()}")
    return cost / ((n_frames - seen) * messages_per_frame) * 1e6


async def alpaca_py(url: str, total: int, _messages_per_frame: int) -> float:
    """Return CPU microseconds a message of alpaca-py's stream with an idle handler."""
    seen = 0

    async def handler(_event: Any) -> None:
        nonlocal seen
        seen += 1

    stream = StockDataStream("k", "s", url_override=url)
    stream.subscribe_trades(handler, *SYMBOLS)
    stream.subscribe_quotes(handler, *SYMBOLS)
    running = asyncio.create_task(stream._run_forever())  # noqa: SLF001 - inside a loop there is no other
    await _until(lambda: seen > 0)
    before, first = time.process_time(), seen
    await _until(lambda: seen >= total)
    cost, counted = time.process_time() - before, seen - first
    running.cancel()
    return cost / counted * 1e6


async def bare(url: str, total: int, _messages_per_frame: int) -> float:
    """Return CPU microseconds a message of websockets and msgspec structs alone."""
    cost, _ = await _drain(url, total)
    return cost


async def _drain(url: str, total: int) -> tuple[float, int]:
    """Read everything; return CPU microseconds a message and the first one's event time."""
    headers = {"Content-Type": "application/msgpack"}
    pack = msgspec.msgpack.encode
    decode = msgspec.msgpack.Decoder(list[QuoteMessage | TradeMessage]).decode
    async with connect(url, additional_headers=headers, compression=None) as link:
        await link.recv()
        await link.send(pack({"action": "auth", "key": "k", "secret": "s"}))
        await link.recv()
        await link.send(pack({"action": "subscribe", "trades": ["*"], "quotes": ["*"]}))
        await link.recv()
        messages = decode(await link.recv(decode=False))
        origin_ns = stamp_ns(messages[0].t)
        first = seen = len(messages)
        before = time.process_time()
        while seen < total:
            seen += len(decode(await link.recv(decode=False)))
        return (time.process_time() - before) / (total - first) * 1e6, origin_ns


CLIENTS = {"ours": ours, "alpaca-py": alpaca_py, "bare": bare}


def _measure(name: str, arguments: tuple[str, int, int], answer: Any) -> None:
    if hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {CLIENT_CORE})

    async def measure_and_leave() -> None:
        answer.send(await CLIENTS[name](*arguments))
        answer.close()
        os._exit(0)  # alpaca-py swallows its cancellation and would keep the loop for ever

    asyncio.run(measure_and_leave())


def in_a_process(name: str, url: str, total: int, messages_per_frame: int) -> float:
    """Measure one client in a fresh process."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    arguments = (url, total, messages_per_frame)
    process = context.Process(target=_measure, args=(name, arguments, sender))
    process.start()
    sender.close()
    try:
        return float(receiver.recv())
    finally:
        process.join()


def main() -> None:
    """Print each client's cost and the two ratios, medians of interleaved rounds."""
    figures = []
    for messages_per_frame, total in SIZES:
        costs: dict[str, list[float]] = {name: [] for name in CLIENTS}
        few = total // SLOW_SHARE
        with (
            serving(messages_per_frame, total, core=SERVER_CORE) as url,
            serving(messages_per_frame, few, core=SERVER_CORE) as slow_url,
        ):
            for _ in range(ROUNDS):
                for name in CLIENTS:
                    source = (slow_url, few) if name == "alpaca-py" else (url, total)
                    costs[name].append(in_a_process(name, *source, messages_per_frame))
        middle = {name: statistics.median(values) for name, values in costs.items()}
        at = f"{messages_per_frame} messages a frame"
        figures += [Figure(f"ingest, {name}, {at}", cost, " us") for name, cost in middle.items()]
        figures += [
            Figure(
                f"ingest, ours / alpaca-py, {at}",
                middle["ours"] / middle["alpaca-py"],
                "x",
                most=ALPACA_MOST.get(messages_per_frame),
            ),
            Figure(
                f"ingest, ours / bare, {at}", middle["ours"] / middle["bare"], "x", most=BARE_MOST
            ),
        ]
    show(figures)


if __name__ == "__main__":
    main()
