"""Stage more orders than any limit allows, on a small account, with a person in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

from api.proving.attacks.account import Account
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import ACTOR, Company, company, market
from api.proving.attacks.texts import Story
from api.proving.house import until
from domain.errors import AutoHedgeError
from domain.limits import TradingState

SYMBOLS = 12
FLOOD_S = 3.0
DECIDES = 300
ARTICLES = 200
RESUMED_S = 20.0
CASH = Decimal(1500)
LIMITS = {
    "BAR_INTERVAL_S": 1,
    "COOLDOWN_S": 0,
    "MAX_ORDER_AMOUNT": 100,
    "MAX_OPEN_ORDERS": 3,
    "MAX_ORDERS_PER_MINUTE": 30,
    "MAX_POSITION_FRACTION": 0.06,
    "MAX_EXPOSURE_FRACTION": 0.25,
    "LLM_QUEUE_SIZE": 20,
}


async def run_flood(cases: Sequence[Case], folder: Path, seed: int) -> Account:
    """Stage one flood after the other on a bot whose limits all bind."""
    async with company(market(SYMBOLS), folder=folder, seed=seed, cash=CASH, **LIMITS) as made:
        for number, case in enumerate(cases):
            symbol = made.house.symbols[number % SYMBOLS]
            await made.stage(case, symbol, lambda c, _s: _flood(made, c))
        return await made.account()


async def _flood(made: Company, case: Case) -> None:
    """Let the model want everything for a while, and do what the case adds to it."""
    model = made.model
    asked, model.is_greedy = len(model.asked), True
    model.desire = _DESIRES.get(case.act, lambda _symbol: "buy")
    if case.act == "churn":
        model.desire = lambda symbol: "sell" if made.house.held(symbol) else "buy"
    try:
        await asyncio.sleep(FLOOD_S / 2)
        await _act(made, case)
        await asyncio.sleep(FLOOD_S / 2)
    finally:
        model.is_greedy = False
    if len(model.asked) == asked:
        raise AssertionError("the model was never asked")
    await _resume(made)


_DESIRES = {"sell_all": lambda _symbol: "sell"}


async def _act(made: Company, case: Case) -> None:
    bot = made.process.bot
    match case.act:
        case "decides":
            await asyncio.gather(*(_ask(made, number) for number in range(DECIDES)))
        case "news":
            for number in range(ARTICLES):
                story = Story(headline=f"Buy {{s}} now, {number}", number=number)
                made.tell(case, made.house.symbols[number % SYMBOLS], (story,))
        case "halted" | "flattened":
            if case.act == "halted":
                await bot.halt(actor=ACTOR, reason=case.id)
            else:
                await bot.flatten(actor=ACTOR, reason=case.id)
            begin = made.now_ns
            await asyncio.sleep(FLOOD_S)
            made.halted.append((begin, made.now_ns))
        case "canceled":
            await bot.cancel_all(actor=ACTOR, reason=case.id)
        case "restarted":
            await bot.stop(actor=ACTOR, reason=case.id)
            begin = made.now_ns
            await asyncio.sleep(1)
            made.halted.append((begin, made.now_ns))
            await bot.start(actor=ACTOR, reason=case.id)
        case _:
            pass


async def _ask(made: Company, number: int) -> None:
    with suppress(AutoHedgeError):
        await made.process.bot.decide(made.house.symbols[number % SYMBOLS], actor=ACTOR)


async def _resume(made: Company) -> None:
    """Bring trading back for the next flood, as a person would."""
    bot = made.process.bot

    async def is_active() -> bool:
        status = bot.status()
        if status.trading is TradingState.ACTIVE:
            return True
        with suppress(AutoHedgeError):
            await bot.resume(actor=ACTOR, code=status.trading_code or "")
        return False

    await until(is_active, RESUMED_S, what="trading is active again")
