"""Say what is put to which data: three studies, and their forms of minutes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from backtest.controls.registration import Registration, entry_of, registration_of
from backtest.controls.selection import Tries
from backtest.controls.switches import Controls
from backtest.costs import costs_of
from backtest.data import DataWarning, Reading, load
from backtest.evidence.judge import Kept, judge
from backtest.evidence.page import Study
from backtest.evidence.records import Evidence
from backtest.evidence.runs import Inquiry, Perform, Ran, Task, perform_one
from backtest.policy import MakePolicy
from backtest.records import RunResult, RunSpec, Series
from backtest.run.running import Means, run
from domain.errors import ConfigError
from domain.ports import Analyst, Entry
from domain.records import NS_PER_S, Record, format_ns
from graph.analysts.rules import RULES, Rules

CASH = 100_000.0
HYPOTHESIS = "the rules analyst earns more than buy and hold"
PRIMARY = "excess a year over buy and hold"
_ALL = 1_000_000_000
_TICK_S = 10
_FEW = ("AAPL", "JNJ", "JPM", "WMT", "XOM")
_COMPANIES = {
    "AAPL": "Apple", "AMD": "Advanced Micro Devices", "BAC": "Bank of America", "BBY": "Best Buy",
    "CVX": "Chevron", "GE": "General Electric", "HD": "Home Depot", "JNJ": "Johnson & Johnson",
    "JPM": "JPMorgan Chase", "KO": "Coca-Cola", "LLY": "Eli Lilly", "MRK": "Merck",
    "MSFT": "Microsoft", "PEP": "PepsiCo", "PFE": "Pfizer", "PG": "Procter Gamble",
    "RRC": "Range Resources", "UNH": "UnitedHealth", "WMT": "Walmart", "XOM": "Exxon Mobil",
}  # fmt: skip


class Plan(Record, frozen=True):
    """One study before it is made: the data, and how thoroughly it is asked.

    Without `symbols` all of the set.
    """

    key: str
    name: str
    about: str
    data: str
    symbols: tuple[str, ...]
    start: str | None
    end: str | None
    interval_s: int
    controls: Controls
    repeats: int
    random_traders: int
    has_absurd: bool = True


_LESS = Controls(blind=False, repeats=False, ablation=False)
"""What needs no further runs of the graph: the short form of the wide study is run once."""


def plans(*, is_short: bool) -> tuple[Plan, ...]:
    """Return the studies; the short form asks the same of less."""
    daily, less = "package:skfolio", " *Short form: of less than this says.*" if is_short else ""
    later = " C3, C6 and C10 are asked of the next study alone." if is_short else ""
    return (
        Plan(
            key="wide",
            name="Twenty large caps, ten years of days",
            about=(
                "Daily closes of 20 large US stocks that were still there in 2022: *survivors "
                "only*, which flatters whoever holds. Only closes are known, so opens, highs and "
                f"lows are the close.{later}{less}"
            ),
            data=daily,
            symbols=_FEW[:2] if is_short else (),
            start="2020-12-01" if is_short else "2011-12-01",
            end="2022-12-28",
            interval_s=86_400,
            controls=_LESS if is_short else Controls(),
            repeats=1 if is_short else 2,
            random_traders=5 if is_short else 20,
            has_absurd=not is_short,
        ),
        Plan(
            key="deep",
            name="Five of them, two years, every control",
            about=(
                "The same data for five of the twenty, named before anything was run, with the "
                "graph run again behind masks, without each agent, and on an absurd future."
                f"{less}"
            ),
            data=daily,
            symbols=_FEW[:1] if is_short else _FEW,
            start="2021-06-01" if is_short else "2019-12-01",
            end="2022-12-28",
            interval_s=86_400,
            controls=Controls(),
            repeats=2,
            random_traders=5 if is_short else 20,
        ),
        Plan(
            key="ticks",
            name="Real ticks of half a day",
            about=(
                "500,000 real trades of the E-mini S&P 500 future (inferred from its level), 1 to "
                f"3 September 2013, of the mlfinpy wheel, as bars of {_TICK_S} s made by the one "
                "aggregator within New York's session. Part of one day is an example and no "
                "evidence of anything; figures a year are what the calendar makes of hours."
                f"{less}"
            ),
            data="package:mlfinpy",
            symbols=(),
            start=None,
            end="2013-09-03T15:00:00Z" if is_short else None,
            interval_s=_TICK_S,
            controls=Controls(),
            repeats=2,
            random_traders=5 if is_short else 20,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A study as it came out."""

    study: Study
    spec: RunSpec
    evidence: Evidence


def make(plan: Plan, *, seed: int, tries: Path | None, perform: Perform | None = None) -> Done:
    """Load the data, register what is to be shown, run everything, and conclude.

    Raises `ConfigError` and `FeedError` for data that cannot be had.
    """
    began = time.monotonic()
    inquiry, warnings = _inquiry_of(plan, seed)
    claim = _claim(inquiry.spec)
    kept = Kept(tries=None if tries is None else Tries(tries), claim=claim, journaled=claim)
    evidence = judge(inquiry, kept, perform=perform)
    study = Study(
        name=plan.name,
        about=plan.about,
        seconds=time.monotonic() - began,
        warnings=tuple(f"{each.code}: {each.message}" for each in warnings),
    )
    return Done(study=study, spec=inquiry.spec, evidence=evidence)


def work(plan: Plan, seed: int, task: Task) -> Ran:
    """Run one task of a study: in a process of its own, which loads the data once."""
    return perform_one(_inquiry_of(plan, seed)[0], task)


@cache
def _inquiry_of(plan: Plan, seed: int) -> tuple[Inquiry, tuple[DataWarning, ...]]:
    how = Reading(interval_s=plan.interval_s)
    series, warnings = load(plan.data, plan.symbols, plan.start, plan.end, how=how)
    if not series:
        raise ConfigError(
            f"{plan.data} holds nothing for {plan.name!r}.",
            remedy="Fetch it again: remove its wheel from .cache.",
            code="NO_DATA",
        )
    spec = _spec(plan, series, seed)
    inquiry = Inquiry(
        series=series,
        spec=spec,
        play=partial(play, first=(entry_of(_claim(spec)),)),
        analyst=lambda _: Rules(),
        controls=plan.controls,
        repeats=plan.repeats,
        random_traders=plan.random_traders,
        has_absurd=plan.has_absurd,
        names=_COMPANIES,
    )
    return inquiry, tuple(warnings)


def _claim(spec: RunSpec) -> Registration:
    return registration_of(spec, hypothesis=HYPOTHESIS, primary=PRIMARY, n_tries=1)


def play(
    series: Sequence[Series],
    spec: RunSpec,
    *,
    policies: MakePolicy | None = None,
    analyst: Analyst | None = None,
    first: Sequence[Entry] = (),
) -> RunResult:
    """Play through the engine; `first` is journaled before the first decision of any run."""
    return run(series, spec, Means(policies=policies, analyst=analyst, first=first))


def _spec(plan: Plan, series: Sequence[Series], seed: int) -> RunSpec:
    """Let the analyst use all of the money, evenly: else it would lose to its own small orders."""
    share = 1.0 / len(series)
    first, last = min(one.ts_ns[0] for one in series), max(one.ts_ns[-1] for one in series)
    return RunSpec(
        analyst=RULES,
        symbols=tuple(one.symbol for one in series),
        start=format_ns(int(first)),
        end=format_ns(int(last) + plan.interval_s * NS_PER_S),
        interval_s=plan.interval_s,
        costs=costs_of("stocks"),
        cash=CASH,
        seed=seed,
        analyst_latency_s=0.0,
        data=tuple((one.symbol, one.digest) for one in series),
        settings=(
            ("max_order_amount", str(_ALL)),
            ("max_position_fraction", f"{share:.4f}"),
            ("max_exposure_fraction", "1"),
            ("max_open_orders", "100"),
        ),
    )
