"""Markets, the windows that agents see of them, and what positions in them earn."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pytest

from backtest.records import Series
from domain.indicators import BarArrays, Indicators
from domain.limits import DEFAULT_LIMITS
from domain.market import (
    AssetClass,
    Floors,
    Instrument,
    SessionPhase,
    Window,
    WindowAccount,
    WindowBar,
    WindowQuote,
)
from domain.records import format_ns, parse_ns, plain

DAY_NS = 86_400_000_000_000
START_NS = parse_ns("2015-01-05T00:00:00Z")


def random_walk(n, seed=1, drift=0.0, deviation=0.012):
    """Make closes from returns without any memory."""
    steps = np.random.default_rng(seed).normal(drift, deviation, n)
    return 100 * np.exp(np.cumsum(steps))


def series_of(closes, symbol="AAPL"):
    """Make daily bars around closes, opening at the close before."""
    closes = np.asarray(closes, dtype=float)
    opens = np.concatenate(([100.0], closes[:-1]))
    n = len(closes)
    return Series(
        symbol=symbol,
        interval_s=86_400,
        ts_ns=START_NS + DAY_NS * np.arange(n, dtype=np.int64),
        open=opens,
        high=np.maximum(opens, closes) * 1.004,
        low=np.minimum(opens, closes) * 0.996,
        close=closes,
        volume=np.full(n, 1e6) + 1e4 * np.arange(n),
        source="made up",
        licence="none",
        digest="",
    )


def window_of(series, n, *, news=(), shows=50, **changed):
    """Show the bars before index n as the store does, indicators over all of them."""
    columns = (series.high, series.low, series.close, series.volume)
    indicators = Indicators()
    indicators.open(BarArrays(*(np.ascontiguousarray(column[:n]) for column in columns)))
    rows = range(max(0, n - shows), n)
    last, as_of = float(series.close[n - 1]), format_ns(int(series.ts_ns[n - 1]) + DAY_NS)
    fields = {
        "symbol": series.symbol,
        "asset_class": AssetClass.STOCK,
        "as_of": as_of,
        "interval_s": 86_400,
        "session": SessionPhase.OPEN,
        "bars": tuple(_bar(series, i) for i in rows),
        "quote": WindowQuote(
            bid=last - 0.01,
            bid_size=3.0,
            ask=last + 0.01,
            ask_size=5.0,
            ts_event=as_of,
            ts_recv=as_of,
        ),
        "indicators": indicators.values(),
        "n_bars_seen": n,
        "account": WindowAccount(
            equity=Decimal(100_000),
            cash=Decimal(100_000),
            buying_power=Decimal(200_000),
            day_pnl=Decimal(0),
        ),
        "limits": plain(DEFAULT_LIMITS),
        "floors": Floors(),
        "instrument": Instrument(
            symbol=series.symbol,
            asset_class=AssetClass.STOCK,
            tick=Decimal("0.01"),
            lot=Decimal(1),
            min_notional=Decimal(1),
            shortable=True,
            name="Apple Inc. Common Stock",
        ),
        "prompts": {},
        "decision_id": "d" * 24,
        "wake_reason": "bar_closed",
        "news": tuple(news),
    }
    return Window(**(fields | changed))


def _bar(series, i):
    o, h, low, c = (float(getattr(series, n)[i]) for n in ("open", "high", "low", "close"))
    when = format_ns(int(series.ts_ns[i]))
    return WindowBar(
        t=when, o=o, h=h, l=low, c=c, v=float(series.volume[i]), n=10, vw=(h + low) / 2
    )


def earned(positions, closes, *, cost_bps=0.0):
    """Return what positions taken at each close earn until the next, less what moving costs."""
    positions = np.asarray(positions, dtype=float)[:-1]
    moves = np.abs(np.diff(positions, prepend=0.0))
    return positions * (np.diff(closes) / closes[:-1]) - moves * cost_bps * 1e-4


@pytest.fixture
def walk_of() -> Callable[..., np.ndarray]:
    return random_walk


@pytest.fixture
def series() -> Callable[..., Series]:
    return series_of


@pytest.fixture
def window() -> Callable[..., Window]:
    return window_of


@pytest.fixture
def earn() -> Callable[..., np.ndarray]:
    return earned
