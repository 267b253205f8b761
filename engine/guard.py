"""Keep orders true and positions protected for as long as the process lives.

The guard belongs to the process, not to the session: it follows the order stream, runs the exits,
reconciles, watches equity, and keeps the market in sight while a position or an order needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from typing import Any, Protocol

from domain.account import Ledger
from domain.market import Quote
from domain.orders import OrderEvent
from domain.ports import Broker, Clock, LinkDown, LinkUp
from domain.records import Record
from engine.equity import EquityWatch
from engine.market import MarketWatch
from engine.orders.book import OrderBook

_WHO = "guard"


class GuardConfig(Record, frozen=True):
    """How often the guard looks; seconds of event time."""

    beat_s: float = 1.0
    account_every_s: float = 30.0


class Runs(Protocol):
    """A part that works until cancelled."""

    def run(self) -> Coroutine[Any, Any, None]:
        """Work until cancelled."""
        ...


class Guard:
    """Run what must never stop while there is a position or an order."""

    def __init__(  # noqa: PLR0913 - everything that outlives a session, each named
        self,
        config: GuardConfig,
        *,
        broker: Broker,
        book: OrderBook,
        ledger: Ledger,
        equity: EquityWatch,
        watch: MarketWatch,
        quote: Callable[[str], Quote | None],
        refresh: Callable[[], Awaitable[None]],
        reconcile: Callable[[str], None],
        parts: tuple[Runs, ...],
        clock: Clock,
    ) -> None:
        self._config = config
        self._broker = broker
        self._book = book
        self._ledger = ledger
        self._equity = equity
        self._watch = watch
        self._quote = quote
        self._refresh = refresh
        self._reconcile = reconcile
        self._parts = parts
        self._clock = clock
        self._group: asyncio.TaskGroup | None = None
        self.is_stream_up = False
        self.is_ready = asyncio.Event()

    async def run(self) -> None:
        """Work until cancelled. A part that fails ends the process: restarting is recovery."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for part in self._parts:
                group.create_task(part.run(), name=type(part).__name__.lower())
            group.create_task(self._watch.run(), name="market-watch")
            group.create_task(self._follow(), name="order-stream")
            group.create_task(self._beat(), name="guard-beat")
            group.create_task(self._refresh_account(), name="account")
            self.is_ready.set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run work that no session's end may cut, such as sending an order."""
        if self._group is None:
            raise RuntimeError("the guard does not run")
        return self._group.create_task(work, name=name)

    async def _follow(self) -> None:
        async for update in self._broker.updates():
            match update:
                case OrderEvent():
                    self._book.apply(update)
                case LinkUp():
                    self.is_stream_up = True
                    self._reconcile("order stream up")
                case LinkDown():
                    self.is_stream_up = False

    async def _beat(self) -> None:
        while True:
            self._mark()
            self._equity.observe()
            self._keep_watch()
            await self._clock.sleep(self._config.beat_s)

    def _mark(self) -> None:
        for symbol in tuple(self._ledger.positions):
            quote = self._quote(symbol)
            if quote is not None and quote.bid > 0 and quote.ask > 0:
                self._ledger.mark(symbol, Decimal(repr(quote.mid)))

    def _keep_watch(self) -> None:
        if self._book.working() or self._ledger.positions:
            self._watch.want(_WHO)
        else:
            self._watch.release(_WHO)

    async def _refresh_account(self) -> None:
        while True:
            await self._clock.sleep(self._config.account_every_s)
            await self._refresh()
            self._equity.record()
