"""Made-up bars, the specs that run on them, and an analyst that buys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from backtest.costs import costs_of
from backtest.records import RunSpec, Series
from domain.decisions import Answer, Call, Role
from domain.records import NS_PER_S, digest, format_ns

DAY_S = 86_400
START_NS = 1_577_923_200 * NS_PER_S
"""2020-01-02T00:00:00Z."""


def series_of(symbol: str, closes: list[float], interval_s: int = DAY_S, **columns: Any) -> Series:
    """Bars that open at the close before them; `columns` replace what follows from the closes."""
    close = np.array(closes, dtype=np.float64)
    opens = columns.get("open", np.concatenate([close[:1], close[:-1]]))
    n = len(close)
    return Series(
        symbol=symbol,
        interval_s=interval_s,
        ts_ns=columns.get("ts_ns", START_NS + np.arange(n, dtype=np.int64) * interval_s * NS_PER_S),
        open=np.array(opens, dtype=np.float64),
        high=columns.get("high", np.maximum(opens, close) * 1.002),
        low=columns.get("low", np.minimum(opens, close) * 0.998),
        close=close,
        volume=columns.get("volume", np.full(n, 1e6)),
        source="made up",
        licence="none",
        digest=digest(closes),
    )


def walk(symbol: str, n: int, *, seed: int = 1, interval_s: int = DAY_S) -> Series:
    """A random walk of one per cent a bar."""
    steps = np.random.default_rng(seed).normal(0, 0.01, n)
    return series_of(symbol, (100 * np.exp(np.cumsum(steps))).tolist(), interval_s)


def written(folder: Path, n: int, *, symbol: str = "AAPL") -> Path:
    """Write a random walk of so many daily bars as a CSV file, named after its symbol."""
    series, path = walk(symbol, n), folder / f"{symbol}.csv"
    rows = zip(
        (format_ns(ts) for ts in series.ts_ns.tolist()),
        series.open, series.high, series.low, series.close, series.volume, strict=True,
    )  # fmt: skip
    lines = ["time,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines))
    return path


def spec_of(*series: Series, analyst: str = "rules", **changes: Any) -> RunSpec:
    """What a run of these series is told."""
    fields: dict[str, Any] = {
        "analyst": analyst,
        "symbols": tuple(each.symbol for each in series),
        "start": format_ns(int(series[0].ts_ns[0])),
        "end": format_ns(int(series[0].ts_ns[-1])),
        "interval_s": series[0].interval_s,
        "costs": costs_of("none"),
        "cash": 100_000.0,
        "seed": 1,
        "analyst_latency_s": 0.0,
        "data": tuple((each.symbol, each.digest) for each in series),
        "settings": (("warmup", "60"),),
    }
    return RunSpec(**{**fields, **changes})


class Buyer:
    """Buy whenever flat, through all four roles."""

    name = "buyer"

    async def answer(self, brief):
        said = {
            Role.DIRECTOR: {
                "action": "buy",
                "confidence": 0.9,
                "thesis": "up",
                "invalidation_price": None,
            },
            Role.QUANT: {
                "confirmed": True,
                "score": 0.9,
                "support": None,
                "resistance": None,
                "volatility": "normal",
                "reason": "yes",
            },
            Role.RISK: {
                "approved": True,
                "size_fraction": 1.0,
                "stop_loss": None,
                "take_profit": None,
                "reason": "yes",
            },
            Role.EXECUTION: {"style": "marketable", "limit_offset_bps": 5.0},
        }[brief.role]
        call = Call(role=brief.role, attempt=1, model="buyer", prompt_digest="", raw="")
        return Answer(content=said, calls=(call,))
