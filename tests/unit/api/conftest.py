"""Serve the real application over a real socket and a real journal, with a stand-in engine.

The engine is a Protocol here: what it would say is set by the test, what it is asked is kept.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from api import examples
from api.app import create_app, server_config
from api.security import SecurityConfig
from api.stream import StreamConfig
from domain.account import Account
from domain.decisions import Action, Call, Check, Decision, Directive, Outcome, Role
from domain.market import AssetClass, Instrument
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
from domain.records import digest, parse_ns, plain
from engine.approving.telling import view_of
from engine.bus import Bus
from engine.clock import ManualClock
from engine.control import (
    AccountView,
    ApprovalResult,
    ApprovalView,
    PositionView,
    ProtectedBy,
    Status,
    TicketView,
)
from engine.figures import BarsView, LimitUse, Vitals
from engine.orders.looks import Reconciliation
from journal.database import JournalConfig
from journal.reads.approvals import Asked
from journal.reads.reader import Reader
from journal.sql import SqlJournal

VIEW = examples.APPROVAL | {"ts": 1, "ts_closed": 2}


class Engine:
    """Answer as the test set it; remember what was asked; raise what the test put in `refusal`."""

    def __init__(self, reader: Reader) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refusal: Exception | None = None
        self.current = msgspec.convert(examples.STATUS, Status)
        self.money: AccountView | None = account()
        self.held: list[PositionView] = [position()]
        self.orders: list[Order] = []
        self.traded: list[Instrument] = []
        self.unreadable: Exception | None = None
        self._reader = reader

    def _take(self, verb: str, **given: Any) -> Status:
        self.asked.append((verb, given))
        if self.refusal is not None:
            raise self.refusal
        return self.current

    async def start(self, *, actor: str, reason: str = "") -> Status:
        return self._take("start", actor=actor, reason=reason)

    async def stop(self, *, actor: str, reason: str = "") -> Status:
        return self._take("stop", actor=actor, reason=reason)

    async def halt(self, *, actor: str, reason: str = "") -> Status:
        return self._take("halt", actor=actor, reason=reason)

    async def reduce(self, *, actor: str, reason: str = "") -> Status:
        return self._take("reduce", actor=actor, reason=reason)

    async def resume(self, *, actor: str, code: str, reason: str = "") -> Status:
        return self._take("resume", actor=actor, code=code, reason=reason)

    async def flatten(
        self, *, actor: str, reason: str = "", account_wide: bool = False
    ) -> Sequence[PositionView]:
        self._take("flatten", actor=actor, reason=reason, account_wide=account_wide)
        return self.held

    async def cancel_all(
        self, *, actor: str, reason: str = "", protective: bool = False
    ) -> Sequence[Order]:
        self._take("cancel_all", actor=actor, reason=reason, protective=protective)
        return self.orders

    async def reconcile(self, *, actor: str, repair: bool = False) -> Reconciliation:
        self._take("reconcile", actor=actor, repair=repair)
        return msgspec.convert(examples.RECONCILIATION, Reconciliation)

    async def decide(self, symbol: str, *, actor: str) -> TicketView:
        self._take("decide", actor=actor, symbol=symbol)
        return TicketView(
            id="t1",
            symbol=symbol,
            reason="operator",
            priority="operator",
            ts="2026-01-01T00:00:00Z",
        )

    def approvals(self) -> "Engine":
        return self

    async def approve(self, decision_id: str, *, actor: str, reason: str = "") -> ApprovalResult:
        self._take("approve", decision_id=decision_id, actor=actor, reason=reason)
        return msgspec.convert(examples.APPROVED | {"approval": VIEW}, ApprovalResult)

    async def reject(self, decision_id: str, *, actor: str, reason: str = "") -> ApprovalResult:
        self._take("reject", decision_id=decision_id, actor=actor, reason=reason)
        return msgspec.convert(examples.REJECTED | {"approval": VIEW}, ApprovalResult)

    def view(self, asked: Asked) -> ApprovalView:
        return view_of(asked, parse_ns("2026-01-01T00:01:00Z"))

    def status(self) -> Status:
        return self._take("status")

    def account(self) -> AccountView | None:
        return self.money

    def positions(self) -> Sequence[PositionView]:
        return self.held

    def bars(self, symbol: str, *, limit: int) -> BarsView:
        self._take("bars", symbol=symbol, limit=limit)
        return msgspec.convert(examples.BARS, BarsView)

    def limits(self) -> Sequence[LimitUse]:
        return [msgspec.convert(examples.LIMIT_USE, LimitUse)]

    def vitals(self) -> Vitals:
        return msgspec.convert(examples.VITALS, Vitals)

    def working_orders(self) -> Sequence[Order]:
        return self.orders

    async def assets(self, asset_class: AssetClass | None = None) -> Sequence[Instrument]:
        self._take("assets", asset_class=asset_class)
        return [a for a in self.traded if asset_class in {None, a.asset_class}]

    def reader(self) -> Reader:
        if self.unreadable is not None:
            raise self.unreadable
        return self._reader


def account() -> AccountView:
    return AccountView(
        account=Account(
            account_id="a",
            equity=Decimal("100000.10"),
            cash=Decimal(100_000),
            buying_power=Decimal(200_000),
            non_marginable_buying_power=Decimal(100_000),
            last_equity=Decimal(100_000),
        ),
        age_s=0.5,
        day_pnl=Decimal("0.10"),
        realized_pnl=Decimal(0),
        exposure=Decimal(0),
        reserved=Decimal(0),
        peak_equity=Decimal(100_001),
        drawdown=Decimal("0.00000900"),
    )


def position() -> PositionView:
    return PositionView(
        symbol="BTC/USD",
        quantity=Decimal("0.5"),
        average_price=Decimal(100),
        market_price=Decimal(110),
        market_value=Decimal(55),
        unrealized_pnl=Decimal(5),
        is_ours=True,
        protected_by=ProtectedBy.VENUE,
    )


def request(decision_id: str, symbol: str = "BTC/USD") -> OrderRequest:
    return OrderRequest(
        decision_id=decision_id,
        leg=Leg.ENTRY,
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal("0.5"),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        reference_price=Decimal(100),
        valid_until="2026-01-01T00:01:00Z",
        client_order_id=client_order_id(decision_id, Leg.ENTRY, 1),
        limit_price=Decimal(101),
    )


def decision(name: str, symbol: str = "BTC/USD", outcome: Outcome = Outcome.HELD) -> Entry:
    """Return the entry of a decision with a window, a prompt and a call."""
    window = {"symbol": symbol, "as_of": "2026-01-01T00:00:00Z", "ts_kept": 5, "bars": [[1.5]]}
    made = Decision(
        id=name,
        symbol=symbol,
        window_digest=digest(window),
        analyst="rules",
        outcome=outcome,
        reason_code="HOLD" if outcome is Outcome.HELD else "ORDERED",
        as_of="2026-01-01T00:00:00Z",
        graph_version="1",
        directive=Directive(action=Action.BUY, confidence=0.7, thesis="<b>up</b>"),
        calls=(
            Call(
                role=Role.DIRECTOR,
                attempt=1,
                model="m",
                prompt_digest=digest("what now?"),
                raw="buy",
                tokens_in=10,
                tokens_out=5,
                cost_usd=0.25,
            ),
        ),
    )
    prompts = {digest("what now?"): "what now?"}
    return Entry(
        kind=EntryKind.DECISION,
        ref=name,
        body={"decision": plain(made), "window": window, "prompts": prompts},
    )


def gate(name: str, *, code: str | None = None) -> Entry:
    checks = [Check(code="PRICE_MOVED", passed=code is None, value="3", limit="25")]
    return Entry(
        kind=EntryKind.GATE,
        ref=name,
        body={
            "client_order_id": client_order_id(name, Leg.ENTRY, 1),
            "decision_id": name,
            "purpose": "entry",
            "authorized": code is None,
            "code": code,
            "checks": plain(checks),
        },
    )


def order_story(name: str) -> list[Entry]:
    """Return the entries of an order that fills."""
    asked = request(name)
    done = Order(
        request=asked,
        state=OrderState.FILLED,
        venue_order_id="v",
        filled_quantity=asked.quantity,
        average_price=Decimal(100),
        executions=("e1",),
        executed_quantity=asked.quantity,
    )
    event = OrderEvent(
        kind=OrderEventKind.FILLED,
        client_order_id=asked.client_order_id,
        ts_event="2026-01-01T00:00:02Z",
        execution_id="e1",
        fill_quantity=asked.quantity,
        fill_price=Decimal(100),
    )
    fill = Fill(
        client_order_id=asked.client_order_id,
        execution_id="e1",
        symbol=asked.symbol,
        side=asked.side,
        quantity=asked.quantity,
        price=Decimal(100),
        ts_event=event.ts_event,
        leg=asked.leg,
        fee=Decimal("0.1"),
    )
    return [
        gate(name),
        Entry(kind=EntryKind.INTENT, ref=asked.client_order_id, body={"request": plain(asked)}),
        Entry(
            kind=EntryKind.ORDER_EVENT,
            ref=asked.client_order_id,
            body={"event": plain(event), "order": plain(done)},
        ),
        Entry(kind=EntryKind.FILL, ref=asked.client_order_id, body=plain(fill)),
    ]


def alert(message: str = "m") -> Entry:
    body = {"code": "TEST", "message": message, "symbol": None}
    return Entry(kind=EntryKind.ALERT, ref="TEST", body=body)


class Served(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


class Desk:
    """A served application with everything around it in reach."""

    def __init__(self, engine: Engine, journal: SqlJournal, bus: Bus) -> None:
        self.engine = engine
        self.journal = journal
        self.bus = bus
        self.registry = CollectorRegistry()
        self.port = 0
        self.http: httpx.AsyncClient
        self.app: Any = None

    # The entries tests write; fixtures are how tests reach them.
    decision = staticmethod(decision)
    gate = staticmethod(gate)
    order_story = staticmethod(order_story)
    alert = staticmethod(alert)

    def client(self, **options: Any) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=60, **options)

    async def asked(self) -> list[tuple[str, dict[str, Any]]]:
        return [ask for ask in self.engine.asked if ask[0] != "status"]


@asynccontextmanager
async def serve(
    desk: Desk, security: SecurityConfig, streaming: StreamConfig
) -> AsyncIterator[Desk]:
    desk.app = create_app(
        desk.engine,
        security=security,
        bus=desk.bus,
        registry=desk.registry,
        streaming=streaming,
    )
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        desk.port = listening.getsockname()[1]
        server = Served(server_config(desk.app, host="127.0.0.1", port=desk.port))
        serving = asyncio.create_task(server.serve([listening]))
        await asyncio.wait_for(server.listens.wait(), 60)
        try:
            async with desk.client() as desk.http:
                yield desk
        finally:
            desk.app.state.stream.close()
            server.should_exit = True
            await asyncio.wait_for(serving, 60)


@pytest.fixture
async def serving(tmp_path):
    """Return a function that serves the application with a given security."""
    config = JournalConfig(url=f"sqlite:///{tmp_path / 'journal.sqlite3'}", trace_delay_s=0.01)
    async with AsyncExitStack() as stack:
        journal = await stack.enter_async_context(SqlJournal(config, ManualClock()))

        async def start(security: SecurityConfig | None = None, **streaming: Any) -> Desk:
            desk = Desk(Engine(journal.reader), journal, Bus())
            served = serve(desk, security or SecurityConfig(), StreamConfig(**streaming))
            return await stack.enter_async_context(served)

        yield start


@pytest.fixture
async def desk(serving):
    return await serving()
