"""Run a few backtests and print what each came to: the journal's last hash, and the report's.

A program of its own (`python -m benchmarks.stage.digests`), so that it can be asked of another
Python with another hash seed. It needs the project's libraries and not the project installed.
"""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import numpy as np

from backtest.baselines.table import policy
from backtest.controls.switches import Controls
from backtest.costs import costs_of
from backtest.data.ticks import Moment
from backtest.evidence.judge import judge
from backtest.evidence.records import Evidence
from backtest.evidence.runs import Inquiry
from backtest.policy import MakePolicy
from backtest.records import RunResult, RunSpec, Series
from backtest.report import write_html, write_json
from backtest.report.records import ReportInput
from backtest.run.running import Means, run, run_ticks
from domain.market import Trade
from domain.ports import Analyst
from domain.records import NS_PER_S, format_ns
from graph.analysts.rules import Rules

START_NS = 1_577_923_200 * NS_PER_S
DAY_S = 86_400
N_BARS = 160
WARMUP = 60
LIMITS = (("max_order_amount", "20000"), ("max_position_fraction", "1"), ("warmup", str(WARMUP)))


def walk(symbol: str, seed: int) -> Series:
    """Return daily bars of a random walk of two per cent."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, N_BARS)))
    opens = np.concatenate([[100.0], close[:-1]])
    return Series(
        symbol=symbol,
        interval_s=DAY_S,
        ts_ns=START_NS + np.arange(N_BARS, dtype=np.int64) * DAY_S * NS_PER_S,
        open=opens,
        high=np.maximum(opens, close) * 1.004,
        low=np.minimum(opens, close) * 0.996,
        close=close,
        volume=rng.uniform(1e4, 1e6, N_BARS),
        source="made up",
        licence="none",
        digest=f"{symbol}:{seed}",
    )


SERIES = (walk("AAPL", 1), walk("MSFT", 2), walk("BTC/USD", 3))


def spec_of(analyst: str) -> RunSpec:
    return RunSpec(
        analyst=analyst,
        symbols=tuple(each.symbol for each in SERIES),
        start=format_ns(START_NS),
        end=format_ns(START_NS + N_BARS * DAY_S * NS_PER_S),
        interval_s=DAY_S,
        costs=costs_of("stocks"),
        cash=100_000.0,
        seed=7,
        analyst_latency_s=2.0 if analyst == "rules" else 0.0,
        data=tuple((each.symbol, each.digest) for each in SERIES),
        settings=LIMITS,
    )


def the_rules() -> tuple[RunResult, Evidence | None]:
    """Run and judge the graph with the rules: every control, every baseline."""
    return _judged(spec_of("rules"), analyst=Rules())


def a_policy() -> tuple[RunResult, Evidence | None]:
    """Run and judge a policy in place of the graph."""
    return _judged(spec_of("policy:macd"), policies=policy("macd", share=1 / len(SERIES)))


def _judged(
    spec: RunSpec, *, analyst: Analyst | None = None, policies: MakePolicy | None = None
) -> tuple[RunResult, Evidence | None]:
    main = run(SERIES, spec, Means(analyst=analyst, policies=policies))
    inquiry = Inquiry(
        series=SERIES,
        spec=spec,
        play=_play,
        analyst=None if analyst is None else lambda _k: analyst,
        policies=policies,
        controls=Controls(),
        random_traders=2,
    )
    return main, judge(inquiry, main=main)


def _play(
    series: tuple[Series, ...],
    spec: RunSpec,
    *,
    policies: MakePolicy | None = None,
    analyst: Analyst | None = None,
) -> RunResult:
    return run(series, spec, Means(policies=policies, analyst=analyst))


def some_ticks() -> tuple[RunResult, Evidence | None]:
    """Run the rules on prints, which the engine makes bars of."""
    spec = msgspec.structs.replace(spec_of("rules"), symbols=("BTC/USD",), interval_s=60)
    return run_ticks(_moments(), spec), None


def _moments() -> Iterator[Moment]:
    draws, price = np.random.default_rng(4), 100.0
    for k, step in enumerate(draws.normal(0, 0.0005, 9_000).tolist()):
        price *= 1 + step
        ts = START_NS + k * NS_PER_S
        yield Moment(ts, [Trade("BTC/USD", round(price, 4), 0.5, ts, ts, k + 1)])


BACKTESTS: dict[str, Callable[[], tuple[RunResult, Evidence | None]]] = {
    "rules": the_rules,
    "policy": a_policy,
    "ticks": some_ticks,
}


def told(name: str, folder: Path) -> dict[str, str | int]:
    """Run one backtest and return its digests, and how much there was to differ in."""
    result, evidence = BACKTESTS[name]()
    given = ReportInput(result=result, evidence=evidence, version="1", commit="1", made_at="")
    files = {"json": folder / "out.json", "html": folder / "out.html"}
    write_json(files["json"], given)
    write_html(files["html"], given)
    digests = {kind: hashlib.sha256(path.read_bytes()).hexdigest() for kind, path in files.items()}
    return {
        "journal": result.digest,
        **digests,
        "decisions": len(result.decisions),
        "fills": len(result.fills),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {name: told(name, Path(folder)) for name in BACKTESTS}
    print(json.dumps({"python": platform.python_version(), "backtests": found}))


if __name__ == "__main__":
    sys.exit(main())
