"""Runs made to order, and a way for tests to show the figures they stand on."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from backtest.records import Costs, CostsPaid, Ended, FillRow, RunResult, RunSpec

DAY_NS = 86_400_000_000_000


@pytest.fixture
def say(capsys) -> Callable[[str], None]:
    """Print a line that pytest does not capture: a figure is there to be read."""

    def shown(line: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"\n{line}\n")

    return shown


@pytest.fixture
def spec() -> RunSpec:
    return RunSpec(
        analyst="rules",
        symbols=("TEST",),
        start="2024-01-01T00:00:00Z",
        end="2025-01-01T00:00:00Z",
        interval_s=86_400,
        costs=Costs(name="none"),
        cash=100.0,
        seed=1,
        analyst_latency_s=0.0,
        data=(("TEST", "0" * 64),),
    )


@pytest.fixture
def made(spec) -> Callable[..., RunResult]:
    """Make a run from its equity, one number a step, beginning with 100 dollars."""

    def make(equity, *, exposure=None, fills=(), **changed) -> RunResult:
        equity = np.asarray(equity, dtype=float)
        n = len(equity)
        fields = {
            "spec": spec,
            "ended": Ended.COMPLETE,
            "digest": "",
            "ts_ns": np.arange(n, dtype=np.int64) * DAY_NS,
            "equity": equity,
            "cash": np.zeros(n),
            "exposure": np.zeros(n) if exposure is None else np.asarray(exposure, dtype=float),
            "fills": tuple(fills),
            "decisions": (),
            "denials": {},
            "paid": CostsPaid(),
        }
        return RunResult(**(fields | changed))

    return make


@pytest.fixture
def fill() -> Callable[[float, float], FillRow]:
    """Make one execution of a signed quantity at a price."""

    def make(quantity: float, price: float) -> FillRow:
        return FillRow(
            ts_ns=0,
            symbol="TEST",
            quantity=quantity,
            price=price,
            reference_price=price,
            leg="entry",
        )

    return make
