"""Read and write RFC 3339 times as Alpaca writes them; inside, times are integer nanoseconds."""

import re
from datetime import UTC, datetime
from functools import lru_cache

from exchange.market.minute import NS_PER_S

_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?(Z|z|[+-]\d\d:?\d\d)?)?\Z"
)


def to_rfc3339(ts_ns: int) -> str:
    """Write UTC with up to nine fractional digits, trailing zeros dropped (Alpaca's own form)."""
    seconds, fraction = divmod(ts_ns, NS_PER_S)
    if not fraction:
        return f"{_second(seconds)}Z"
    return f"{_second(seconds)}.{fraction:09d}".rstrip("0") + "Z"


@lru_cache(maxsize=1024)
def from_rfc3339(text: str) -> int:
    """Read a date or a time; without a zone it is UTC. Raises `ValueError` naming the text."""
    match = _RFC3339.match(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    day, clock, fraction, zone = match.groups()
    whole = _whole(f"{day}T{clock or '00:00'}{zone or ''}".replace("z", "Z"))
    return whole * NS_PER_S + int((fraction or "0").ljust(9, "0"))


@lru_cache(maxsize=1024)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(maxsize=1024)
def _whole(text: str) -> int:
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
