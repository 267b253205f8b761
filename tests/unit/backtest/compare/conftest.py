"""Sides made to order: a decision a minute, and its fills."""

from __future__ import annotations

from typing import Any

import pytest

from backtest.compare.records import Execution, Seen, Side, Step

MINUTE_NS = 60_000_000_000


def step_at(minute: float, *, symbol: str = "AAPL", side: str = "live", **fields: Any) -> Step:
    body: dict[str, Any] = {
        "id": f"{side}-{symbol}-{minute}",
        "symbol": symbol,
        "as_of_ns": round(minute * MINUTE_NS),
        "action": "hold",
        "outcome": "held",
        "code": "HOLD",
        "price": 100.0,
        "seen": Seen(mid=100.0, closes={"t1": 99.0, "t2": 100.0}),
    }
    return Step(**(body | fields))


def bought(step: Step, quantity: float = 10.0, price: float = 100.0, **fields: Any) -> Execution:
    body: dict[str, Any] = {
        "ts_ns": step.as_of_ns + 1_000_000_000,
        "symbol": step.symbol,
        "quantity": quantity,
        "price": price,
        "leg": "entry",
        "reference": 100.0,
        "step_id": step.id,
    }
    return Execution(**(body | fields))


def side(steps: tuple[Step, ...], executions: tuple[Execution, ...] = ()) -> Side:
    return Side(name="side", steps=steps, executions=executions, interval_s=60)


@pytest.fixture
def step():
    """`step(minute, field=value)`: one decision, a hold unless told otherwise."""
    return step_at


@pytest.fixture
def order():
    """`order(minute, side=...)`: a decision to buy that was ordered."""

    def made(minute: float, **fields: Any) -> Step:
        wanted = {"action": "buy", "outcome": "ordered", "code": "", "quantity": 10.0}
        return step_at(minute, **(wanted | fields))

    return made


@pytest.fixture
def fill():
    """`fill(step, quantity, price)`: an execution of its order, a second later."""
    return bought


@pytest.fixture
def make_side():
    """`make_side(steps, executions)`."""
    return side
