"""Stand the engine on a stage of history: everything of a run but what its market is made of."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np
import structlog
from prometheus_client import CollectorRegistry

from backtest.answers.asked import Ending
from backtest.policy import MakePolicy
from backtest.records import Ended, Floats, Ints, RunResult, RunSpec
from backtest.run.deciding.analyst import Delayed
from backtest.run.deciding.desk import PolicyDesk
from backtest.run.deciding.ears import Wishes
from backtest.run.mapping import DAY_S, Resume, choices_of, is_policy, plan_of
from backtest.run.market.charges import Charges, Turnover
from backtest.run.market.loop import Market, VirtualClock, VirtualLoop
from backtest.run.market.scales import Scales
from backtest.run.market.venue import broker_of
from backtest.run.recorder import Recorder, first_step, too_short
from domain.account import Ledger, Position
from domain.limits import TradingState
from domain.market import Instrument, MarketEvent, Quote
from domain.ports import Analyst, Calendar, Entry, EntryKind
from domain.records import NS_PER_S, plain
from engine.building import Engine, EnginePlan, Outside, build_engine
from engine.building.outside import EngineDesk
from engine.bus import Bus
from engine.deciding.limiter import Limiter
from engine.restart import Remembered
from engine.trading import Standing
from engine.watching.market import MarketEars
from engine.watching.venue import VenueWatch
from exchange.simulated import SimulatedBroker
from feeds.store import RollingStore, StoreConfig
from graph.analysts.rules import Rules
from graph.desk import Desk
from journal.inline import InlineJournal, JournalFile

_ACTOR = "backtest"
_TOLD = 200
_FAR_S = 1e9
"""A day that never comes: what a simulated venue need not be asked about."""

Progress = Callable[[float], None]
"""Hear how much of the run is done, from 0 to 1."""

Prices = dict[str, tuple[Ints, Floats]]
"""By symbol: when each close was known, and the closes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a run may be given beside its data: who answers, where it is kept, who watches.

    `policies` make the rule of each symbol for a `policy:` run, `analyst` answers for all others
    (none: the rules). `journal` is a file that must not exist yet. `events` are news and halts, by
    their own times. `first` is what the journal remembers before anything else: a registration.
    `ending` is where an analyst says that it cannot go on.
    """

    policies: MakePolicy | None = None
    analyst: Analyst | None = None
    journal: Path | None = None
    events: Sequence[MarketEvent] = ()
    first: Sequence[Entry] = ()
    ending: Ending = field(default_factory=Ending)
    progress: Progress | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What is known of a market before it is played; times in nanoseconds."""

    first_ns: int
    start_ns: int
    last_ns: int
    calendar: Calendar
    is_always_open: bool
    instruments: Mapping[str, Instrument]
    is_ticks: bool = False


def perform(open_stage: Callable[[JournalFile | None], Stage], means: Means) -> RunResult:
    """Open the journal and the loop of a run, and let its stage perform."""
    with ExitStack() as stack:
        stack.enter_context(_quietly())
        file = None
        if means.journal is not None:
            file = stack.enter_context(JournalFile(means.journal))
        stage = open_stage(file)
        with asyncio.Runner(loop_factory=stage.new_loop) as runner:
            return runner.run(stage.perform())


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the engine's lines for operators back: history has none, and they would be millions."""
    before = structlog.get_config()["wrapper_class"]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    try:
        yield
    finally:
        structlog.configure(wrapper_class=before)


class Stage(ABC):
    """One run: the parts around the engine, and the engine."""

    def __init__(
        self,
        frame: Frame,
        spec: RunSpec,
        means: Means,
        *,
        ears: MarketEars,
        file: JournalFile | None,
    ) -> None:
        self.frame = frame
        self.spec = spec
        self.means = means
        self.ears = ears
        self.choices = choices_of(spec)
        self.plan: EnginePlan = plan_of(spec, is_ticks=frame.is_ticks)
        self.clock = VirtualClock(frame.first_ns)
        self.charges = Charges(
            spec.costs,
            book=lambda symbol: self.broker.venue.book(symbol),  # noqa: PLW0108 - made later
            turnover=self.turnover,
        )
        self.broker: SimulatedBroker = broker_of(
            spec,
            tuple(frame.instruments.values()),
            self.clock,
            charges=self.charges,
            is_always_open=frame.is_always_open,
        )
        self._recorder = Recorder(spec.cash, self.charges.take)
        self.journal = InlineJournal(
            self.clock,
            hear=self._recorder.hear,
            **({} if file is None else {"keep": file.keep}),
        )
        self.store = RollingStore(
            StoreConfig(
                symbols=spec.symbols,
                interval_s=spec.interval_s,
                window_bars=self.choices.history_limit,
                warmup_bars=self.choices.warmup,
                min_indicator_bars=self.choices.warmup,
                is_seldom_read=is_policy(spec),
            ),
            listener=ears,
            clock=self.clock,
            calendar=frame.calendar,
        )
        self.wishes: Wishes | None = None
        self.finished: asyncio.Event
        self.ledger: Ledger
        self.positions: Mapping[str, Position]
        self.scales: Scales
        self._engine: Engine
        self.loop: VirtualLoop

    @abstractmethod
    def make_market(self) -> Market:
        """Make what is played, once the engine stands; it sets `finished` at its end."""

    @abstractmethod
    def turnover(self, symbol: str) -> Turnover:
        """Return what is known by now of a symbol's trading."""

    @abstractmethod
    def prices(self) -> Prices:
        """Return every close that was told, by symbol."""

    def new_loop(self) -> VirtualLoop:
        """Make the loop that lives on this run's clock."""
        self.loop = VirtualLoop(self.clock)
        return self.loop

    async def perform(self) -> RunResult:
        """Build the engine, play the market, and tell what happened."""
        self.finished = asyncio.Event()
        self.means.ending.wake = self.finished.set
        if self.means.ending.kind is not None:
            self.finished.set()
        outside = await self._outside()
        self._engine = build_engine(self.plan, outside)
        self.ledger = self._engine.book.ledger
        self.scales = Scales(self.ledger, self.clock, self._engine.guard.calm)
        self.positions = self.ledger.positions
        if self.wishes is not None:
            self.wishes.positions = self.positions
        market = self.make_market()
        self.journal.trace(*self.means.first, self._beginning())
        ended, note = Ended.COMPLETE, ""
        try:
            await self._play(market)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            ended, note = Ended.INTERRUPTED, "a person interrupted it"
        told = self.means.ending
        if told.kind is not None:
            ended, note = told.kind, told.note
        return self._result(ended, note)

    async def _play(self, market: Market) -> None:
        async with asyncio.TaskGroup() as group:
            guarding = group.create_task(self._engine.guard.run(), name="guard")
            await self._engine.guard.is_ready.wait()
            self.loop.market = market
            await self.clock.sleep((self.frame.start_ns - self.clock.now) / NS_PER_S)
            self._engine.guard.beat()
            await self._engine.session.start(actor=_ACTOR, reason="the backtest begins")
            beside = [group.create_task(self._resume_daily(), name="resume")]
            if self.means.progress is not None:
                beside.append(group.create_task(self._tell(self.means.progress), name="progress"))
            await self.finished.wait()
            self.loop.market = None
            for task in beside:
                task.cancel()
            await self._engine.session.stop(actor=_ACTOR, reason="the data ends")
            guarding.cancel()

    async def _resume_daily(self) -> None:
        """Be the person who looks each morning and lets a bot that stopped itself go on."""
        gate = self._engine.gate
        while self.choices.resume is Resume.NEXT_DAY:
            await self.clock.sleep(DAY_S - self.clock.now // NS_PER_S % DAY_S)
            if gate.state is not TradingState.ACTIVE:
                await gate.raise_to_active(
                    code=gate.standing.code, actor=_ACTOR, reason="a new day"
                )

    async def _tell(self, progress: Progress) -> None:
        """Tell how far it is, two hundred times a run."""
        span_ns = max(1, self.frame.last_ns - self.frame.start_ns)
        while True:
            progress(min(1.0, max(0, self.clock.now - self.frame.start_ns) / span_ns))
            await self.clock.sleep(span_ns / _TOLD / NS_PER_S)

    async def _outside(self) -> Outside:
        venue = VenueWatch(self.broker, self.clock, None, every_s=_FAR_S)
        await venue.look()
        account = await self.broker.account()
        return Outside(
            broker=self.broker,
            journal=self.journal,
            feeds=(),
            ask_quote=self._ask_quote,
            store=self.store,
            sink=self.store,
            ears=self.ears,
            calendar=self.frame.calendar,
            desk=self._desk(),
            limiter=Limiter(
                slots=self.plan.slots, queue_size=self.plan.queue_size, clock=self.clock
            ),
            clock=self.clock,
            wall=self.clock,
            bus=Bus(),
            registry=CollectorRegistry(),
            instruments=dict(self.frame.instruments),
            remembered=Remembered(
                orders=(),
                held=(),
                owned=frozenset(),
                reducing=frozenset(),
                standing=Standing(
                    state=TradingState.ACTIVE, code="BACKTEST", reason="", actor=_ACTOR
                ),
                marks=None,
                is_suspended=is_policy(self.spec),
            ),
            venue=venue,
            account_id=account.account_id,
            mark=None,
        )

    def _desk(self) -> EngineDesk:
        if self.wishes is not None:
            return PolicyDesk(self.spec.analyst, self.wishes.of, self.plan.limits)
        analyst = self.means.analyst or Rules()
        return Desk(Delayed(analyst, self.clock, self.spec.analyst_latency_s), self.clock)

    def weigh(self, symbol: str, price: float) -> None:
        """Mark a holding, and let the guard hold losses against their limits."""
        if symbol in self.positions:
            self.ledger.mark(symbol, Decimal(repr(price)))
        self._engine.guard.weigh()
        self.scales.read()

    async def _ask_quote(self, symbol: str) -> Quote | None:
        """Return what the engine was shown last: there is no later word to ask for."""
        return self.store.quote(symbol)

    def _beginning(self) -> Entry:
        """Journal what the run was told, first of all: another configuration, another chain."""
        body = {
            "action": "backtest",
            "actor": _ACTOR,
            "reason": "",
            "args": {"spec": plain(self.spec), "limits": plain(self.plan.limits)},
        }
        return Entry(kind=EntryKind.OPERATOR_ACTION, ref=_ACTOR, body=body)

    def _result(self, ended: Ended, note: str) -> RunResult:
        prices, warmup = self.prices(), self.choices.warmup
        steps = np.unique(np.concatenate([told for told, _ in prices.values()]))
        firsts = [first_step(told, self.frame.start_ns, warmup) for told, _ in prices.values()]
        known = [first for first in firsts if first is not None]
        # The first close that may be decided upon ends no step: nothing could be held in it.
        steps = steps[(steps > min(known, default=self.clock.now)) & (steps <= self.clock.now)]
        if not len(steps) and ended is Ended.COMPLETE:
            note = too_short({symbol: len(told) for symbol, (told, _) in prices.items()}, warmup)
        curves = self._recorder.curves(steps, prices)
        return RunResult(
            spec=self.spec,
            ended=ended,
            digest=self.journal.digest,
            ts_ns=curves.ts_ns,
            equity=curves.equity,
            cash=curves.cash,
            exposure=curves.exposure,
            fills=self._recorder.fills,
            decisions=self._recorder.decisions,
            denials=dict(self._recorder.denials),
            paid=self._recorder.paid,
            n_orders=self._recorder.n_orders,
            n_cut=self._recorder.n_cut,
            note=note,
            journal=None if self.means.journal is None else str(self.means.journal),
            prices=prices,
        )
