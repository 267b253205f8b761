"""Load history by a short text that says where it is: the one way in for every command.

`package:NAME` (`autohedge data` lists them), `csv:PATH`, `parquet:PATH`, `tape:PATH`,
`alpaca:FOLDER` (where `autohedge fetch` keeps history), or a bare path, whose ending says what it
is. A folder of CSV or Parquet files means every one of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from backtest.data.candles import Bars, resample
from backtest.data.checks.series import Period, checked, series_remarks
from backtest.data.reading.bars import SymbolBars
from backtest.data.reading.times import known_zone
from backtest.data.remarks import DataWarning, Odd, counted
from backtest.data.sources import Reading, Source, moments_of, tables_of
from backtest.data.ticks import Moment
from backtest.records import Series
from domain.bars import MINUTE_S
from domain.errors import ConfigError
from domain.records import NS_PER_S, parse_ns

_DAY_S = 86_400
_DAY_NS = _DAY_S * NS_PER_S
_FEW = 5
"""Symbols that one line names."""
_CURRENCIES = re.compile(
    r"(?:AUD|BRL|CAD|CHF|CNH|CNY|CZK|DKK|EUR|GBP|HKD|HUF|INR|JPY|KRW|MXN|NOK|NZD|PLN|SEK|SGD|THB"
    r"|TRY|USD|ZAR)/"
)
"""Codes of ISO 4217 that foreign exchange is traded in."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")


def load(
    spec: str,
    symbols: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
    *,
    how: Reading | None = None,
) -> tuple[list[Series], list[DataWarning]]:
    """Return the series of the asked symbols in their order, each checked, and what to know.

    None asked means all, by name. `start` and `end` are dates or RFC 3339 times: from the start on,
    before the end; a date as end is that day included. Raises `ConfigError` with the row at fault,
    `FeedError` for a package that cannot be fetched. A symbol asked for that has no bar in the
    period is an error.
    """
    how = how or Reading()
    known_zone(how.zone)
    period = period_of(start, end)
    source = Source.of(spec)
    if source.has_ticks:
        found = _bars_of_ticks(source, symbols, period, how)
    else:
        found = _bars(source, symbols, period, how)
    series, warnings, there = found
    _none_missing(spec, (symbols, there), series, period)
    order = list(symbols) or sorted(there)
    series = sorted(series, key=lambda each: order.index(each.symbol))
    if how.interval_s is not None:
        series = [resample(each, how.interval_s) for each in series]
    return series, _gathered([*warnings, *not_traded(each.symbol for each in series)])


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
    asked = period_of(start, end)
    return moments_of(Source.of(spec), symbols, asked, how or Reading(), rejects=Counter())


def not_traded(symbols: Iterable[str]) -> list[DataWarning]:
    """Warn of what looks like a pair and is a currency's: Alpaca lists coins alone."""
    return [
        DataWarning(
            code=Odd.NOT_TRADED,
            symbol=symbol,
            message=f"{symbol}: Alpaca trades no currencies. The run takes it for a pair of coins: "
            "open at all hours, and with a coin's fees unless --costs charges others.",
        )
        for symbol in symbols
        if _CURRENCIES.match(symbol)
    ]


Loaded = tuple[list[Series], list[DataWarning], list[str]]
"""Series, what to know, and every symbol that was there."""


def _bars(source: Source, symbols: Sequence[str], period: Period, how: Reading) -> Loaded:
    series: list[Series] = []
    warnings: list[DataWarning] = []
    files: dict[str, str] = {}
    for bars, origin in tables_of(source, how):
        if symbols and bars.symbol not in symbols:
            files.setdefault(bars.symbol, "")
            continue
        _not_twice(bars, files)
        found, remarks = checked(bars, origin, period)
        warnings += remarks
        series += [found] if found is not None else []
    return series, warnings, list(files)


def _bars_of_ticks(source: Source, symbols: Sequence[str], period: Period, how: Reading) -> Loaded:
    """Aggregate ticks; days and weeks are made of minutes, for they begin with their market's."""
    asked = how.interval_s or MINUTE_S
    made = Bars(asked if asked < _DAY_S else MINUTE_S, source.origin())
    rejects: Counter[str] = Counter()
    made.take(moments_of(source, symbols, period, how, rejects=rejects))
    series = made.series()
    warnings = [remark for each in series for remark in series_remarks(each, made.hours(each))]
    return series, [*_unread(source, rejects), *warnings], made.symbols


def _unread(source: Source, rejects: Counter[str]) -> list[DataWarning]:
    if not rejects:
        return []
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in sorted(rejects.items()))
    message = f"{source.path.name}: {counted(rejects.total(), 'message')} unread ({reasons})."
    return [DataWarning(code=Odd.MESSAGES_UNREAD, symbol="", message=message)]


def _gathered(warnings: Sequence[DataWarning]) -> list[DataWarning]:
    """Say once what is true of several symbols and names no row."""
    symbols: dict[tuple[Odd, str], list[str]] = {}
    for each in warnings:
        if not each.rows:
            what = each.message.removeprefix(f"{each.symbol}: ")
            symbols.setdefault((each.code, what), []).append(each.symbol)
    general = [
        DataWarning(
            code=code,
            symbol=" ".join(names),
            message=f"{_few(names)}: {what}" if any(names) else what,
        )
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
        ts_ns = parse_ns(f"{text}T00:00:00Z" if _DATE.match(text) else text)
    except ValueError:
        ts_ns = None
    if ts_ns is None or not Period().start_ns < ts_ns < Period().end_ns - _DAY_NS:
        raise ConfigError(
            f"{text!r} is no time between 1678 and 2262.",
            remedy="Write 2024-03-01 or 2024-03-01T14:30:00Z.",
            code="PERIOD_INVALID",
        )
    return ts_ns


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
        raise _empty(f"{spec} has no bar of {_few(empty)}", period)
    if not there:
        raise _empty(f"{spec} has no bar", period)


def _empty(what: str, period: Period) -> ConfigError:
    if period.is_everything:
        return ConfigError(
            f"{what}.", remedy="Give data with rows below their header.", code="DATA_EMPTY"
        )
    return ConfigError(
        f"{what} from {period.text}.",
        remedy="Choose another period: run it once without --from and --to.",
        code="PERIOD_EMPTY",
    )
