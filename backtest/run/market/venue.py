"""Open the venue of a run: what it lists, how it fills, when it trades."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

import exchange_calendars
import pandas as pd

from backtest.records import RunSpec, Series
from backtest.run.mapping import DAY_S, Choices, choices_of, fees_of
from backtest.run.market.charges import Charges
from domain.errors import ConfigError
from domain.market import AssetClass, Instrument, asset_class_of
from domain.ports import Calendar, Clock
from exchange.matching.knobs import FillSize, Knobs
from exchange.simulated import SimulatedBroker, SimulatedConfig
from feeds.calendar import AlwaysOpenCalendar, TradingCalendar

_OUTSIDE = 0.01
"""The share of bars outside of New York's sessions from which on a series is no US share's."""
_COIN = Decimal("0.000000001")
_CENT = Decimal("0.01")
_DIGITS = 5
_LATENCY_NS = 20_000_000
"""From a request to its effect at the market: a round trip to a broker on the same continent."""


def sessions_kept(
    choices: Choices, series: Sequence[Series], first_ns: int, last_ns: int
) -> TradingCalendar | None:
    """Return New York's sessions of a span where a run on bars keeps to them, else none.

    Daily bars are sessions themselves. `auto` looks whether the bars of shares lie within them.
    Raises `ConfigError` for a wrong word.
    """
    if choices.sessions not in {"auto", "xnys", "always"}:
        raise ConfigError(f"sessions is {choices.sessions!r}.", remedy="Use auto, xnys or always.")
    if choices.sessions == "xnys":
        return sessions_between(first_ns, last_ns)
    shares = [each for each in series if asset_class_of(each.symbol) is AssetClass.STOCK]
    is_asked = choices.sessions == "auto" and shares
    if not is_asked or any(each.interval_s >= DAY_S for each in shares):
        return None
    sessions = sessions_between(first_ns, last_ns)
    lies_within = all(_share_outside(each, sessions) <= _OUTSIDE for each in shares)
    return sessions if lies_within else None


def sessions_between(first_ns: int, last_ns: int) -> TradingCalendar:
    """Return New York's sessions of a span, a week more on either side (calendar `XNYS`)."""
    week = pd.Timedelta(days=8)
    start = pd.Timestamp(first_ns, unit="ns").normalize() - week
    end = pd.Timestamp(last_ns, unit="ns").normalize() + week
    return TradingCalendar(_new_york(start, end))


@lru_cache(maxsize=64)
def _new_york(start: pd.Timestamp, end: pd.Timestamp) -> tuple[tuple[int, int], ...]:
    """Return open and close of each session; a study asks for the same span again and again."""
    calendar = exchange_calendars.get_calendar("XNYS", start=start, end=end)
    opens, closes = (
        column.dt.as_unit("ns").astype("int64").to_numpy()
        for column in (calendar.opens, calendar.closes)
    )
    return tuple(zip(opens.tolist(), closes.tolist(), strict=True))


def calendar_of(sessions: TradingCalendar | None) -> Calendar:
    """Return when the engine believes its markets open: always, where no sessions are kept."""
    return AlwaysOpenCalendar() if sessions is None else sessions


def instrument_at(symbol: str, price: float, choices: Choices) -> Instrument:
    """Return the venue's rules of a symbol that costs `price` or more: Alpaca's for its class.

    A pair's price moves in steps of five significant digits, a cent at most.
    """
    is_whole = choices.fractional == "no"
    if asset_class_of(symbol) is AssetClass.STOCK:
        return Instrument(
            symbol=symbol,
            asset_class=AssetClass.STOCK,
            tick=_CENT,
            lot=Decimal(1) if is_whole else _COIN,
            min_notional=Decimal(1),
            fractionable=not is_whole,
            shortable=True,
        )
    digits = math.floor(math.log10(price)) - _DIGITS + 1
    return Instrument(
        symbol=symbol,
        asset_class=AssetClass.CRYPTO,
        tick=min(_CENT, Decimal(1).scaleb(digits)),
        lot=_COIN,
        min_notional=Decimal(10),
        min_quantity=_COIN,
        fractionable=True,
    )


def broker_of(
    spec: RunSpec,
    instruments: Sequence[Instrument],
    clock: Clock,
    *,
    charges: Charges,
    is_always_open: bool,
) -> SimulatedBroker:
    """Return the venue of a run: one account, flat, filled by what is quoted after an arrival."""
    fees = fees_of(spec.costs)
    knobs = Knobs(
        seed=spec.seed,
        cash=Decimal(repr(spec.cash)),
        multiplier=choices_of(spec).multiplier,
        fill_size=FillSize.DISPLAYED,
        latency_ns=_LATENCY_NS,
        waits_for_quote=True,
        surcharge=charges.surcharge,
        maker_bps=fees.maker_bps,
        taker_bps=fees.taker_bps,
    )
    config = SimulatedConfig(
        instruments=tuple(instruments), knobs=knobs, is_always_open=is_always_open
    )
    return SimulatedBroker(config, clock)


def _share_outside(series: Series, calendar: TradingCalendar) -> float:
    """Return the share of bars that begin while New York is closed, of at most 2,000 looked at."""
    step = max(1, len(series.ts_ns) // 2_000)
    starts = series.ts_ns[::step].tolist()
    closed = sum(calendar.phase(AssetClass.STOCK, ts) == "closed" for ts in starts)
    return closed / len(starts)
