"""Hold prints and quotes as columns, so that a busy minute costs little until it is looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from exchange.market.records import Print, TopOfBook

Rows = NDArray[np.void]

# `label` indexes the labels; `taker` is 1 for a buyer, -1 for a seller, 0 for not told.
PRINT_ROW = np.dtype(
    [
        ("ts", np.int64),
        ("published", np.int64),
        ("price", np.float64),
        ("size", np.float64),
        ("id", np.int64),
        ("label", np.int64),
        ("taker", np.int64),
    ]
)
QUOTE_ROW = np.dtype(
    [
        ("ts", np.int64),
        ("published", np.int64),
        ("bid", np.float64),
        ("bid_size", np.float64),
        ("ask", np.float64),
        ("ask_size", np.float64),
        ("label", np.int64),
    ]
)
_TAKERS = ("", "B", "S")  # by index 0, 1 and -1

# Which sale conditions keep a print out of a bar's fields (source: UTP trade data feed
# specification, table of sale conditions, which Alpaca applies to minute bars).
_NO_OPEN_CLOSE = frozenset("CGHIMNPQRTUVWZ47")
_NO_HIGH_LOW = frozenset("CHIMNQRTUVW7")
_NO_VOLUME = frozenset("MQ9")


class PrintLabel(NamedTuple):
    """What many prints share: venue, sale conditions, tape."""

    exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""

    @property
    def updates_open_close(self) -> bool:
        """Tell whether such a print may open or close a bar, and is a last price."""
        return _NO_OPEN_CLOSE.isdisjoint(self.conditions)

    @property
    def updates_high_low(self) -> bool:
        """Tell whether such a print may be a bar's high or low."""
        return _NO_HIGH_LOW.isdisjoint(self.conditions)

    @property
    def updates_volume(self) -> bool:
        """Tell whether such a print counts in a bar's volume."""
        return _NO_VOLUME.isdisjoint(self.conditions)


class QuoteLabel(NamedTuple):
    """What many quotes share: venues of both sides, conditions, tape."""

    bid_exchange: str = ""
    ask_exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""


@dataclass(frozen=True, slots=True)
class Prints:
    """Prints of one symbol, ordered by `ts`, rows of `PRINT_ROW`."""

    rows: Rows
    labels: tuple[PrintLabel, ...]

    def records(self, symbol: str, chosen: Rows | None = None) -> Iterator[Print]:
        """Make the records of the chosen rows, of all when none are named."""
        rows = self.rows if chosen is None else chosen
        for ts, published, price, size, trade_id, label, taker in rows.tolist():
            exchange, conditions, tape = self.labels[label]
            yield Print(
                symbol,
                ts,
                published,
                price,
                size,
                trade_id,
                exchange,
                conditions,
                tape,
                _TAKERS[taker],
            )


@dataclass(frozen=True, slots=True)
class Quotes:
    """Quotes of one symbol, ordered by `ts`, rows of `QUOTE_ROW`."""

    rows: Rows
    labels: tuple[QuoteLabel, ...]

    def records(self, symbol: str, chosen: Rows | None = None) -> Iterator[TopOfBook]:
        """Make the records of the chosen rows, of all when none are named."""
        rows = self.rows if chosen is None else chosen
        for *numbers, label in rows.tolist():
            yield TopOfBook(symbol, *numbers, *self.labels[label])


def columns(row: np.dtype[np.void], **values: Any) -> Rows:
    """Lay columns of equal length side by side; a scalar fills its column, a missing one is 0."""
    length = len(values["ts"])
    rows = np.zeros(length, row)
    for name, value in values.items():
        rows[name] = value
    return rows


def shifted(rows: Rows, by_ns: int) -> Rows:
    """Return the rows `by_ns` later."""
    moved = rows.copy()
    moved["ts"] += by_ns
    moved["published"] += by_ns
    return moved


NO_PRINTS = Prints(np.zeros(0, PRINT_ROW), ())
NO_QUOTES = Quotes(np.zeros(0, QUOTE_ROW), ())
