"""Run the engine on history: the one function that every report, control and comparison stands on.

The parts are the product's own, wired by `engine.building`: rolling store, dispatcher, limiter,
graph, gate, gateway, exits, ledger, journal. Only what reaches out differs: the market is played,
the venue is `exchange.simulated`, time is the market's, and the journal's chain is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backtest.data.ticks import Moment
from backtest.records import RunResult, RunSpec, Series
from backtest.run.deciding.columns import ColumnsView
from backtest.run.deciding.ears import PlayedEars, TickEars, Wishes
from backtest.run.mapping import Choices, choices_of, is_policy
from backtest.run.market.bars import BarMarket, Pacing, Track
from backtest.run.market.charges import Turnover
from backtest.run.market.ticks import TickMarket
from backtest.run.market.venue import (
    calendar_of,
    instrument_at,
    sessions_between,
    sessions_kept,
)
from backtest.run.recorder import prices_of
from backtest.run.stage import Frame, Means, Prices, Progress, Stage, perform
from domain.errors import ConfigError
from domain.market import Quote, Trade
from domain.records import NS_PER_S, parse_ns
from journal.inline import JournalFile

__all__ = ["Means", "Progress", "run", "run_ticks"]

_SETTLE_S, _LEAD_S = 1.0, 1_800.0
_CALLS = 4


def run(series: Sequence[Series], spec: RunSpec, means: Means | None = None) -> RunResult:
    """Play the series through the engine as the spec says; the same input gives the same result.

    Ctrl-C ends it early with a result marked `interrupted`. Raises `ConfigError` for a spec or
    series that cannot be run.
    """
    means = means or Means()
    _check(series, spec, means)
    return perform(lambda file: _BarStage(tuple(series), spec, means, file), means)


def run_ticks(moments: Iterator[Moment], spec: RunSpec, means: Means | None = None) -> RunResult:
    """Play ticks as they come, never more than one moment in memory; `spec` has one symbol or more.

    Bars of `spec.interval_s` are made by the engine itself, as live. Where the ticks have no
    quotes, one is made around each print. Raises `ConfigError` for ticks that cannot be run, or for
    a policy, which decides on whole columns.
    """
    means = means or Means()
    if is_policy(spec):
        raise ConfigError(
            f"{spec.analyst} decides on bars.", remedy="Run it on bars of the same ticks."
        )
    waiting, first_prices = _until_priced(moments, spec)
    return perform(lambda file: _TickStage(waiting, first_prices, spec, means, file), means)


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


class _BarStage(Stage):
    """A run on bars."""

    market: BarMarket

    def __init__(
        self, series: tuple[Series, ...], spec: RunSpec, means: Means, file: JournalFile | None
    ) -> None:
        self._series = series
        self._played = PlayedEars()
        frame = _frame_of(series, spec, choices_of(spec))
        super().__init__(frame, spec, means, ears=self._played, file=file)
        self.wishes = self._make_wishes()

    def make_market(self) -> BarMarket:
        """Make the market of the bars."""
        spec = self.spec
        pacing = Pacing(
            settle_s=min(
                spec.interval_s / 4, _SETTLE_S + _CALLS * max(0.0, spec.analyst_latency_s)
            ),
            lead_s=min(_LEAD_S, spec.interval_s / 4) if self.frame.is_always_open else None,
        )
        tracks = [Track(each, self.broker.venue.book(each.symbol), pacing) for each in self._series]
        self.market = BarMarket(
            tracks,
            broker=self.broker,
            store=self.store,
            loop=self.loop,
            hearer=self,
            scales=self.scales,
            pacing=pacing,
            half_spread_bps=spec.costs.half_spread_bps,
            volume_cap=spec.costs.volume_cap,
            events=self.means.events,
            ended=self.finished.set,
        )
        return self.market

    def turnover(self, symbol: str) -> Turnover:
        """Return daily volatility and volume of the closed bars."""
        return self.market.turnover(symbol)

    def prices(self) -> Prices:
        """Return the closes."""
        tracks = self.market.tracks.items()
        return {symbol: prices_of(track.series, track.told_ns) for symbol, track in tracks}

    def sign(self, symbol: str) -> int:
        """Return which way we are: 1 long, -1 short, 0 flat."""
        if symbol not in self.positions:
            return 0
        return 1 if self.ledger.quantity(symbol) > 0 else -1

    def watches(self, symbol: str) -> bool:
        """Tell whether we hold something and act upon prices between: a policy never does."""
        return self.wishes is None and symbol in self.positions

    def wants(self, track: Track) -> bool:
        """Tell whether somebody wakes at the close of this bar: agents always, or a policy.

        Nobody does at the last one: no order could follow.
        """
        is_news = self.wishes is None or self.wishes.is_news(track)
        self._played.is_awake = is_awake = is_news and track.at + 1 < track.n
        return is_awake

    def _equity(self) -> float:
        """Return the equity at the last bar, for a policy that asks."""
        self.scales.mark()
        return float(self.ledger.equity or 0)

    def _make_wishes(self) -> Wishes | None:
        make = self.means.policies
        if not is_policy(self.spec) or make is None:
            return None
        views = {
            each.symbol: ColumnsView(
                each,
                self.clock,
                quantity=lambda symbol: float(self.ledger.quantity(symbol)),
                equity=self._equity,
            )
            for each in self._series
        }
        return Wishes(make, views)


def _frame_of(series: Sequence[Series], spec: RunSpec, choices: Choices) -> Frame:
    first_ns = min(int(each.ts_ns[0]) for each in series)
    last_ns = max(int(each.ts_ns[-1]) for each in series) + spec.interval_s * NS_PER_S
    sessions = sessions_kept(choices, series, first_ns, last_ns)
    return Frame(
        first_ns=first_ns,
        start_ns=max(first_ns, parse_ns(spec.start)),
        last_ns=last_ns,
        calendar=calendar_of(sessions),
        is_always_open=sessions is None,
        instruments={
            each.symbol: instrument_at(each.symbol, float(each.low.min()), choices)
            for each in series
        },
    )


class _TickStage(Stage):
    """A run on ticks; `waiting` begins with the moments that were read to see first prices."""

    market: TickMarket

    def __init__(
        self,
        waiting: Iterator[Moment],
        first_prices: dict[str, tuple[int, float]],
        spec: RunSpec,
        means: Means,
        file: JournalFile | None,
    ) -> None:
        self._waiting = waiting
        self._heard = TickEars()
        choices = choices_of(spec)
        first_ns = min(ts_ns for ts_ns, _ in first_prices.values())
        last_ns = max(parse_ns(spec.end), first_ns)
        sessions = sessions_between(first_ns, last_ns) if choices.sessions == "xnys" else None
        frame = Frame(
            first_ns=first_ns,
            start_ns=max(first_ns, parse_ns(spec.start)),
            last_ns=last_ns,
            calendar=calendar_of(sessions),
            is_always_open=sessions is None,
            instruments={
                symbol: instrument_at(symbol, price, choices)
                for symbol, (_, price) in first_prices.items()
            },
            is_ticks=True,
        )
        super().__init__(frame, spec, means, ears=self._heard, file=file)

    def make_market(self) -> TickMarket:
        """Make the market of the ticks."""
        self.market = TickMarket(
            self._waiting,
            broker=self.broker,
            store=self.store,
            loop=self.loop,
            weigh=self.weigh,
            half_spread_bps=self.spec.costs.half_spread_bps,
            ended=self.finished.set,
        )
        return self.market

    def turnover(self, symbol: str) -> Turnover:
        """Return daily volatility and volume of the bars that have closed."""
        return self._heard.turnover(symbol)

    def prices(self) -> Prices:
        """Return the closes of the bars that the engine made."""
        return self._heard.prices(self.spec.symbols)


def _until_priced(
    moments: Iterator[Moment], spec: RunSpec
) -> tuple[Iterator[Moment], dict[str, tuple[int, float]]]:
    """Read until every symbol has had a price; return all moments, and when it had which first."""
    read: list[Moment] = []
    first: dict[str, tuple[int, float]] = {}
    for moment in moments:
        read.append(moment)
        for event in moment.events:
            if isinstance(event, Trade | Quote) and event.symbol in spec.symbols:
                price = event.price if isinstance(event, Trade) else event.bid
                first.setdefault(event.symbol, (moment.ts_ns, price))
        if len(first) == len(spec.symbols):
            return _chained(read, moments), first
    missing = [symbol for symbol in spec.symbols if symbol not in first]
    raise ConfigError(
        f"The ticks hold no price of {', '.join(missing)}.", remedy="Name symbols that they hold."
    )


def _chained(read: list[Moment], rest: Iterator[Moment]) -> Iterator[Moment]:
    yield from read
    read.clear()
    yield from rest
