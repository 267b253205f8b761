"""Play ticks to the venue and to the engine, one moment in memory at a time.

Quotes and prints reach both as they came; an order that arrives meets the next quote. Where a
symbol has no quotes of its own, one is made half the modelled spread on either side of each print,
as large as the print. Candles close by the clock, a second behind their edge, as live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from backtest.data.ticks import Moment
from backtest.run.market.loop import NEVER, VirtualLoop
from domain.bars import PrintKind, print_kind
from domain.market import MarketEvent, Quote, StatusChanged, Trade
from exchange.simulated import SimulatedBroker
from feeds.store import RollingStore

_BPS = 10_000


class TickMarket:
    """A market of ticks (`backtest.run.market.loop.Market`)."""

    def __init__(  # noqa: PLR0913 - what moves with the market, each named
        self,
        moments: Iterator[Moment],
        *,
        broker: SimulatedBroker,
        store: RollingStore,
        loop: VirtualLoop,
        weigh: Callable[[str, float], None],
        half_spread_bps: float,
        ended: Callable[[], None],
    ) -> None:
        self._moments = moments
        self._broker = broker
        self._store = store
        self._loop = loop
        self._clock = loop.clock
        self._weigh = weigh
        self._half = half_spread_bps / _BPS
        self._ended = ended
        self._quoted: set[str] = set()
        self._last: dict[str, float] = {}
        self._next: Moment | None = next(moments, None)
        self._close_ns = store.next_close_ns()

    @property
    def next_ns(self) -> int:
        """Return when the next moment, or the next candle's end, is to be told."""
        return NEVER if self._next is None else min(self._next.ts_ns, self._close_ns)

    def play(self, until_ns: int) -> None:
        """Tell moments up to that time, until somebody has something to do."""
        ready, clock = self._loop.ready, self._clock
        while not ready and self._next is not None:
            now_ns = self.next_ns
            if now_ns > until_ns:
                return
            clock.now = max(clock.now, now_ns)
            if self._close_ns <= self._next.ts_ns:
                self._close()
                continue
            self._tell(self._next)
            self._next = next(self._moments, None)
            if self._next is None:
                self._ended()

    def _close(self) -> None:
        """Let candles close by the clock, and the account be weighed at their prices."""
        self._store.close_due(self._clock.now)
        self._close_ns = self._store.next_close_ns()
        for symbol, price in self._last.items():
            self._weigh(symbol, price)

    def _tell(self, moment: Moment) -> None:
        told: list[MarketEvent] = []
        for event in moment.events:
            if isinstance(event, Trade):
                self._print(event, told)
            elif isinstance(event, Quote):
                self._quoted.add(event.symbol)
                self._show(event)
            elif isinstance(event, StatusChanged):
                self._broker.set_status(event.symbol, is_halted=event.is_halted)
            told.append(event)
        self._store.apply(told)

    def _print(self, trade: Trade, told: list[MarketEvent]) -> None:
        if print_kind(trade.conditions, trade.tape) is not PrintKind.FULL:
            return
        self._last[trade.symbol] = trade.price
        if trade.symbol not in self._quoted:
            half, now_ns = self._half * trade.price, self._clock.now
            quote = Quote(
                trade.symbol,
                trade.price - half,
                trade.size,
                trade.price + half,
                trade.size,
                now_ns,
                now_ns,
            )
            self._show(quote)
            told.append(quote)
        self._broker.on_trade(trade.symbol, trade.price, trade.size, self._clock.now)

    def _show(self, quote: Quote) -> None:
        self._broker.on_quote(
            quote.symbol, quote.bid, quote.bid_size, quote.ask, quote.ask_size, self._clock.now
        )
