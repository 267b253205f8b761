"""Give every record one base, one canonical JSON form and one way to write a time.

Records are frozen `msgspec.Struct`s rather than dataclasses: the same types then serve the wire,
the window files, the graph's state and the journal through one fast codec, and what is hashed is
what is stored.
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

T = TypeVar("T")

NS_PER_S = 1_000_000_000
_NS_A_DAY = 86_400 * NS_PER_S
_EPOCH = date(1970, 1, 1)

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:\d\d)\Z"
)


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of all records that are kept, sent or compared."""


_CANONICAL = msgspec.json.Encoder(order="sorted", decimal_format="string")


def canonical(value: Any) -> bytes:
    """Encode as compact JSON with sorted keys: the bytes that digests and replay compare.

    Decimals become strings and enums their values, so a record and its parsed JSON encode alike.
    """
    return _CANONICAL.encode(value)


def digest(value: Any) -> str:
    """Return the sha256 of the canonical form, in hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def plain(record: Any) -> Any:
    """Turn a record into plain JSON values (dict, list, str, float, int, bool, None)."""
    return msgspec.to_builtins(record, order=None)


def parse(value: Any, kind: type[T]) -> T:
    """Build a record from plain JSON values; raises `msgspec.ValidationError` with the path."""
    return msgspec.convert(value, kind)


def is_readable(record: Record) -> bool:
    """Tell whether every decimal of a record is finite: strangers can write `NaN` in a string."""
    for name in _decimals_of(type(record)):
        value = getattr(record, name)
        if isinstance(value, Decimal) and not value.is_finite():
            return False
    return True


@lru_cache(maxsize=256)
def _decimals_of(kind: type[Record]) -> tuple[str, ...]:
    """Return the fields of a record that may hold a decimal."""
    hints = get_type_hints(kind)
    return tuple(name for name in kind.__struct_fields__ if _may_be_decimal(hints[name]))


def _may_be_decimal(hint: Any) -> bool:
    return hint in (Decimal, Any) or any(_may_be_decimal(each) for each in get_args(hint))


@lru_cache(maxsize=4_096)
def parse_ns(text: str) -> int:
    """Read RFC 3339 with up to nine fractional digits; raises `ValueError` naming the text.

    The same few times are read over and over: an order's, its decision's, its last event's.
    """
    match = _RFC3339.match(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time with zone: {text!r}")
    day, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone in "Zz" else zone
    whole = datetime.fromisoformat(f"{day}T{clock}{offset}")
    return int(whole.timestamp()) * NS_PER_S + int((fraction or "0").ljust(9, "0"))


def format_ns(ts_ns: int) -> str:
    """Write RFC 3339 in UTC with all nine fractional digits, so texts sort like times.

    Raises `ValueError` beyond the years 1 to 9999: strangers' times are read where that is caught.
    """
    days, in_day = divmod(ts_ns, _NS_A_DAY)
    seconds, fraction = divmod(in_day, NS_PER_S)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{_day_text(days)}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:09d}Z"


@lru_cache(maxsize=4_096)
def _day_text(days: int) -> str:
    """Write a day, counted from 1970; raises `ValueError` beyond the years that a date may have."""
    try:
        return (_EPOCH + timedelta(days=int(days))).isoformat()
    except OverflowError:
        raise ValueError(f"day {days} from 1970 lies beyond the years 1 to 9999") from None


def to_datetime(ts_ns: int) -> datetime:
    """Return an aware UTC datetime; what lies below a microsecond is cut."""
    seconds, fraction = divmod(ts_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction // 1000)
