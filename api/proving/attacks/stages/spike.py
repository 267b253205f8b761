"""Stage a crash of the venue's own market, with every position's stop in its way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from api.proving.attacks.account import Account
from api.proving.attacks.answers import Says
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import Company, company, market
from api.proving.attacks.watch import Forge
from api.proving.house import until
from exchange.market.records import Candle, MarketMessage, Print, TopOfBook
from exchange.venue import Venue

GROUP = 3
MOVED_S = 15.0
STEP_S = 1.0
_PRICES = ("open", "high", "low", "close", "vwap")
_MOVES: dict[str, tuple[float, ...]] = {
    "down_3": (0.97,),
    "down_10": (0.90,),
    "down_50": (0.50,),
    "up_3": (1.03,),
    "up_50": (1.50,),
    "down_up": (0.95, 1.0),
    "steps": (0.99, 0.98, 0.97, 0.96, 0.95),
    "down_silent": (0.95,),
}


class Lever:
    """Move a venue's market away from where its source has it, symbol by symbol.

    Matching sees the moved prices, and so do the streams unless they are to be silent. What REST
    tells of the past stays as it was.
    """

    def __init__(self, venue: Venue) -> None:
        self.factors: dict[str, float] = {}
        self.moved: set[str] = set()
        self._quote, self._trade = venue.on_quote, venue.on_trade
        setattr(venue, "on_quote", self._on_quote)  # noqa: B010 - between the player and matching
        setattr(venue, "on_trade", self._on_trade)  # noqa: B010 - likewise

    def forge(self, message: MarketMessage) -> list[MarketMessage]:
        """Return what is told of a moved symbol."""
        factor = self.factors.get(message.symbol, 1.0)
        match message:
            case TopOfBook():
                bid, ask = _rounded(message.bid * factor), _rounded(message.ask * factor)
                return [replace(message, bid=bid, ask=ask)]
            case Print():
                return [replace(message, price=_rounded(message.price * factor))]
            case Candle():
                return [replace(message, **{n: getattr(message, n) * factor for n in _PRICES})]
            case _:
                return [message]

    def _on_quote(self, symbol: str, bid: float, *rest: Any) -> None:
        factor, (bid_size, ask, ask_size, ts_ns) = self.factors.get(symbol, 1.0), rest
        if factor != 1.0:
            self.moved.add(symbol)
        self._quote(
            symbol, _rounded(bid * factor), bid_size, _rounded(ask * factor), ask_size, ts_ns
        )

    def _on_trade(self, symbol: str, price: float, size: float, ts_ns: int) -> None:
        self._trade(symbol, _rounded(price * self.factors.get(symbol, 1.0)), size, ts_ns)


async def run_spike(cases: Sequence[Case], folder: Path, seed: int) -> Account:
    """Give each case some symbols; all are bought first, then all are moved."""
    async with company(
        market(GROUP * len(cases)),
        folder=folder,
        seed=seed,
        MAX_CONSECUTIVE_LOSSES=5,
        MAX_ONE_WAY_FILLS=200,
    ) as made:
        lever, symbols = Lever(made.house.exchange.venue), made.house.symbols
        for symbol in symbols:
            made.model.says[symbol] = Says()
            await made.buy(symbol)
        async with asyncio.TaskGroup() as group:
            for number, case in enumerate(cases):
                mine = symbols[number * GROUP : (number + 1) * GROUP]
                group.create_task(_crash(made, lever, case, mine))
        return await made.account()


async def _crash(made: Company, lever: Lever, case: Case, symbols: Sequence[str]) -> None:
    for symbol in symbols:
        await made.stage(case, symbol, lambda c, s: _move(made, lever, c, s))


async def _move(made: Company, lever: Lever, case: Case, symbol: str) -> None:
    """Move one symbol's market step by step while the model goes on wanting to buy."""
    silent: Forge = lambda _message: []  # noqa: E731 - the other form of the same
    made.watch.forges[symbol] = silent if case.act == "down_silent" else lever.forge
    for factor in _MOVES[case.act]:
        lever.factors[symbol] = factor
        await asyncio.sleep(STEP_S)
        await made.decide(symbol)
    await until(lambda: symbol in lever.moved, MOVED_S, what=f"{symbol} has moved")


def _rounded(price: float) -> float:
    return round(price, 2)
