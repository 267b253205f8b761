"""Load bars from a CSV file (t, o, h, l, c, v) and synthesise the prints inside each."""

import csv
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from domain.errors import ConfigError
from exchange.market.columns import PRINT_ROW, PrintLabel, Prints, columns
from exchange.market.played.recording import SYNTHETIC, Recording, quotes_around
from exchange.market.stamps import from_rfc3339

_COLUMNS = ("t", "o", "h", "l", "c", "v")
_PRINTS_A_BAR = 12
_FEWEST = 4  # open, two extremes, close


class _Row(NamedTuple):
    t: int
    o: float
    h: float
    l: float  # noqa: E741 -- the file's own name for the low
    c: float
    v: float


def load_bars(path: Path, symbol: str) -> Recording:
    """Read bars, oldest first, of any one interval; raises `ConfigError` naming the line.

    Inside a bar the price walks from open over the nearer extreme to the other and to the close,
    in twelve prints evenly spaced, whose sizes sum to the volume. A share's bar of fewer than
    four shares still prints four times, one share each.
    """
    rows = list(_rows(path))
    if not rows:
        raise _damaged(path, "it holds no bar")
    interval_ns = _interval_ns(path, rows)
    is_crypto = "/" in symbol
    decimals = max(_decimals(price) for row in rows for price in (row.o, row.h, row.l, row.c))
    laid = [_prints(row, interval_ns, decimals, is_crypto=is_crypto) for row in rows if row.v > 0]
    if not laid:
        raise _damaged(path, "it holds no bar with volume")
    joined = np.concatenate(laid)
    joined["id"] = np.arange(1, len(joined) + 1)
    label = PrintLabel() if is_crypto else PrintLabel(SYNTHETIC, ("@",), "C")
    prints = Prints(joined, (label,))
    return Recording(
        symbol=symbol, prints=prints, quotes=quotes_around(prints, is_crypto=is_crypto)
    )


def _rows(path: Path) -> Iterator[_Row]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                raise _damaged(path, f"line 1: no column {', '.join(missing)}")
            for cells in table:
                yield _row(path, table.line_num, cells)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"Bars {path} cannot be read: {error}.", code="BARS_UNREADABLE"
        ) from error


def _row(path: Path, line: int, cells: dict[str, str | None]) -> _Row:
    try:
        numbers = [float(cells[name] or "") for name in _COLUMNS[1:]]
        row = _Row(from_rfc3339((cells["t"] or "").strip()), *numbers)
    except ValueError as error:
        raise _damaged(path, f"line {line}: {error}") from error
    if not 0 < row.l <= min(row.o, row.c) <= max(row.o, row.c) <= row.h < float("inf"):
        raise _damaged(path, f"line {line}: low, open, close and high are out of order")
    if not 0 <= row.v < float("inf"):
        raise _damaged(path, f"line {line}: volume {cells['v']} is no volume")
    return row


def _damaged(path: Path, reason: str) -> ConfigError:
    return ConfigError(
        f"Bars {path}: {reason}.",
        remedy="It needs the columns t,o,h,l,c,v, oldest bar first.",
        code="BARS_DAMAGED",
    )


def _interval_ns(path: Path, rows: list[_Row]) -> int:
    """Return the smallest distance between bars: one minute for a single bar."""
    gaps = np.diff([row.t for row in rows])
    if (gaps <= 0).any():
        line = int(np.argmax(gaps <= 0)) + 3
        raise _damaged(path, f"line {line}: its time is not after the line before")
    return int(gaps.min()) if len(gaps) else 60_000_000_000


def _prints(row: _Row, interval_ns: int, decimals: int, *, is_crypto: bool) -> np.ndarray:
    count = _PRINTS_A_BAR if is_crypto else int(min(_PRINTS_A_BAR, max(_FEWEST, row.v)))
    low_first = row.o - row.l <= row.h - row.o
    corners = (row.o, row.l, row.h, row.c) if low_first else (row.o, row.h, row.l, row.c)
    # Each corner is hit exactly; the prints between lie on the lines that join them, and have no
    # more decimals than the file's prices.
    at = np.round(np.linspace(0, count - 1, len(corners)))
    prices = np.round(np.interp(np.arange(count), at, corners), decimals)
    sizes = np.full(count, row.v / count) if is_crypto else np.full(count, row.v // count)
    sizes = np.maximum(sizes, 0.0 if is_crypto else 1.0)
    sizes[-1] += max(0.0, row.v - float(sizes.sum()))
    ts = row.t + (np.arange(count) * 2 + 1) * interval_ns // (2 * count)
    taker = np.where(np.diff(prices, prepend=row.o) >= 0, 1, -1) if is_crypto else 0
    return columns(PRINT_ROW, ts=ts, published=ts, price=prices, size=sizes, taker=taker)


def _decimals(price: float) -> int:
    return max(0, -int(Decimal(repr(price)).normalize().as_tuple().exponent))
