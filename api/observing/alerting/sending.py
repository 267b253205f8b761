"""Watch the bus for what is worth telling, and send it from a thread of its own.

The bus is lossy and this is a watcher like any other: nothing of trading waits for it. A hook that
is dead costs its own thread some seconds, and the oldest of what waits behind it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from api.observing.alerting.choosing import Alert, Once, alert_of
from domain.records import Record
from engine.bus import Bus, Subscription

log = structlog.get_logger(__name__)

Count = Callable[[str], None]
"""Hear what became of an alert: `delivered`, `failed` (a hook, for good) or `dropped`."""


class Hook(Protocol):
    """One place that alerts go to (`api.observing.alerting.hooks`)."""

    @property
    def name(self) -> str:
        """Say where, without saying how to get in."""
        ...

    def send(self, alert: Alert) -> bool:
        """Send and wait; tells whether it arrived."""
        ...


class SendingConfig(Record, frozen=True):
    """How patient the sender is; seconds of wall time.

    `pauses_s` lie between tries. At most `queue_size` alerts wait. `flush_s` is what the process
    waits at its end for what is still on its way.
    """

    every_s: float = 300.0
    pauses_s: tuple[float, ...] = (1.0, 5.0, 25.0)
    queue_size: int = 64
    flush_s: float = 3.0


class Sender:
    """A thread with a bounded queue in front of the hooks; the oldest leaves when it is full."""

    def __init__(self, hooks: Sequence[Hook], config: SendingConfig, count: Count) -> None:
        self._hooks = hooks
        self._config = config
        self._count = count
        self._queue: deque[Alert] = deque()
        self._news = threading.Condition()
        self._is_ending = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
        self._thread.start()

    def put(self, alert: Alert) -> None:
        """Hand an alert over; returns at once."""
        with self._news:
            if len(self._queue) >= self._config.queue_size:
                self._queue.popleft()
                self._count("dropped")
            self._queue.append(alert)
            self._news.notify()

    def close(self) -> None:
        """Send what waits, without pauses between tries, for `flush_s` at most."""
        with self._news:
            self._is_ending = True
            self._news.notify()
        self._ended.wait(self._config.flush_s)

    def _run(self) -> None:
        while (alert := self._next()) is not None:
            for hook in self._hooks:
                self._send(hook, alert)
        self._ended.set()

    def _next(self) -> Alert | None:
        with self._news:
            while not self._queue:
                if self._is_ending:
                    return None
                self._news.wait()
            return self._queue.popleft()

    def _send(self, hook: Hook, alert: Alert) -> None:
        """Try a few times; one hook's failure is not another's."""
        for pause_s in (*self._config.pauses_s, None):
            if hook.send(alert):
                self._count("delivered")
                return
            if pause_s is None or self._is_ending:
                break
            with self._news:
                self._news.wait_for(lambda: self._is_ending, timeout=pause_s)
        self._count("failed")
        log.warning("alert_not_delivered", hook=hook.name, code=alert.code)


@asynccontextmanager
async def alerting(
    bus: Bus, hooks: Sequence[Hook], count: Count, config: SendingConfig
) -> AsyncIterator[None]:
    """Watch and send until the block ends; without hooks nobody watches."""
    if not hooks:
        yield
        return
    sender = Sender(hooks, config, count)
    with bus.subscribe() as events:
        watching = asyncio.create_task(_watch(events, sender, config), name="alerts")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await asyncio.to_thread(sender.close)


async def _watch(events: Subscription, sender: Sender, config: SendingConfig) -> None:
    once = Once(config.every_s, time.monotonic_ns)
    async for event in events:
        alert = alert_of(event)
        if alert is not None and (due := once(alert)) is not None:
            sender.put(due)
