"""Say when a symbol trades, and how busy each hour is."""

import math
from datetime import UTC, datetime
from functools import lru_cache

from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.matching.sessions import NEW_YORK, AlwaysOpen, Sessions

_SESSION_OPEN_MINUTE = 9 * 60 + 30
_SESSION_MINUTES = 390
_OUTSIDE_SESSION = 0.8


class Hours:
    """Tell whether prints can happen: in the sessions given, and always for crypto."""

    def __init__(self, *, is_crypto: bool, sessions: Sessions) -> None:
        self.is_crypto = is_crypto
        self.always_open = is_crypto or isinstance(sessions, AlwaysOpen)
        self._sessions = sessions

    def is_open(self, minute: int) -> bool:
        """Tell whether the minute (counted from the epoch) belongs to a session."""
        return self.always_open or self._sessions.is_open(minute * NS_PER_MINUTE)

    def activity(self, minute: int) -> float:
        """Return how busy the minute is against the mean: shares are U-shaped over the day."""
        local = _local(minute)
        passed = local.hour * 60 + local.minute - _SESSION_OPEN_MINUTE
        if self.is_crypto:
            return 1.0 + 0.25 * math.sin(2 * math.pi * passed / 1440)
        if not 0 <= passed < _SESSION_MINUTES:
            return _OUTSIDE_SESSION
        return 0.7 + 1.1 * (2 * passed / _SESSION_MINUTES - 1) ** 2

    def is_trading_day(self, ts_ns: int) -> bool:
        """Tell whether the moment's day has a daily bar."""
        local = _local(ts_ns // NS_PER_MINUTE)
        return self.is_crypto or self._sessions.on(local.date()) is not None

    def day_start_ns(self, ts_ns: int) -> int:
        """Return the midnight that dates a daily bar: New York's, or UTC's for crypto."""
        return day_start_ns(ts_ns, is_crypto=self.is_crypto)

    def minutes_back(self, minute: int, count: int) -> int:
        """Return the minute from which `count` open ones lie before `minute`."""
        while count > 0:
            minute -= 1
            count -= self.is_open(minute)
        return minute


def day_start_ns(ts_ns: int, *, is_crypto: bool) -> int:
    """Return the midnight that dates a daily bar: New York's, or UTC's for crypto."""
    return _midnight_ns(ts_ns // NS_PER_MINUTE, is_crypto)


@lru_cache(maxsize=4096)
def _local(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, NEW_YORK)


@lru_cache(maxsize=4096)
def _midnight_ns(minute: int, is_utc: bool) -> int:  # noqa: FBT001 -- positional for the cache
    local = datetime.fromtimestamp(minute * 60, UTC if is_utc else NEW_YORK)
    return int(local.replace(hour=0, minute=0).timestamp()) * NS_PER_S
