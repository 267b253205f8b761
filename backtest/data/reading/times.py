"""Read a stranger's time column: a text means one instant, or the load says why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped] # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # likewise
from numpy.typing import NDArray

from backtest.records import Ints
from domain.errors import ConfigError
from domain.market import AssetClass, asset_class_of

NEW_YORK = "America/New_York"
ISO = (
    r"^(?P<day>\d{4}-\d\d-\d\d)(?:[T ](?P<clock>\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?))? ?"
    r"(?P<zone>Z|z|UTC|[+-]\d\d:?\d\d)?$"
)
_EPOCHS = {10: 1_000_000_000, 13: 1_000_000, 16: 1_000, 19: 1}
"""Nanoseconds in the unit of an epoch of so many digits (2001 to 2286)."""
_HOUR_S = 3_600
_YEARS = (1_677, 2_262)
"""What 64 bits of nanoseconds reach to."""

Texts = NDArray[np.str_]
Where = Callable[[int], str]
"""Name a row by its index: `prices.csv row 7`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """One column of times as UTC nanoseconds, or as dates whose market decides their midnight.

    `ts_ns` of dates is midnight UTC; `are_dates` tells that no clock and no zone was given.
    """

    ts_ns: Ints
    are_dates: bool


def read_times(texts: Texts, zone: str | None, where: Where) -> Times:
    """Read ISO 8601, dates, `YYYYMMDD` or epochs; raises `ConfigError` that names the row.

    A clock without a zone needs `zone`; zones of rows must agree, but for an hour of summer time.
    """
    lengths = set(np.unique(np.char.str_len(texts)).tolist())
    if len(texts) and np.char.isdigit(texts).all() and lengths <= {8, *_EPOCHS}:
        return _numbers(texts, lengths, where)
    parts = pc.extract_regex(pa.array(texts, pa.string()), pattern=ISO)
    _all_read(texts, np.asarray(parts.is_valid()), where)
    day, clock, offset = (_part(parts, n) for n in range(3))
    has_clock, has_zone = clock != "", offset != ""
    if not has_clock.any() and not has_zone.any():
        return Times(ts_ns=_instants(day, texts, where), are_dates=True)
    clock = np.where(has_clock, clock, "00:00")
    local = _instants(np.char.add(np.char.add(day, "T"), clock), texts, where)
    if has_zone.any():
        return Times(ts_ns=local - _offsets(offset, has_zone, zone, where), are_dates=False)
    if zone is None:
        if (local % 86_400_000_000_000 == 0).all():
            return Times(ts_ns=local, are_dates=True)
        raise _zone_missing(texts[0], where(0))
    return Times(ts_ns=_in_zone(local, zone, texts, where), are_dates=False)


def in_iso(texts: Texts, form: str) -> Texts:
    """Write times of another form (`strptime`'s codes) as ISO 8601; what does not fit is empty."""
    read = pd.to_datetime(pd.Series(texts, dtype=object), format=form, errors="coerce")
    written = np.datetime_as_string(read.to_numpy().astype("datetime64[ns]"), unit="ns")
    return np.where(read.isna(), "", written)


def market_midnights(days_ns: Ints, symbol: str) -> Ints:
    """Turn dates (midnight UTC) into the start of the symbol's day: New York's for stocks.

    So do Alpaca's daily bars (their `t` is midnight in New York), and both are the same date in
    UTC. Crypto's days start at midnight UTC.
    """
    if asset_class_of(symbol) is AssetClass.CRYPTO:
        return days_ns
    moved = pd.DatetimeIndex(days_ns.astype("datetime64[ns]")).tz_localize(NEW_YORK)
    return np.asarray(moved.tz_convert("UTC").tz_localize(None).as_unit("ns").asi8)


def known_zone(zone: str | None) -> str | None:
    """Return the zone's name; raises `ConfigError` for one that nobody knows."""
    if zone is None:
        return None
    try:
        return ZoneInfo(zone).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigError(
            f"{zone!r} is no time zone.",
            remedy="Write one as America/New_York or UTC.",
            code="ZONE_UNKNOWN",
        ) from None


def _numbers(texts: Texts, lengths: set[int], where: Where) -> Times:
    if len(lengths) > 1:
        odd = int(np.argmax(np.char.str_len(texts) != np.char.str_len(texts)[0]))
        raise _unread(texts[odd], where(odd), "its unit differs from that of the first row")
    (length,) = lengths
    if length in _EPOCHS:
        return Times(ts_ns=texts.astype(np.int64) * _EPOCHS[length], are_dates=False)
    days = pd.to_datetime(pd.Series(texts, dtype=object), format="%Y%m%d", errors="coerce")
    _all_read(texts, days.notna().to_numpy(), where)
    return Times(ts_ns=_asi8(days), are_dates=True)


def _part(parts: pa.StructArray | pa.ChunkedArray, n: int) -> Texts:
    """Return one group of a match as text; long columns come in chunks."""
    return np.asarray(np.asarray(pc.struct_field(parts, [n])).astype(np.str_))


def _instants(iso: Texts, texts: Texts, where: Where) -> Ints:
    """Return ISO texts without a zone as nanoseconds; raises `ConfigError` for a 13th month."""
    try:
        years = iso.astype("datetime64[Y]").astype(np.int64) + 1970
        _all_read(texts, (years > _YEARS[0]) & (years < _YEARS[1]), where)
        return np.asarray(iso.astype("datetime64[ns]").astype(np.int64))
    except ValueError:
        read = pd.to_datetime(pd.Series(iso, dtype=object), format="ISO8601", errors="coerce")
        _all_read(texts, read.notna().to_numpy(), where)
        raise


def _asi8(read: pd.Series[pd.Timestamp]) -> Ints:
    return np.asarray(pd.DatetimeIndex(read).as_unit("ns").asi8)


def _offsets(offset: Texts, has_zone: NDArray[np.bool_], zone: str | None, where: Where) -> Ints:
    """Return each row's distance from UTC (ns); raises `ConfigError` where zones are mixed."""
    if not has_zone.all():
        bare, dated = int(np.argmin(has_zone)), int(np.argmax(has_zone))
        raise _mixed(f"{where(dated)} has a zone and {where(bare)} has none")
    if zone is not None:
        raise ConfigError(
            f"The times have a zone of their own ({where(0)}: {offset[0]}).",
            remedy="Leave --zone out.",
            code="ZONE_GIVEN_TWICE",
        )
    spelled, at = np.unique(offset, return_inverse=True)
    seconds = np.array([_seconds(text) for text in spelled.tolist()], dtype=np.int64)
    found = np.unique(seconds)
    if len(found) > 2 or found[-1] - found[0] not in (0, _HOUR_S):  # noqa: PLR2004 - summer, winter
        odd = int(np.argmax(offset != offset[0]))
        raise _mixed(f"{where(0)} says {offset[0]} and {where(odd)} says {offset[odd]}")
    return np.asarray(seconds[at] * 1_000_000_000)


def _seconds(offset: str) -> int:
    if offset in {"Z", "z", "UTC"}:
        return 0
    sign = -1 if offset[0] == "-" else 1
    return sign * (int(offset[1:3]) * _HOUR_S + int(offset[-2:]) * 60)


def _in_zone(local: Ints, zone: str, texts: Texts, where: Where) -> Ints:
    index = pd.DatetimeIndex(local.astype("datetime64[ns]"))
    placed = index.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    is_odd = np.asarray(placed.isna())
    if is_odd.any():
        at = int(np.argmax(is_odd))
        raise ConfigError(
            f"{where(at)}: {texts[at]} in {zone} is two instants or none, for the clock changed.",
            remedy="Write the times in UTC or with their offset (2024-11-03T01:30:00-04:00).",
            code="TIME_AMBIGUOUS",
        )
    return np.asarray(placed.tz_convert("UTC").tz_localize(None).as_unit("ns").asi8)


def _all_read(texts: Texts, is_read: NDArray[np.bool_], where: Where) -> None:
    if not is_read.all():
        at = int(np.argmin(is_read))
        raise _unread(texts[at], where(at), "it is no time in ISO 8601")


def _unread(text: str, row: str, why: str) -> ConfigError:
    return ConfigError(
        f"{row}: the time {str(text)!r} cannot be read: {why}.",
        remedy="Write 2024-03-01, 2024-03-01T14:30:00Z, or an epoch in s, ms, us or ns.",
        code="TIME_UNREADABLE",
    )


def _mixed(what: str) -> ConfigError:
    return ConfigError(
        f"Time zones are mixed: {what}.",
        remedy="Write every time in UTC, or split the file.",
        code="ZONES_MIXED",
    )


def _zone_missing(text: str, row: str) -> ConfigError:
    return ConfigError(
        f"{row}: the time {text} has no zone.",
        remedy="Say which with --zone (America/New_York, UTC), or write it into the file.",
        code="ZONE_MISSING",
    )
