"""Play a recording as if it happened now, session after session."""

import numpy as np
from msgspec.structs import replace

from exchange.market.columns import Prints, Quotes, Rows, shifted
from exchange.market.hours import Hours
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S, Minute
from exchange.market.played.recording import Recording
from exchange.market.records import Article, Candle, Halt, Notice

START_BARS = 256
"""A session starts this many one-minute bars into the recording, so that it has a past."""

_GAP_NS = 10 * NS_PER_S
_END = ("M", "End of the recording; the session closes")
_START = ("C11", "A new session of the recording starts, with a fresh past")


class PlayedSource:
    """Play one symbol's recording. Every session maps the start point to the session's begin.

    A session begins at the origin, the next ones after the end of the one before: the end halts
    the symbol, the begin resumes it, with the recording's first part as its past again.
    `start_minutes` into the recording is the start point; by default it lies after 256 one-minute
    bars, or in the middle of a recording that has no more.
    """

    def __init__(
        self,
        recording: Recording,
        *,
        hours: Hours,
        origin_ns: int,
        start_minutes: float | None = None,
    ) -> None:
        self.symbol = recording.symbol
        self.hours = hours
        self._recording = recording
        self._start_ns = _start_point(recording, start_minutes)
        self._is_first = True
        self._begin(origin_ns)

    @property
    def first_minute(self) -> int:
        """Return the minute of the recording's first print in this session's time."""
        return (self._recording.start_ns + self._shift_ns) // NS_PER_MINUTE

    @property
    def switch_ns(self) -> int:
        """Return when the next session begins: a moment after the minute in which this ended."""
        return -(-(self._ends_ns + _GAP_NS) // NS_PER_MINUTE) * NS_PER_MINUTE + NS_PER_S

    def switch(self) -> None:
        """Begin the next session."""
        self._is_first = False
        self._begin(self.switch_ns)

    def minute(self, minute: int) -> Minute:
        """Return the minute in this session's time."""
        lo = minute * NS_PER_MINUTE
        return Minute(
            symbol=self.symbol,
            start_ns=lo,
            prints=Prints(
                self._cut(self._recording.prints.rows, lo), self._recording.prints.labels
            ),
            quotes=Quotes(
                self._cut(self._recording.quotes.rows, lo), self._recording.quotes.labels
            ),
            notices=tuple(self._notices(lo)),
        )

    def articles(self, minute: int) -> list[Article]:
        """Return the minute's recorded news."""
        found = self._notices(minute * NS_PER_MINUTE)
        return [notice for notice in found if isinstance(notice, Article)]

    def older_days(self) -> list[Candle]:
        """Return nothing: a recording knows no days before itself."""
        return []

    def _begin(self, at_ns: int) -> None:
        self._begins_ns = at_ns
        self._shift_ns = at_ns - self._start_ns
        self._ends_ns = self._recording.end_ns + self._shift_ns

    def _cut(self, rows: Rows, lo_ns: int) -> Rows:
        edges = (lo_ns - self._shift_ns, lo_ns - self._shift_ns + NS_PER_MINUTE)
        first, last = np.searchsorted(rows["ts"], edges)
        return shifted(rows[first:last], self._shift_ns)

    def _notices(self, lo_ns: int) -> list[Notice]:
        """Return the recorded notices of the minute, moved, and the session's own."""
        hi_ns = lo_ns + NS_PER_MINUTE
        found: list[Notice] = []
        for at_ns, notice in self._recording.notices:
            if lo_ns <= at_ns + self._shift_ns < hi_ns:
                ts, published = notice.ts_event, notice.published_ns
                moved = (ts + self._shift_ns, published + self._shift_ns)
                found.append(replace(notice, ts_event=moved[0], published_ns=moved[1]))
        if lo_ns <= self._begins_ns < hi_ns and not self._is_first:
            found.insert(0, self._status(self._begins_ns, is_halted=False))
        if lo_ns <= self._ends_ns < hi_ns:
            found.append(self._status(self._ends_ns, is_halted=True))
        return found

    def _status(self, at_ns: int, *, is_halted: bool) -> Halt:
        code, reason = _END if is_halted else _START
        return Halt(self.symbol, at_ns, at_ns, is_halted, code, reason, "C")


def _start_point(recording: Recording, start_minutes: float | None) -> int:
    """Return the recording's own time at which a session begins."""
    first, end = recording.start_ns, recording.end_ns
    if start_minutes is not None:
        return min(first + int(start_minutes * NS_PER_MINUTE), end - 1)
    with_prints = np.unique(recording.prints.rows["ts"] // NS_PER_MINUTE)
    place = START_BARS if len(with_prints) > START_BARS else len(with_prints) // 2
    return max(int(with_prints[place]) * NS_PER_MINUTE, first)
