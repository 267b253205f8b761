"""Read the inputs of a check, refusing what is missing, negative or not a number."""

from __future__ import annotations

import math
from decimal import Decimal
from functools import lru_cache

from domain.market import Instrument, Quote, WindowQuote
from domain.risk.facts import Facts


class UnreadableError(ValueError):
    """An input is missing or makes no sense; the check that needs it fails."""


def need(value: Decimal | None, name: str) -> Decimal:
    """Return a finite decimal of either sign."""
    if not isinstance(value, Decimal) or not value.is_finite():
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
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
        raise UnreadableError(f"{name} is {value}")
    return value


def need_count(value: int | None, name: str) -> int:
    """Return a whole number that is not negative."""
    if not isinstance(value, int) or value < 0:
        raise UnreadableError(f"{name} is {value}")
    return value


def need_fraction(value: float, name: str) -> Decimal:
    """Return a limit given as a float, as the decimal a person wrote."""
    return _written(float(need_float(value, name)))


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
    return facts.quote
