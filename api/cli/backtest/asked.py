"""Read what a person asked of a backtest into the spec of its run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backtest.controls.switches import NAMES, Controls
from backtest.costs import costs_of
from backtest.data import DataWarning, load, resample
from backtest.data.loading import period_of
from backtest.records import RunSpec, Series
from domain.errors import ConfigError
from domain.records import NS_PER_S, format_ns
from graph.analysts.rules import RULES

_LATEST_NS = 4_102_444_800 * NS_PER_S
"""2100-01-01: as late as a run without an end may say that it ends."""
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, kw_only=True)
class BacktestCommand:
    """What was asked for, as it was typed; `controls` none are all that can be."""

    symbols: tuple[str, ...]
    data: str
    start: str | None = None
    end: str | None = None
    interval: str | None = None
    analyst: str = "rules"
    model: str | None = None
    prompts: Path | None = None
    costs: str = ""
    cash: float = 100_000.0
    seed: int = 1
    latency_s: float | None = None
    settings: tuple[str, ...] = ()
    report: Path | None = None
    json: Path | None = None
    journal: Path | None = None
    answers: Path = Path(".cache/answers.sqlite3")
    budget: float | None = None
    yes: bool = False
    ticks: bool = False
    windows: int = 1
    jobs: int = 2
    controls: str | None = None
    random_traders: int = 20
    tries: Path = Path("var/tries.jsonl")
    register: Path | None = None


def read_data(asked: BacktestCommand) -> tuple[list[Series], list[DataWarning]]:
    """Load the bars, at the interval that was asked for; raises `ConfigError`."""
    series, warnings = load(asked.data, asked.symbols, asked.start, asked.end)
    if asked.interval is not None:
        wanted = interval_of(asked.interval)
        series = [one if one.interval_s == wanted else resample(one, wanted) for one in series]
    if asked.symbols:
        order = {symbol: n for n, symbol in enumerate(asked.symbols)}
        series.sort(key=lambda one: order[one.symbol])
    return series, warnings


def spec_of(asked: BacktestCommand, series: Sequence[Series], analyst: str) -> RunSpec:
    """Return the spec of the run; the costs must have been chosen. Raises `ConfigError`."""
    first_ns = min(int(one.ts_ns[0]) for one in series)
    last_ns = max(int(one.ts_ns[-1]) for one in series) + series[0].interval_s * NS_PER_S
    return RunSpec(
        analyst=analyst,
        symbols=tuple(one.symbol for one in series),
        start=format_ns(first_ns),
        end=format_ns(last_ns),
        interval_s=series[0].interval_s,
        costs=costs_of(asked.costs),
        cash=asked.cash,
        seed=asked.seed,
        analyst_latency_s=asked.latency_s or 0.0,
        data=tuple((one.symbol, one.digest) for one in series),
        settings=tuple(_setting(text) for text in asked.settings),
    )


def ticks_spec_of(asked: BacktestCommand) -> RunSpec:
    """Return the spec of a run on ticks, which are not read before they are played.

    Raises `ConfigError` without symbols, or for another analyst than the rules.
    """
    if not asked.symbols:
        raise ConfigError("--ticks needs to be told the symbols.", remedy="Name them first.")
    if asked.analyst != RULES:
        raise ConfigError(
            f"--ticks plays the rules, not {asked.analyst}.",
            remedy="Leave --ticks out: bars are made of the ticks then.",
        )
    period = period_of(asked.start, asked.end)
    return RunSpec(
        analyst=RULES,
        symbols=asked.symbols,
        start=format_ns(max(0, period.start_ns)),
        end=format_ns(min(period.end_ns, _LATEST_NS)),
        interval_s=interval_of(asked.interval or "1m"),
        costs=costs_of(asked.costs),
        cash=asked.cash,
        seed=asked.seed,
        analyst_latency_s=asked.latency_s or 0.0,
        data=tuple((symbol, asked.data) for symbol in asked.symbols),
        settings=tuple(_setting(text) for text in asked.settings),
    )


def interval_of(text: str) -> int:
    """Read 1m, 15m, 1h, 1d; returns seconds. Raises `ConfigError`."""
    number, unit = text[:-1], text[-1:]
    if unit not in _UNITS or not number.isdigit() or int(number) == 0:
        raise ConfigError(f"{text!r} is no interval.", remedy="Write 1m, 15m, 1h or 1d.")
    return int(number) * _UNITS[unit]


def controls_of(text: str) -> Controls | None:
    """Read `all`, `none`, or codes like `C1,C9`; none switches everything off."""
    if text == "none":
        return None
    if text == "all":
        return Controls()
    wanted = {code.strip().upper() for code in text.split(",")}
    unknown = sorted(wanted - NAMES.keys())
    if unknown:
        raise ConfigError(
            f"There is no control {', '.join(unknown)}.", remedy=f"Use {', '.join(NAMES)}."
        )
    fields = dict(zip(NAMES, Controls.__struct_fields__, strict=True))
    return Controls(**{field: code in wanted for code, field in fields.items()})


def _setting(text: str) -> tuple[str, str]:
    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise ConfigError(
            f"--set {text!r} is no setting.", remedy="Write --set max_order_amount=5000."
        )
    return name.strip().lower(), value.strip()
