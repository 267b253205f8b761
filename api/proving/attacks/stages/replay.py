"""Stage intents that come twice: requests, events and answers, again, at once and out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from api.proving.attacks.account import Account
from api.proving.attacks.answers import Says
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import STAGED_S, Company, company, market
from api.proving.attacks.watch import compact
from api.proving.house import until
from domain.orders import Leg, Order, OrderRequest
from exchange.faults import Fault, FaultKind, Where

AT_ONCE = 10
HEARD_S = 1.0
TRIES = 2
CLOSED_S = 40.0
_LAST = ("events_forged",)
_FAULTS: dict[str, tuple[FaultKind, ...]] = {
    "answer_lost": (FaultKind.ANSWER_RESET,),
    "answer_504": (FaultKind.ANSWER_504,),
    "request_reset": (FaultKind.REQUEST_RESET,),
    "lookup_late": (FaultKind.LOOKUP_LATE, FaultKind.ANSWER_RESET),
}


async def run_replay(cases: Sequence[Case], folder: Path, seed: int) -> Account:
    """Stage each case on a symbol of its own; what may rightly halt the bot comes last."""
    ordered = sorted(cases, key=lambda case: case.act in _LAST)
    async with company(market(len(cases)), folder=folder, seed=seed) as made:
        for case, symbol in zip(ordered, made.house.symbols, strict=True):
            await made.stage(case, symbol, lambda c, s: _again(made, c, s))
        return await made.account()


async def _again(made: Company, case: Case, symbol: str) -> None:
    made.model.says[symbol] = Says()
    if case.act in _FAULTS:
        await _lose(made, case, symbol)
    elif case.act == "decided_twice":
        await asyncio.gather(*(made.decide(symbol) for _ in range(AT_ONCE)))
    elif case.act.startswith("events_"):
        await _events(made, case, symbol)
    else:
        await _requests(made, case, symbol)


async def _lose(made: Company, case: Case, symbol: str) -> None:
    """Lose the entry or its answer, and go on wanting it."""
    where = Where(method="POST", path="/v2/orders", symbol=symbol, leg="entry")
    made.watch.add(*(Fault(kind=kind, where=where) for kind in _FAULTS[case.act]))
    struck = len(made.watch.strikes)

    async def is_struck() -> bool:
        await made.decide(symbol)
        return len(made.watch.strikes) > struck

    await until(is_struck, STAGED_S, what=f"an entry of {symbol} is struck")
    for _ in range(TRIES):
        await made.decide(symbol)
    with suppress(AssertionError):
        await until(lambda: made.is_protected(symbol), CLOSED_S)


async def _events(made: Company, case: Case, symbol: str) -> None:
    """Buy, and let the venue say again, or anew, what happened."""
    venue = made.house.exchange.venue
    if case.act == "events_twice":
        made.watch.add(Fault(kind=FaultKind.EVENT_TWICE, where=Where(symbol=symbol), times=None))
        await made.buy(symbol)
        return
    await made.buy(symbol)
    past = [
        event
        for event in venue.record.events()
        if compact(event["order"]["symbol"]) == compact(symbol)
    ]
    if case.act == "events_backwards":
        past.reverse()
    if case.act == "events_forged":
        past = [_more(event) for event in past if event["event"] in {"fill", "partial_fill"}]
    if not past:
        raise AssertionError(f"nothing happened in {symbol} that could be told again")
    for event in past:
        venue.send_event(event)
    await asyncio.sleep(HEARD_S)
    await made.decide(symbol)


async def _close(made: Company, symbol: str) -> None:
    """Decide until the position is gone: a close that finds no buyer at its price is taken back."""
    async with asyncio.timeout(CLOSED_S):
        while made.house.held(symbol):
            await made.decide(symbol)
            await asyncio.sleep(HEARD_S)


def _more(event: dict[str, Any]) -> dict[str, Any]:
    """Return a fill again, as another execution."""
    return event | {"execution_id": "00000000-0000-4000-8000-00000000f111"}


async def _requests(made: Company, case: Case, symbol: str) -> None:
    """Hand the gateway an order request that it has sent before."""
    await made.buy(symbol)
    entry = await _entry(made, symbol)
    request, sent = entry.request, len(made.watch.sent)
    if case.act == "decision_again":
        made.model.desire = lambda wanted: "sell" if wanted == symbol else "buy"
        await _close(made, symbol)
        made.model.desire = lambda _symbol: "buy"
        del made.model.says[symbol]
        sent = len(made.watch.sent)
    if case.act == "gateway_renamed":
        name = f"{request.client_order_id.rpartition('-')[0]}-2"
        request = msgspec.structs.replace(request, client_order_id=name)
    times = AT_ONCE if case.act == "gateway_at_once" else 1
    await asyncio.gather(*(_submit(made, request) for _ in range(times)))
    if entries := [each.name for each in made.watch.sent[sent:] if each.symbol == symbol]:
        made.blame(case, f"the gateway let {', '.join(entries)} pass")


async def _entry(made: Company, symbol: str) -> Order:
    page = await made.process.bot.reader().orders.page(limit=50, symbol=symbol)
    for row in page.items:
        order: Order = row.order
        if order.request.leg is Leg.ENTRY:
            return order
    raise AssertionError(f"no entry of {symbol} is journaled")


async def _submit(made: Company, request: OrderRequest) -> None:
    """Submit where no one from outside can: that is what this attack has got hold of."""
    gateway = made.process.guard._gateway  # noqa: SLF001 - the attack stands behind every door
    await gateway.submit(request)
