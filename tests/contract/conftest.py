"""Open a journal on every database that must keep the same promises, and make entries for it."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from domain.decisions import (
    Action,
    Call,
    Check,
    Decision,
    Directive,
    Outcome,
    Role,
)
from domain.orders import (
    Fill,
    Leg,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    client_order_id,
)
from domain.ports import Entry, EntryKind
from domain.records import digest, plain
from engine.clock import ManualClock
from journal.database import JournalConfig
from journal.sql import SqlJournal

T0 = "2026-01-05T15:00:00.000000000Z"


def window(n=1, symbol="AAPL"):
    bars = [[T0, 1.0, 2.0, 0.5, 1.5, 100.0 + n, 7, 1.4] for _ in range(50)]
    return {"symbol": symbol, "bars": bars, "decision_id": f"d{n}", "as_of": T0}


def call(role=Role.DIRECTOR, attempt=1, **changes):
    fields = {
        "role": role,
        "attempt": attempt,
        "model": "model-a",
        "prompt_digest": f"digest-of-{role}",
        "raw": '{"action": "hold"}',
        "tokens_in": 1000,
        "tokens_out": 50,
        "cost_usd": 0.002,
        "latency_ms": 812.5,
    }
    return Call(**(fields | changes))


def decision(n=1, *, symbol="AAPL", outcome=Outcome.HELD, reason_code="HOLD", **changes):
    fields = {
        "id": f"d{n}",
        "symbol": symbol,
        "window_digest": digest(window(n, symbol)),
        "analyst": "llm:model-a",
        "outcome": outcome,
        "reason_code": reason_code,
        "as_of": T0,
        "graph_version": "1",
        "ts_start": T0,
        "ts_end": T0,
        "directive": Directive(action=Action.HOLD, confidence=0.5, thesis="flat"),
        "calls": (call(),),
    }
    return Decision(**(fields | changes))


def decided(made, *, prompts=None):
    number = int(made.id.removeprefix("d"))
    body = {
        "decision": plain(made),
        "window": window(number, made.symbol),
        "prompts": prompts or {"digest-of-director": f"What now, {made.symbol}?"},
    }
    return Entry(kind=EntryKind.DECISION, ref=made.id, body=body)


def request(origin="d1", leg=Leg.ENTRY, attempt=1, *, symbol="AAPL", side=Side.BUY, quantity="2"):
    return OrderRequest(
        decision_id=origin,
        leg=leg,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        reference_price=Decimal("100.00"),
        valid_until=T0,
        client_order_id=client_order_id(origin, leg, attempt),
        limit_price=Decimal("100.05"),
        stop_loss=Decimal("95.00"),
    )


def gate(asked, *, code=None):
    checks = (
        Check(code="QUOTE_STALE", passed=True, value="0.4", limit="10.0"),
        Check(code="SPREAD_TOO_WIDE", passed=code is None, value="80", limit="50"),
    )
    body = {
        "client_order_id": asked.client_order_id,
        "decision_id": asked.decision_id,
        "purpose": asked.purpose.value,
        "authorized": code is None,
        "code": code,
        "checks": plain(checks),
    }
    return Entry(kind=EntryKind.GATE, ref=asked.client_order_id, body=body)


def intent(asked):
    return Entry(kind=EntryKind.INTENT, ref=asked.client_order_id, body={"request": plain(asked)})


def happened(asked, kind, state, *, filled="0", execution=None, reason=""):
    event = OrderEvent(
        kind=kind,
        client_order_id=asked.client_order_id,
        ts_event=T0,
        venue_order_id="v1",
        execution_id=execution,
        reason=reason,
    )
    order = Order(request=asked, state=state, venue_order_id="v1", filled_quantity=Decimal(filled))
    body = {"event": plain(event), "order": plain(order)}
    return Entry(kind=EntryKind.ORDER_EVENT, ref=asked.client_order_id, body=body)


def accepted(asked):
    return happened(asked, OrderEventKind.ACCEPTED, OrderState.ACCEPTED)


def filled(asked, price="100.05", execution="x1", quantity=None, fee="0"):
    fill = Fill(
        client_order_id=asked.client_order_id,
        execution_id=execution,
        symbol=asked.symbol,
        side=asked.side,
        quantity=Decimal(quantity or asked.quantity),
        price=Decimal(price),
        ts_event=T0,
        leg=asked.leg,
        fee=Decimal(fee),
    )
    return (
        happened(
            asked,
            OrderEventKind.FILLED,
            OrderState.FILLED,
            filled=str(asked.quantity),
            execution=execution,
        ),
        Entry(kind=EntryKind.FILL, ref=asked.client_order_id, body=plain(fill)),
    )


def plainly(entry_kind, /, **body):
    return Entry(kind=EntryKind(entry_kind), ref="x", body=body)


def alert(n=0):
    return plainly("alert", code="TEST", message=f"alert {n}", n=n)


@pytest.fixture
def make():
    """Make entries and records as the engine would."""
    return SimpleNamespace(
        window=window,
        call=call,
        decision=decision,
        decided=decided,
        request=request,
        gate=gate,
        intent=intent,
        happened=happened,
        accepted=accepted,
        filled=filled,
        plainly=plainly,
        alert=alert,
    )


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["sqlite", "sqlite+aiosqlite", "postgresql"])
def database(request, tmp_path):
    """Give an empty database's address: SQLite by both ways to write it, and a real server."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql_url")
    return f"{request.param}:///{tmp_path}/journal.sqlite3"


@pytest.fixture
def config(database, tmp_path):
    """Configure a journal that comes back soon."""
    return JournalConfig(
        url=database,
        anchor_file=tmp_path / "journal.anchors",
        spool_file=tmp_path / "journal.spool",
        retry_first_s=0.01,
        retry_last_s=0.05,
        trace_delay_s=0.01,
        append_timeout_s=60.0,  # a shared disk has stood still for ten seconds under the suite
        anchor_every=50,
    )


@pytest.fixture
async def journal(config, clock):
    async with SqlJournal(config, clock) as opened:
        yield opened
