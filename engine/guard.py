"""Keep orders true and positions protected for as long as the process lives.

The guard belongs to the process, not to the session: it follows the order stream, runs the exits,
reconciles, watches equity, and keeps the market in sight while a position or an order needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

from domain.market import Quote
from domain.ports import Clock
from domain.records import Record
from engine.orders.book import OrderBook
from engine.orders.gateway import Gateway
from engine.orders.looks import Reconciliation, Trigger
from engine.orders.protection.exits import Exits
from engine.orders.reconcile import Reconciler
from engine.watching.equity import Calm, EquityWatch
from engine.watching.market import MarketWatch
from engine.watching.venue import VenueWatch

_WHO = "guard"


class GuardConfig(Record, frozen=True):
    """How often the guard looks; seconds of event time.

    `is_played`: whoever plays a market calls `beat` after what it tells, so that nothing here has
    to look by the clock.
    """

    beat_s: float = 1.0
    look_s: float = 0.05
    equity_every_s: float = 30.0
    is_played: bool = False


class Guard:
    """Run what must never stop while there is a position or an order."""

    def __init__(  # noqa: PLR0913 - everything that outlives a session, each named
        self,
        config: GuardConfig,
        *,
        gateway: Gateway,
        exits: Exits,
        reconciler: Reconciler,
        book: OrderBook,
        equity: EquityWatch,
        watch: MarketWatch,
        venue: VenueWatch,
        quote: Callable[[str], Quote | None],
        clock: Clock,
        also: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self._also = also
        self._config = config
        self._gateway = gateway
        self._exits = exits
        self._reconciler = reconciler
        self._book = book
        self._ledger = book.ledger
        self._equity = equity
        self._watch = watch
        self._venue = venue
        self._quote = quote
        self._clock = clock
        self._group: asyncio.TaskGroup | None = None
        self.is_ready = asyncio.Event()
        """Set once the venue has answered for orders, positions and account."""

    async def run(self) -> None:
        """Work until cancelled. A part that fails ends the process: restarting is recovery."""
        async with self._gateway, asyncio.TaskGroup() as group:
            self._group = group
            self._gateway.resume()
            group.create_task(self._reconciler.follow(), name="order-stream")
            group.create_task(self._reconciler.run(), name="reconciler")
            group.create_task(self._watch.run(), name="market-watch")
            group.create_task(self._venue.run(), name="venue-time")
            group.create_task(self._protect(), name="exits")
            if not self._config.is_played:
                group.create_task(self._beat(), name="guard-beat")
                group.create_task(self._record_equity(), name="equity")
            for work in self._also:
                group.create_task(work(), name=work.__qualname__)

    @asynccontextmanager
    async def attended(self) -> AsyncIterator[Reconciliation]:
        """Send and follow orders and do nothing else: for a command beside a bot that hangs.

        Yields what the venue shows now, taken over into the book.
        """
        async with self._gateway, asyncio.TaskGroup() as group:
            following = group.create_task(self._reconciler.follow(), name="order-stream")
            try:
                yield await self._reconciler.reconcile(Trigger.OPERATOR)
            finally:
                following.cancel()

    @property
    def is_running(self) -> bool:
        """Tell whether work can be started that outlives a session."""
        return self._group is not None

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run work that no session's end may cut, such as sending an order."""
        if self._group is None:
            raise RuntimeError("the guard does not run")
        return self._group.create_task(work, name=name)

    async def _protect(self) -> None:
        """Run the exits once the venue has said what we hold: until then nothing is known as flat.

        A keeper that took an unread position for a closed one would cancel its stop.
        """
        while self._reconciler.last is None or not self._reconciler.last.is_conclusive:
            await self._clock.sleep(self._config.look_s)
        self.is_ready.set()
        await self._exits.run()

    def beat(self) -> None:
        """Mark positions at the market, check both losses, keep the market in sight if needed."""
        self._mark()
        self.weigh()

    def weigh(self) -> None:
        """Check both losses on positions that are marked, and whether the market is needed."""
        self._equity.observe()
        self._keep_watch()
        if self._config.is_played and self._equity.wants_look:
            self._reconciler.wake(Trigger.RETRY)

    def calm(self) -> Calm | None:
        """Return how far equity may go before weighing it can change anything; see `Calm`."""
        return self._equity.calm()

    async def _beat(self) -> None:
        while True:
            self.beat()
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

    async def _record_equity(self) -> None:
        await self.is_ready.wait()
        while True:
            self._equity.observe()
            self._equity.record()
            await self._clock.sleep(self._config.equity_every_s)
