"""Say how a position is to be left, for all symbols and for one: what a person set, as records.

Each rule is short text with its unit, the same in the settings of all symbols and of one: a
distance (`2%` of the entry's price, `3atr`: so many average true ranges of the deciding window), a
time (`90s`, `45m`, `4h`, `2d`, a plain number is seconds), or `off`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from domain.records import Record

_DISTANCE = re.compile(r"(\d{1,4}(?:\.\d{1,6})?)\s*(%|atr)", re.IGNORECASE)
_TIME = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhd]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_LONGEST_S = 366 * 86_400.0
_OFF = "off"
_HUNDRED = Decimal(100)


class Unit(StrEnum):
    """What a distance is measured in."""

    PERCENT = "%"
    ATR = "atr"


class Overnight(StrEnum):
    """Whether stocks may be held while their market is closed."""

    HOLD = "hold"
    FLAT = "flat"


class Distance(Record, frozen=True):
    """How far from a price, in percent of it or in average true ranges."""

    value: Decimal
    unit: Unit

    def of(self, price: Decimal, atr: Decimal | None) -> Decimal | None:
        """Return the distance in dollars; none when it needs a range that is not known."""
        if self.unit is Unit.PERCENT:
            return price * self.value / _HUNDRED
        return None if atr is None or atr <= 0 else atr * self.value


class ExitRules(Record, frozen=True):
    """What closes a position beside its own stop and target; none where nothing was set.

    `stop_loss` and `take_profit` bound how far the agents' own may lie: the nearer one counts.
    """

    stop_loss: Distance | None = None
    take_profit: Distance | None = None
    trailing_stop: Distance | None = None
    max_holding_s: float | None = None
    overnight: Overnight = Overnight.HOLD


def distance_of(text: str) -> Distance | None:
    """Read a distance; raises `ValueError` that says what may stand there."""
    told = text.strip().lower()
    if told in {"", _OFF}:
        return None
    match = _DISTANCE.fullmatch(told)
    value = Decimal(match[1]) if match else Decimal(0)
    if match is None or not 0 < value < _HUNDRED:
        raise ValueError("write a percentage (2%), average true ranges (3atr), or off")
    return Distance(value=value, unit=Unit(match[2]))


def seconds_of(text: str) -> float | None:
    """Read a length of time in seconds; raises `ValueError` that says what may stand there."""
    told = text.strip().lower()
    if told in {"", _OFF}:
        return None
    match = _TIME.fullmatch(told)
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 1 <= seconds <= _LONGEST_S:
        raise ValueError("write a time of 1 second to 366 days (90s, 45m, 4h, 2d), or off")
    return seconds


def overnight_of(text: str) -> Overnight:
    """Read what becomes of stocks at the close; raises `ValueError`."""
    told = text.strip().lower()
    if told not in set(Overnight):
        raise ValueError("write hold or flat")
    return Overnight(told)


_READERS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "stop_loss": ("stop_loss", distance_of),
    "take_profit": ("take_profit", distance_of),
    "trailing_stop": ("trailing_stop", distance_of),
    "max_holding": ("max_holding_s", seconds_of),
    "overnight": ("overnight", overnight_of),
}
"""Each rule's name in text, its field in `ExitRules`, and how it is read."""


def changes_by_symbol(text: str) -> dict[str, dict[str, Any]]:
    """Read `BTC/USD: trailing_stop=3atr max_holding=1h; AAPL: take_profit=2%`.

    Returns fields of `ExitRules` by symbol. Raises `ValueError` with one line on the first mistake.
    """
    found: dict[str, dict[str, Any]] = {}
    for part in text.split(";"):
        if not part.strip():
            continue
        symbol, colon, rest = part.partition(":")
        name = symbol.strip().upper()
        if not colon or not name or "=" in symbol:
            raise ValueError(f"write SYMBOL: rule=value, not {part.strip()!r}")
        if name in found:
            raise ValueError(f"{name} is there twice: put its rules together")
        found[name] = _rules_of(name, rest)
    return found


def _rules_of(symbol: str, text: str) -> dict[str, Any]:
    words = re.sub(r"\s*=\s*", "=", text).replace(",", " ").split()
    if not words:
        raise ValueError(f"{symbol} has no rule: write {symbol}: trailing_stop=2%")
    changes: dict[str, Any] = {}
    for word in words:
        name, _, value = word.lower().partition("=")
        if name not in _READERS:
            raise ValueError(f"{symbol}: {name!r} is no rule: {_meant(name)}")
        field, read = _READERS[name]
        if field in changes:
            raise ValueError(f"{symbol}: {name} is there twice")
        try:
            changes[field] = read(value) if value else read("?")
        except ValueError as error:
            raise ValueError(f"{symbol}: {name}={value}: {error}") from None
    return changes


def _meant(name: str) -> str:
    close = difflib.get_close_matches(name, _READERS, n=1)
    return f"{close[0]} is" if close else f"there are {', '.join(_READERS)}"


def rules_by_symbol(rules: ExitRules, changes: dict[str, dict[str, Any]]) -> dict[str, ExitRules]:
    """Return the rules of each named symbol: what is said of it, the general ones for the rest."""
    return {symbol: msgspec.structs.replace(rules, **said) for symbol, said in changes.items()}
