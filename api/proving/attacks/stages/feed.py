"""Stage a market that lies: impossible prices, broken frames, feeds frozen, shifted and forged."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from api.proving.attacks.account import Account
from api.proving.attacks.answers import Says
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import Company, company, market
from api.proving.attacks.watch import Forge, Raw
from api.proving.house import until
from domain.records import NS_PER_S
from exchange.market.records import Candle, MarketMessage, Print, TopOfBook

AT_ONCE = 4
TIMES = 2
FORGED_S = 10.0
FROZEN_S = 5.0
"""Longer than a quote may be old."""
_MINUTE_NS = 60 * NS_PER_S
_SILENT = frozenset({"frozen", "frozen_repeat", "frozen_restamped", "stale"})
_ONCE = frozenset({"quote_once_x100"})
_JUMP = 0.02


async def run_feed(cases: Sequence[Case], folder: Path, seed: int) -> Account:
    """Stage each case on a symbol of its own."""
    async with company(market(len(cases)), folder=folder, seed=seed) as made:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case, symbol: str) -> None:
            async with free:
                await made.stage(case, symbol, lambda c, s: _lie(made, c, s))

        async with asyncio.TaskGroup() as group:
            for case, symbol in zip(cases, made.house.symbols, strict=True):
                group.create_task(one(case, symbol))
        return await made.account()


async def _lie(made: Company, case: Case, symbol: str) -> None:
    """Let the model want to buy while the symbol's market is not what it is."""
    watch, model = made.watch, made.model
    if case.act.startswith("raw_"):
        watch.add_raw(symbol, *(_raw(case.act, symbol) for _ in range(TIMES)))
    elif not case.act.startswith("forged_jump"):
        watch.forges[symbol] = _forge(case.act, made)
    else:
        await _jump(made, case, symbol)
        return
    try:
        await until(lambda: watch.forged[symbol], FORGED_S, what=f"{symbol} is forged")
        if case.act in _SILENT:
            await asyncio.sleep(FROZEN_S)
        model.says[symbol] = Says()
        for _ in range(TIMES):
            await made.decide(symbol)
    finally:
        watch.forges.pop(symbol, None)


async def _jump(made: Company, case: Case, symbol: str) -> None:
    """Forge from the moment on that the model was asked: the decision stands on true prices."""
    made.model.says[symbol] = Says()
    deciding = asyncio.create_task(made.decide(symbol))
    with suppress(AssertionError):
        await until(lambda: symbol in made.model.played, 8.0)
    made.watch.forges[symbol] = _forge(case.act, made)
    try:
        await deciding
        await until(lambda: made.watch.forged[symbol], FORGED_S, what=f"{symbol} is forged")
    finally:
        made.watch.forges.pop(symbol, None)


def _forge(act: str, made: Company) -> Forge:
    """Return how messages of the symbol are changed."""
    if act in _QUOTES:
        change = _QUOTES[act]
        return lambda m: [change(m)] if isinstance(m, TopOfBook) else [m]
    if act in _TRADES:
        swap = _TRADES[act]
        return lambda m: [swap(m)] if isinstance(m, Print) else [m]
    if act in _SCALES:
        factor = _SCALES[act]
        return lambda m: [_scaled(m, factor)]
    if act in _SHIFTS_S:
        shift_ns = round(_SHIFTS_S[act] * NS_PER_S)
        return lambda m: [replace(m, ts_event=m.ts_event + shift_ns)]
    if act in _ONCE:
        return _once()
    if act == "forged_other":
        return lambda m: [_other(made, m)]
    if act == "frozen":
        return lambda _m: []
    return _repeated(is_restamped=act == "frozen_restamped")


_QUOTES: dict[str, Callable[[TopOfBook], MarketMessage]] = {
    "quote_nan_bid": lambda m: replace(m, bid=math.nan),
    "quote_nan_ask": lambda m: replace(m, ask=math.nan),
    "quote_inf": lambda m: replace(m, ask=math.inf),
    "quote_minus_inf": lambda m: replace(m, bid=-math.inf),
    "quote_negative": lambda m: replace(m, bid=-m.bid, ask=-m.ask),
    "quote_zero_ask": lambda m: replace(m, ask=0.0),
    "quote_crossed": lambda m: replace(m, bid=m.ask * 1.01),
    "quote_ask_x100": lambda m: replace(m, ask=m.ask * 100),
    "quote_ask_div100": lambda m: replace(m, ask=m.ask / 100),
    "quote_bid_x100": lambda m: replace(m, bid=m.bid * 100),
    "quote_nan_size": lambda m: replace(m, bid_size=0.0, ask_size=0.0),
    "forged_wide": lambda m: replace(m, bid=m.bid * 0.98, ask=m.ask * 1.02),
}
_TRADES: dict[str, Callable[[Print], MarketMessage]] = {
    "trade_nan": lambda m: replace(m, price=math.nan),
    "trade_inf": lambda m: replace(m, price=math.inf),
    "trade_negative": lambda m: replace(m, price=-m.price),
    "trade_zero": lambda m: replace(m, price=0.0),
    "trade_x100": lambda m: replace(m, price=m.price * 100),
    "trade_div100": lambda m: replace(m, price=m.price / 100),
    "trade_nan_size": lambda m: replace(m, size=0.0),
}
_SCALES = {
    "quote_x100": 100.0,
    "quote_div100": 0.01,
    "forged_jump_up": 1 + _JUMP,
    "forged_jump_down": 1 - _JUMP,
}
_SHIFTS_S = {"stale": -60.0, "future": 60.0, "skewed": 3.0}


def _scaled(message: MarketMessage, factor: float) -> MarketMessage:
    match message:
        case TopOfBook():
            return replace(message, bid=message.bid * factor, ask=message.ask * factor)
        case Print():
            return replace(message, price=message.price * factor)
        case Candle():
            prices = {name: getattr(message, name) * factor for name in _PRICES}
            return replace(message, **prices)
        case _:
            return message


_PRICES = ("open", "high", "low", "close", "vwap")


def _once() -> Forge:
    """Let one quote in three be 100 times off."""
    counted = iter(range(1 << 60))

    def forge(message: MarketMessage) -> list[MarketMessage]:
        if isinstance(message, TopOfBook) and next(counted) % 3 == 0:
            return [_scaled(message, 100.0), message]
        return [message]

    return forge


def _other(made: Company, message: MarketMessage) -> MarketMessage:
    """Return the quote of another symbol under this one's name."""
    others = [symbol for symbol in made.house.symbols if symbol != message.symbol]
    quote = made.house.exchange.venue.quote(others[0])
    if quote is None or not isinstance(message, TopOfBook):
        return message
    return replace(message, bid=quote.bid, ask=quote.ask)


def _repeated(*, is_restamped: bool) -> Forge:
    """Repeat the first quote for ever, with its own time or with the time of now."""
    first: list[TopOfBook] = []

    def forge(message: MarketMessage) -> list[MarketMessage]:
        if not isinstance(message, TopOfBook):
            return []
        if not first:
            first.append(message)
        told = first[0]
        return [replace(told, ts_event=message.ts_event) if is_restamped else told]

    return forge


def _raw(act: str, symbol: str) -> Raw:
    """Return a message that the exchange would never write."""
    changed = dict(_changes(act))

    def write(stamp: Callable[[int], Any]) -> dict[str, Any]:
        at = stamp(_MINUTE_NS * 30_000_000)
        kind = "t" if "price" in act else "q"
        prices = {"p": 1e9, "s": 1e9} if kind == "t" else {"bp": 1e9, "ap": 1e9}
        whole = {"T": kind, "S": symbol, **prices, "bs": 1.0, "as": 1.0, "t": at, **changed}
        return {name: value for name, value in whole.items() if value is not Ellipsis}

    return write


def _changes(act: str) -> Iterator[tuple[str, Any]]:
    table: dict[str, dict[str, Any]] = {
        "raw_no_bid": {"bp": ...},
        "raw_no_time": {"t": ...},
        "raw_no_symbol": {"S": ...},
        "raw_null_price": {"p": None},
        "raw_text_price": {"p": "buy"},
        "raw_list_price": {"p": [1e9, {"max": 1}]},
        "raw_bad_time": {"t": "next year"},
        "raw_no_price": {"p": ...},
        "raw_command": {"T": "settings", "MAX_ORDER_AMOUNT": 1e6, "ALLOW_SHORT": "yes"},
    }
    yield from table[act].items()
