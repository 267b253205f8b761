"""Say what a print is to a candle: its time, id, price, size, and what it may change."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple


class PrintKind(IntEnum):
    """What a print may change in a minute bar; the strictest is the least."""

    NOTHING = 0
    VOLUME = 1
    FULL = 2


# Source: Alpaca, "Market Data FAQ", section "How are bars aggregated?", the rows for minute bars,
# which follow the CTS (tapes A, B), UTP (tape C) and TDDS (tape O) output specifications. In minute
# bars a condition updates every field, or volume and count alone, or nothing.
_FULL = frozenset(" @AEFKLOTXYD56")
_VOLUME = frozenset("CGHINPRUVZ47")
_NOTHING = frozenset("MQ9")
_FULL_ON_TAPE = {"C": "B"}
_VOLUME_ON_TAPE = {"A": "B", "B": "B", "C": "W", "O": "W"}


def print_kind(conditions: Iterable[str], tape: str = "") -> PrintKind:
    """Tell what a print with these sale conditions may change; an unknown one sets no price."""
    return min((_kind_of(code, tape) for code in conditions), default=PrintKind.FULL)


def _kind_of(code: str, tape: str) -> PrintKind:
    if code in _NOTHING:
        return PrintKind.NOTHING
    if code in _FULL or code in _FULL_ON_TAPE.get(tape, ()):
        return PrintKind.FULL
    return PrintKind.VOLUME


class Print(NamedTuple):
    """A print as the aggregator takes it: time (ns), id, price, size, and what it may change."""

    ts: int
    trade_id: int
    price: float
    size: float
    kind: PrintKind
