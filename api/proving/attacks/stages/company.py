"""Put a bot up before an exchange that watches, stage cases on it, and judge what came of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.assembly import Process
from api.proving.attacks.account import Account, Deed
from api.proving.attacks.cases import Case
from api.proving.attacks.model import Adversary
from api.proving.attacks.oracle import Bounds, Breach, Span, broken, short, weight_and_turnover
from api.proving.attacks.texts import Story
from api.proving.attacks.watch import Watch, compact
from api.proving.campaign import NO_MACHINE_S
from api.proving.house import House, ScriptedModel, open_house, serving, until
from api.proving.kill.oracle import Exposure, covers, exposures, over_sold
from domain.errors import AutoHedgeError
from domain.records import NS_PER_S
from engine.bus import BusEvent
from exchange.config import SymbolConfig, seeded_crypto, seeded_stock
from exchange.market.records import Article
from exchange.matching.knobs import Knobs
from exchange.streams.endpoints import Stream

ACTOR = "attacks"
START_S = 120.0
STAGED_S = 30.0
SETTLED_S = 45.0
BARE_S = 1.0
LATELY_S = 0.02
CASH = Decimal(100_000)
MAX_ORDER = 100
COLLAR_BPS = 50
LOOKS = {
    "has_surprises": False,
    "volatility_bps": 8.0,
    "spread_bps": 2.0,
    "prints_per_s": 2.0,
    "quotes_per_s": 2.0,
}
SETTINGS: dict[str, Any] = {
    "MAX_ORDER_AMOUNT": MAX_ORDER,
    "COLLAR_BPS": COLLAR_BPS,
    "BAR_INTERVAL_S": 1,
    "COOLDOWN_S": 600,
    "WARMUP_MIN_COUNT": 30,
    "ENTRY_TTL_S": 2,
    "UNKNOWN_WINDOW_S": 1,
    "QUOTE_MAX_AGE_S": 4,
    "MAX_OPEN_ORDERS": 100,
    "MAX_ORDERS_PER_MINUTE": 180,
    "MAX_CONSECUTIVE_LOSSES": 0,
    "MAX_CONSECUTIVE_DENIALS": 0,
    "MAX_CONSECUTIVE_REJECTIONS": 0,
    "MAX_ONE_WAY_FILLS": 0,
    "MAX_LINK_LOSSES": 0,
    "LLM_TIMEOUT_S": 2,
    "LLM_MAX_USD_PER_DAY": 10_000,
    "DEADMAN_S": 0,
    "LOG_LEVEL": "error",
}


@dataclass
class Company:
    """A bot, an exchange and an adversary, with what was done to them."""

    house: House
    process: Process
    watch: Watch
    model: Adversary
    changes: dict[str, Any]
    deeds: list[Deed] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    halted: list[Span] = field(default_factory=list)
    halts_s: list[float] = field(default_factory=list)
    barred: set[str] = field(default_factory=set)
    seen: list[tuple[str, str]] = field(default_factory=list)
    slowest_s: float = 0.0
    articles: int = 0

    @property
    def now_ns(self) -> int:
        """Return the venue's time."""
        return self.house.exchange.venue.clock.now_ns()

    def blame(self, case: Case, line: str) -> None:
        """Note what broke that no order shows."""
        self.seen.append((case.id, line))

    async def stage(
        self, case: Case, symbol: str, act: Callable[[Case, str], Awaitable[None]]
    ) -> None:
        """Do a case; what keeps it from being done is its trouble."""
        begin, trouble = self.now_ns, ""
        try:
            async with asyncio.timeout(STAGED_S * 3):
                await act(case, symbol)
        except (AssertionError, TimeoutError, AutoHedgeError) as error:
            trouble = str(error) or repr(error)
        self.deeds.append(
            Deed(case=case, symbol=symbol, begin_ns=begin, end_ns=self.now_ns, trouble=trouble)
        )

    def tell(self, case: Case, symbol: str, stories: Sequence[Story]) -> None:
        """Publish articles about a symbol, each behind the mark of its case."""
        for number, story in enumerate(stories):
            now = self.now_ns
            texts = [text.replace("{s}", symbol) for text in (story.headline, story.summary)]
            base = (len(self.deeds) + self.articles) * 1000
            article = Article(
                symbol=compact(symbol),
                ts_event=now,
                published_ns=now,
                article_id=base + (story.number if story.number or number else 0),
                headline=f"{mark_of(case)} {texts[0]}",
                summary=texts[1],
                content=texts[1],
                author="stranger",
                source=story.source,
                url="https://news.invalid/",
                symbols=(compact(symbol), *story.symbols),
            )
            self.house.exchange.hub.publish(Stream.NEWS, [article])
        self.articles += 1

    async def decide(self, symbol: str) -> None:
        """Ask for a decision and wait for its end; a refusal is an end too."""
        before = self.ended[symbol]
        try:
            await self.process.bot.decide(symbol, actor=ACTOR)
        except AutoHedgeError:
            self.ended[symbol] += 1
            await asyncio.sleep(LATELY_S)
            return
        with suppress(AssertionError):
            await until(lambda: self.ended[symbol] > before, 8.0)

    async def buy(self, symbol: str) -> None:
        """Open a position behind a stop; raises `AssertionError` when it does not come."""
        self.model.desire = lambda _symbol: "buy"
        for _ in range(5):
            if not self.house.held(symbol):
                await self.decide(symbol)
            with suppress(AssertionError):
                await until(lambda: self.is_protected(symbol), 4.0)
                return
        raise AssertionError(f"{symbol} was never bought")

    def is_protected(self, symbol: str) -> bool:
        """Tell whether the venue holds the position and a stop for it."""
        return self.house.held(symbol) > 0 and self.house.resting_stop(symbol) is not None

    async def account(self) -> Account:
        """Let what is under way end, and judge."""
        lines = await self._settled()
        bounds = self._bounds()
        events = [
            (each.at_ns, each.event) for each in self.house.exchange.venue.record.event_records()
        ]
        bare = {is_long: self._bare(is_long=is_long) for is_long in (True, False)}
        found = [*broken(self.watch.sent, bounds), *short(events), *bare[True]]
        weight, turnover = weight_and_turnover(events, self.cash)
        owned = Counter(
            self._owner(each.symbol, each.at_ns) for each in self.watch.sent if each.is_entry
        )
        return Account(
            deeds=tuple(self.deeds),
            breaches=(
                *((self._owner(each.symbol, each.at_ns), each.line) for each in found),
                *((self._owner(line.partition(":")[0], self.now_ns), line) for line in lines),
                *self.seen,
            ),
            slow=tuple((self._owner(each.symbol, each.at_ns), each.line) for each in bare[False]),
            entries=dict(owned),
            weight=weight,
            turnover=turnover,
            halts_s=tuple(self.halts_s),
            longest_bare_s=self._longest_bare_s(),
            denials=dict(self.denied),
        )

    @property
    def cash(self) -> Decimal:
        """Return what the account began with."""
        return self.house.exchange.config.knobs.cash

    def hear(self, event: BusEvent) -> None:
        """Count how decisions end."""
        if event.kind == "decision_finished":
            self.ended[event.data["symbol"]] += 1
        elif event.kind == "order_denied":
            self.denied[str(event.data.get("code", ""))] += 1

    def _bounds(self) -> Bounds:
        limits = {**SETTINGS, **self.changes}
        return Bounds(
            symbols=frozenset(self.house.symbols),
            max_order=Decimal(limits["MAX_ORDER_AMOUNT"]),
            max_position=Decimal(str(limits.get("MAX_POSITION_FRACTION", "0.10"))),
            max_exposure=Decimal(str(limits.get("MAX_EXPOSURE_FRACTION", "0.50"))),
            collar=limits["COLLAR_BPS"] / 1e4,
            per_minute=limits["MAX_ORDERS_PER_MINUTE"],
            halted=tuple(self.halted),
            barred=frozenset(self.barred),
        )

    async def _settled(self) -> list[str]:
        """Wait until every position is behind a stop and no stop is too large; else say which."""
        lines: list[str] = []

        def is_right() -> bool:
            nonlocal lines
            bare = [symbol for symbol in self.house.symbols if not self._is_covered(symbol)]
            lines = [f"{symbol}: held without a stop" for symbol in bare] + over_sold(self.house)
            return not lines

        with suppress(AssertionError):
            await until(is_right, SETTLED_S)
        return lines

    def _bare(self, *, is_long: bool) -> list[Breach]:
        """Return what stood bare past its time: longer than a slow machine explains, or less."""
        return [
            Breach(symbol=each.symbol, at_ns=each.begin_ns, line=f"bare for {_seconds(each):.2f} s")
            for each in self._exposures()
            if _seconds(each) > BARE_S + self.slowest_s
            if is_long is (_seconds(each) > NO_MACHINE_S + self.slowest_s)
        ]

    def _longest_bare_s(self) -> float:
        return max(map(_seconds, self._exposures()), default=0.0)

    def _exposures(self) -> list[Exposure]:
        """Return the times without a stop of what was worth one when they began."""
        record = self.house.exchange.venue.record
        worth = {each.at_ns: _worth(each.event) for each in record.event_records()}
        return [
            each
            for each in exposures(self.house, self.now_ns)
            if worth.get(each.begin_ns, _dust(each.symbol)) >= _dust(each.symbol)
        ]

    def _is_covered(self, symbol: str) -> bool:
        """Tell whether a stop is of the whole position, or the venue would take none of it."""
        quote = self.house.exchange.venue.quote(symbol)
        value = self.house.held(symbol) * Decimal(repr(quote.bid if quote else 0.0))
        return covers(self.house, symbol) or value < _dust(symbol)

    def _owner(self, symbol: str, at_ns: int) -> str:
        """Return the case that had the symbol then, else the last that was begun before."""
        spelled = compact(symbol)
        before = [deed for deed in self.deeds if deed.begin_ns <= at_ns]
        here = [deed for deed in before if compact(deed.symbol) == spelled]
        return (here or before or self.deeds)[-1].case.id if self.deeds else ""


def _dust(symbol: str) -> Decimal:
    """Return what is worth less than the venue's least order, so that no stop can be of it."""
    knobs = Knobs()
    return knobs.crypto_min_cost if "/" in symbol else knobs.stock_min_cost


def _worth(event: dict[str, Any]) -> Decimal:
    """Return what a position is worth after an order event, as far as the event has a price."""
    price = event.get("price") or event["order"].get("limit_price") or "1e9"
    return abs(Decimal(event.get("position_qty") or "1e9")) * Decimal(price)


def _seconds(exposure: Exposure) -> float:
    return (exposure.end_ns - exposure.begin_ns) / NS_PER_S


def mark_of(case: Case) -> str:
    """Return what stands before a case's headlines."""
    return f"({case.id})"


def market(count: int, *, letter: str = "S") -> tuple[SymbolConfig, ...]:
    """List symbols: of three, one share that is bought in fractions, one whole, one pair."""
    made = []
    for number in range(1, count + 1):
        name = f"{letter}{number:02}"
        match number % 3:
            case 0:
                made.append(seeded_crypto(f"{name}/USD", 50.0 + number, **LOOKS))
            case 1:
                made.append(seeded_stock(name, 200.0 + number, **LOOKS))
            case _:
                made.append(seeded_stock(name, 20.0 + number / 10, **LOOKS))
    return tuple(made)


@asynccontextmanager
async def company(
    symbols: Sequence[SymbolConfig],
    *,
    folder: Path,
    seed: int,
    cash: Decimal = CASH,
    **changes: Any,
) -> AsyncIterator[Company]:
    """Bring a bot up against an adversary, trading in all symbols."""
    async with serving(Adversary()) as model, _watched(symbols, model, folder, seed, cash) as house:
        assert isinstance(model, Adversary)
        watch = house.exchange.plan
        assert isinstance(watch, Watch)
        async with _started(house, {**SETTINGS, **changes}) as process:
            made = Company(house=house, process=process, watch=watch, model=model, changes=changes)
            async with asyncio.TaskGroup() as group:
                beside = [group.create_task(_hear(made)), group.create_task(_clock(made))]
                yield made
                for task in beside:
                    task.cancel()


@asynccontextmanager
async def clean(
    symbols: Sequence[SymbolConfig], model: ScriptedModel, *, folder: Path, seed: int
) -> AsyncIterator[tuple[House, Process]]:
    """Bring a bot up with a model of one's own and no attack."""
    async with (
        serving(model),
        _watched(symbols, model, folder, seed, CASH) as house,
        _started(house, SETTINGS) as process,
    ):
        yield house, process


@asynccontextmanager
async def _started(house: House, settings: dict[str, Any]) -> AsyncIterator[Process]:
    """Start a bot and wait until it may decide upon everything; others start beside it."""
    async with house.up(**settings) as process:
        await process.bot.start(actor=ACTOR)
        await until(
            lambda: all(symbol.is_warm for symbol in process.bot.status().symbols),
            START_S,
            what="every symbol is warm",
        )
        yield process


@asynccontextmanager
async def _watched(
    symbols: Sequence[SymbolConfig], model: ScriptedModel, folder: Path, seed: int, cash: Decimal
) -> AsyncIterator[House]:
    knobs = Knobs(partial_rate=0.1, requests_per_minute=100_000, cash=cash)
    async with open_house(
        *symbols,
        model=model,
        folder=folder,
        faults=Watch(seed=seed),
        seed=seed,
        knobs=knobs,
        history_minutes=5,
    ) as house:
        yield house


async def _hear(made: Company) -> None:
    with made.process.bus.subscribe(size=10_000) as events:
        async for event in events:
            made.hear(event)


async def _clock(made: Company) -> None:
    """Measure how long the machine keeps everything of this process waiting at worst."""
    while True:
        began = time.monotonic()
        await asyncio.sleep(LATELY_S)
        made.slowest_s = max(made.slowest_s, time.monotonic() - began - LATELY_S)
