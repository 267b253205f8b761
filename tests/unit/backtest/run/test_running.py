"""The engine on history: what fills, when, and that the same input gives the same run."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from backtest.baselines.table import policy
from backtest.costs import costs_of
from backtest.records import Ended
from backtest.run.running import Means, run
from backtest.statistics.figures import equity_of, returns_of
from domain.errors import ConfigError


class Once:
    """Want everything at bar `buy`, nothing from bar `sell` on."""

    name = "once"

    def __init__(self, buy, sell):
        self._buy, self._sell = buy, sell

    def target(self, view):
        if view.n == self._buy:
            return 1.0
        return 0.0 if view.n >= self._sell else None


def replace_settings(told, **settings):
    return msgspec.structs.replace(told, settings=tuple(settings.items()))


def once(buy=70, sell=75):
    return Means(policies=lambda _symbol: Once(buy, sell))


def test_an_order_decided_at_a_close_fills_at_the_next_open(bars, spec):
    """Bar 70 closes, the policy wants in: the fill stands at the open of the bar behind it."""
    closes = [100.0 + n % 7 for n in range(80)]
    series = bars("AAPL", closes)
    result = run([series], spec(series, analyst="policy:once"), once())
    entry, exit_ = result.fills
    assert (entry.price, entry.leg) == (series.open[70], "entry")
    assert (exit_.price, exit_.leg) == (series.open[75], "reduce")
    assert entry.ts_ns > series.ts_ns[70]
    decided = next(row for row in result.decisions if row.id == entry.decision_id)
    assert decided.ts_ns <= series.ts_ns[70] < entry.ts_ns


def test_equity_is_cash_and_positions_at_the_last_close(bars, spec):
    """Without costs the account moves by quantity times price, step by step."""
    series = bars("AAPL", [100.0 + n % 7 for n in range(80)])
    result = run([series], spec(series, analyst="policy:once"), once())
    quantity = result.fills[0].quantity
    held = (result.ts_ns > result.fills[0].ts_ns) & (result.ts_ns < result.fills[1].ts_ns)
    closes = series.close[-len(result.ts_ns) :]
    expected = 100_000 - quantity * result.fills[0].price + quantity * closes[held]
    assert result.equity[held] == pytest.approx(expected)
    gain = quantity * (result.fills[1].price - result.fills[0].price)
    assert result.equity[-1] == pytest.approx(100_000 + gain)


def test_the_first_step_is_the_first_in_which_something_can_be_held(bars, spec):
    """Bar 60 may be decided upon, and bar 61 moves what was bought at its open.

    The curve used to begin at the close of bar 60 itself, where the account is always the cash it
    began with: a return of zero that nobody could have avoided stood in every Sharpe ratio.
    """
    closes = [100.0 + n % 7 for n in range(66)]
    series = bars("AAPL", closes)
    held = run([series], spec(series, analyst="policy:once"), once(buy=60))
    assert held.ts_ns[0] == series.ts_ns[61]
    assert len(held.equity) == 66 - 60
    quantity, first = held.fills[0].quantity, series.close[60] - series.open[60]
    assert first != 0
    returns = returns_of(equity_of(held))
    assert returns[0] == pytest.approx(quantity * first / 100_000)
    assert len(returns) == len(held.ts_ns)


def test_orders_that_the_volume_cap_cuts_are_counted(bars, spec):
    """A tenth of 1,000 shares a bar is less than all of the money wants; the exit fits in."""
    series = bars("AAPL", [100.0 + n % 7 for n in range(80)], volume=np.full(80, 1_000.0))
    capped = run(
        [series], spec(series, analyst="policy:once", costs=costs_of("stocks")), once(75, 77)
    )
    assert capped.fills[0].quantity == 100
    assert (capped.n_orders, capped.n_cut) == (2, 1)
    whole = run([series], spec(series, analyst="policy:once"), once(75, 77))
    assert (whole.n_orders, whole.n_cut) == (2, 0)


def test_the_same_input_gives_the_same_chain(random_walk, spec):
    """Two runs, one digest; another seed of the venue gives another."""
    series = random_walk("AAPL", 140)
    digests = {run([series], spec(series)).digest for _ in range(2)}
    assert len(digests) == 1
    assert run([series], spec(series, seed=2)).digest not in digests


def test_a_journal_takes_ten_kilobytes_a_decision_and_half_of_one_a_bar(
    random_walk, spec, tmp_path
):
    """A window is kept once and packed. What a policy's long journal holds is the account's worth.

    Divided by its few decisions it came to 109 kB each, and looked as if windows were repeated.
    """
    series, sizes = random_walk("AAPL", 260), {}
    for analyst, means in (("rules", Means()), ("policy:once", once())):
        path = tmp_path / f"{len(sizes)}.sqlite3"
        result = run([series], spec(series, analyst=analyst), replace(means, journal=path))
        sizes[analyst] = path.stat().st_size, len(result.decisions)
    (whole, n_decided), (policy_s, n_wished) = sizes["rules"], sizes["policy:once"]
    assert n_decided == 200
    assert whole / n_decided < 11_000
    assert n_wished == 2
    assert policy_s / 260 < 1_500


def test_no_hash_seed_changes_a_run(random_walk, spec):
    """A process with another hash seed orders its sets and dictionaries otherwise."""
    program = (
        "import sys; sys.path.insert(0, 'tests/unit/backtest/run');"
        "from walks import walk, spec_of; from backtest.run.running import run;"
        "s = [walk('AAPL', 90), walk('BTC/USD', 90, seed=2)];"
        "print(run(s, spec_of(*s)).digest)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    series = [random_walk("AAPL", 90), random_walk("BTC/USD", 90, seed=2)]
    assert done.stdout.split()[-1] == run(series, spec(*series)).digest


def test_what_comes_later_changes_no_earlier_decision(random_walk, spec):
    """Absurd prices behind bar 120 leave every decision up to then as it was, to the byte."""
    series = random_walk("AAPL", 140)
    before = run([series], spec(series))
    columns = {name: getattr(series, name).copy() for name in ("open", "high", "low", "close")}
    for column in columns.values():
        column[120:] *= 1_000
    changed = type(series)(
        **{name: getattr(series, name) for name in series.__slots__ if name not in columns},
        **columns,
    )
    after = run([changed], spec(series))
    cut = series.ts_ns[120]

    def told(result):
        return [row for row in result.decisions if row.ts_ns <= cut]

    assert told(before) == told(after)
    assert len(told(before)) > 50


def test_costs_are_what_the_account_loses(bars, spec):
    """A round trip at one price pays both sides' basis points, and the account is short of them."""
    series = bars("AAPL", [100.0] * 80, high=np.full(80, 100.2), low=np.full(80, 99.8))
    told = spec(series, analyst="policy:once", costs=costs_of("bps=10"))
    result = run([series], told, once())
    assert result.paid.commission == pytest.approx(100_000 * 0.002, rel=0.01)
    assert result.equity[-1] == pytest.approx(100_000 - result.paid.commission)


def test_no_more_than_a_share_of_the_volume_fills(bars, spec):
    """A tenth of a thousand shares a bar is all that a bar gives."""
    series = bars("AAPL", [100.0] * 80, volume=np.full(80, 1_000.0))
    costs = costs_of("stocks")
    result = run([series], spec(series, analyst="policy:once", costs=costs), once())
    entry_bar = [row for row in result.fills if row.leg == "entry"]
    assert sum(row.quantity for row in entry_bar) == pytest.approx(100.0)


def test_a_stop_inside_a_bar_fills_at_its_price_before_the_target(bars, spec, buyer):
    """A bar spans stop and target: what happened first is unknown, so the stop did."""
    closes = [100.0 + 0.5 * (n % 2) for n in range(80)]
    series = bars("AAPL", closes)
    series.low[72], series.high[72] = 50.0, 200.0
    told = spec(series, settings=(("warmup", "60"), ("max_order_amount", "5000")))
    result = run([series], told, Means(analyst=buyer))
    exits = [row for row in result.fills if row.leg != "entry" and row.ts_ns > series.ts_ns[72]]
    assert exits
    assert exits[0].price < 100
    assert exits[0].price > 50


def test_a_gap_through_a_pairs_stop_is_sold_behind_the_open_and_not_at_the_high(bars, spec, buyer):
    """A pair's stop has a limit, and a gap leaves it behind: the engine sells after a moment.

    On bars nobody woke for that moment. The next look was at the low, its order met the price
    behind it, and that was the bar's high: each gap was sold at the best price of its day.
    """
    series = bars("BTC/USD", [100.0] * 70)
    at = 62
    series.open[at], series.high[at], series.low[at], series.close[at] = 95.0, 96.0, 94.0, 95.0
    settings = {"warmup": "60", "max_order_amount": "5000", "stop_loss": "2%", "stop_max_atr": "50"}
    told = spec(series, settings=tuple(settings.items()))
    result = run([series], told, Means(analyst=buyer))
    day_ns = 86_400 * 1_000_000_000
    left = next(row for row in result.fills if row.leg == "stop")
    assert series.ts_ns[at] < left.ts_ns < series.ts_ns[at] + day_ns / 2
    assert left.price == 94.0


def test_wrong_series_are_refused_by_name(bars, spec):
    """The spec names its symbols; other series are another run."""
    series = bars("AAPL", [100.0] * 80)
    with pytest.raises(ConfigError, match="not those of the run"):
        run([bars("MSFT", [100.0] * 80)], spec(series))


def test_too_few_bars_say_so(bars, spec):
    """A run that never gets warm decides nothing and tells why."""
    series = bars("AAPL", [100.0] * 20)
    result = run([series], spec(series))
    assert (result.ended, result.decisions) == (Ended.COMPLETE, ())
    assert "60 bars" in result.note
    assert "--set" not in result.note  # As short already as it says it could be.
    longer = replace_settings(spec(series), warmup="250")
    assert "--set warmup=60" in run([series], longer).note


def test_every_baseline_runs_through_the_gate(random_walk, spec):
    """The rules of thumb trade through journal, gate and venue like anybody."""
    series = random_walk("BTC/USD", 150)
    for name in ("buy-and-hold", "zmr"):
        told = spec(series, analyst=f"policy:{name}")
        result = run([series], told, Means(policies=policy(name, share=1.0)))
        assert result.fills
        assert not result.denials
