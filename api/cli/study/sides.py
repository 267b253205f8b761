"""Read one side of a comparison from where a person says it is: a journal, or a backtest's JSON."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backtest.compare.records import Execution, Side
from backtest.compare.sides import (
    execution_of,
    execution_of_row,
    side_of,
    step_of,
    step_of_row,
)
from backtest.records import DecisionRow, FillRow
from domain.errors import ConfigError
from domain.market import Window
from domain.records import parse, parse_ns
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.reads.report import Span


class _Told(msgspec.Struct):
    """What a comparison needs of a backtest's JSON."""

    interval_s: int
    decisions: tuple[DecisionRow, ...]
    fills: tuple[FillRow, ...]


async def read_side(where: str, span: Span) -> Side:
    """Read a journal's address or file, or a backtest's `.json`; raises `ConfigError`.

    The span bounds a journal's decisions by when they were journaled, and a backtest's by their own
    times. Raises `JournalError` for a journal that cannot be read.
    """
    if where.endswith(".json"):
        return _from_json(Path(where), span)
    url = where if "://" in where else f"sqlite:///{where}"
    async with Reader(JournalConfig(url=url)) as reader:
        return await _from_journal(where, reader, span)


def _from_json(path: Path, span: Span) -> Side:
    try:
        told = msgspec.json.decode(path.read_bytes(), type=_Told)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read: {error.strerror}.", remedy="Name a backtest's --json file."
        ) from error
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{path} is no backtest's JSON: {error}.",
            remedy="Write one with `autohedge backtest ... --json FILE`.",
        ) from error
    until = span.until_ns
    return side_of(
        path.name,
        (
            step_of_row(row)
            for row in told.decisions
            if row.ts_ns >= span.since_ns and (until is None or row.ts_ns < until)
            if span.symbol in {None, row.symbol}
        ),
        (execution_of_row(row) for row in told.fills if span.symbol in {None, row.symbol}),
        interval_s=told.interval_s,
    )


async def _from_journal(where: str, reader: Reader, span: Span) -> Side:
    steps, interval_s = [], None
    async for recalled in reader.decisions.recall(span):
        window = None if recalled.window is None else parse(recalled.window, Window)
        steps.append(step_of(recalled.decision, window, recalled.denial_code))
        interval_s = window.interval_s if window else interval_s
    name = where.rpartition("/")[2]
    first_ns = min((step.as_of_ns for step in steps), default=0)
    executions = await _executions(reader, first_ns, span.symbol)
    return side_of(name, steps, executions, interval_s=interval_s)


async def _executions(reader: Reader, since_ns: int, symbol: str | None) -> list[Execution]:
    """Read the fills since the first decision, each with the order that it is of."""
    executions = []
    for row in await reader.orders.fills(symbol=symbol):
        if parse_ns(row.fill.ts_event) < since_ns:
            continue
        order = await reader.orders.find(row.fill.client_order_id)
        executions.append(execution_of(row.fill, order.request if order else None))
    return executions
