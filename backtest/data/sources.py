"""Understand the short text that says where data are, and open what it names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backtest.data.checks.series import Origin, Period
from backtest.data.fetching.cached import ALPACA, bars_of_cache, has_bars, moments_of_cache
from backtest.data.packages.catalogue import Layout, known_set
from backtest.data.packages.tables import bars_of_set
from backtest.data.packages.wheels import CACHE
from backtest.data.reading.bars import SymbolBars, bars_by_symbol, symbol_of
from backtest.data.reading.files import kind_of, read_csv, read_parquet
from backtest.data.ticks import Moment, package_moments, tape_moments, tape_origin
from domain.errors import ConfigError

_KINDS = frozenset({"package", "csv", "parquet", "tape", "alpaca"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read: `zone` of clocks without one, the bars' length, and where packages are cached.

    Without `interval_s` bars stay as long as they are, and ticks become bars of a minute.
    """

    zone: str | None = None
    interval_s: int | None = None
    cache: Path = CACHE


@dataclass(frozen=True, slots=True)
class Source:
    """A spec, read: what kind it is, and its name or path."""

    kind: str
    name: str

    @classmethod
    def of(cls, spec: str) -> Source:
        """Read a spec; raises `ConfigError` (`DATA_UNKNOWN`)."""
        kind, colon, rest = spec.partition(":")
        if colon and kind in _KINDS:
            return cls(kind, rest)
        path = Path(spec)
        if path.is_dir():
            return cls("folder", spec)
        by_ending = kind_of(path)
        if by_ending is not None:
            return cls(by_ending, spec)
        raise ConfigError(
            f"{spec!r} says no kind of data.",
            remedy=f"Begin it with one of {', '.join(f'{each}:' for each in sorted(_KINDS))} "
            "(`autohedge data` lists the packages).",
            code="DATA_UNKNOWN",
        )

    @property
    def path(self) -> Path:
        """Return its name as a path."""
        return Path(self.name)

    @property
    def has_ticks(self) -> bool:
        """Tell whether it holds ticks, of which bars must be made."""
        if self.kind == "package":
            return known_set(self.name).layout is Layout.TICKS
        return self.kind == "tape" or (self.kind == "alpaca" and not has_bars(self.path))

    def origin(self) -> Origin:
        """Return where its ticks are from."""
        if self.kind == "package":
            chosen = known_set(self.name)
            return Origin(source=chosen.source, licence=chosen.licence, hours=chosen.hours)
        return ALPACA if self.kind == "alpaca" else tape_origin(self.path)


def moments_of(
    source: Source, symbols: Sequence[str], period: Period, how: Reading, *, rejects: Counter[str]
) -> Iterator[Moment]:
    """Yield a source's ticks; raises `ConfigError` (`DATA_KIND`) for one of bars.

    `rejects` counts what could not be read, by reason.
    """
    match source.kind:
        case "package":
            yield from package_moments(source.name, how.cache, symbols, period)
        case "tape":
            yield from tape_moments(source.path, symbols, period, rejects)
        case "alpaca":
            yield from moments_of_cache(source.path, symbols, period)
        case _:
            raise ConfigError(
                f"{source.name} holds bars, not ticks.",
                remedy="Give a tape, or a set of ticks (`autohedge data`).",
                code="DATA_KIND",
            )


def tables_of(source: Source, how: Reading) -> Iterator[tuple[SymbolBars, Origin]]:
    """Yield each symbol's rows, unchecked, with where they are from."""
    if source.kind == "package":
        chosen = known_set(source.name)
        origin = Origin(source=chosen.source, licence=chosen.licence, hours=chosen.hours)
        yield from ((bars, origin) for bars in bars_of_set(chosen, how.cache))
        return
    if source.kind == "alpaca":
        yield from bars_of_cache(source.path, how.interval_s)
        return
    for file in _files(source):
        kind = kind_of(file) if source.kind == "folder" else source.kind
        table = read_csv(file) if kind == "csv" else read_parquet(file)
        origin = Origin(source=file.name, licence="yours")
        for bars in bars_by_symbol(table, how.zone, symbol_of(file.name)):
            yield bars, origin


def _files(source: Source) -> list[Path]:
    """Return a file, or those of a folder that are of the kind; raises `ConfigError` for none."""
    if not source.path.is_dir():
        return [source.path]
    wanted = {"csv", "parquet"} if source.kind == "folder" else {source.kind}
    files = [each for each in source.path.iterdir() if kind_of(each) in wanted]
    if not files:
        raise ConfigError(
            f"{source.path} holds no {' and no '.join(sorted(wanted))} file.",
            remedy="Give a file, or a folder with a file a symbol.",
            code="DATA_UNKNOWN",
        )
    return sorted(files)
