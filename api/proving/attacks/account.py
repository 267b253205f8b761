"""Say what came of the cases that were staged on one bot."""

from __future__ import annotations

from api.proving.attacks.cases import Case
from domain.records import Record


class Deed(Record, frozen=True):
    """One case as it was staged: on which symbol, from when to when; `trouble` if it was not."""

    case: Case
    symbol: str
    begin_ns: int
    end_ns: int
    trouble: str = ""


class Account(Record, frozen=True):
    """What came of one stage; breaches are (case's id or empty, line).

    `slow` are those that a slow machine explains.
    """

    deeds: tuple[Deed, ...] = ()
    breaches: tuple[tuple[str, str], ...] = ()
    slow: tuple[tuple[str, str], ...] = ()
    entries: dict[str, int] = {}  # noqa: RUF012 - frozen, and never changed
    weight: float = 0.0
    turnover: float = 0.0
    halts_s: tuple[float, ...] = ()
    longest_bare_s: float = 0.0
    denials: dict[str, int] = {}  # noqa: RUF012 - frozen, and never changed
