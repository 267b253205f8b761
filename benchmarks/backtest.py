"""Measure the engine on history against backtesting.py, backtrader and NautilusTrader.

All trade the crossing of two moving averages of closes, all in or out, on the same made-up minute
bars (NautilusTrader's own example takes exponential averages and a fixed quantity). Ours is the
whole engine with a policy in place of the graph: gate, journal chain, order states, ledger,
reconciliation. CPU seconds are each process's own, without imports and without reading the bars;
the kinds take turns, and each ratio is between medians.

The others are installed beside the project, never into it (one of them is under the AGPL):
into `.cache/comparators`, by pip in a process of its own, at the versions named here.

    python -m benchmarks.backtest [--rounds 3] [--windows] [--ticks 10000000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np

from backtest.baselines.table import policy
from backtest.baselines.trend import FAST, SLOW
from backtest.costs import costs_of
from backtest.data.ticks import Moment
from backtest.records import RunSpec, Series
from backtest.run.running import Means, run, run_ticks
from backtest.run.windows import run_windows, tasks_of
from benchmarks.figures import Figure, show
from benchmarks.stage.analysts import golden
from benchmarks.stage.bare import bare_graph
from domain.market import Trade
from domain.records import NS_PER_S, format_ns, plain

N_BARS = 100_000
N_DECISIONS = 400
MINUTE_S = 60
HOURS_A_YEAR = 8_760
FOLDER = Path(".cache/comparators")
PINS = {
    "backtesting": ("light", ("backtesting==0.6.6", "backtrader==1.9.78.123")),
    "backtrader": ("light", ("backtesting==0.6.6", "backtrader==1.9.78.123")),
    "nautilus": ("nautilus", ("nautilus_trader==1.221.0",)),
}
INSTALL_S = 600.0
RUN_S = 240.0


def made_up(n: int, *, seed: int = 1, interval_s: int = MINUTE_S) -> Series:
    """Return a random walk of a tenth of a per cent a minute, opening where it closed."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.001, n)))
    opens = np.concatenate([[100.0], close[:-1]])
    start_ns = 1_599_955_200 * NS_PER_S
    return Series(
        symbol="BTC/USD",
        interval_s=interval_s,
        ts_ns=start_ns + np.arange(n, dtype=np.int64) * interval_s * NS_PER_S,
        open=opens,
        high=np.maximum(opens, close) * 1.0005,
        low=np.minimum(opens, close) * 0.9995,
        close=close,
        volume=np.full(n, 1e6),
        source="made up",
        licence="none",
        digest=f"{seed}:{n}",
    )


def spec_of(series: Series, analyst: str) -> RunSpec:
    return RunSpec(
        analyst=analyst,
        symbols=(series.symbol,),
        start=format_ns(int(series.ts_ns[0])),
        end=format_ns(int(series.ts_ns[-1])),
        interval_s=series.interval_s,
        costs=costs_of("none"),
        cash=100_000.0,
        seed=1,
        analyst_latency_s=0.0,
        data=((series.symbol, series.digest),),
    )


def ours(series: Series) -> tuple[float, int]:
    """Return CPU seconds and orders of the engine with the crossing as its policy."""
    means = Means(policies=policy("sma", share=1.0))
    began = time.process_time()
    result = run([series], spec_of(series, "policy:sma"), means)
    return time.process_time() - began, len(result.fills)


def install(name: str) -> Path | None:
    """Return where a comparator's libraries are, installing them once; none when that failed."""
    folder, pins = PINS[name]
    target = FOLDER / folder
    if (target / ".done").exists():
        return target
    print(f"installing {', '.join(pins)} into {target}", flush=True)
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target), *pins]
    try:
        subprocess.run(command, check=True, timeout=INSTALL_S)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"{name} could not be installed, so it is not compared: {error}", flush=True)
        return None
    (target / ".done").touch()
    return target


def theirs(name: str, libraries: Path, bars: Path) -> tuple[float, int] | None:
    """Return CPU seconds and orders of one of the others, in a process of its own."""
    program = Path(__file__).parent / "stage" / "comparators.py"
    command = [sys.executable, str(program), name, str(bars), str(FAST), str(SLOW)]
    environ = {**os.environ, "PYTHONPATH": str(libraries.resolve())}
    try:
        done = subprocess.run(
            command, env=environ, check=True, timeout=RUN_S, capture_output=True, text=True
        )
    except subprocess.SubprocessError as error:
        print(f"{name} did not run: {getattr(error, 'stderr', '') or error}"[-600:], flush=True)
        return None
    told = json.loads(done.stdout.splitlines()[-1])
    return told["cpu_s"], told["orders"]


def speed(rounds: int) -> list[Figure]:
    """Run everybody in turns on the same bars."""
    series = made_up(N_BARS)
    ours(made_up(1_000))
    found: dict[str, list[tuple[float, int]]] = {"ours": []}
    with tempfile.TemporaryDirectory() as folder:
        bars = Path(folder) / "bars.npz"
        columns = ("ts_ns", "open", "high", "low", "close", "volume")
        np.savez(bars, **{name: getattr(series, name) for name in columns})
        ready = {name: install(name) for name in PINS}
        for _ in range(rounds):
            found["ours"].append(ours(series))
            for name, libraries in ready.items():
                told = None if libraries is None else theirs(name, libraries, bars)
                if told is not None:
                    found.setdefault(name, []).append(told)
    return _figures(found)


def _figures(found: dict[str, list[tuple[float, int]]]) -> list[Figure]:
    def a_bar(name: str) -> float:
        return statistics.median(cpu for cpu, _ in found[name]) / N_BARS * 1e6

    figures = []
    for name, runs in found.items():
        figures.append(Figure(f"{name}: CPU a bar", a_bar(name), " us"))
        figures.append(Figure(f"{name}: orders filled", runs[0][1], ""))
    bars = {"backtrader": 5.0, "backtesting": 0.3, "nautilus": None}
    figures += [
        Figure(f"speed against {name}", a_bar(name) / a_bar("ours"), " times", least=least)
        for name, least in bars.items()
        if name in found
    ]
    return figures


def decisions() -> list[Figure]:
    """Compare decisions of the rules through the whole engine with runs of a bare graph."""
    series = made_up(250 + N_DECISIONS, interval_s=3_600)
    spec = spec_of(series, "rules")
    run([series], spec, Means())
    bare, own = [], []
    for _ in range(3):
        bare.append(asyncio.run(_bare()))
        began = time.process_time()
        result = run([series], spec, Means())
        own.append((time.process_time() - began) / len(result.decisions))
    a_second = (1 / statistics.median(bare), 1 / statistics.median(own))
    return [
        Figure("bare LangGraph of four nodes: runs a CPU second", a_second[0], ""),
        Figure("decisions of the rules a CPU second, the engine included", a_second[1], ""),
        Figure(
            "decisions against a bare LangGraph", a_second[1] / a_second[0], " times", least=0.6
        ),
    ]


async def _bare() -> float:
    graph, window = bare_graph(), plain(golden("order"))
    for _ in range(20):
        await graph.ainvoke({"schema": 1, "window": window}, {"recursion_limit": 8})
    began = time.process_time()
    for _ in range(N_DECISIONS):
        await graph.ainvoke({"schema": 1, "window": window}, {"recursion_limit": 8})
    return (time.process_time() - began) / N_DECISIONS


def windows(count: int = 10) -> list[Figure]:
    """Run ten windows of a year of hours, one after another and two at a time, by the wall."""
    series = made_up(250 + count * HOURS_A_YEAR, interval_s=3_600)
    tasks = tasks_of([series], spec_of(series, "rules"), count)
    alone = run_windows(tasks, jobs=1)
    beside = run_windows(tasks, jobs=2)
    same = [a.digest == b.digest for a, b in zip(alone.results, beside.results, strict=True)]
    return [
        Figure("ten windows one after another", alone.wall_s, " s"),
        Figure("ten windows on two cores, pool start apart", beside.wall_s, " s"),
        Figure("two cores against one", alone.wall_s / beside.wall_s, " times", least=1.6),
        Figure(
            "the same by CPU: all of one against the busier of two",
            alone.busy_s / beside.busiest_s,
            " times",
        ),
        Figure("windows with the same digest either way", sum(same), "", least=count),
    ]


def ticks(count: int) -> list[Figure]:
    """Play so many made-up prints, twenty a second, and tell what memory it took at most."""
    start_ns, every_ns = 1_600_000_000 * NS_PER_S, NS_PER_S // 20

    def moments() -> Iterator[Moment]:
        draws, price = np.random.default_rng(1), 100.0
        for first in range(0, count, 10_000):
            for k, step in enumerate(draws.normal(0, 0.00005, 10_000).tolist(), first):
                price *= 1 + step
                ts = start_ns + k * every_ns
                yield Moment(ts, [Trade("BTC/USD", round(price, 4), 0.5, ts, ts, k + 1)])

    spec = msgspec.structs.replace(
        spec_of(made_up(2), "rules"),
        start=format_ns(start_ns),
        end=format_ns(start_ns + count * every_ns),
    )
    began = time.process_time()
    result = run_ticks(moments(), spec)
    cpu_s = time.process_time() - began
    return [
        Figure(f"{count:,} ticks: CPU a tick, decisions included", cpu_s / count * 1e6, " us"),
        Figure("decisions on them", len(result.decisions), ""),
        Figure(
            "memory at most",
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            " MB",
            most=400.0,
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--windows", action="store_true", help="measure windows alone")
    parser.add_argument("--ticks", type=int, help="play so many ticks alone, for their memory")
    asked = parser.parse_args()
    if asked.windows:
        show(windows())
    elif asked.ticks:
        show(ticks(asked.ticks))
    else:
        show([*decisions(), *speed(asked.rounds)])


if __name__ == "__main__":
    main()
