"""A stand for orders: the real journal, ledger, book and gateway before a real local exchange."""

import asyncio
import socket
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from websockets.asyncio.server import serve

from broker.alpaca import AlpacaBroker, AlpacaBrokerConfig
from domain.account import Ledger
from domain.market import Quote, SessionPhase
from domain.orders import (
    Leg,
    OrderClass,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    client_order_id,
)
from domain.ports import Entry, EntryKind
from domain.records import NS_PER_S, format_ns, plain
from domain.risk import Facts, Limits, TradingState
from engine.clock import ScaledClock
from engine.orders.book import OrderBook
from engine.orders.delivery.lookup import LookupConfig
from engine.orders.delivery.seams import GatewayConfig, GatewaySeams
from engine.orders.gateway import Gateway
from engine.orders.looks import ReconcilerConfig, ReconcilerSeams, Trigger
from engine.orders.ownership import Ownership, OwnershipConfig
from engine.orders.reconcile import Reconciler
from exchange.clock import VenueClock
from exchange.faults import Answer, Faults
from exchange.matching.knobs import Knobs
from exchange.matching.listing import crypto_pair, us_equity
from exchange.matching.registry import OrderSearch
from exchange.rest.trading import trading_router
from exchange.updates import OrderStream
from exchange.venue import Credentials, Venue
from journal.database import JournalConfig
from journal.sql import SqlJournal

# A Thursday, 10:00 in New York.
ORIGIN_NS = 1_791_468_000 * NS_PER_S
SYMBOLS = frozenset({"AAPL", "BTC/USD"})
QUICK = GatewayConfig(
    deadline_s=8.0,
    write_ahead_s=0.5,
    retry_s=0.01,
    retry_longest_s=0.05,
    confirm_s=0.1,
    confirm_longest_s=0.2,
    lookup=LookupConfig(first_s=0.01, longest_s=0.05, deadline_s=8.0),
)


def answers(path: str, *replies: Answer | None, method: str | None = None) -> Any:
    """Answer requests to a path one after the other; none lets it pass, and so does the end."""
    left = list(replies)

    async def rule(request: Any, _answer: Any = None) -> Answer | None:
        if not request.path.startswith(path) or method not in (None, request.method) or not left:
            return None
        return left.pop(0)

    return rule


def failure(status: int = 504, body: Any = b"<html>504 Gateway Time-out</html>", **headers: str):
    """An answer that proves nothing, unless told otherwise."""
    return Answer(status=status, body=body, headers=headers, media_type="text/html")


class Script(Faults):
    """Break what a test says: each rule is asked for every request, the first answer counts."""

    answers = staticmethod(answers)
    failure = staticmethod(failure)

    def __init__(self) -> None:
        self.before: list[Any] = []
        self.after: list[Any] = []
        self.events: Any = lambda event: (event,)
        self.released = asyncio.Event()

    async def before_request(self, request: Any) -> Answer | None:
        for rule in self.before:
            if (answer := await rule(request)) is not None:
                return answer
        return None

    async def after_request(self, request: Any, answer: Answer) -> Answer:
        for rule in self.after:
            if (other := await rule(request, answer)) is not None:
                return other
        return answer

    def before_event(self, event: dict[str, Any]) -> Any:
        return self.events(event)


class Door:
    """A TCP door before the venue: it can be shut, and it can swallow answers."""

    def __init__(self, port: int) -> None:
        self._inner = port
        self._server: Any = None
        self._pipes: set[asyncio.Task[None]] = set()
        self._clients: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.swallows = False
        self.streams: Any = None

    async def open(self) -> None:
        """Listen, on the same port as before."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections and cut those there are."""
        self._server.close()
        for client in self._clients:
            client.transport.abort()
        if self._pipes:
            await asyncio.wait(self._pipes)
        await self._server.wait_closed()

    async def _serve(self, reader: Any, writer: Any) -> None:
        task = asyncio.current_task()
        self._pipes.add(task)
        self._clients.add(writer)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", self._inner)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, inner_writer))
                group.create_task(self._pass(inner_reader, writer, is_answer=True))
        except* (ConnectionError, OSError):
            pass
        finally:
            for end in (writer, inner_writer):
                end.transport.abort()
            self._clients.discard(writer)
            self._pipes.discard(task)

    async def _pass(self, reader: Any, writer: Any, *, is_answer: bool = False) -> None:
        while data := await reader.read(65536):
            if is_answer and self.swallows:
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def hosted(venue):
    """Serve a venue's REST and order stream on free ports; yields both addresses."""
    app = FastAPI()
    app.include_router(trading_router(venue))
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    async with serve(OrderStream(venue).serve, "127.0.0.1", 0) as stream:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        stream_port = stream.sockets[0].getsockname()[1]
        door = Door(port)
        await door.open()
        try:
            door.streams = stream
            yield f"http://127.0.0.1:{door.port}", f"ws://127.0.0.1:{stream_port}/stream", door
        finally:
            await door.shut()
            server.should_exit = True
            await serving
            listener.close()


class Wall:
    """Real time, which a test may move on."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def __call__(self) -> int:
        return time.monotonic_ns() + self._ahead_ns

    def skip(self, seconds: float) -> None:
        """Let so much time have passed, for the venue and for us."""
        self._ahead_ns += int(seconds * NS_PER_S)


@dataclass
class Stand:
    """Everything wired; what a test turns is an attribute."""

    venue: Venue
    script: Script
    door: Door
    wall: "Wall"
    clock: ScaledClock
    broker: AlpacaBroker
    journal: SqlJournal
    ledger: Ledger
    book: OrderBook
    gateway: Gateway
    ownership: Ownership
    reconciler: Reconciler
    instruments: dict[str, Any]
    limits: Limits
    published: list[tuple[str, dict[str, Any]]]
    alerts: list[tuple[str, str, str]]
    adopted: list[Any] = field(default_factory=list)
    halts: list[tuple[str, str]] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    is_journal_up: bool = True
    is_journal_closed: bool = False
    trading_state: TradingState = TradingState.ACTIVE

    def facts(self, request: OrderRequest) -> Facts:
        """Say that all is well, with the venue's own latest quote."""
        latest = self.venue.quote(request.symbol)
        quote = Quote(
            symbol=request.symbol,
            bid=latest.bid,
            bid_size=latest.bid_size,
            ask=latest.ask,
            ask_size=latest.ask_size,
            ts_event=latest.ts_ns,
            ts_recv=latest.ts_ns,
        )
        return Facts(
            now_ns=self.clock.now_ns(),
            trading_state=self.trading_state,
            is_symbol_reducing=self.ownership.is_reducing(request.symbol),
            is_reconciled=True,
            is_journal_up=self.is_journal_up,
            is_link_up=True,
            phase=SessionPhase.ALWAYS,
            is_symbol_halted=False,
            allowed_symbols=SYMBOLS,
            is_foreign=self.ownership.is_foreign(request.symbol),
            instrument=self.instruments[request.symbol],
            quote=quote,
            quote_age_ns=0,
            window_mid=quote.mid,
            venue_mid=quote.mid,
            atr=1.0 if request.symbol == "AAPL" else 500.0,
            decision_age_ns=0,
            skew_ns=0,
            day_pnl=Decimal(0),
            peak_equity=Decimal(100_000),
            orders_last_minute=len(self.counted),
        )

    def quote(self, symbol: str, bid: float, ask: float) -> None:
        """Play a quote of now."""
        self.venue.on_quote(symbol, bid, 1000.0, ask, 1000.0, self.venue.clock.now_ns())

    def trade(self, symbol: str, price: float) -> None:
        """Play a print of now."""
        self.venue.on_trade(symbol, price, 100.0, self.venue.clock.now_ns())

    def request(self, n: int = 1, **changes: Any) -> OrderRequest:
        """Return an entry of one share of AAPL a cent through the ask; `n` makes the name."""
        symbol = changes.pop("symbol", "AAPL")
        leg = changes.pop("leg", Leg.ENTRY)
        fields = {
            "decision_id": f"d{n:03}",
            "leg": leg,
            "symbol": symbol,
            "side": Side.BUY,
            "quantity": Decimal(1),
            "order_type": OrderType.LIMIT,
            "time_in_force": TimeInForce.DAY,
            "reference_price": Decimal("100.00"),
            "limit_price": Decimal("100.01"),
            "stop_loss": Decimal("98.00"),
            "take_profit": Decimal("104.00"),
            "valid_until": format_ns(self.clock.now_ns() + 60 * NS_PER_S),
            "client_order_id": client_order_id(f"d{n:03}", leg, 1),
        }
        return OrderRequest(**(fields | changes))

    def resting(self, n: int = 1, **changes: Any) -> OrderRequest:
        """Return an entry below the bid, which waits."""
        return self.request(n, **({"limit_price": Decimal("99.60")} | changes))

    def bracket(self, n: int = 1, **changes: Any) -> OrderRequest:
        """Return a whole-share bracket."""
        fields = {"order_class": OrderClass.BRACKET, "time_in_force": TimeInForce.GTC}
        return self.request(n, **(fields | changes))

    def exit(self, n: int = 1, **changes: Any) -> OrderRequest:
        """Return a resting stop for one share."""
        fields = {
            "leg": Leg.STOP,
            "side": Side.SELL,
            "order_type": OrderType.STOP,
            "time_in_force": TimeInForce.GTC,
            "limit_price": None,
            "stop_price": Decimal("98.00"),
            "stop_loss": None,
            "take_profit": None,
        }
        return self.request(n, **(fields | changes))

    def at_venue(self) -> list[dict[str, Any]]:
        """Return every order the venue has, by its own record, oldest first."""
        return self.venue.orders(OrderSearch(status="all", ascending=True, limit=500))

    @property
    def streams(self) -> Any:
        """Return the venue's ends of the order streams."""
        return self.door.streams.connections

    def posts(self, status: int | None = None) -> list[Any]:
        """Return every POST of an order that reached the venue, by its answer when asked."""
        asked = self.venue.record.requests("POST", "/v2/orders")
        return [post for post in asked if status in (None, post.status)]

    def cancels(self) -> list[Any]:
        """Return every DELETE of an order that reached the venue."""
        return [each for each in self.venue.record.requests("DELETE") if "/orders/" in each.path]

    async def hold(self, quantity: int = 1) -> None:
        """Own shares of AAPL by an entry that fills."""
        await self.gateway.submit(self.request(900, quantity=Decimal(quantity)))
        await self.until(lambda: self.ledger.quantity("AAPL") == quantity)

    def state(self, request: OrderRequest) -> Any:
        """Return the state of the order of a request."""
        return self.book.get(request.client_order_id).state

    def kinds(self) -> list[str]:
        """Return the kinds of what was published."""
        return [kind for kind, _ in self.published]

    async def until(self, condition: Any, deadline_s: float = 60.0) -> None:
        """Wait until the condition holds, looking after every change and at least each 5 ms."""
        async with asyncio.timeout(deadline_s):
            while not condition():  # noqa: ASYNC110 - the condition spans several parts
                await asyncio.sleep(0.005)

    async def close_journal(self) -> None:
        """Take the journal away, or end with it; once."""
        if not self.is_journal_closed:
            self.is_journal_closed = True
            await self.journal.close()

    async def look(self) -> Any:
        """Reconcile once, by the operator."""
        return await self.reconciler.reconcile(Trigger.OPERATOR)

    async def entries(self, kind: Any = None) -> list[Any]:
        """Return the journal's entries of one kind."""
        flush = Entry(kind=EntryKind.ALERT, ref="", body={"code": "FLUSH", "message": ""})
        await self.journal.append(flush)
        found = await self.journal.reader.entries_after(0)
        return [entry for entry in found if kind in (None, entry.kind)]


class Stands:
    """Make stands, each with its own venue; one journal file can outlive several of them."""

    def __init__(self, path: Any, stack: AsyncExitStack) -> None:
        self._path = path
        self._stack = stack

    async def venue(self, **knobs: Any) -> tuple[Venue, Script, tuple[str, str, Door]]:
        """Start a venue with quotes."""
        script, wall = Script(), Wall()
        venue = Venue(
            clock=VenueClock(origin_ns=ORIGIN_NS, wall=wall),
            listings=[us_equity("AAPL"), us_equity("MSFT"), crypto_pair("BTC/USD")],
            credentials=Credentials(key="key", secret="secret"),
            knobs=Knobs(**{"partial_rate": 0.0, "requests_per_minute": 100_000, **knobs}),
            faults=script,
        )
        now_ns = venue.clock.now_ns()
        venue.on_quote("AAPL", 99.99, 1000.0, 100.0, 1000.0, now_ns)
        venue.on_quote("MSFT", 399.99, 1000.0, 400.0, 1000.0, now_ns)
        venue.on_quote("BTC/USD", 49_990.0, 100.0, 50_000.0, 100.0, now_ns)
        addresses = await self._stack.enter_async_context(hosted(venue))
        self._stack.callback(script.released.set)
        return venue, script, addresses

    async def stand(
        self,
        *,
        at: tuple[Venue, Script, tuple[str, str, Door]] | None = None,
        config: GatewayConfig = QUICK,
        limits: Limits | None = None,
        owned: frozenset[str] = frozenset(),
        adopt: bool = False,
        recall: Any = None,
        points: Any = None,
        mark: Any = None,
        since: Any = (),
        **knobs: Any,
    ) -> Stand:
        """Wire everything to a venue (a new one unless given), opened and not yet following."""
        venue, script, (rest_url, stream_url, door) = at or await self.venue(**knobs)
        wall = venue.clock._wall
        clock = ScaledClock(venue.clock.now_ns, speed=1.0, monotonic=wall)
        broker = AlpacaBroker(
            AlpacaBrokerConfig(
                key="key",
                secret="secret",
                rest_url=rest_url,
                stream_url=stream_url,
                deadline_s=6.0,
                requests_per_minute=100_000,
                backoff_s=0.02,
                backoff_max_s=0.05,
            ),
            clock,
        )
        self._stack.push_async_callback(broker.aclose)
        journal = SqlJournal(
            JournalConfig(url=f"sqlite:///{self._path}", trace_delay_s=0.005), clock
        )
        await journal.open()
        ledger = Ledger(SYMBOLS)
        published: list[tuple[str, dict[str, Any]]] = []
        book = OrderBook(
            ledger, journal, clock, lambda kind, body: published.append((kind, plain(body)))
        )
        stand: Stand
        seams = GatewaySeams(
            broker=broker,
            book=book,
            journal=journal,
            facts=lambda request: stand.facts(request),  # noqa: PLW0108 - made below
            limits=lambda: stand.limits,
            clock=clock,
            spool=journal.spool,
            counted=lambda: stand.counted.append(clock.now_ns()),
            **({} if points is None else {"at": points}),
        )
        ownership = Ownership(
            OwnershipConfig(symbols=SYMBOLS, adopt_positions=adopt, grace_s=10.0),
            ledger=ledger,
            clock=clock,
            owned=owned,
        )
        alerts: list[tuple[str, str, str]] = []
        halts: list[tuple[str, str]] = []
        adopted: list[Any] = []

        async def forget(_name: str) -> None:
            return None

        reconciler = Reconciler(
            ReconcilerSeams(
                broker=broker,
                book=book,
                journal=journal,
                ownership=ownership,
                clock=clock,
                recall=recall or forget,
                adopted=lambda position, origin: adopted.append((position, origin)),
                alert=lambda *alert: alerts.append(alert),
                halt=lambda *halt: halts.append(halt),
                mark=mark,
                since=since,
            ),
            ReconcilerConfig(
                interval_s=0.5,
                interval_wall_s=0.5,
                retry_s=0.05,
                settle_s=0.01,
                spacing_s=0.02,
                looks_per_minute=10_000,
                missing_s=30.0,
            ),
        )
        instruments = {symbol: await broker.instrument(symbol) for symbol in SYMBOLS}
        stand = Stand(
            venue=venue,
            script=script,
            door=door,
            wall=wall,
            clock=clock,
            broker=broker,
            journal=journal,
            ledger=ledger,
            book=book,
            gateway=Gateway(seams, config),
            ownership=ownership,
            reconciler=reconciler,
            instruments=instruments,
            limits=limits
            or Limits(
                max_order_amount=Decimal(50_000),
                max_position_fraction=10.0,
                max_exposure_fraction=10.0,
                max_risk_per_trade=1.0,
                unknown_window_s=0.4,
            ),
            published=published,
            alerts=alerts,
            halts=halts,
            adopted=adopted,
        )
        self._stack.push_async_callback(stand.close_journal)
        ledger.correct(await broker.account(), None, clock.now_ns())
        return stand

    @asynccontextmanager
    async def trading(self, **options: Any) -> Any:
        """Make a stand whose gateway runs and whose order stream is followed."""
        stand = await self.stand(**options)
        async with stand.gateway:
            following = asyncio.create_task(stand.reconciler.follow())
            try:
                await stand.until(lambda: stand.reconciler.is_link_up)
                yield stand
            finally:
                following.cancel()
                await asyncio.wait({following})


@pytest.fixture
async def stands(tmp_path):
    """Make stands over one journal file."""
    async with AsyncExitStack() as stack:
        yield Stands(tmp_path / "journal.sqlite3", stack)


@pytest.fixture
async def stand(stands):
    """Return a stand that trades."""
    async with stands.trading() as made:
        yield made
