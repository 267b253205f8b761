"""Windows made to order, an analyst that follows a script, and a fake model behind real HTTP."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import uvicorn

from domain.decisions import Answer, Brief, Call, Role
from domain.limits import Limits
from domain.market import (
    AssetClass,
    Floors,
    Instrument,
    SessionPhase,
    Window,
    WindowAccount,
    WindowBar,
    WindowNews,
    WindowPosition,
    WindowQuote,
    asset_class_of,
)
from domain.records import NS_PER_S, format_ns, parse_ns, plain
from graph.analysts.model.conversation import template_digests
from graph.analysts.model.endpoint import EndpointConfig

AS_OF = parse_ns("2026-11-20T15:30:00Z")
INTERVAL_S = 60

RISING = {
    "ema_12": 230.6,
    "ema_26": 230.1,
    "macd_hist": 0.05,
    "rsi_14": 62.0,
    "adx_14": 30.0,
    "atr_14": 0.5,
}


class FixedClock:
    """Event time that moves a millisecond a look."""

    def __init__(self) -> None:
        self.ns = AS_OF

    def now_ns(self) -> int:
        self.ns += 1_000_000
        return self.ns

    def monotonic_ns(self) -> int:
        return self.now_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def instrument(symbol: str, **changes: Any) -> Instrument:
    is_stock = asset_class_of(symbol) is AssetClass.STOCK
    rules = Instrument(
        symbol=symbol,
        asset_class=asset_class_of(symbol),
        tick=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_notional=Decimal(1),
        fractionable=is_stock,
        shortable=is_stock,
    )
    return msgspec.structs.replace(rules, **changes)


def rising_bars(close: float, count: int = 50, step: float = 0.04) -> tuple[WindowBar, ...]:
    rows = []
    for index in range(count):
        end = close - step * (count - 1 - index)
        start = AS_OF - (count - index) * INTERVAL_S * NS_PER_S
        rows.append(
            WindowBar(
                t=format_ns(start),
                o=round(end - step, 4),
                h=round(end + 0.25, 4),
                l=round(end - step - 0.25, 4),
                c=round(end, 4),
                v=1000.0 + index,
                n=20,
                vw=round(end - step / 2, 4),
            )
        )
    # The newest bar breaks out: no resistance ahead.
    last = rows[-1]
    rows[-1] = msgspec.structs.replace(last, c=last.h)
    return tuple(rows)


def make_window(symbol: str = "AAPL", **changes: Any) -> Window:
    """A warm window in an up-trend that the rules would trade; any field may be changed."""
    limits = changes.pop("limits", Limits())
    indicators = {**RISING, **changes.pop("indicators", {})}
    rules = changes.pop("instrument", instrument(symbol))
    bid, ask = changes.pop("quote", (230.98, 231.02))
    bars = changes.pop("bars", rising_bars(230.75))
    window = Window(
        symbol=symbol,
        asset_class=asset_class_of(symbol),
        as_of=format_ns(AS_OF),
        interval_s=INTERVAL_S,
        session=SessionPhase.OPEN,
        bars=bars,
        quote=WindowQuote(
            bid=bid,
            bid_size=3.0,
            ask=ask,
            ask_size=2.0,
            ts_event=format_ns(AS_OF - 10_000_000),
            ts_recv=format_ns(AS_OF - 5_000_000),
        ),
        indicators=indicators,
        n_bars_seen=300,
        account=WindowAccount(
            equity=Decimal(100_000),
            cash=Decimal(100_000),
            buying_power=Decimal(200_000),
            day_pnl=Decimal(0),
        ),
        limits=plain(limits),
        floors=Floors(),
        instrument=rules,
        prompts=template_digests(),
        decision_id="d" * 24,
        wake_reason="bar_closed",
        feed="iex",
    )
    return msgspec.structs.replace(window, **changes)


def long_position(quantity: str = "0.4") -> WindowPosition:
    return WindowPosition(
        quantity=Decimal(quantity),
        average_price=Decimal("228.00"),
        unrealized_pnl=Decimal("1.20"),
    )


def headline(text: str, summary: str = "") -> WindowNews:
    return WindowNews(
        id="1", ts="2026-11-20T15:29:00Z", headline=text, summary=summary, source="wire"
    )


BUY = {
    "action": "buy",
    "confidence": 0.8,
    "thesis": "The averages point up.",
    "invalidation_price": 229.0,
}
SELL = {**BUY, "action": "sell", "invalidation_price": 233.0}
HOLD = {"action": "hold", "confidence": 0.2, "thesis": "Nothing to do.", "invalidation_price": None}
CONFIRMED = {
    "confirmed": True,
    "score": 0.8,
    "support": 229.5,
    "resistance": 233.0,
    "volatility": "normal",
    "reason": "Trend and momentum agree.",
}
APPROVED = {
    "approved": True,
    "size_fraction": 1.0,
    "stop_loss": 230.0,
    "take_profit": 233.5,
    "reason": "Reward covers the risk.",
}
MARKETABLE = {"style": "marketable", "limit_offset_bps": 1.0}


class Scripted:
    """Answer each role with what the test wrote down: a dict, or an error to raise."""

    name = "scripted"

    def __init__(self, **answers: Any) -> None:
        self.answers = {
            "director": BUY,
            "quant": CONFIRMED,
            "risk": APPROVED,
            "execution": MARKETABLE,
        } | answers
        self.asked: list[Brief] = []

    async def answer(self, brief: Brief) -> Answer:
        self.asked.append(brief)
        said = self.answers[brief.role]
        if isinstance(said, Exception):
            raise said
        call = Call(
            role=brief.role, attempt=1, model="scripted", prompt_digest="", raw=json.dumps(said)
        )
        return Answer(content=said, calls=(call,))

    @property
    def roles(self) -> list[Role]:
        return [brief.role for brief in self.asked]


class Waiting(Scripted):
    """Answer by the script until a role that never comes back."""

    def __init__(self, stuck: Role) -> None:
        super().__init__()
        self.stuck = stuck
        self.reached = asyncio.Event()

    async def answer(self, brief: Brief) -> Answer:
        if brief.role is self.stuck:
            self.reached.set()
            await asyncio.Event().wait()
        return await super().answer(brief)


@dataclass
class FakeModel:
    """An OpenAI-compatible endpoint: each request takes the next reply of its role, or the last.

    A reply is the answer's JSON value, raw text, or a `Raw` HTTP response. Requests are kept.
    """

    url: str = ""
    replies: dict[str, list[Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    dropped: asyncio.Event = field(default_factory=asyncio.Event)

    def says(self, role: str, *replies: Any) -> None:
        self.replies[role] = list(replies)

    def next_reply(self, body: dict[str, Any]) -> Any:
        waiting = self.replies[role_of(body)]
        return waiting.pop(0) if len(waiting) > 1 else waiting[0]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = json.loads(await _body(receive))
        self.requests.append(body)
        self.asked.set()
        self.headers.append({k.decode(): v.decode() for k, v in scope["headers"]})
        reply = self.next_reply(body)
        if reply is HANG:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.dropped.set()
            return
        raw = reply if isinstance(reply, Raw) else completion(body, reply)
        await send(
            {
                "type": "http.response.start",
                "status": raw.status,
                "headers": [(k.encode(), v.encode()) for k, v in raw.headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": raw.body})


@dataclass(frozen=True)
class Raw:
    """An HTTP response as it is."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "application/json"})


HANG = object()


def role_of(body: dict[str, Any]) -> str:
    schema_names = {
        "directive": "director",
        "signal": "quant",
        "verdict": "risk",
        "execution_plan": "execution",
    }
    response_format = body.get("response_format") or {}
    named = response_format.get("json_schema", {}).get("name")
    if named is None and body.get("tools"):
        named = body["tools"][0]["function"]["name"]
    if named is not None:
        return schema_names[named]
    text = body["messages"][0]["content"]
    return next(role for role in schema_names.values() if role in text.split(".")[0].lower())


def completion(body: dict[str, Any], reply: Any, *, finish: str = "stop", **message: Any) -> Raw:
    """Wrap an answer as a chat completion, by tool call where tools were sent."""
    text = reply if isinstance(reply, str) else json.dumps(reply)
    said: dict[str, Any] = {"role": "assistant", "content": text, **message}
    if body.get("tools") and not message:
        name = body["tools"][0]["function"]["name"]
        call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": text}}
        said = {"role": "assistant", "content": None, "tool_calls": [call]}
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
    }
    return Raw(body=json.dumps(whole).encode())


async def _body(receive: Any) -> bytes:
    whole = b""
    while True:
        message = await receive()
        whole += message.get("body", b"")
        if not message.get("more_body"):
            return whole


@pytest.fixture
async def model() -> AsyncIterator[FakeModel]:
    """A fake language model on a loopback port, agreeing to a whole trade until told otherwise."""
    fake = FakeModel()
    fake.says("director", BUY)
    fake.says("quant", CONFIRMED)
    fake.says("risk", APPROVED)
    fake.says("execution", MARKETABLE)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        fake.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        told = uvicorn.Config(fake, log_config=None, lifespan="off", ws="none", access_log=False)
        told.load()
        server = uvicorn.Server(told)
        server.lifespan = told.lifespan_class(told)
        # Without its main loop and its orderly end, which wait a tenth of a second each.
        await server.startup(sockets=[listening])
        yield fake
        for accepting in server.servers:
            accepting.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)


@dataclass
class Ledger:
    """A budget that writes down what it was asked; `room` bounds the tokens it admits."""

    admitted: list[int] = field(default_factory=list)
    spent: list[tuple[int, int, float]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    refusal: Exception | None = None
    gate: asyncio.Event | None = None

    async def admit(self, *, tokens: int) -> None:
        if self.refusal is not None:
            raise self.refusal
        if self.gate is not None:
            await self.gate.wait()
        self.admitted.append(tokens)

    def spend(self, *, tokens_in: int, tokens_out: int, cost_usd: float) -> None:
        self.spent.append((tokens_in, tokens_out, cost_usd))

    def pause(self, retry_after_s: float) -> None:
        self.pauses.append(retry_after_s)


def config(model: FakeModel, *, named: str = "gpt-4.1-mini", **changes: Any) -> EndpointConfig:
    """How to reach the fake model."""
    asked = EndpointConfig(model=named, api_key="sk-test", base_url=model.url)
    return msgspec.structs.replace(asked, **changes)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def budget() -> Ledger:
    return Ledger()
