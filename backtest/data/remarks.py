"""Say what is odd about data, and in which rows: what a load warns of, and what its errors name."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from backtest.records import Ints
from domain.records import Record, to_datetime

MAX_NAMED = 10
"""Rows that a warning lists; `n_rows` counts all of them."""


class Odd(StrEnum):
    """What may be odd about data and still be loaded: the stable codes of warnings."""

    ROWS_REVERSED = "ROWS_REVERSED"
    ROWS_OUT_OF_ORDER = "ROWS_OUT_OF_ORDER"
    ROWS_REPEATED = "ROWS_REPEATED"
    BAR_WIDENED = "BAR_WIDENED"
    VOLUME_UNKNOWN = "VOLUME_UNKNOWN"
    CLOSES_ONLY = "CLOSES_ONLY"
    GAP = "GAP"
    HOLE = "HOLE"
    NOT_A_SESSION = "NOT_A_SESSION"
    OUTSIDE_HOURS = "OUTSIDE_HOURS"
    SPLIT_SUSPECTED = "SPLIT_SUSPECTED"
    PRICE_JUMP = "PRICE_JUMP"
    IDENTITY_SUSPECTED = "IDENTITY_SUSPECTED"
    BARS_LEFT_OUT = "BARS_LEFT_OUT"
    MESSAGES_UNREAD = "MESSAGES_UNREAD"
    NOT_TRADED = "NOT_TRADED"


MEANINGS: dict[Odd, str] = {
    Odd.ROWS_REVERSED: "The file is newest first; it was turned round.",
    Odd.ROWS_OUT_OF_ORDER: "Rows stand before earlier ones; they were sorted.",
    Odd.ROWS_REPEATED: "The same bar stands there again; it counts once.",
    Odd.BAR_WIDENED: "An open or close lies outside high and low; the range was widened.",
    Odd.VOLUME_UNKNOWN: "No volumes: no cap on our share of them can bind, impact is unknown.",
    Odd.CLOSES_ONLY: "Closes alone: open, high and low are the close, stops see no range.",
    Odd.GAP: "Sessions or bars are missing where the market traded.",
    Odd.HOLE: "Within a session more than half an hour (and three bars) has no bar.",
    Odd.NOT_A_SESSION: "A daily bar lies on a day without a session.",
    Odd.OUTSIDE_HOURS: "Bars lie outside regular hours, in which the engine trades stocks.",
    Odd.SPLIT_SUSPECTED: (
        "The open over the close before is a split's ratio, and as many dollars trade as before "
        "(or volumes are unknown)."
    ),
    Odd.PRICE_JUMP: "The price tripled, fell by two thirds, or moved as a split on other volume.",
    Odd.IDENTITY_SUSPECTED: (
        "After more than 30 days without a bar, price or volume are of another order: another "
        "security may have the symbol."
    ),
    Odd.MESSAGES_UNREAD: "Messages of a tape could not be read and were dropped, as live.",
    Odd.NOT_TRADED: "A currency's pair, which Alpaca does not trade: it runs as a pair of coins.",
    Odd.BARS_LEFT_OUT: "Bars were left out because another symbol has none at their time.",
}
"""What each code means, for the reference and for whoever reads a report."""


class RowRef(Record, frozen=True):
    """One row of a file. `row` counts lines from 1, the header among them; Parquet has no header.

    `time` is RFC 3339 or a date, `value` is what stands there and is odd.
    """

    file: str
    row: int
    symbol: str
    time: str
    value: str


class DataWarning(Record, frozen=True):
    """Something a person should know before believing a result; a report shows it.

    `code` is stable, `rows` are the first of `n_rows`.
    """

    code: Odd
    symbol: str
    message: str
    rows: tuple[RowRef, ...] = ()
    n_rows: int = 0

    @property
    def line(self) -> str:
        """Return one line for a person."""
        return f"{self.message} ({named(self.rows, self.n_rows)})" if self.rows else self.message


def named(rows: Sequence[RowRef], n_rows: int) -> str:
    """Write rows as a person reads them: `prices.csv row 7, 2024-03-01: -3.0; and 2 more`."""
    shown = [f"{each.file} row {each.row}, {each.time}: {each.value}" for each in rows[:3]]
    left = n_rows - len(shown)
    return "; ".join([*shown, f"and {left:,} more"] if left > 0 else shown)


def time_text(ts_ns: int, *, is_day: bool = False) -> str:
    """Write a time for a person: of a day its date, which UTC and New York share, else UTC."""
    when = to_datetime(ts_ns)
    return f"{when:%Y-%m-%d}" if is_day else f"{when:%Y-%m-%dT%H:%M:%SZ}"


def counted(n: int, noun: str) -> str:
    """Write a number of things: `1 row`, `3 rows`."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def first_rows(where: Ints, of: int = MAX_NAMED) -> list[int]:
    """Return the first indices of those that are odd."""
    return [int(at) for at in np.asarray(where)[:of]]
