"""Run the engine on history: the one function that every report, control and comparison stands on.

The parts are the product's own, wired by `engine.building`: rolling store, dispatcher, limiter,
graph, gate, gateway, exits, ledger, journal. Only what reaches out differs: the market is played,
the venue is `exchange.simulated`, time is the market's, and the journal's chain is in memory.
"""

from __future__ import annotations

import asyncio
import logging
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
from backtest.records import Ended, RunResult, RunSpec, Series
from backtest.run.deciding.analyst import Delayed
from backtest.run.deciding.columns import ColumnsView
from backtest.run.deciding.desk import PolicyDesk
from backtest.run.deciding.ears import PlayedEars, Wishes
from backtest.run.mapping import DAY_S, Resume, choices_of, is_policy, plan_of
from backtest.run.market.bars import BarMarket, Pacing, Track
from backtest.run.market.charges import Charges
from backtest.run.market.loop import VirtualClock, VirtualLoop
from backtest.run.market.venue import (
    broker_of,
    calendar_of,
    instrument_of,
    is_sessioned,
    sessions_between,
)
from backtest.run.recorder import Recorder, first_step, prices_of
from domain.account import Ledger, Position
from domain.errors import ConfigError
from domain.limits import TradingState
from domain.market import MarketEvent, Quote
from domain.ports import Analyst, Entry, EntryKind
from domain.records import NS_PER_S, parse_ns, plain
from engine.building import Engine, EnginePlan, Outside, build_engine
from engine.building.outside import EngineDesk
from engine.bus import Bus
from engine.deciding.limiter import Limiter
from engine.restart import Remembered
from engine.trading import Standing
from engine.watching.venue import VenueWatch
from exchange.simulated import SimulatedBroker
from feeds.store import RollingStore, StoreConfig
from graph.analysts.rules import Rules
from graph.desk import Desk
from journal.inline import InlineJournal, JournalFile

_ACTOR = "backtest"
_SETTLE_S, _LEAD_S = 1.0, 1_800.0
_CALLS = 4
_TOLD = 200
_FAR_S = 1e9
"""A day that never comes: what a simulated venue need not be asked about."""

Progress = Callable[[float], None]
"""Hear how much of the run is done, from 0 to 1."""


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


def run(series: Sequence[Series], spec: RunSpec, means: Means | None = None) -> RunResult:
    """Play the series through the engine as the spec says; the same input gives the same result.

    Ctrl-C ends it early with a result marked `interrupted`. Raises `ConfigError` for a spec or
    series that cannot be run.
    """
    means = means or Means()
    _check(series, spec, means)
    with ExitStack() as stack:
        stack.enter_context(_quietly())
        file = None
        if means.journal is not None:
            file = stack.enter_context(JournalFile(means.journal))
        stage = _Stage(tuple(series), spec, means, file)
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


def _check(series: Sequence[Series], spec: RunSpec, means: Means) -> None:
    if not series:
        raise ConfigError("There are no bars to run on.", remedy="Name data and symbols.")
    if tuple(each.symbol for each in series) != spec.symbols:
        raise ConfigError("The series are not those of the run's symbols, in their order.")
    if {each.interval_s for each in series} != {spec.interval_s}:
        raise ConfigError(
            f"The bars are not all of {spec.interval_s} s.", remedy="Load one interval."
        )
    if is_policy(spec) and means.policies is None:
        raise ConfigError(f"No policy was given for {spec.analyst}.")


class _Stage:
    """One run: the parts around the engine, and the engine."""

    def __init__(
        self, series: tuple[Series, ...], spec: RunSpec, means: Means, file: JournalFile | None
    ) -> None:
        self._series = series
        self._spec = spec
        self._means = means
        self._choices = choices_of(spec)
        self.plan: EnginePlan = plan_of(spec, is_ticks=False)
        first_ns = min(int(each.ts_ns[0]) for each in series)
        last_ns = max(int(each.ts_ns[-1]) for each in series) + spec.interval_s * NS_PER_S
        self._start_ns = max(first_ns, parse_ns(spec.start))
        self._last_ns = last_ns
        sessions = sessions_between(first_ns, last_ns)
        self._is_sessioned = is_sessioned(self._choices, series, sessions)
        self.calendar = calendar_of(is_in_sessions=self._is_sessioned, sessions=sessions)
        self.clock = VirtualClock(first_ns)
        self._instruments = {each.symbol: instrument_of(each, self._choices) for each in series}
        self.charges = Charges(
            spec.costs,
            book=lambda symbol: self.broker.venue.book(symbol),  # noqa: PLW0108 - made later
            turnover=lambda symbol: self.market.turnover(symbol),  # noqa: PLW0108 - made later
        )
        self.broker: SimulatedBroker = broker_of(
            spec,
            tuple(self._instruments.values()),
            self.clock,
            charges=self.charges,
            is_always_open=not self._is_sessioned,
        )
        self._recorder = Recorder(spec.cash, self.charges.take)
        self.journal = InlineJournal(
            self.clock,
            hear=self._recorder.hear,
            **({} if file is None else {"keep": file.keep}),
        )
        self._ears = PlayedEars()
        self.store = RollingStore(
            StoreConfig(
                symbols=spec.symbols,
                interval_s=spec.interval_s,
                window_bars=self._choices.history_limit,
                warmup_bars=self._choices.warmup,
                min_indicator_bars=self._choices.warmup,
                is_seldom_read=is_policy(spec),
            ),
            listener=self._ears,
            clock=self.clock,
            calendar=self.calendar,
        )
        self._wishes = self._make_wishes()
        self._finished: asyncio.Event
        self.market: BarMarket
        self.ledger: Ledger
        self._positions: Mapping[str, Position]
        self._engine: Engine
        self.loop: VirtualLoop

    def new_loop(self) -> VirtualLoop:
        """Make the loop that lives on this run's clock."""
        self.loop = VirtualLoop(self.clock)
        return self.loop

    async def perform(self) -> RunResult:
        """Build the engine, play the market, and tell what happened."""
        self._finished = asyncio.Event()
        self._means.ending.wake = self._finished.set
        outside = await self._outside()
        self._engine = build_engine(self.plan, outside)
        self.ledger = self._engine.book.ledger
        self._positions = self.ledger.positions
        if self._wishes is not None:
            self._wishes.positions = self._positions
        self.market = self._make_market()
        self.journal.trace(*self._means.first, self._beginning())
        ended, note = Ended.COMPLETE, ""
        try:
            await self._play()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            task.uncancel()
            ended, note = Ended.INTERRUPTED, "interrupted by a person"
        told = self._means.ending
        if told.kind is not None:
            ended, note = told.kind, told.note
        return self._result(ended, note)

    async def _play(self) -> None:
        async with asyncio.TaskGroup() as group:
            guarding = group.create_task(self._engine.guard.run(), name="guard")
            await self._engine.guard.is_ready.wait()
            self.market.loop = self.loop
            self.loop.market = self.market
            await self.clock.sleep((self._start_ns - self.clock.now) / NS_PER_S)
            self._engine.guard.beat()
            await self._engine.session.start(actor=_ACTOR, reason="the backtest begins")
            beside = [group.create_task(self._resume_daily(), name="resume")]
            if self._means.progress is not None:
                beside.append(group.create_task(self._tell(self._means.progress), name="progress"))
            await self._finished.wait()
            self.loop.market = None
            for task in beside:
                task.cancel()
            await self._engine.session.stop(actor=_ACTOR, reason="the data ends")
            guarding.cancel()

    async def _resume_daily(self) -> None:
        """Be the person who looks each morning and lets a bot that stopped itself go on."""
        gate = self._engine.gate
        while self._choices.resume is Resume.NEXT_DAY:
            await self.clock.sleep(DAY_S - self.clock.now // NS_PER_S % DAY_S)
            if gate.state is not TradingState.ACTIVE:
                await gate.raise_to_active(
                    code=gate.standing.code, actor=_ACTOR, reason="a new day"
                )

    async def _tell(self, progress: Progress) -> None:
        """Tell how far it is, two hundred times a run."""
        span_ns = max(1, self._last_ns - self._start_ns)
        while True:
            progress(min(1.0, max(0, self.clock.now - self._start_ns) / span_ns))
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
            ears=self._ears,
            calendar=self.calendar,
            desk=self._desk(),
            limiter=Limiter(
                slots=self.plan.slots, queue_size=self.plan.queue_size, clock=self.clock
            ),
            clock=self.clock,
            wall=self.clock,
            bus=Bus(),
            registry=CollectorRegistry(),
            instruments=self._instruments,
            remembered=Remembered(
                orders=(),
                held=(),
                owned=frozenset(),
                reducing=frozenset(),
                standing=Standing(
                    state=TradingState.ACTIVE, code="BACKTEST", reason="", actor=_ACTOR
                ),
                marks=None,
                is_suspended=is_policy(self._spec),
            ),
            venue=venue,
            account_id=account.account_id,
            mark=None,
        )

    def _desk(self) -> EngineDesk:
        if self._wishes is not None:
            return PolicyDesk(self._spec.analyst, self._wishes.of, self.plan.limits)
        analyst = self._means.analyst or Rules()
        return Desk(Delayed(analyst, self.clock, self._spec.analyst_latency_s), self.clock)

    def _make_wishes(self) -> Wishes | None:
        make = self._means.policies
        if not is_policy(self._spec) or make is None:
            return None
        views = {
            each.symbol: ColumnsView(
                each,
                lambda symbol: float(self.ledger.quantity(symbol)),
                lambda: float(self.ledger.equity or 0),
            )
            for each in self._series
        }
        return Wishes(make, views, self.clock)

    def _make_market(self) -> BarMarket:
        spec = self._spec
        pacing = Pacing(
            settle_s=min(
                spec.interval_s / 4, _SETTLE_S + _CALLS * max(0.0, spec.analyst_latency_s)
            ),
            lead_s=None if self._is_sessioned else min(_LEAD_S, spec.interval_s / 4),
        )
        tracks = [Track(each, self.broker.venue.book(each.symbol), pacing) for each in self._series]
        return BarMarket(
            tracks,
            broker=self.broker,
            store=self.store,
            clock=self.clock,
            hearer=self,
            pacing=pacing,
            half_spread_bps=spec.costs.half_spread_bps,
            volume_cap=spec.costs.volume_cap,
            events=self._means.events,
            ended=self._finished.set,
        )

    def sign(self, symbol: str) -> int:
        """Return which way we are: 1 long, -1 short, 0 flat."""
        if symbol not in self._positions:
            return 0
        return 1 if self.ledger.quantity(symbol) > 0 else -1

    def watches(self, symbol: str) -> bool:
        """Tell whether we hold something and act upon prices between: a policy never does."""
        return self._wishes is None and symbol in self._positions

    def wants(self, track: Track) -> bool:
        """Tell whether somebody wakes at the close of this bar: agents always, or a policy.

        Nobody does at the last one: no order could follow.
        """
        is_last = track.at + 1 == track.n
        is_news = self._wishes is None or self._wishes.is_news(track)
        self._ears.is_awake = is_news and not is_last
        return self._ears.is_awake

    def weigh(self, symbol: str, price: float) -> None:
        """Mark a holding, and let the guard hold losses against their limits."""
        if symbol in self._positions:
            self.ledger.mark(symbol, Decimal(repr(price)))
        self._engine.guard.weigh()

    async def _ask_quote(self, symbol: str) -> Quote | None:
        """Return what the engine was shown last: there is no later word to ask for."""
        return self.store.quote(symbol)

    def _beginning(self) -> Entry:
        """Journal what the run was told, first of all: another configuration, another chain."""
        body = {
            "action": "backtest",
            "actor": _ACTOR,
            "reason": "",
            "args": {"spec": plain(self._spec), "limits": plain(self.plan.limits)},
        }
        return Entry(kind=EntryKind.OPERATOR_ACTION, ref=_ACTOR, body=body)

    def _result(self, ended: Ended, note: str) -> RunResult:
        tracks = self.market.tracks
        prices = {
            symbol: prices_of(track.series, track.told_ns) for symbol, track in tracks.items()
        }
        steps = np.unique(np.concatenate([told for told, _ in prices.values()]))
        firsts = [
            first_step(track.told_ns, self._start_ns, self._choices.warmup)
            for track in tracks.values()
        ]
        known = [first for first in firsts if first is not None]
        if not known:
            note = f"no symbol has {self._choices.warmup} bars before its end: nothing was decided"
        steps = steps[(steps >= min(known, default=0)) & (steps <= self.clock.now)]
        curves = self._recorder.curves(steps, prices)
        return RunResult(
            spec=self._spec,
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
            note=note,
            journal=None if self._means.journal is None else str(self._means.journal),
            prices=prices,
        )
