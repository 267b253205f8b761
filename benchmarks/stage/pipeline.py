"""Drive the decision path by frames in one process: decode, store, dispatcher, windows, graph.

Only the socket, the broker and the disk are left out. Frames are Alpaca's own bytes, made ahead of
their turn; event time is the given clock's.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.stage.analysts import Forgetful
from benchmarks.stage.firehose import message
from domain.account import Account, Ledger
from domain.limits import Limits, TradingState
from domain.market import Floors, Instrument, Window, asset_class_of
from domain.ports import Clock, Journal
from domain.records import NS_PER_S
from engine.bus import Bus
from engine.deciding.dispatcher import Dispatcher, DispatcherConfig, DispatcherPorts
from engine.deciding.limiter import Limiter, Ticket
from engine.deciding.runs import Runs
from engine.deciding.windows import WindowConfig, Windows
from engine.watching.market import MarketEars
from feeds.alpaca.decoder import FrameDecoder
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore, StoreConfig
from graph.analysts.model.conversation import template_digests
from graph.desk import Desk

_ENCODER = msgspec.msgpack.Encoder()


class Standing:
    """An engine in order: active, reconciled, nothing foreign."""

    def trading_state(self) -> TradingState:
        """Return active."""
        return TradingState.ACTIVE

    def is_reducing(self, symbol: str) -> bool:  # noqa: ARG002
        """Return false."""
        return False

    def is_foreign(self, symbol: str) -> bool:  # noqa: ARG002
        """Return false."""
        return False

    def is_reconciled(self) -> bool:
        """Return true."""
        return True

    def is_journal_up(self) -> bool:
        """Return true."""
        return True

    def skew_ns(self) -> int | None:
        """Return no skew."""
        return 0

    def day_pnl(self) -> Decimal | None:
        """Return nothing won or lost."""
        return Decimal(0)

    def peak_equity(self) -> Decimal | None:
        """Return the equity."""
        return Decimal(100_000)


class Pipeline:
    """Everything between a frame's bytes and a decision."""

    def __init__(
        self,
        symbols: tuple[str, ...],
        analyst: Any,
        clock: Clock,
        *,
        cooldown_s: float,
        journal: Journal | None = None,
    ) -> None:
        self.ages_ns: list[int] = []
        self.failures: list[Exception] = []
        self._clock = clock
        self._sending: set[asyncio.Task[Any]] = set()
        self._decoder = FrameDecoder()
        publish = Bus().publish
        self._ears = MarketEars(publish)
        self._calendar = AlwaysOpenCalendar()
        self.store = RollingStore(
            StoreConfig(symbols=symbols, interval_s=1),
            listener=self._ears,
            clock=clock,
            calendar=self._calendar,
        )
        self._windows = self._make_windows(symbols)
        self.runs = Runs(
            compose=self._compose,
            desk=Desk(analyst, clock),
            journal=journal or Forgetful(),
            enter=_accept,
            close=_accept,
            publish=publish,
            decided=lambda _: None,
            ask=lambda _: (),
            start=self._start,
            deadline_s=44.0,
        )
        self.limiter = Limiter(slots=3, queue_size=100, clock=clock)
        self.dispatcher = self._make_dispatcher(symbols, cooldown_s)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Pipeline]:
        """Dispatch until left."""
        self._ears.wakes = self.dispatcher
        task = asyncio.create_task(self.dispatcher.run_forever())
        await asyncio.sleep(0)
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def take(self, frame: bytes) -> None:
        """Take one frame as the feed does, and close the bars that are due."""
        self.store.apply_frame(self._decoder.decode(frame))

    def _make_windows(self, symbols: tuple[str, ...]) -> Windows:
        return Windows(
            WindowConfig(
                account="bench",
                strategy="bench",
                symbols=symbols,
                interval_s=1,
                feed="sip",
                limits=Limits(),
                floors=Floors(),
                prompts=template_digests(),
            ),
            view=self.store.view,
            glance=self.store.glance,
            ledger=_ledger(symbols, self._clock),
            instrument=_instrument,
            plan=lambda _: None,
            standing=Standing(),
            calendar=self._calendar,
            clock=self._clock,
        )

    def _make_dispatcher(self, symbols: tuple[str, ...], cooldown_s: float) -> Dispatcher:
        return Dispatcher(
            DispatcherConfig(symbols=symbols, cooldown_s=cooldown_s),
            DispatcherPorts(
                run=self.runs.run,
                is_warm=lambda symbol: self.store.view(symbol).is_warm,
                has_position=lambda _: False,
                entries_possible=lambda _: True,
                mid_and_atr=self._mid_and_atr,
                exit_levels=lambda _: (None, None),
                set_band=self.store.set_band,
                on_drop=lambda *_: None,
                on_failure=self._fail,
            ),
            limiter=self.limiter,
            clock=self._clock,
        )

    def _compose(self, symbol: str, reason: str) -> Window | str:
        window = self._windows.compose(symbol, reason=reason)
        quote = self.store.view(symbol).quote
        if quote is not None:
            self.ages_ns.append(self._clock.now_ns() - quote.ts_event)
        return window

    def _mid_and_atr(self, symbol: str) -> tuple[float, float] | None:
        view = self.store.view(symbol)
        return None if view.quote is None or view.atr is None else (view.quote.mid, view.atr)

    def _fail(self, _: Ticket, error: Exception) -> None:
        self.failures.append(error)

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task


async def _accept(_: Any) -> Any:
    """Stand where the gateway does."""


def _instrument(symbol: str) -> Instrument:
    return Instrument(
        symbol=symbol,
        asset_class=asset_class_of(symbol),
        tick=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_notional=Decimal(1),
        fractionable=True,
        shortable=True,
    )


def _ledger(symbols: tuple[str, ...], clock: Clock) -> Ledger:
    ledger = Ledger(symbols)
    money = Decimal(100_000)
    account = Account(
        account_id="bench",
        equity=money,
        cash=money,
        buying_power=money,
        non_marginable_buying_power=money,
        last_equity=money,
    )
    ledger.correct(account, (), clock.now_ns())
    return ledger


def frame(first: int, count: int, symbols: tuple[str, ...], times_ns: range) -> bytes:
    """Make a frame of quotes and trades in turn, of the numbers from `first` on."""
    rows = b"".join(
        _ENCODER.encode(message(n, symbols[n // 2 % len(symbols)], times_ns[n - first]))
        for n in range(first, first + count)
    )
    return struct.pack(">BH", 0xDC, count) + rows


def resident_mb(pid: int | str = "self") -> float:
    """Return a process's resident memory, in units of 1024 * 1024 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no resident memory")


def seconds(ns: int) -> float:
    return ns / NS_PER_S
