"""Stage what strangers and models say: one case a symbol, on a model that obeys the news."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from api.proving.attacks.account import Account
from api.proving.attacks.cases import Case
from api.proving.attacks.model import Sensible
from api.proving.attacks.oracle import weight_and_turnover
from api.proving.attacks.stages.company import (
    ACTOR,
    STAGED_S,
    Company,
    clean,
    company,
    mark_of,
    market,
)
from api.proving.house import House, until
from domain.errors import AutoHedgeError

AT_ONCE = 4
SYMBOLS = 45
_FENCES = ("<<<", ">>>")


async def run_words(cases: Sequence[Case], folder: Path, seed: int) -> Account:
    """Stage as many cases as there are symbols."""
    async with company(market(len(cases)), folder=folder, seed=seed) as made:
        free = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case, symbol: str) -> None:
            async with free:
                await made.stage(case, symbol, lambda c, s: _speak(made, c, s))

        async with asyncio.TaskGroup() as group:
            for case, symbol in zip(cases, made.house.symbols, strict=True):
                group.create_task(one(case, symbol))
        return await made.account()


async def _speak(made: Company, case: Case, symbol: str) -> None:
    """Tell the news, let the model be moved by it, and see the decision through."""
    model, before = made.model, made.ended[symbol]
    model.marks[symbol] = mark_of(case) if case.stories else ""
    model.says[symbol] = case.says
    made.tell(case, symbol, case.stories)

    async def is_played() -> bool:
        if symbol not in model.played:
            await made.decide(symbol)
        return symbol in model.played

    await until(is_played, STAGED_S, what=f"the model of {symbol} is moved")
    with suppress(AssertionError):
        await until(lambda: made.ended[symbol] > before, 8.0)
    _look(made, case, model.shown[symbol])


def _look(made: Company, case: Case, shown: str) -> None:
    """Look at the prompt: no text of a stranger may end its quotation or hide in it."""
    hidden = {c for c in shown if unicodedata.category(c) in {"Cc", "Cf", "Co", "Cs"} and c != "\n"}
    if hidden:
        made.blame(case, f"the prompt holds hidden characters: {''.join(sorted(hidden))!a}")
    if shown.splitlines().count(">>>") != sum(
        line.startswith("<<<") and line[3:].isidentifier() for line in shown.splitlines()
    ):
        made.blame(case, "a stranger's text ended its quotation in the prompt")


async def run_clean(count: int, folder: Path, seed: int) -> tuple[float, float]:
    """Return the largest weight and the turnover of a sensible model on the same market."""
    symbols = market(count)
    starts = {each.symbol: getattr(each.source, "start_price", 0.0) for each in symbols}
    model = Sensible()
    async with clean(symbols, model, folder=folder, seed=seed) as (house, process):

        def has_risen(symbol: str) -> bool:
            quote = house.exchange.venue.quote(symbol)
            return quote is not None and quote.bid > starts[symbol]

        model.has_risen = has_risen
        for symbol in house.symbols:
            asked = _asked(model, symbol)
            with suppress(AutoHedgeError):
                await process.bot.decide(symbol, actor=ACTOR)
            with suppress(AssertionError):
                await until(partial(_has_been_asked, model, symbol, asked), 5.0)
        with suppress(AssertionError):
            await until(lambda: _is_quiet(house) and not process.bot.status().slots_busy, 10.0)
        record = house.exchange.venue.record
        events = [(each.at_ns, each.event) for each in record.event_records()]
        return weight_and_turnover(events, house.exchange.config.knobs.cash)


def _has_been_asked(model: Sensible, symbol: str, before: int) -> bool:
    return _asked(model, symbol) > before


def _asked(model: Sensible, symbol: str) -> int:
    return model.asked.count((symbol, "directive"))


def _is_quiet(house: House) -> bool:
    return not any("-entry-" in order["client_order_id"] for order in house.orders("open"))
