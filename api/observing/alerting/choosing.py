"""Choose what a person away from the screen must hear of, and say it in two lines.

Everything else stands in `/status`, the log and the journal: whoever is told of all of it soon
reads none.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from domain.decisions import Outcome
from domain.errors import BudgetSpent
from domain.limits import TradingState, Trip
from domain.records import NS_PER_S, Record
from domain.text import clean
from engine.bus import BusEvent, EventKind
from engine.trading import STARTABLE

_TEXT = 400


class Severity(StrEnum):
    """How bad it is: a failure needs a person now."""

    FAILURE = "failure"
    WARNING = "warning"
    INFO = "info"


class Alert(Record, frozen=True):
    """One thing to tell. Alerts of the same code and symbol are the same one again."""

    code: str
    title: str
    text: str
    severity: Severity
    symbol: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Return what makes two alerts the same."""
        return self.code, self.symbol or ""


CODES: dict[str, Severity] = {
    **dict.fromkeys(Trip, Severity.FAILURE),
    "POSITION_UNPROTECTED": Severity.FAILURE,
    "STOP_REJECTED": Severity.FAILURE,
    "POSITION_DIFFERS": Severity.FAILURE,
    "CASH_DIFFERS": Severity.FAILURE,
    "JOURNAL_DOWN": Severity.FAILURE,
    "FEED_AUTH_FAILED": Severity.FAILURE,
    "FEED_CONNECTION_LIMIT": Severity.WARNING,
    "FEED_INSUFFICIENT_SCOPE": Severity.WARNING,
    "FEED_NOT_IN_PLAN": Severity.WARNING,
    "FEED_SYMBOL_LIMIT": Severity.WARNING,
    "FEED_MUTE": Severity.WARNING,
    "ORDER_STREAM_LOST": Severity.WARNING,
    "HALTED_FROM_OUTSIDE": Severity.WARNING,
}
"""Which lines for the operator leave the machine, by their code."""


def alert_of(event: BusEvent) -> Alert | None:
    """Return what an event has to tell a person who is away; none for nearly all of them."""
    reader = _READERS.get(event.kind)
    return None if reader is None else reader(event.data)


def _line(data: dict[str, Any]) -> Alert | None:
    code, symbol = str(data.get("code", "")), data.get("symbol")
    severity = CODES.get(code)
    if severity is None:
        return None
    about = f"{code} {symbol}" if symbol else code
    return _alert(code, about, data.get("message"), severity, symbol)


def _state(data: dict[str, Any]) -> Alert | None:
    """Tell of trading that was lowered: a stop is no news, and a trip has its own line."""
    state, code = data.get("state"), str(data.get("code", ""))
    is_lower = state in {TradingState.HALTED, TradingState.REDUCING}
    if not is_lower or code in STARTABLE or code in set(Trip):
        return None
    text = f"By {data.get('actor')}: {data.get('reason')}"
    return _alert(code, f"Trading is {state}: {code}", text, Severity.WARNING, None)


def _decision(data: dict[str, Any]) -> Alert | None:
    """Tell of the model's budget when a run first meets its end."""
    if (data.get("outcome"), data.get("reason_code")) != (Outcome.ABSTAINED, BudgetSpent.code):
        return None
    text = "No agent is asked before 00:00 UTC, or until LLM_MAX_USD_PER_DAY is raised."
    title = "The model's budget of the day is spent"
    return _alert(BudgetSpent.code, title, text, Severity.WARNING, None)


def _alert(code: str, title: str, text: Any, severity: Severity, symbol: str | None) -> Alert:
    said = clean(str(text or ""), limit=_TEXT)
    return Alert(code=code, title=title, text=said, severity=severity, symbol=symbol)


_READERS: dict[str, Callable[[dict[str, Any]], Alert | None]] = {
    EventKind.ALERT_RAISED: _line,
    EventKind.STATE_CHANGED: _state,
    EventKind.DECISION_FINISHED: _decision,
}


class Once:
    """Let an alert through once in so many seconds, and tell then how often it came meanwhile.

    At most `_KEPT` different ones are remembered; the one let through longest ago is forgotten.
    """

    _KEPT = 256

    def __init__(self, every_s: float, monotonic_ns: Callable[[], int]) -> None:
        self._every_ns = round(every_s * NS_PER_S)
        self._now_ns = monotonic_ns
        self._let: dict[tuple[str, str], tuple[int, int]] = {}

    def __call__(self, alert: Alert) -> Alert | None:
        """Return the alert to send, or none when it was sent a moment ago."""
        now = self._now_ns()
        at, held_back = self._let.pop(alert.key, (None, 0))
        if at is not None and now - at < self._every_ns:
            self._let[alert.key] = (at, held_back + 1)
            return None
        self._let[alert.key] = (now, 0)
        if len(self._let) > self._KEPT:
            del self._let[next(iter(self._let))]
        if not held_back:
            return alert
        return Alert(
            code=alert.code,
            title=alert.title,
            text=f"{alert.text} (and {held_back} times since the last alert)",
            severity=alert.severity,
            symbol=alert.symbol,
        )
