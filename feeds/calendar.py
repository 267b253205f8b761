"""Tell when markets trade: a list of the venue's sessions, or always."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable

from domain.errors import ConfigError
from domain.market import AssetClass, SessionPhase
from domain.records import parse_ns


class TradingCalendar:
    """A `domain.ports.Calendar` over a list of stock sessions; crypto always trades.

    Sessions are (open, close) in nanoseconds; the caller fetches them from the venue and replaces
    them before they run out. Beyond the last known session the stock market is closed.
    """

    def __init__(self, sessions: Iterable[tuple[int, int]] = ()) -> None:
        self._sessions: list[tuple[int, int]] = []
        self._closes: list[int] = []
        self.replace(sessions)

    @classmethod
    def from_texts(cls, sessions: Iterable[tuple[str, str]]) -> TradingCalendar:
        """Make one of RFC 3339 pairs, as `Broker.sessions` returns them."""
        calendar = cls()
        calendar.replace_texts(sessions)
        return calendar

    def replace(self, sessions: Iterable[tuple[int, int]]) -> None:
        """Take a fresh list; raises `ConfigError` for sessions that end early or overlap."""
        ordered = sorted(set(sessions))
        last_close = -1
        for opens, closes in ordered:
            if opens >= closes or opens < last_close:
                raise ConfigError(f"The session {opens}..{closes} ends early or overlaps another.")
            last_close = closes
        self._sessions = ordered
        self._closes = [closes for _, closes in ordered]

    def replace_texts(self, sessions: Iterable[tuple[str, str]]) -> None:
        """Take a fresh list of RFC 3339 pairs."""
        self.replace((parse_ns(opens), parse_ns(closes)) for opens, closes in sessions)

    def phase(self, asset_class: AssetClass, ts_ns: int) -> SessionPhase:
        """Return whether the market is open at that time."""
        if asset_class is AssetClass.CRYPTO:
            return SessionPhase.ALWAYS
        bounds = self.session_bounds(asset_class, ts_ns)
        is_open = bounds is not None and bounds[0] <= ts_ns
        return SessionPhase.OPEN if is_open else SessionPhase.CLOSED

    def session_bounds(self, asset_class: AssetClass, ts_ns: int) -> tuple[int, int] | None:
        """Return open and close (ns) of the session running at or next after that time."""
        if asset_class is AssetClass.CRYPTO:
            return None
        at = bisect_right(self._closes, ts_ns)
        return self._sessions[at] if at < len(self._sessions) else None


class AlwaysOpenCalendar:
    """A `domain.ports.Calendar` for markets that never close: the demo's, and crypto alone."""

    def phase(self, _asset_class: AssetClass, _ts_ns: int) -> SessionPhase:
        """Return that the market is always open."""
        return SessionPhase.ALWAYS

    def session_bounds(self, _asset_class: AssetClass, _ts_ns: int) -> tuple[int, int] | None:
        """Return none: there is no session to end."""
        return None
