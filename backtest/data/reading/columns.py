"""Find out which column of a stranger's table is which, by a list of spellings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from domain.errors import ConfigError

SPELLINGS: dict[str, tuple[str, ...]] = {
    "time": ("timestamp", "time", "datetime", "date", "t", "ts", "open time", "date time", "day"),
    "symbol": ("symbol", "ticker", "s", "asset", "instrument", "sym"),
    "open": ("open", "o", "open price"),
    "high": ("high", "h", "high price"),
    "low": ("low", "l", "low price"),
    "close": ("close", "c", "close price", "last", "price"),
    "volume": ("volume", "v", "vol", "size", "quantity"),
}
"""What a column may be called: case, spaces and underscores do not matter. The first one counts.

An `Adj Close` is never taken: it belongs to no open, high or low of the same row.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The table's own names of what was found; none where a table has no such column."""

    time: str
    close: str
    symbol: str | None = None
    open: str | None = None
    high: str | None = None
    low: str | None = None
    volume: str | None = None

    @property
    def numbers(self) -> dict[str, str]:
        """Return the columns of numbers that the table has: ours by theirs."""
        ours = ("open", "high", "low", "close", "volume")
        return {name: found for name in ours if (found := getattr(self, name)) is not None}


def find_names(columns: Sequence[str], file: str) -> Names:
    """Match a table's columns to ours; raises `ConfigError` that names what is missing.

    Open, high and low come together or not at all: with a close alone, bars are flat.
    """
    known = {_plain(column): column for column in reversed(columns)}
    found = {
        ours: next((known[each] for each in spellings if each in known), None)
        for ours, spellings in SPELLINGS.items()
    }
    missing = [ours for ours in ("time", "close") if found[ours] is None]
    ranges = [ours for ours in ("open", "high", "low") if found[ours] is None]
    if len(ranges) in (1, 2):
        missing += ranges
    time, close = found["time"], found["close"]
    if missing or time is None or close is None:
        raise _missing(file, missing, columns)
    _none_twice(file, columns, [name for name in found.values() if name is not None])
    return Names(**{**found, "time": time, "close": close})  # type: ignore[arg-type] # both are text


def _plain(column: str) -> str:
    return " ".join(column.strip().lstrip("\ufeff").lower().replace("_", " ").split())


def _none_twice(file: str, columns: Sequence[str], used: Sequence[str]) -> None:
    twice = [name for name in used if columns.count(name) > 1]
    if twice:
        raise ConfigError(
            f"{file} has two columns {twice[0]!r}.",
            remedy="Name each column once.",
            code="COLUMN_TWICE",
        )


def _missing(file: str, missing: Sequence[str], columns: Sequence[str]) -> ConfigError:
    wanted = "; ".join(f"{ours}: {', '.join(SPELLINGS[ours])}" for ours in missing)
    has = ", ".join(repr(column) for column in columns[:12])
    return ConfigError(
        f"{file} has no column for {' and '.join(missing)}: its first row holds {has}.",
        remedy=f"Name the columns in the first row ({wanted}).",
        code="COLUMN_MISSING",
    )
