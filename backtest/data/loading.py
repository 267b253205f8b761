"""Load history by a short text that says where it is: the one way in for every command.

`package:NAME` (see `autohedge data`), `csv:PATH`, `parquet:PATH`, `tape:PATH`, `alpaca:FOLDER` (where
`autohedge fetch` keeps what it fetched), or a bare path, whose ending says what it is. A folder of
CSV or Parquet files means every one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backtest.data.candles import Bars, resample
from backtest.data.checks.series import Origin, Period, checked, series_remarks
from backtest.data.packages.catalogue import Layout, known_set
from backtest.data.packages.tables import bars_of_set
from backtest.data.packages.wheels import CACHE
from backtest.data.reading.bars import SymbolBars, bars_by_symbol, symbol_of
from backtest.data.reading.files import read_csv, read_parquet
from backtest.data.reading.times import known_zone
from backtest.data.remarks import DataWarning
from backtest.data.ticks import Moment, package_moments, tape_moments, tape_origin
from backtest.records import Series
from domain.errors import ConfigError
from domain.records import NS_PER_S, parse_ns

_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".zst": "tape"}
_KINDS = frozenset({"package", "csv", "parquet", "tape", "alpaca"})
_DAY_NS = 86_400 * NS_PER_S
_MINUTE_S = 60
_FEW = 5
"""Symbols that one line names."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read: `zone` of clocks without one, the bars' length, and where packages are cached.

    Without `interval_s` bars stay as long as they are, and ticks become bars of a minute.
    """

    zone: str | None = None
    interval_s: int | None = None
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
    source = _Source.of(spec)
    if source.has_ticks:
        found = _bars_of_ticks(source, symbols, period, how)
    else:
        found = _bars(source, symbols, period, how)
    series, warnings, there = found
    _none_missing(spec, (symbols, there), series, period)
    if how.interval_s is not None:
        series = [resample(each, how.interval_s) for each in series]
    return series, _gathered(warnings)


def stream(
    spec: str,
    symbols: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    *,
    how: Reading | None = None,
) -> Iterator[Moment]:
    """Yield ticks moment by moment, oldest first, in little memory; `load` says what else holds.

    Raises `ConfigError` (`DATA_KIND`) for a source of bars, when the first moment is asked for.
    """
    return _moments(_Source.of(spec), symbols, period_of(start, end), how or Reading())


@dataclass(frozen=True, slots=True)
class _Source:
    """A spec, read: what kind it is, and its name or path."""

    kind: str
    name: str

    @classmethod
    def of(cls, spec: str) -> _Source:
        kind, colon, rest = spec.partition(":")
        if colon and kind in _KINDS:
            return cls(kind, rest)
        path = Path(spec)
        if path.is_dir():
            return cls("folder", spec)
        if path.suffix.lower() in _ENDINGS:
            return cls(_ENDINGS[path.suffix.lower()], spec)
        raise ConfigError(
            f"{spec!r} says no kind of data.",
            remedy=f"Begin it with one of {', '.join(f'{each}:' for each in sorted(_KINDS))} "
            "(`autohedge data` lists the packages).",
            code="DATA_UNKNOWN",
        )

    @property
    def path(self) -> Path:
        return Path(self.name)

    @property
    def has_ticks(self) -> bool:
        if self.kind == "package":
            return known_set(self.name).layout is Layout.TICKS
        return self.kind == "tape"

    def origin(self) -> Origin:
        """Return where its ticks are from."""
        if self.kind == "package":
            chosen = known_set(self.name)
            return Origin(source=chosen.source, licence=chosen.licence, hours=chosen.hours)
        return tape_origin(self.path)


Loaded = tuple[list[Series], list[DataWarning], list[str]]
"""Series, what to know, and every symbol that was there."""


def _bars(source: _Source, symbols: Sequence[str], period: Period, how: Reading) -> Loaded:
    series: list[Series] = []
    warnings: list[DataWarning] = []
    files: dict[str, str] = {}
    for bars, origin in _tables(source, how):
        if symbols and bars.symbol not in symbols:
            files.setdefault(bars.symbol, "")
            continue
        _not_twice(bars, files)
        found, remarks = checked(bars, origin, period)
        warnings += remarks
        series += [found] if found is not None else []
    return series, warnings, list(files)


def _bars_of_ticks(source: _Source, symbols: Sequence[str], period: Period, how: Reading) -> Loaded:
    made = Bars(how.interval_s or _MINUTE_S, source.origin())
    made.take(_moments(source, symbols, period, how))
    series = made.series()
    warnings = [remark for each in series for remark in series_remarks(each, made.hours(each))]
    return series, warnings, [each.symbol for each in series]


def _moments(
    source: _Source, symbols: Sequence[str], period: Period, how: Reading
) -> Iterator[Moment]:
    match source.kind:
        case "package":
            yield from package_moments(source.name, how.cache, period)
        case "tape":
            yield from tape_moments(source.path, symbols, period)
        case _:
            raise ConfigError(
                f"{source.name} holds bars, not ticks.",
                remedy="Give a tape, or a set of ticks (`autohedge data`).",
                code="DATA_KIND",
            )


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


def _tables(source: _Source, how: Reading) -> Iterator[tuple[SymbolBars, Origin]]:
    if source.kind == "package":
        chosen = known_set(source.name)
        origin = Origin(source=chosen.source, licence=chosen.licence, hours=chosen.hours)
        yield from ((bars, origin) for bars in bars_of_set(chosen, how.cache))
        return
    for file in _files(source):
        is_csv = source.kind == "csv" or _ENDINGS.get(file.suffix.lower()) == "csv"
        table = read_csv(file) if is_csv else read_parquet(file)
        origin = Origin(source=file.name, licence="yours")
        for bars in bars_by_symbol(table, how.zone, symbol_of(file.name)):
            yield bars, origin


def _files(source: _Source) -> list[Path]:
    """Return a file, or those of a folder that are of the kind; raises `ConfigError` for none."""
    if not source.path.is_dir():
        return [source.path]
    wanted = {"csv", "parquet"} if source.kind == "folder" else {source.kind}
    files = [each for each in source.path.iterdir() if _ENDINGS.get(each.suffix.lower()) in wanted]
    if not files:
        raise ConfigError(
            f"{source.path} holds no {' and no '.join(sorted(wanted))} file.",
            remedy="Give a file, or a folder with a file a symbol.",
            code="DATA_UNKNOWN",
        )
    return sorted(files)


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
