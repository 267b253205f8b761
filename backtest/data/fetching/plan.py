"""Cut what is wanted into units that are fetched whole: a year, a month or a day of one symbol."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import numpy as np

from backtest.data.checks.gaps import session_days
from backtest.data.reading.times import market_midnights
from domain.errors import ConfigError
from domain.market import AssetClass, asset_class_of
from domain.records import NS_PER_S
from feeds.pages import Kind, Question, timeframe

LENGTHS = {
    "1m": 60,
    "5m": 300,
    "15m": 900,
    "30m": 1_800,
    "1h": 3_600,
    "4h": 14_400,
    "1d": 86_400,
    "1w": 604_800,
}
"""Bars' lengths as a person types them, in seconds."""
WITHHELD_NS = 16 * 60 * NS_PER_S
"""Plans without real-time SIP refuse its last 15 minutes (Alpaca, "Market Data FAQ")."""
_HOUR_S = 3_600
_SYMBOL = re.compile(r"[A-Z][A-Z0-9]{0,11}(\.[A-Z]{1,3})?(/[A-Z]{2,5})?\Z")


class Step(StrEnum):
    """How long a unit is, as numpy names it: it holds a handful of pages, or a liquid day."""

    YEAR = "Y"
    MONTH = "M"
    DAY = "D"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is to be fetched, from `start_ns` on and before `end_ns`; units are fetched whole."""

    symbols: tuple[str, ...]
    kinds: tuple[Kind, ...]
    start_ns: int
    end_ns: int
    interval_s: int = 86_400
    feed: str = "sip"
    adjustment: str = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One question, fetched whole. `dataset` and `name` say where its parts lie."""

    question: Question
    dataset: str
    name: str

    @property
    def symbol(self) -> str:
        """Return what it is of."""
        return self.question.symbol


def interval_of(text: str) -> int:
    """Read a length of bars (`1m`, `1d`); raises `ConfigError` (`INTERVAL_INVALID`)."""
    if text not in LENGTHS:
        raise ConfigError(
            f"{text!r} is no length of bars.",
            remedy=f"Choose one of {', '.join(LENGTHS)}.",
            code="INTERVAL_INVALID",
        )
    return LENGTHS[text]


def units_of(wanted: Wanted, now_ns: int) -> list[Unit]:
    """Return the units of every symbol and kind, oldest first; what has not happened is left out.

    A stock's days are New York's, and days without a session are none. Raises `ConfigError`
    (`PERIOD_EMPTY`) when nothing is left.
    """
    for symbol in wanted.symbols:
        _check_symbol(symbol)
    latest_ns = now_ns - (WITHHELD_NS if wanted.feed == "sip" else 0)
    units = [
        unit
        for kind in wanted.kinds
        for symbol in wanted.symbols
        for unit in _units(wanted, kind, symbol, latest_ns)
    ]
    if not units:
        raise ConfigError(
            "The period holds no time at which anything traded.",
            remedy="Choose one that begins in the past, with a session in it.",
            code="PERIOD_EMPTY",
        )
    return units


def _check_symbol(symbol: str) -> None:
    """Raise `ConfigError` for what is no symbol of Alpaca's; it names a folder too."""
    if not _SYMBOL.match(symbol):
        raise ConfigError(
            f"{symbol!r} is no symbol.",
            remedy="Write AAPL, BRK.B or BTC/USD.",
            code="SYMBOL_INVALID",
        )


def _units(wanted: Wanted, kind: Kind, symbol: str, latest_ns: int) -> Iterator[Unit]:
    step = _step(kind, wanted.interval_s)
    first, last = (
        np.datetime64(ns, "ns").astype(f"datetime64[{step.value}]")
        for ns in (wanted.start_ns, min(wanted.end_ns, latest_ns) - 1)
    )
    edges = np.arange(first, last + np.timedelta64(2, step.value))
    days = edges.astype("datetime64[D]")
    edges_ns = market_midnights(days.astype("datetime64[ns]").astype(np.int64), symbol)
    is_stock = asset_class_of(symbol) is AssetClass.STOCK
    for at, name in enumerate(edges[:-1]):
        is_closed = step is Step.DAY and is_stock and days[at].astype(int) not in _sessions()
        start_ns, end_ns = int(edges_ns[at]), min(int(edges_ns[at + 1]), latest_ns)
        if start_ns < end_ns and not is_closed:
            question = Question(
                kind=kind,
                symbol=symbol,
                start_ns=start_ns,
                end_ns=end_ns,
                interval_s=wanted.interval_s,
                adjustment=wanted.adjustment,
            )
            yield Unit(question=question, dataset=_dataset(wanted, question), name=str(name))


def _step(kind: Kind, interval_s: int) -> Step:
    match kind:
        case Kind.BARS:
            return Step.YEAR if interval_s >= _HOUR_S else Step.MONTH
        case Kind.NEWS:
            return Step.MONTH
        case Kind.TRADES | Kind.QUOTES:
            return Step.DAY


def _dataset(wanted: Wanted, question: Question) -> str:
    """Name a folder by all that makes its rows differ from another's."""
    feed = "crypto" if question.is_crypto else wanted.feed
    match question.kind:
        case Kind.BARS:
            timeframe(wanted.interval_s)
            length = next(text for text, s in LENGTHS.items() if s == wanted.interval_s)
            adjusted = "" if question.is_crypto else f"-{wanted.adjustment}"
            return f"bars-{length}-{feed}{adjusted}"
        case Kind.NEWS:
            return "news"
        case Kind.TRADES | Kind.QUOTES:
            return f"{question.kind.value}-{feed}"


@cache
def _sessions() -> frozenset[int]:
    return frozenset(session_days().tolist())
