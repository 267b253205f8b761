"""Keep the last lines for the operator."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import format_ns
from engine.control import Notice
from engine.watching.market import Publish

_NOTICES = 50


class Notices:
    """Keep the last lines for the operator; each is journaled and shown to watchers."""

    def __init__(
        self,
        journal: Journal,
        publish: Publish,
        clock: Clock,
        *,
        raised: Callable[[str], None] = lambda _code: None,
    ) -> None:
        self._journal = journal
        self._publish = publish
        self._clock = clock
        self._raised = raised
        self._lines: deque[Notice] = deque(maxlen=_NOTICES)

    def add(self, code: str, message: str, symbol: str | None = None) -> None:
        """Raise one line; the same line again within the kept ones is not repeated in a row."""
        body = {"code": code, "message": message, "symbol": symbol}
        if self.show(code, message, symbol):
            self._journal.trace(Entry(kind=EntryKind.ALERT, ref=symbol or code, body=body))

    def show(self, code: str, message: str, symbol: str | None = None) -> bool:
        """Keep and show a line that is journaled elsewhere; false when it is the last one's."""
        last = self._lines[-1] if self._lines else None
        if last is not None and (last.code, last.message, last.symbol) == (code, message, symbol):
            return False
        notice = Notice(
            code=code, message=message, symbol=symbol, ts=format_ns(self._clock.now_ns())
        )
        self._lines.append(notice)
        self._raised(code)
        self._publish("alert_raised", {"code": code, "message": message, "symbol": symbol})
        return True

    @property
    def lines(self) -> tuple[Notice, ...]:
        """Return the kept lines, newest last."""
        return tuple(self._lines)
