"""Cheats through the whole engine: each shines with its control off and is ordinary with it on."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from api.cli.evidence.studies import Plan, make, work
from backtest.baselines.chance import Habits
from backtest.baselines.table import policy
from backtest.controls.costs import lost_by_flipping
from backtest.controls.switches import NAMES, Controls
from backtest.controls.timing import AsOf, point_in_time, with_absurd_future
from backtest.costs import costs_of
from backtest.evidence.page import Made, page_of
from backtest.evidence.runs import Kind, Task
from backtest.records import RunSpec, Series
from backtest.run.running import Means, run
from backtest.statistics.figures import equity_of, figures_of, total_return
from domain.errors import InvariantBroken
from domain.records import format_ns, parse_ns

DAY_NS = 86_400_000_000_000
YEAR = 252
WARMUP = 60
MADE = Made(command="this", date="today", commit="this", seed=1, machine="here")


@pytest.fixture
def say(capsys):
    def shown(line):
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return shown


def market(closes, *, wide=0.004):
    """Bars around closes that open where the last one closed, every day of a made-up calendar."""
    closes = np.asarray(closes, dtype=float)
    opens = np.concatenate((closes[:1], closes[:-1]))
    n = len(closes)
    return Series(
        symbol="TEST",
        interval_s=86_400,
        ts_ns=parse_ns("2015-01-05T00:00:00Z") + DAY_NS * np.arange(n, dtype=np.int64),
        open=opens,
        high=np.maximum(opens, closes) * (1 + wide),
        low=np.minimum(opens, closes) * (1 - wide),
        close=closes,
        volume=np.full(n, 1e9),
        source="made up",
        licence="none",
        digest="0" * 64,
    )


def walk(n, seed=1, drift=0.0):
    return 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(drift, 0.012, n)))


def spec_of(series, analyst, costs, **settings):
    known = {"warmup": str(WARMUP), "sessions": "always"} | settings
    return RunSpec(
        analyst=analyst,
        symbols=(series.symbol,),
        start=format_ns(int(series.ts_ns[0])),
        end=format_ns(int(series.ts_ns[-1]) + DAY_NS),
        interval_s=86_400,
        costs=costs_of(costs),
        cash=100_000.0,
        seed=1,
        analyst_latency_s=0.0,
        data=((series.symbol, series.digest),),
        settings=tuple(known.items()),
    )


def played(series, make, costs="bps=5"):
    return run([series], spec_of(series, "policy:test", costs), Means(policies=make))


class Flipper:
    """In at one close, out at the next, whatever the price does."""

    name = "test"

    def target(self, view):
        return 1.0 if view.quantity == 0 else 0.0


def test_flipping_for_a_year_loses_what_it_must(say):
    """252 round trips on a flat price at 5 bp a side: 22.3 %."""
    result = played(market([100.0] * (WARMUP + 2 * YEAR)), lambda _: Flipper())
    found = -total_return(equity_of(result))
    say(f"C5 {len(result.fills) // 2} round trips at 5 bp a side lose {found:.1%}")
    assert len(result.fills) == 2 * YEAR
    assert found == pytest.approx(lost_by_flipping(5, YEAR), abs=0.003)


def test_the_cost_free_agent_shines_without_costs_and_loses_with_them(say):
    """A market that bounces by 10 bp each day: bought low and sold high until it costs 10 bp."""
    closes = 100 * np.where(np.arange(WARMUP + 100) % 2 == 0, 1.001, 1.0)
    found = {}
    for costs in ("none", "bps=10"):
        result = played(market(closes), lambda _: Flipper(), costs)
        found[costs] = total_return(equity_of(result))
    say(f"C5 bouncing: {found['none']:+.1%} without costs, {found['bps=10']:+.1%} at 10 bp a side")
    assert found["none"] > 0.03
    assert found["bps=10"] < -0.03


class Peeking:
    """Buys when the next close is higher: it holds the raw series."""

    name = "test"

    def __init__(self, series):
        self._series = series

    def target(self, view):
        n = view.n
        if n >= len(self._series.close):
            return None
        return 1.0 if self._series.close[n] > view.price else 0.0


class Honest(Peeking):
    """Asks the same of what was known, and is stopped."""

    def target(self, view):
        seen = AsOf(self._series, lambda: view.now_ns)
        return 1.0 if seen.at("close", view.n) > view.price else 0.0


def test_the_peeking_agent_shines_is_found_by_an_absurd_future_and_is_stopped(say):
    series = market(walk(WARMUP + 150))
    shining = played(series, lambda _: Peeking(series))
    ratio = figures_of(shining, YEAR).sharpe
    n = next(i for i in range(WARMUP + 20, 200) if i % 2 and series.close[i] > series.close[i - 1])
    at_ns = int(series.ts_ns[n])
    absurd_series = with_absurd_future(series, at_ns)
    absurd = played(absurd_series, lambda _: Peeking(absurd_series))
    found = point_in_time(shining, absurd=absurd, at_ns=at_ns + DAY_NS // 2)
    say(f"C1 peeking through the engine: Sharpe {ratio:.1f} with 5 bp a side; {found.line}")
    assert ratio > 5
    assert not found.passed
    with pytest.raises(InvariantBroken, match="before it was known"):
        played(series, lambda _: Honest(series))


def test_a_rule_that_reads_only_the_past_stands_whatever_comes(say):
    series = market(walk(WARMUP + 250))
    make = policy("macd", share=1.0)
    at_ns = int(series.ts_ns[WARMUP + 120])
    absurd = played(with_absurd_future(series, at_ns), make)
    found = point_in_time(played(series, make), absurd=absurd, at_ns=at_ns)
    say(f"C1 MACD through the engine: {found.line}")
    assert found.passed
    assert found.figures["decisions_held"] > 5


def test_random_traders_lose_their_costs_within_their_interval(say):
    """C9: twelve of them in a market that ends where it began; what they lose is what they paid."""
    closes = walk(WARMUP + 200)
    trend = np.linspace(0, np.log(closes[-1] / closes[WARMUP]), 200)
    closes[WARMUP:] = closes[WARMUP:] * np.exp(-trend)
    habits = Habits(p_enter=0.15, p_leave=0.15, share=0.5)
    earned, paid = [], []
    for seed in range(12):
        make = policy("random", share=0.5, seed=seed, habits=habits)
        result = played(market(closes), make, "bps=20")
        earned.append(total_return(equity_of(result)))
        paid.append(result.paid.commission / result.spec.cash)
    error = np.std(earned, ddof=1) / np.sqrt(12)
    mean, costs = float(np.mean(earned)), float(np.mean(paid))
    say(f"C9 random traders earn {mean:+.2%} (error {error:.2%}) and paid {costs:.2%}")
    assert costs > 0.01
    assert abs(mean + costs) < 2 * error


def days_as_csv(path, closes):
    """Write one symbol's days, weekdays alone, as a person would keep them."""
    days = np.busday_offset("2018-01-02", np.arange(len(closes)), roll="forward")
    rows = [
        f"{day},{c},{c * 1.01},{c * 0.99},{c},1000000" for day, c in zip(days, closes, strict=True)
    ]
    path.write_text("\n".join(["date,open,high,low,close,volume", *rows]) + "\n")


@pytest.mark.timeout(600)
def test_a_study_is_judged_by_everything_and_says_so_in_one_sentence(tmp_path, say):
    """From a file to a page: analyst, baselines, random twins, eleven controls, registered."""
    days_as_csv(tmp_path / "XYZ.csv", walk(310, drift=0.0004).round(4))
    plan = Plan(
        key="made-up",
        name="Made up",
        about="A random walk.",
        data=f"csv:{tmp_path / 'XYZ.csv'}",
        symbols=(),
        start=None,
        end=None,
        interval_s=86_400,
        controls=Controls(),
        repeats=2,
        random_traders=3,
    )
    done = make(plan, seed=1, tries=tmp_path / "tries.jsonl")
    evidence = done.evidence
    verdicts = {control.code: control.passed for control in evidence.controls}
    say("\n".join(f"{control.code} {control.line}" for control in evidence.controls))
    assert list(verdicts) == list(NAMES)
    rows = [row.name for row in evidence.rows]
    assert rows[:3] == ["rules", "cash", "buy-and-hold"]
    assert rows[-1] == "random (median of 3)"
    assert len(evidence.curves) == 8
    assert all(verdicts[code] for code in ("C1", "C2", "C3", "C5", "C6", "C11"))
    assert evidence.sentence.startswith("not distinguishable from buy and hold")
    assert evidence.n_tries == 1
    page = page_of([(done.study, done.spec, evidence)], MADE)
    assert "**Not distinguishable from buy and hold (excess" in page
    again = work(plan, 1, Task(kind=Kind.BASELINE, arg="sma")).result
    row = next(row for row in evidence.rows if row.name == "sma")
    assert total_return(equity_of(again)) == row.figures.total_return
