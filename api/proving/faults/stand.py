"""Stand a real bot before a real exchange, drive one order's life to a step, and tidy up after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from api.assembly import Plan, Process, running
from api.proving.faults.cells import Cell, Road, faults_of
from api.proving.faults.steps import Step, SteppedPlan
from api.proving.house import House, ScriptedModel, open_house, until
from domain.errors import AutoHedgeError
from domain.limits import TradingState
from domain.records import NS_PER_S
from exchange.config import SymbolConfig, seeded_crypto, seeded_stock
from exchange.matching.knobs import Knobs

STEP_S, AGAIN_S = 45.0, 6.0
TIDY_S = 20.0
_LOOKS = {
    "has_surprises": False,
    "volatility_bps": 3.0,
    "spread_bps": 1.0,
    "prints_per_s": 5.0,
    "quotes_per_s": 8.0,
}
_PASSIVE = {"style": "passive", "limit_offset_bps": -40.0}
_MARKETABLE = {"style": "marketable", "limit_offset_bps": 5.0}
_EXITING = (Step.STOP_CANCELING, Step.EXIT_POSTED, Step.EXIT_FILLED)
_ACTOR = "prover"
MAX_ORDER_USD = 1_000
_DUST_USD = 10
_SETTINGS: dict[str, Any] = {
    "MAX_ORDER_AMOUNT": MAX_ORDER_USD,
    "BAR_INTERVAL_S": 5,
    "WARMUP_MIN_COUNT": 20,
    "UNKNOWN_WINDOW_S": 1,
    "ENTRY_TTL_S": 1,
    "STOP_DEFAULT_ATR": 20,
    "MAX_ONE_WAY_FILLS": 10_000,
    "MAX_CONSECUTIVE_LOSSES": 10_000,
    "MAX_CONSECUTIVE_DENIALS": 10_000,
    "MAX_CONSECUTIVE_REJECTIONS": 10_000,
    "MAX_LINK_LOSSES": 10_000,
    "MAX_ORDERS_PER_MINUTE": 180,
    "LLM_MAX_USD_PER_DAY": 10_000,
}


class Stand:
    """One exchange and one bot, used for one cell after the other."""

    def __init__(self, house: House, process: Process, plan: SteppedPlan) -> None:
        self.house = house
        self.process = process
        self.plan = plan

    async def drive(self, cell: Cell) -> None:
        """Lead an order to the step, with the fault armed there.

        Raises `AssertionError` when the step never comes.
        """
        model, symbol = self.house.model, cell.road.value
        is_resting, before = cell.step is Step.WORKING, self.decided_at(symbol)
        model.answers["execution_plan"] = _PASSIVE if is_resting else _MARKETABLE
        faults = faults_of(cell.kind)
        if cell.step in _EXITING:
            await self._want(symbol, "buy", lambda: self.is_protected(symbol))
            self.plan.wait_for(cell.step, faults)
            await self._want(symbol, "sell", self.plan.reached.is_set)
        else:
            self.plan.wait_for(cell.step, faults)
            await self._want(symbol, "buy", self.plan.reached.is_set)
        decided = f"{symbol} is decided upon"
        await until(lambda: self.decided_at(symbol) != before, STEP_S, what=decided)
        model.wants.clear()

    async def faults_over(self, within_s: float) -> None:
        """Wait until the armed faults have struck as often as they may, or for so long; clear."""
        with suppress(AssertionError):
            await until(self._is_spent, within_s)
        self.plan.clear()

    async def tidy(self) -> bool:
        """Clear the faults and bring the bot back to trading flat, as a person would.

        Returns whether nothing at all is held: dust would stand in the next entry's way. Raises
        `AssertionError` when the bot does not come back.
        """
        self.plan.clear()
        self.house.model.wants.clear()
        await until(self._tidied, TIDY_S, what="the bot trades again, flat")
        return not self.house.exchange.venue.positions()

    def decided_at(self, symbol: str) -> str | None:
        """Return what the newest whole decision on a symbol was made of, by its time."""
        symbols = self.process.bot.status().symbols
        return next(each.last_decision_at for each in symbols if each.symbol == symbol)

    def is_protected(self, symbol: str) -> bool:
        """Tell whether the venue holds the position and a stop for it."""
        return self.house.held(symbol) > 0 and self.house.resting_stop(symbol) is not None

    @property
    def is_flat(self) -> bool:
        """Tell whether the venue works nothing and holds nothing but dust."""
        values = (Decimal(p["market_value"]) for p in self.house.exchange.venue.positions())
        return all(abs(value) < _DUST_USD for value in values) and not self.house.orders("open")

    def _is_spent(self) -> bool:
        left = (each.struck < (each.fault.times or 0) for each in self.plan.armed)
        return not any(left) and not self._is_waiting()

    def _is_waiting(self) -> bool:
        """Tell whether a fault still lasts: what has struck may take its seconds."""
        lasts = max((each.fault.lasts_s for each in self.plan.armed), default=0.0)
        strikes = self.plan.strikes
        now_ns = self.house.exchange.venue.clock.now_ns()
        return bool(strikes) and now_ns < strikes[-1].at_ns + lasts * NS_PER_S

    async def _want(self, symbol: str, wanted: str, is_so: Callable[[], bool]) -> None:
        """Decide until it is so; an entry declared absent reserves until the next clean look."""
        deadline = asyncio.get_running_loop().time() + STEP_S
        while asyncio.get_running_loop().time() < deadline:
            await self._decide(symbol, wanted)
            with suppress(AssertionError):
                await until(is_so, AGAIN_S)
                return
        raise AssertionError(f"{symbol} was told to {wanted} for {STEP_S:g} s")

    async def _decide(self, symbol: str, wanted: str) -> None:
        self.house.model.wants[symbol] = wanted
        await self.process.bot.decide(symbol, actor=_ACTOR)

    async def _tidied(self) -> bool:
        bot = self.process.bot
        status = bot.status()
        is_empty = all(each.is_dust for each in bot.positions()) and not bot.working_orders()
        if not self.is_flat or not is_empty:
            with suppress(AutoHedgeError):
                await bot.flatten(actor=_ACTOR, reason="the next cell")
            await asyncio.sleep(0.1)
            return False
        if any(symbol.is_reducing for symbol in status.symbols):
            await bot.resume(actor=_ACTOR, code="MANUAL_TRADE")
        if status.trading is not TradingState.ACTIVE:
            with suppress(AutoHedgeError):
                await bot.resume(actor=_ACTOR, code=status.trading_code or "")
            return False
        is_seeing = all(symbol.is_warm and not symbol.is_stale for symbol in status.symbols)
        is_up = status.is_feed_up and status.is_order_stream_up and status.is_reconciled
        return is_seeing and is_up


@asynccontextmanager
async def standing(
    model: ScriptedModel, folder: Path, *, seed: int, is_partial: bool
) -> AsyncIterator[Stand]:
    """Put a stand up; with `is_partial` a marketable order fills in parts."""
    plan = SteppedPlan(seed=seed)
    knobs = Knobs(
        partial_rate=1.0 if is_partial else 0.0,
        requests_per_minute=100_000,
        cash=Decimal(1_000_000),
    )
    async with (
        open_house(
            *_market(),
            model=model,
            folder=folder,
            faults=plan,
            knobs=knobs,
            seed=seed,
            history_minutes=30,
        ) as house,
        running(_impatient(house.plan(**_SETTINGS))) as process,
    ):
        await process.bot.start(actor=_ACTOR)
        await house.warm(process)
        yield Stand(house, process, plan)


def _impatient(plan: Plan) -> Plan:
    """Shorten the waits after a refusal, which are a minute and more, so that cells end."""
    broker = replace(plan.broker, refused_backoff_s=1.0, backoff_max_s=2.0, deadline_s=4.0)
    feeds = tuple(
        replace(feed, rate_limited_s=1.0, retry_most_s=2.0, auth_retry_s=0.5, reply_timeout_s=4.0)
        for feed in plan.feeds
    )
    return replace(plan, broker=broker, feeds=feeds)


def _market() -> tuple[SymbolConfig, ...]:
    return (
        seeded_stock(Road.WHOLE, 28.0, **_LOOKS),
        seeded_stock(Road.FRACTION, 8900.0, **_LOOKS),
        seeded_crypto(Road.PAIR, 86e3, **_LOOKS),
    )
