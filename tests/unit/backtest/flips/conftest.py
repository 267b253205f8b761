"""Decisions made to order, and questions about them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from backtest.flips.records import Asked, Journaled, Sample, Stand
from domain.decisions import Action, Call, Decision, Directive, Outcome, Role
from domain.orders import Leg, OrderRequest, OrderType, Side, TimeInForce
from tests.unit.graph.conftest import make_window


def request_of(quantity: str) -> OrderRequest:
    return OrderRequest(
        decision_id="d" * 24,
        leg=Leg.ENTRY,
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        limit_price=Decimal("230.00"),
        time_in_force=TimeInForce.DAY,
        reference_price=Decimal("230.00"),
        valid_until="2026-11-20T15:30:30Z",
        client_order_id="ah-d-entry-1",
    )


def decision_of(
    action: str = "hold", outcome: str = "held", *, quantity: str | None = None, **fields: Any
) -> Decision:
    call = Call(
        role=Role.DIRECTOR,
        attempt=1,
        model="m",
        prompt_digest="p",
        raw="{}",
        tokens_in=900,
        tokens_out=60,
        cost_usd=0.001,
        latency_ms=fields.pop("latency_ms", 250.0),
    )
    body: dict[str, Any] = {
        "id": "d1",
        "symbol": "AAPL",
        "window_digest": "w",
        "analyst": "llm:m",
        "outcome": Outcome(outcome),
        "reason_code": "",
        "as_of": "2026-11-20T15:30:00.000000000Z",
        "graph_version": "1",
        "calls": (call,),
        "request": request_of(quantity) if quantity else None,
    }
    if action != "none":
        body["directive"] = Directive(action=Action(action), confidence=0.8, thesis="So it is.")
    return Decision(**(body | fields))


async def questions_of(*decisions: Decision) -> AsyncIterator[Journaled]:
    for decision in decisions:
        yield Journaled(decision=decision, window=make_window(), prompts={})


def asked_of(was: Stand, *samples: Sample) -> Asked:
    return Asked(
        decision_id="d1",
        symbol="AAPL",
        as_of="2026-11-20T15:30:00Z",
        analyst="llm:m",
        was=was,
        samples=samples,
    )


@pytest.fixture
def decide():
    """`decide(action, outcome, quantity=...)`: a decision that ended so."""
    return decision_of


@pytest.fixture
def questions():
    """`questions(*decisions)`: what a journal would yield."""
    return questions_of


@pytest.fixture
def ask():
    """`ask(was, *samples)`: one decision asked again."""
    return asked_of
