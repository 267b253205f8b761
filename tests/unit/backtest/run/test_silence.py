"""Bars that pass in silence change nothing, and silence is silent.

Each run here is made twice: as it is, and with every bar told singly, by `plain_bars` that finds
none plain. Journal, fills, decisions and equity must be the same to the byte.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtest.costs import costs_of
from backtest.run.market import bars as market
from backtest.run.running import Means, run
from domain.market import NewsItem, StatusChanged
from domain.records import NS_PER_S
from feeds.store import RollingStore

DAY_S, HOUR_S, MINUTE_S = 86_400, 3_600, 60


class Crossing:
    """Be in while the short mean lies above the long one; write down what the view said."""

    name = "crossing"

    def __init__(self, short=3, long=15, *, is_curious=False):
        self._short, self._long, self._is_curious = short, long, is_curious
        self.seen = []

    def target(self, view):
        if self._is_curious:
            self.seen.append((view.now_ns, view.equity, view.quantity))
        if view.n < self._long:
            return None
        close = view.close
        return 0.5 if close[-self._short :].mean() > close[-self._long :].mean() else 0.0


class Holder:
    """Buy at bar 60, and hold whatever comes."""

    name = "holder"

    def target(self, view):
        return 1.0 if view.n == 60 else None


def told(result):
    """Return everything that a run tells, in a form that compares."""
    columns = (result.ts_ns, result.equity, result.cash, result.exposure)
    return (
        result.digest,
        result.fills,
        result.decisions,
        result.denials,
        result.paid,
        [column.tolist() for column in columns],
    )


def singly(series):
    """Find no bar plain: each is told for itself."""
    return [False] * len(series.ts_ns)


@pytest.fixture
def both(spec):
    """`both(series, make, events=, journal=, **spec)` runs twice; returns the silent run."""

    def runs(series, make, *, events=(), journal=None, **changes):
        name = changes.pop("analyst", "policy:made")
        whole = spec(*series, analyst=name, **changes)
        found = []
        for is_silent in (True, False):
            with pytest.MonkeyPatch.context() as patch:
                if not is_silent:
                    patch.setattr(market, "plain_bars", singly)
                file = journal if is_silent else None
                found.append(run(series, whole, Means(policies=make, events=events, journal=file)))
        silent, single = map(told, found)
        assert silent == single
        return found[0]

    return runs


def crossing(_symbol):
    return Crossing()


def test_an_sma_on_minutes_of_a_pair_is_the_same_in_silence(random_walk, both):
    """A thousand minutes, and an order where the means cross."""
    result = both([random_walk("BTC/USD", 1_000, interval_s=MINUTE_S)], crossing)
    assert len(result.fills) > 20


@pytest.mark.parametrize("interval_s", [DAY_S, HOUR_S])
def test_several_symbols_are_the_same_in_silence(random_walk, both, interval_s):
    """While one has an order at the venue, bars of the others pass beside it."""
    series = [
        random_walk(symbol, 400, seed=n, interval_s=interval_s)
        for n, symbol in enumerate(("AAPL", "BTC/USD", "ETH/USD", "MSFT"))
    ]
    result = both(series, crossing)
    assert {fill.symbol for fill in result.fills} == {each.symbol for each in series}


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
def test_a_gap_and_a_bar_that_cannot_be_true_are_looked_at_singly(random_walk, both, symbol):
    """Its low lies above its high: the store refuses it, in silence or not."""
    series = random_walk(symbol, 300, interval_s=HOUR_S)
    series.low[150] = series.high[150] * 1.1
    series.volume[200] = -1.0
    starts = series.ts_ns.copy()
    starts[100:] += 7 * HOUR_S * NS_PER_S
    result = both([replace(series, ts_ns=starts)], crossing)
    assert result.fills


def test_costs_and_the_cap_of_a_bars_volume_are_the_same_in_silence(random_walk, both):
    """What is left of a bar's volume is read off the last bar alone."""
    series = random_walk("BTC/USD", 600, interval_s=MINUTE_S)
    volume = np.random.default_rng(7).uniform(10, 5_000, 600)
    thin = replace(series, volume=volume)
    result = both([thin], crossing, costs=costs_of("crypto"))
    assert result.n_cut > 0
    assert result.paid.venue_fees > 0


def test_a_policy_that_reads_its_account_at_each_bar_sees_the_same(random_walk, both):
    """Prices that were kept back are marked before anybody may look."""
    series = [
        random_walk(name, 300, seed=n, interval_s=HOUR_S)
        for n, name in enumerate(("AAPL", "BTC/USD"))
    ]
    made = []

    def make(_symbol):
        made.append(Crossing(is_curious=True))
        return made[-1]

    both(series, make)
    silent, single = [each.seen for each in made[:2]], [each.seen for each in made[2:]]
    assert silent == single
    assert len({equity for _, equity, _ in silent[0]}) > 50


def test_news_and_halts_break_the_silence(random_walk, both):
    """They come between two bars, and what passed before them was before them."""
    series = random_walk("BTC/USD", 400, interval_s=MINUTE_S)

    def at(bar):
        return int(series.ts_ns[bar]) + 20 * NS_PER_S

    events = [
        StatusChanged("BTC/USD", at(n), n % 20 == 0, "H" if n % 20 == 0 else "T", "as told")
        for n in range(70, 390, 10)
    ]
    events.append(NewsItem("1", at(205), "BTC falls", "", "wire", ("BTC/USD",)))
    halted = both([series], crossing, events=events)
    free = both([series], crossing)
    assert halted.digest != free.digest
    assert 0 < len(halted.fills) < len(free.fills)


@pytest.mark.parametrize(
    ("limit", "code"),
    [("max_drawdown", "DRAWDOWN_REACHED"), ("max_daily_loss", "DAILY_LOSS_REACHED")],
)
@pytest.mark.parametrize("interval_s", [MINUTE_S, HOUR_S])
def test_a_fall_trips_at_the_bar_at_which_it_would_have(
    bars, both, tmp_path, limit, code, interval_s
):
    """The scales see the limit come; the breach is confirmed by the venue's next answer."""
    a_bar = 0.999 if interval_s == MINUTE_S else 0.997
    closes = [100.0] * 70 + [100 * a_bar**n for n in range(300)]
    series = bars("BTC/USD", closes, interval_s)
    file = tmp_path / "run.sqlite3"
    chosen = (("warmup", "60"), (limit, "0.05"), ("resume", "never"))
    result = both([series], lambda _symbol: Holder(), settings=chosen, journal=file)
    with contextlib.closing(sqlite3.connect(file)) as connection:
        rows = connection.execute("SELECT ts, body FROM entries WHERE kind = 'trading_state'")
        [tripped_ns] = [ts for ts, body in rows if code in str(body)]
    if limit == "max_drawdown" or interval_s == MINUTE_S:
        fallen = np.argmax(result.equity <= 0.95 * np.maximum.accumulate(result.equity))
        assert 0 <= tripped_ns - result.ts_ns[fallen] <= interval_s * NS_PER_S


def test_silence_is_silent(random_walk, spec, monkeypatch):
    """Two days of minutes, bought and held: the store is told a few times, counted in calls."""
    calls = Counter()

    def counted(name):
        method = getattr(RollingStore, name)

        def call(self, *args, **kwargs):
            calls[name] += 1
            return method(self, *args, **kwargs)

        monkeypatch.setattr(RollingStore, name, call)

    for name in ("apply", "apply_run", "apply_frame"):
        counted(name)
    series = random_walk("BTC/USD", 2_880, interval_s=MINUTE_S)
    whole = spec(series, analyst="policy:made")
    result = run([series], whole, Means(policies=lambda _symbol: Holder()))
    assert len(result.fills) == 1
    assert 0 < calls["apply"] + calls["apply_frame"] < 20
    assert 0 < calls["apply_run"] < 20


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("low", 0.0), ("low", 1e6), ("high", np.inf), ("high", 1.0), ("open", 1e6),
        ("close", np.nan), ("volume", -1.0), ("volume", np.inf), ("ts_ns", 1),
    ],
)  # fmt: skip
def test_a_bar_whose_numbers_cannot_be_true_is_not_plain(bars, column, value):
    """The store has to refuse it by itself: nobody looks at a bar that passes in silence."""
    series = bars("BTC/USD", [100.0] * 9)
    assert market.plain_bars(series) == [False] + [True] * 8
    values = getattr(series, column)
    values[4] = values[4] + 1 if column == "ts_ns" else value
    found = market.plain_bars(series)
    assert not found[4]
    assert sum(found) >= 6


@given(seed=st.integers(0, 10**6), data=st.data())
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_market_is_another_in_silence(random_walk, both, seed, data):
    """Any mixture of symbols, intervals, gaps, falls, limits and costs."""
    symbols = data.draw(
        st.lists(st.sampled_from(("AAPL", "MSFT", "BTC/USD")), min_size=1, unique=True)
    )
    interval_s = data.draw(st.sampled_from((MINUTE_S, HOUR_S, DAY_S)))
    series = []
    for n, symbol in enumerate(symbols):
        made = random_walk(symbol, 150, seed=seed + n, interval_s=interval_s)
        gap, fall, wrong = (data.draw(st.integers(5, 149)) for _ in range(3))
        starts = made.ts_ns.copy()
        starts[gap:] += data.draw(st.sampled_from((0, 1, 40))) * interval_s * NS_PER_S
        for column in (made.open, made.high, made.low, made.close):
            column[fall:] *= data.draw(st.sampled_from((1.0, 0.97, 0.5)))
        if data.draw(st.booleans()):
            made.high[wrong] = made.low[wrong] / 2
        series.append(replace(made, ts_ns=starts))
    limit = data.draw(st.sampled_from(("max_drawdown", "max_daily_loss")))
    costs = costs_of(data.draw(st.sampled_from(("none", "crypto", "stocks"))))
    both(series, crossing, settings=(("warmup", "60"), (limit, "0.05")), costs=costs)
