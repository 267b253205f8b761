"""Read the inputs of a check, refusing what is missing, negative, absurd or not a number."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache
from typing import TypeVar

from domain.limits import LIMITS_TABLE, Limits
from domain.market import Instrument, Quote, WindowQuote
from domain.risk.facts import Facts

N = TypeVar("N", float, Decimal)

MOST = Decimal(10) ** 15
"""No price, quantity or sum of dollars that we meet is as large: such a number is a fault."""

LATEST_NS = 2**62
"""No time or age is as large: nanoseconds until the year 2116."""

_ROWS = {row.field: row for row in LIMITS_TABLE}


class UnreadableError(ValueError):
    """An input is missing or makes no sense; the check that needs it fails."""


def need(value: Decimal | None, name: str) -> Decimal:
    """Return a finite decimal of either sign."""
    if not isinstance(value, Decimal) or not value.is_finite() or abs(value) >= MOST:
        raise UnreadableError(f"{name} is {value}")
    return value


def need_amount(value: Decimal | None, name: str) -> Decimal:
    """Return a finite decimal that is not negative."""
    amount = need(value, name)
    if amount < 0:
        raise UnreadableError(f"{name} is {value}")
    return amount


def need_float(value: float | None, name: str) -> float:
    """Return a finite number that is not negative."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise UnreadableError(f"{name} is {value}")
    if not math.isfinite(value) or not 0 <= value < MOST:
        raise UnreadableError(f"{name} is {value}")
    return value


def need_count(value: int | None, name: str) -> int:
    """Return a whole number that is not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < LATEST_NS:
        raise UnreadableError(f"{name} is {value}")
    return value


def need_limit(limits: Limits, field: str) -> float:
    """Return a limit, refusing one outside the range that its setting allows."""
    return _within(field, need_float(getattr(limits, field), field))


def need_dollars(limits: Limits, field: str) -> Decimal:
    """Return a limit in dollars, refusing one outside the range that its setting allows."""
    return _within(field, need_amount(getattr(limits, field), field))


def _within(field: str, value: N) -> N:
    row = _ROWS[field]
    if not row.minimum <= value <= row.maximum:
        raise UnreadableError(f"{field} is {value}, outside {row.minimum:g} to {row.maximum:g}")
    return value


def need_share(limits: Limits, field: str) -> Decimal:
    """Return a limit that is a fraction or a ratio, as the decimal a person wrote."""
    return _written(float(need_limit(limits, field)))


@lru_cache(maxsize=256)
def _written(value: float) -> Decimal:
    return Decimal(repr(value))


def need_instrument(facts: Facts) -> Instrument:
    """Return the symbol's rules."""
    if not isinstance(facts.instrument, Instrument):
        raise UnreadableError("the instrument is not known")
    return facts.instrument


def need_quote(facts: Facts) -> Quote | WindowQuote:
    """Return the quote, both sides of it filled."""
    if not isinstance(facts.quote, (Quote, WindowQuote)):
        raise UnreadableError("there is no quote")
    for price in (facts.quote.bid, facts.quote.ask):
        if need_float(price, "a side of the quote") == 0:
            raise UnreadableError("a side of the quote is empty")
    for size in (facts.quote.bid_size, facts.quote.ask_size):
        need_float(size, "a size of the quote")
    return facts.quote
