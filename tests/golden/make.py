"""Walk the demo's markets as the bot would see them, and cut the golden windows from the real tape.

    .venv/bin/python tests/golden/make.py

Every market is a function of tape, seed and origin, so windows and decisions are the same to the
byte every time: run it when a prompt, a limit's default or the rules change on purpose, and read
the difference. The walk uses the product's own aggregator, indicators and graph; only fills are
simple: an entry fills at its limit, a stop or target at its price.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from domain.bars import Candles, PrintKind
from domain.bars import Print as BarPrint
from domain.decisions import Decision, Outcome, canonical_decision, decision_id
from domain.indicators import BarArrays, Indicators
from domain.limits import Limits
from domain.market import (
    WINDOW_SCHEMA,
    AssetClass,
    Bar,
    Floors,
    Instrument,
    SessionPhase,
    Window,
    WindowAccount,
    WindowBar,
    WindowPosition,
    WindowQuote,
    asset_class_of,
)
from domain.orders import Leg, OrderRequest
from domain.records import NS_PER_S, canonical, format_ns, parse_ns, plain
from exchange.config import ExchangeConfig, demo_config
from exchange.market.minute import NS_PER_MINUTE
from exchange.market.records import Print, TopOfBook
from exchange.market.source import Source
from exchange.matching.sessions import AlwaysOpen
from exchange.sources import Sources
from exchange.tapes import ES_SYMBOL
from graph.analysts.model.conversation import template_digests
from graph.analysts.rules import Rules
from graph.desk import Desk

HERE = Path(__file__).parent
MINUTES = 390
KINDS = ("hold", "quant-rejects", "risk-rejects", "order", "close", "abstain")
INTERVAL_S = 5
WINDOW_BARS = 50
COOLDOWN_NS = 60 * NS_PER_S
ORIGIN_NS = parse_ns("2026-11-20T14:30:00Z")


class Market:
    """One symbol's bars, indicators, quote and position, as far as the walk has come."""

    def __init__(self, symbol: str, interval_s: int = INTERVAL_S) -> None:
        self.symbol = symbol
        self.interval_s = interval_s
        self.candles = Candles(symbol, interval_s, has_quiet_bars="/" in symbol)
        self.bars: list[Bar] = []
        self.indicators = Indicators()
        self.quote: TopOfBook | None = None
        self.mid: tuple[int, float] | None = None
        self.position: WindowPosition | None = None

    def take(self, message: Print | TopOfBook) -> None:
        """See one message."""
        if isinstance(message, TopOfBook):
            self.quote = message
            self.mid = (message.ts_event, (message.bid + message.ask) / 2)
            return
        item = BarPrint(
            message.ts_event, message.trade_id, message.price, message.size, PrintKind.FULL
        )
        self.candles.add(item)
        self._leave_at(message.price)

    def close(self, now_ns: int) -> bool:
        """Close the bars that are due; tells whether there were any."""
        changes = self.candles.close_due(now_ns, self.mid)
        for change in changes:
            self.bars.append(change.bar)
            bar = change.bar
            self.indicators.update(bar.high, bar.low, bar.close, bar.volume)
            if not self.indicators.n_seen and len(self.bars) >= self.indicators.min_bars:
                self.indicators.open(_arrays(self.bars))
        return bool(changes)

    def fill(self, request: OrderRequest) -> None:
        """Fill an order at its limit."""
        if request.leg is Leg.REDUCE:
            self.position = None
            return
        assert request.limit_price is not None
        self.position = WindowPosition(
            quantity=request.quantity * request.side.sign,
            average_price=request.limit_price,
            unrealized_pnl=Decimal(0),
            stop_price=request.stop_loss,
            target_price=request.take_profit,
        )

    def _leave_at(self, price: float) -> None:
        held = self.position
        if held is None or held.stop_price is None or held.target_price is None:
            return
        sign = 1 if held.quantity > 0 else -1
        is_stopped = sign * (price - float(held.stop_price)) <= 0
        if is_stopped or sign * (price - float(held.target_price)) >= 0:
            self.position = None


def markets(config: ExchangeConfig) -> list[Source]:
    """Return the sources of an exchange at the walk's origin."""
    return Sources(config, sessions=AlwaysOpen(), origin_ns=ORIGIN_NS).listed


def windows(
    source: Source, market: Market, minutes: int, cooldown_ns: int = COOLDOWN_NS
) -> Iterator[Window]:
    """Yield a window at each closed bar of a warm market, a cool-down apart."""
    decided_ns = 0
    for minute in range(source.first_minute, source.first_minute + minutes):
        start = minute * NS_PER_MINUTE
        for message in source.minute(minute).messages(start, start + NS_PER_MINUTE):
            if not isinstance(message, Print | TopOfBook):
                continue
            now_ns = message.published_ns
            if (
                market.close(now_ns)
                and now_ns - decided_ns >= cooldown_ns
                and (market.indicators.n_seen and market.quote is not None)
            ):
                decided_ns = now_ns
                yield window_at(market, now_ns)
            market.take(message)


async def decisions(
    source: Source,
    minutes: int,
    limits: Limits,
    *,
    interval_s: int = INTERVAL_S,
    cooldown_ns: int = COOLDOWN_NS,
) -> AsyncIterator[tuple[Window, Decision]]:
    """Yield what the rules decide along the way, with the orders filled."""
    market = Market(source.symbol, interval_s)
    desk = Desk(Rules(), _Still())
    for window in windows(source, market, minutes, cooldown_ns):
        shown = msgspec.structs.replace(window, limits=plain(limits))
        run = await desk.decide(shown, deadline_s=60)
        yield shown, run.decision
        if run.decision.outcome is Outcome.ORDERED:
            assert run.decision.request is not None
            market.fill(run.decision.request)


def window_at(market: Market, now_ns: int) -> Window:
    """Cut the window of a market as it is."""
    quote = market.quote
    assert quote is not None
    as_of = format_ns(now_ns)
    name = decision_id(
        account="golden", strategy="default", symbol=market.symbol, as_of=as_of, attempt=1
    )
    is_stock = asset_class_of(market.symbol) is AssetClass.STOCK
    return Window(
        symbol=market.symbol,
        asset_class=asset_class_of(market.symbol),
        as_of=as_of,
        interval_s=market.interval_s,
        session=SessionPhase.OPEN if is_stock else SessionPhase.ALWAYS,
        bars=tuple(_row(bar) for bar in market.bars[-WINDOW_BARS:]),
        quote=WindowQuote(
            bid=quote.bid,
            bid_size=quote.bid_size,
            ask=quote.ask,
            ask_size=quote.ask_size,
            ts_event=format_ns(quote.ts_event),
            ts_recv=format_ns(quote.published_ns),
        ),
        indicators=market.indicators.values(),
        n_bars_seen=market.indicators.n_seen,
        account=WindowAccount(
            equity=Decimal(100_000),
            cash=Decimal(100_000),
            buying_power=Decimal(100_000),
            day_pnl=Decimal(0),
        ),
        limits=plain(Limits()),
        floors=Floors(),
        instrument=Instrument(
            symbol=market.symbol,
            asset_class=asset_class_of(market.symbol),
            tick=Decimal("0.01"),
            lot=Decimal("0.000000001"),
            min_notional=Decimal(1),
            fractionable=is_stock,
            shortable=is_stock,
        ),
        prompts=template_digests(),
        decision_id=name,
        wake_reason="bar_closed",
        feed="local",
        position=market.position,
    )


def name_of(decision: Decision) -> str | None:
    """Say which golden window a decision makes, if any."""
    leg = None if decision.request is None else decision.request.leg
    match decision.outcome:
        case Outcome.HELD if decision.reason_code == "HOLD":
            return "hold"
        case Outcome.QUANT_REJECTED:
            return "quant-rejects"
        case Outcome.RISK_REJECTED:
            return "risk-rejects"
        case Outcome.ORDERED:
            return "close" if leg is Leg.REDUCE else "order"
        case _:
            return None


async def cut() -> dict[str, tuple[Window, Decision]]:
    """Return the first window of each kind on the tape.

    `abstain` is the second that asks for an order: its test gives it a model that cannot answer.
    """
    tape = next(source for source in markets(demo_config()) if source.symbol == ES_SYMBOL)
    found: dict[str, tuple[Window, Decision]] = {}
    async for window, decision in decisions(tape, MINUTES, Limits()):
        name = name_of(decision)
        if name == "order" and name in found:
            name = "abstain"
        if name is not None:
            found.setdefault(name, (window, decision))
        if len(found) == len(KINDS):
            break
    return found


def window_file(window: Window) -> bytes:
    """Write a window as a file that a person can read."""
    return _pretty({"schema": WINDOW_SCHEMA, "window": plain(window)})


def decision_file(decision: Decision) -> bytes:
    """Write what replay compares of a decision."""
    return _pretty(canonical_decision(decision))


async def main() -> None:
    """Write the golden files."""
    for name, (window, decision) in (await cut()).items():
        (HERE / "windows" / f"{name}.json").write_bytes(window_file(window))
        if name != "abstain":
            (HERE / "decisions" / f"{name}.json").write_bytes(decision_file(decision))


def _pretty(value: object) -> bytes:
    return msgspec.json.format(canonical(value), indent=1) + b"\n"


class _Still:
    """A clock that stands still."""

    def now_ns(self) -> int:
        """Return always the same time."""
        return ORIGIN_NS

    def monotonic_ns(self) -> int:
        return 0

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


def _arrays(bars: list[Bar]) -> BarArrays:
    columns = ((b.high, b.low, b.close, b.volume) for b in bars)
    return BarArrays(*(np.array(column) for column in zip(*columns, strict=True)))


def _row(bar: Bar) -> WindowBar:
    return WindowBar(
        t=format_ns(bar.ts_event),
        o=bar.open,
        h=bar.high,
        l=bar.low,
        c=bar.close,
        v=bar.volume,
        n=bar.trade_count,
        vw=bar.vwap,
    )


if __name__ == "__main__":
    asyncio.run(main())
