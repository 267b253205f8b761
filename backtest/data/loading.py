"""Load history by a short text that says where it is: the one way in for every command.

`package:NAME` (see `autohedge data`), `csv:PATH`, `parquet:PATH`, or a bare path, whose ending says
what it is. A path of a folder means every such file in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backtest.data.checks.gaps import Hours
from backtest.data.checks.series import Origin, Period, checked
from backtest.data.packages.catalogue import Layout, known_set
from backtest.data.packages.tables import bars_of_set
from backtest.data.packages.wheels import CACHE
from backtest.data.reading.bars import SymbolBars, bars_by_symbol, symbol_of
from backtest.data.reading.files import read_csv, read_parquet
from backtest.data.reading.times import known_zone
from backtest.data.remarks import DataWarning
from backtest.records import Series
from domain.errors import ConfigError
from domain.records import NS_PER_S, parse_ns

_KINDS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".zst": "tape"}
_DAY_NS = 86_400 * NS_PER_S
_FEW = 5
"""Symbols that one line names."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read: `zone` of clocks without one, and where packages are cached."""

    zone: str | None = None
    cache: Path = CACHE


def load(
    spec: str,
    symbols: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    *,
    how: Reading | None = None,
) -> tuple[list[Series], list[DataWarning]]:
    """Return the series of the asked symbols (none asked: all), each checked, and what to know.

    `start` and `end` are dates or RFC 3339 times: from the start on, before the end; a date as end
    is that day included. Raises `ConfigError` with the row at fault, `FeedError` for a package
    that cannot be fetched. A symbol asked for that has no row in the period is an error.
    """
    how = how or Reading()
    known_zone(how.zone)
    period = period_of(start, end)
    series: list[Series] = []
    warnings: list[DataWarning] = []
    seen: dict[str, str] = {}
    for bars, origin in _sources(spec, how):
        if symbols and bars.symbol not in symbols:
            seen.setdefault(bars.symbol, "")
            continue
        _not_twice(bars, seen)
        found, remarks = checked(bars, origin, period)
        warnings += remarks
        series += [found] if found is not None else []
    _none_missing(spec, (symbols, list(seen)), series, period)
    return series, _gathered(warnings)


def _gathered(warnings: Sequence[DataWarning]) -> list[DataWarning]:
    """Say once what is true of several symbols and names no row."""
    symbols: dict[tuple[str, str], list[str]] = {}
    for each in warnings:
        if not each.rows:
            what = each.message.removeprefix(f"{each.symbol}: ")
            symbols.setdefault((each.code, what), []).append(each.symbol)
    general = [
        DataWarning(code=code, symbol=" ".join(names), message=f"{_few(names)}: {what}")
        for (code, what), names in symbols.items()
    ]
    return [*general, *(each for each in warnings if each.rows)]


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_FEW])
    return f"{shown} and {len(names) - _FEW} more" if len(names) > _FEW else shown


def period_of(start: str | None, end: str | None) -> Period:
    """Read dates or RFC 3339 times; raises `ConfigError` (`PERIOD_INVALID`)."""
    start_ns = Period().start_ns if start is None else _instant(start)
    end_ns = Period().end_ns if end is None else _instant(end)
    if end is not None and _DATE.match(end):
        end_ns += _DAY_NS
    if start_ns >= end_ns:
        raise ConfigError(
            f"The period from {start} to {end} is empty.",
            remedy="Let it end after it starts.",
            code="PERIOD_INVALID",
        )
    return Period(start_ns=start_ns, end_ns=end_ns, text=_span(start, end))


def _span(start: str | None, end: str | None) -> str:
    return f"{'the start' if start is None else start} to {'the end' if end is None else end}"


def _instant(text: str) -> int:
    try:
        return parse_ns(f"{text}T00:00:00Z" if _DATE.match(text) else text)
    except ValueError:
        raise ConfigError(
            f"{text!r} is no time.",
            remedy="Write 2024-03-01 or 2024-03-01T14:30:00Z.",
            code="PERIOD_INVALID",
        ) from None


def _sources(spec: str, how: Reading) -> Iterator[tuple[SymbolBars, Origin]]:
    kind, _, rest = spec.partition(":")
    if kind == "package":
        yield from _of_package(rest, how)
        return
    path = Path(rest if kind in {"csv", "parquet"} and rest else spec)
    told = kind if kind in {"csv", "parquet"} and rest else None
    for file in _files(path, told):
        read = read_csv if (told or _KINDS[file.suffix.lower()]) == "csv" else read_parquet
        for bars in bars_by_symbol(read(file), how.zone, symbol_of(file.name)):
            yield bars, Origin(source=file.name, licence="yours", hours=Hours.of(bars.symbol))


def _of_package(name: str, how: Reading) -> Iterator[tuple[SymbolBars, Origin]]:
    chosen = known_set(name)
    if chosen.layout is Layout.TICKS:
        raise ConfigError(f"{name} holds ticks, not bars.", code="DATA_KIND")
    origin = Origin(source=chosen.source, licence=chosen.licence, hours=chosen.hours)
    for bars in bars_of_set(chosen, how.cache):
        yield bars, origin


def _files(path: Path, told: str | None) -> list[Path]:
    """Return a file, or the files of a folder; raises `ConfigError` for what is neither."""
    if path.is_dir():
        files = sorted(
            file
            for file in path.iterdir()
            if _KINDS.get(file.suffix.lower()) in ({told} if told else {"csv", "parquet"})
        )
        if files:
            return files
    elif told is not None or _KINDS.get(path.suffix.lower()) in {"csv", "parquet"}:
        return [path]
    raise ConfigError(
        f"{path} holds no CSV and no Parquet file.",
        remedy="Give csv:PATH, parquet:PATH or package:NAME (`autohedge data` lists the packages).",
        code="DATA_UNKNOWN",
    )


def _not_twice(bars: SymbolBars, seen: dict[str, str]) -> None:
    first = seen.get(bars.symbol)
    if first:
        raise ConfigError(
            f"{bars.symbol} is in {first} and in {bars.file}.",
            remedy="Keep each symbol in one file, or give them one by one.",
            code="SYMBOL_TWICE",
        )
    seen[bars.symbol] = bars.file


def _none_missing(
    spec: str, names: tuple[Sequence[str], list[str]], series: list[Series], period: Period
) -> None:
    asked, there = names
    unknown = [symbol for symbol in asked if symbol not in there]
    if unknown:
        raise ConfigError(
            f"{spec} has no {_few(unknown)}.",
            remedy=f"It has {_few(there) or 'no symbol'}.",
            code="SYMBOL_UNKNOWN",
        )
    found = {each.symbol for each in series}
    empty = [symbol for symbol in (asked or there) if symbol not in found]
    if empty and (asked or not found):
        raise ConfigError(
            f"{spec} has no row of {_few(empty) or 'anything'} from {period.text}.",
            remedy="Choose another period: run it once without --from and --to.",
            code="PERIOD_EMPTY",
        )
