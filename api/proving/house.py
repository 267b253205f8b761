"""Put up a whole house: a local exchange, a bot of real parts, and a model that follows a script.

The model stands behind real HTTP, so it is the only thing that is faked; bot and exchange meet over
real sockets and the journal is a real file. Scenario tests and campaigns live in the same house.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvicorn

from api.assembly import Plan, Process, running
from api.assembly.mapping import plan_of
from api.settings import Config
from domain.errors import InvariantBroken
from domain.ports import Clock
from exchange.config import ExchangeConfig, SymbolConfig, seeded_crypto, seeded_stock
from exchange.faults import Faults
from exchange.matching.knobs import Knobs
from exchange.matching.registry import OrderSearch
from exchange.server import ExchangeServer
from exchange.streams.endpoints import StreamLimits

POLL_S = 0.02
STOCK, PAIR = "AAPL", "BTC/USD"

CALM = {"has_surprises": False, "volatility_bps": 4.0, "prints_per_s": 6.0, "quotes_per_s": 6.0}

ANSWERS: dict[str, dict[str, Any]] = {
    "signal": {
        "confirmed": True,
        "score": 0.9,
        "support": None,
        "resistance": None,
        "volatility": "normal",
        "reason": "The numbers agree.",
    },
    "verdict": {
        "approved": True,
        "size_fraction": 1.0,
        "stop_loss": None,
        "take_profit": None,
        "reason": "Small enough.",
    },
    "execution_plan": {"style": "marketable", "limit_offset_bps": 5.0},
}


async def until(condition: Callable[[], Any], deadline_s: float = 60.0, *, what: str = "") -> Any:
    """Poll until the condition is truthy and return its value.

    Raises `AssertionError` at the deadline.
    """
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                value = condition()
                if inspect.isawaitable(value):
                    value = await value
                if value:
                    return value
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise AssertionError(f"not within {deadline_s:g} s: {what or condition}") from None


@dataclass
class ScriptedModel:
    """An OpenAI-compatible endpoint whose Director wants, by symbol, what the script says.

    `answers` are the other three's, by schema name. `asked` lists requests as (symbol, schema);
    `raw` replaces the text of a whole answer, by schema name.
    """

    url: str = ""
    wants: dict[str, str] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {name: dict(said) for name, said in ANSWERS.items()}
    )
    asked: list[tuple[str, str]] = field(default_factory=list)
    raw: dict[str, str] = field(default_factory=dict)

    def reply(self, body: dict[str, Any]) -> str:
        """Return the text of the answer to one chat completion request."""
        schema = body["response_format"]["json_schema"]["name"]
        shown = "\n".join(message["content"] for message in body["messages"])
        found = re.search(r"^symbol (\S+) \(", shown, re.MULTILINE)
        if found is None:
            raise InvariantBroken("the prompt names no symbol")
        self.asked.append((found[1], schema))
        if schema in self.raw:
            return self.raw[schema]
        return json.dumps(self.answer(found[1], schema))

    def answer(self, symbol: str, schema: str) -> dict[str, Any]:
        """Return what the role of `schema` says about `symbol`."""
        if schema != "directive":
            return self.answers[schema]
        action = self.wants.get(symbol, "hold")
        return {
            "action": action,
            "confidence": 0.9 if action != "hold" else 0.2,
            "thesis": f"The script says {action}.",
            "invalidation_price": None,
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request; an ASGI application."""
        if scope["type"] != "http":
            return
        whole, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            whole, more = whole + message.get("body", b""), message.get("more_body", False)
        body = json.loads(whole)
        said = {"role": "assistant", "content": self.reply(body)}
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
        }
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(completion).encode()})


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(script: ScriptedModel) -> AsyncIterator[ScriptedModel]:
    """Serve a scripted model on a loopback port; it holds until its script wants something."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        script.url = f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        server = _QuietServer(
            uvicorn.Config(script, log_config=None, lifespan="off", ws="none", access_log=False)
        )
        task = asyncio.create_task(server.serve(sockets=[listening]))
        yield script
        server.should_exit = server.force_exit = True
        await task


@dataclass
class House:
    """An exchange, the model, and the settings of a bot that lives between them."""

    exchange: ExchangeServer
    model: ScriptedModel
    journal: Path

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return what the exchange lists."""
        return tuple(symbol.symbol for symbol in self.exchange.config.symbols)

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Return every setting a bot needs: bars of a second, no cool-down, stops out of noise."""
        return {
            "APCA_API_KEY_ID": self.exchange.key,
            "APCA_API_SECRET_KEY": self.exchange.secret,
            "APCA_API_BASE_URL": self.exchange.rest_url,
            "APCA_DATA_URL": self.exchange.rest_url,
            "APCA_STREAM_URL": self.exchange.stream_url,
            "APCA_REQUESTS_PER_MINUTE": 10_000,
            "TRADING_MODE": "both",
            "TRADING_SYMBOLS": ",".join(self.symbols),
            "DATABASE_URL": f"sqlite:///{self.journal}",
            "LIVE_TRADING": "no",
            "AUTOSTART": "no",
            "ANALYST": "llm",
            "LLM_BASE_URL": self.model.url,
            "LLM_MODEL": "gpt-4.1-mini",
            "OPENAI_API_KEY": "sk-test",
            "BAR_INTERVAL_S": 1,
            "COOLDOWN_S": 0,
            "STOP_MIN_ATR": 0.1,
            "STOP_MAX_ATR": 100,
            "STOP_DEFAULT_ATR": 20,
            "MAX_ORDERS_PER_MINUTE": 100,
            "PORT": 0,
        } | changes

    def plan(self, **changes: Any) -> Plan:
        """Return the plan of a bot at this exchange."""
        config = Config.for_demo(self.settings(**changes), {})
        return plan_of(config, mode="paper", is_always_open=True)

    @asynccontextmanager
    async def bot(self, *, clock: Clock | None = None, **changes: Any) -> AsyncIterator[Process]:
        """Run a bot that has been started, until the end of the block."""
        async with self.up(clock=clock, **changes) as process:
            await process.bot.start(actor="test")
            await self.warm(process)
            yield process

    @asynccontextmanager
    async def up(self, *, clock: Clock | None = None, **changes: Any) -> AsyncIterator[Process]:
        """Run a bot's process without starting its session."""
        async with running(self.plan(**changes), clock=clock) as process:
            yield process

    async def warm(self, process: Process) -> None:
        """Wait until every symbol may be decided upon and venue and journal agree.

        An order approved before they agree is denied, as a person who is too quick would find.
        """

        def is_warm() -> bool:
            status = process.bot.status()
            return status.is_reconciled and all(symbol.is_warm for symbol in status.symbols)

        await until(is_warm, what="every symbol is warm, and the books agree with the venue")

    def orders(self, status: str = "all") -> list[dict[str, Any]]:
        """Return every order the venue has seen, oldest first, legs as orders of their own."""
        wanted = OrderSearch(status=status, limit=10_000, ascending=True)
        return self.exchange.venue.orders(wanted)

    def held(self, symbol: str) -> Decimal:
        """Return the venue's own position."""
        compact = symbol.replace("/", "")
        for position in self.exchange.venue.positions():
            if position["symbol"].replace("/", "") == compact:
                return Decimal(position["qty"])
        return Decimal(0)

    def resting_stop(self, symbol: str) -> dict[str, Any] | None:
        """Return the order at the venue that would end the position at a loss."""
        working = {"new", "accepted", "held", "partially_filled", "pending_new"}
        for order in self.orders():
            if (
                order["symbol"].replace("/", "") == symbol.replace("/", "")
                and order["type"] in {"stop", "stop_limit"}
                and order["status"] in working
            ):
                return order
        return None


@asynccontextmanager
async def open_house(
    *symbols: SymbolConfig,
    model: ScriptedModel,
    folder: Path,
    faults: Faults | None = None,
    **changes: Any,
) -> AsyncIterator[House]:
    """Open an exchange that lists `symbols`, by default a calm stock and a calm pair."""
    listed = symbols or (seeded_stock(STOCK, 228.0, **CALM), seeded_crypto(PAIR, 86e3, **CALM))
    knobs = changes.pop("knobs", Knobs(partial_rate=0.0, requests_per_minute=10_000))
    config = ExchangeConfig(
        symbols=tuple(listed),
        seed=changes.pop("seed", 11),
        limits=StreamLimits(symbols=None),
        data_requests_per_minute=10_000,
        history_minutes=changes.pop("history_minutes", 30),
        knobs=knobs,
        **changes,
    )
    async with ExchangeServer(config, faults=faults) as exchange:
        yield House(exchange=exchange, model=model, journal=folder / "journal.sqlite3")
