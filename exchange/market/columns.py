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

# Which sale conditions keep a print out of a minute bar's prices, or out of it altogether (source:
# Alpaca's market data FAQ on how bars are aggregated, which follows the CTS and UTP specifications
# but for Form T). Two codes mean one thing on one tape and another on the next.
_NOTHING = frozenset("MQ9")
_NO_PRICE = _NOTHING | frozenset("CGHINPRUVZ47")
_NO_PRICE_ON_TAPE = {
    "A": frozenset("B"),
    "B": frozenset("B"),
    "C": frozenset("W"),
    "O": frozenset("W"),
}


class PrintLabel(NamedTuple):
    """What many prints share: venue, sale conditions, tape."""

    exchange: str = ""
    conditions: tuple[str, ...] = ()
    tape: str = ""

    @property
    def updates_price(self) -> bool:
        """Tell whether such a print may be a bar's open, high, low or close, and a last price."""
        barred = _NO_PRICE | _NO_PRICE_ON_TAPE.get(self.tape, frozenset())
        return barred.isdisjoint(self.conditions)

    @property
    def updates_volume(self) -> bool:
        """Tell whether such a print counts in a bar's volume."""
        return _NOTHING.isdisjoint(self.conditions)


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
