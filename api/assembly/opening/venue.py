"""Ask the venue for its rules and hours, patiently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import structlog

from api.assembly.plan import Plan
from domain.errors import BrokerRefused, ConfigError, RateLimited
from domain.market import Instrument
from domain.ports import Broker, Calendar, Clock
from engine.watching.venue import VenueWatch
from feeds.calendar import AlwaysOpenCalendar, TradingCalendar

T = TypeVar("T")

log = structlog.get_logger(__name__)

_START_PAUSES_S = (0.25, 0.5, 1.0, 2.0)
_START_PAUSE_S = 15.0


def calendar_of(plan: Plan, broker: Broker, clock: Clock) -> tuple[Calendar, VenueWatch]:
    """Return when the venue trades and who keeps asking it."""
    if plan.is_always_open:
        return AlwaysOpenCalendar(), VenueWatch(broker, clock, None)
    calendar = TradingCalendar()
    return calendar, VenueWatch(broker, clock, calendar.replace)


async def rules_of(broker: Broker, symbols: Sequence[str]) -> dict[str, Instrument]:
    """Ask for every symbol's rules at once; all unknown ones are named in one line."""
    asked = await asyncio.gather(*(_instrument(broker, symbol) for symbol in symbols))
    found = {each.symbol: each for each in asked if each is not None}
    unknown = [symbol for symbol in symbols if symbol not in found]
    if unknown:
        raise ConfigError(
            f"The venue does not know {', '.join(unknown)}.",
            remedy="Mend TRADING_SYMBOLS; GET /assets lists what can be traded.",
            code="SYMBOL_UNKNOWN",
        )
    return found


async def _instrument(broker: Broker, symbol: str) -> Instrument | None:
    try:
        return await patiently(partial(broker.instrument, symbol))
    except ConfigError:
        return None


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again when the venue's rate is used up or its answer is lost.

    After a crash positions need the guard: one failed answer must not keep it down. What the venue
    means (a refused key, an unknown symbol) is raised at once.
    """
    for pause_s in _START_PAUSES_S:
        try:
            return await ask()
        except RateLimited as limited:
            wait_s = min(max(limited.retry_after_s, 1.0), _START_PAUSE_S)
            log.warning("venue_asks_to_wait", seconds=wait_s)
            await asyncio.sleep(wait_s)
        except BrokerRefused as refused:
            if 400 <= refused.status < 500:  # noqa: PLR2004 - HTTP's own word for the asker's fault
                raise
            log.warning("venue_did_not_answer", code=refused.code, seconds=pause_s)
            await asyncio.sleep(pause_s)
    return await ask()
