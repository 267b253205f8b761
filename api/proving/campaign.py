"""Say what a campaign is: something that tries to break a promise, seeded, and reports figures.

A campaign's oracle is the exchange's own record. What it returns is printed as it is, breaches and
missed bars included.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from domain.records import Record

Tell = Callable[[int, int], None]
"""Take (cases done, cases in all): the campaign's progress."""

NO_MACHINE_S = 10.0
"""How long a position may stand bare before no slow machine explains it."""


class Scale(Record, frozen=True):
    """How much to try. The short form runs in CI; the same seed draws the same cases."""

    is_short: bool
    seed: int


class Bar(Record, frozen=True):
    """One figure against its bar, both as a person reads them.

    `is_speed` marks what a slow or busy machine alone can miss: the short form prints it and fails
    for nothing of the kind.
    """

    what: str
    bar: str
    measured: str
    is_met: bool
    is_speed: bool = False


class Table(Record, frozen=True):
    """Rows that explain the figures; every row is as long as `columns`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Result(Record, frozen=True):
    """What came of a campaign. A breach is one line that tells how to see it again.

    `slow` are breaches that a slow or busy machine alone can cause: a time that was passed by
    little, a case that could not be staged in time. The short form prints them and does not fail.
    """

    cases: int
    breaches: tuple[str, ...] = ()
    slow: tuple[str, ...] = ()
    bars: tuple[Bar, ...] = ()
    tables: tuple[Table, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """Return every breach, those first that no machine explains."""
        return self.breaches + self.slow

    @property
    def is_met(self) -> bool:
        """Tell whether nothing was breached and every bar was met."""
        return not self.lines and all(bar.is_met for bar in self.bars)

    @property
    def is_safe(self) -> bool:
        """Tell whether nothing was breached and every bar was met that is none of speed."""
        return not self.breaches and all(bar.is_met or bar.is_speed for bar in self.bars)


class Campaign(Protocol):
    """One way of attacking; `title` is its row in the table."""

    name: str
    title: str

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Try every case; raises only for what keeps it from trying."""
        ...
