"""Stage a state that is not so: the venue tells another, or the journal is altered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.proving.attacks.account import Account
from api.proving.attacks.answers import Says
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import Company, company, market
from api.proving.attacks.stages.memory import alter_memory
from api.proving.attacks.watch import Tamper
from api.proving.house import until
from domain.limits import TradingState
from domain.records import NS_PER_S
from exchange.faults import Request

SEEN_S = 75.0
AT_ONCE = 4
AFTER_S = 2.0
ASKING_S = 0.5
_POSITIONS = "/v2/positions"
_ACCOUNT = "/v2/account"


async def run_state(cases: Sequence[Case], folder: Path, seed: int) -> tuple[Account, ...]:
    """Stage each case on a bot of its own, since each is to halt one."""
    free = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        tasks = []
        for number, case in enumerate(cases):
            home = folder / str(number)
            home.mkdir()
            tasks.append(group.create_task(_one(case, home, seed + number, free)))
    return tuple(task.result() for task in tasks)


async def _one(case: Case, folder: Path, seed: int, free: asyncio.Semaphore) -> Account:
    async with free, company(market(3), folder=folder, seed=seed, BAR_INTERVAL_S=1) as made:
        act = alter_memory if case.act.startswith("journal_") else _tamper
        await made.stage(case, made.house.symbols[0], lambda c, s: act(made, c, s))
        return await made.account()


async def _tamper(made: Company, case: Case, symbol: str) -> None:
    """Buy, tamper, and wait for the halt while the model goes on asking for all it can have."""
    model, other = made.model, made.house.symbols[1]
    model.says[symbol] = Says()
    await made.buy(symbol)
    began_ns = made.now_ns
    made.watch.tampers.append(_of(case.act, symbol, other))
    if case.act != "position_phantom":
        model.says[other] = Says()

    is_foreign = case.act == "position_phantom"
    is_seen = await _is_seen(made, other, is_foreign=is_foreign)
    if not made.watch.tampered:
        raise AssertionError("the venue was never asked for what was tampered with")
    halted_ns = made.now_ns
    if not is_seen:
        made.blame(case, f"neither halted nor closed to entries within {SEEN_S:g} s")
        return
    if is_foreign:
        made.barred.add(other)
    else:
        made.halts_s.append((halted_ns - began_ns) / NS_PER_S)
    for each in made.house.symbols:
        model.says[each] = Says()
        await made.decide(each)
    await asyncio.sleep(AFTER_S)
    if not is_foreign:
        made.halted.append((halted_ns, made.now_ns))
    made.watch.tampers.clear()


async def _is_seen(made: Company, other: str, *, is_foreign: bool) -> bool:
    """Wait for the halt, or for the symbol to be left alone, while the model goes on asking."""

    async def is_seen() -> bool:
        status = made.process.bot.status()
        if is_foreign:
            return any(notice.code == "FOREIGN_POSITION" for notice in status.notices)
        await made.decide(other)
        await asyncio.sleep(ASKING_S)
        return status.trading is TradingState.HALTED

    with suppress(AssertionError):
        return bool(await until(is_seen, SEEN_S))
    return False


def _of(act: str, symbol: str, other: str) -> Tamper:
    """Return how answers about the account or the positions are changed."""
    if act in _CASH:
        return _on_account(_CASH[act])
    if act == "position_phantom":
        return _phantom(symbol, other)
    if act == "position_gone":
        return _gone
    return _on_positions(_QUANTITY[act])


_CASH: dict[str, Callable[[Decimal], Decimal]] = {
    "cash_x10": lambda cash: cash * 10,
    "cash_tenth": lambda cash: cash / 10,
    "cash_negative": lambda cash: -cash / 2,
}
_QUANTITY: dict[str, Callable[[Decimal], Decimal]] = {
    "position_sign": lambda quantity: -quantity,
    "position_x10": lambda quantity: quantity * 10,
    "position_half": lambda quantity: quantity / 2,
}


def _on_account(change: Callable[[Decimal], Decimal]) -> Tamper:
    def tamper(request: Request, body: Any) -> Any:
        if request.path != _ACCOUNT:
            return body
        return body | {"cash": str(change(Decimal(body["cash"])))}

    return tamper


def _on_positions(change: Callable[[Decimal], Decimal]) -> Tamper:
    def tamper(request: Request, body: Any) -> Any:
        if request.path != _POSITIONS:
            return body
        return [_changed(each, change) for each in body]

    return tamper


def _changed(position: dict[str, Any], change: Callable[[Decimal], Decimal]) -> dict[str, Any]:
    quantity = change(Decimal(position["qty"]))
    side = "short" if quantity < 0 else "long"
    return position | {"qty": str(quantity), "qty_available": str(quantity), "side": side}


def _gone(request: Request, body: Any) -> Any:
    return [] if request.path == _POSITIONS else body


def _phantom(symbol: str, other: str) -> Tamper:
    def tamper(request: Request, body: Any) -> Any:
        if request.path != _POSITIONS or not body:
            return body
        like = next(each for each in body if each["symbol"] == symbol)
        return [*body, like | {"symbol": other, "asset_id": "00000000-0000-4000-8000-000000000000"}]

    return tamper
