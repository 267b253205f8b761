"""Aggregate one symbol's prints and the venue's bars into candles, and say what changed."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from itertools import chain
from typing import NamedTuple

from domain.bars.pieces import CALM_PRINTS, KEEP_PRINTS, Piece, combine
from domain.bars.prints import Print, PrintKind, print_kind
from domain.market import Bar, TradeCanceled, TradeCorrected
from domain.records import NS_PER_S

MINUTE_S = 60
GRACE_NS = NS_PER_S
"""A bar closes by the clock this long after its edge, as Alpaca's own minute bars do."""
REPAIR_NS = 300 * NS_PER_S
"""How long after its end a closed bar still takes late prints, corrections and cancels."""
MAX_QUIET_BARS = 1_024
"""Quote-mid bars made at one closing at most: a longer silence is a gap, not a quiet market."""

Sessions = Callable[[int], tuple[int, int] | None]
"""Tell open and close (ns) of the session running at or next after a time; none when unknown."""


class ChangeKind(Enum):
    """What happened to a bar."""

    CLOSED = "closed"
    REVISED = "revised"
    REMOVED = "removed"


class BarChange(NamedTuple):
    """A bar that closed for the first time, or a closed one that became another, or none."""

    bar: Bar
    kind: ChangeKind


Changes = Sequence[BarChange]
NO_CHANGE: Changes = ()


_NOWHERE = Piece(-NS_PER_S, -NS_PER_S, Counter())


class Candles:
    """One symbol's candles. Synchronous; a print costs constant time.

    `sessions` bounds a stock's trading (prints outside make no candle); None means always open.
    `has_quiet_bars`: an interval without a print becomes a bar of volume 0 at the quotes' middle
    (crypto); otherwise it makes no bar (stocks).
    """

    def __init__(
        self,
        symbol: str,
        interval_s: int,
        *,
        sessions: Sessions | None = None,
        has_quiet_bars: bool = False,
    ) -> None:
        self.symbol = symbol
        self.interval_s = interval_s
        self.interval_ns = interval_s * NS_PER_S
        self.has_quiet_bars = has_quiet_bars
        self.takes_venue_bars = interval_s % MINUTE_S == 0
        self.piece_ns = MINUTE_S * NS_PER_S if self.takes_venue_bars else self.interval_ns
        self.closed_until = 0
        self.current = _NOWHERE
        self.pieces: dict[int, Piece] = {}
        self.rejects: Counter[str] = Counter()
        self._is_filling = False
        self._repair_ns = max(REPAIR_NS, 2 * self.interval_ns)
        self._sessions = sessions
        self._session = (0, 0) if sessions else (0, 1 << 63)
        self._prune_at = 0
        self._open: list[Piece] = []
        self._unsettled: set[int] = set()
        self._shown: dict[int, Bar] = {}
        self._whole: dict[int, Bar] = {}
        self._last: Print | None = None
        self._mids: deque[tuple[int, float]] = deque(maxlen=MAX_QUIET_BARS)

    def add(self, item: Print) -> None:
        """Take one print. A late one changes a closed bar: `settle` tells, once for all of them."""
        piece = self._piece_at(item.ts) if item.kind is not PrintKind.NOTHING else None
        if piece is not None:
            piece.take(item)
            self._unsettle(piece.start)

    def cancel(self, canceled: TradeCanceled) -> None:
        """Take a print back."""
        self._replace(canceled.trade_id, canceled.price, canceled.size, None)

    def correct(self, fix: TradeCorrected, tape: str = "") -> None:
        """Put the corrected print in the place of the original."""
        kind = print_kind(fix.corrected_conditions, tape)
        by = Print(0, fix.corrected_id, fix.corrected_price, fix.corrected_size, kind)
        self._replace(fix.original_id, fix.original_price, fix.original_size, by)

    def venue_bar(self, bar: Bar) -> Changes:
        """Let the venue's bar replace ours; it also closes the interval that it completes.

        A bar of one minute replaces a piece; a bar of the whole interval, where we have nothing of
        it, is taken as it is. For other intervals that are not made of minutes the venue's bars say
        nothing and are left out.
        """
        if bar.interval_s == self.interval_s and self._is_alone(bar):
            return self._take_whole(bar)
        if not self.takes_venue_bars or bar.interval_s != MINUTE_S:
            return NO_CHANGE
        piece = self._piece_at(bar.ts_event)
        if piece is None:
            return NO_CHANGE
        piece.venue, piece.is_venue_stale = bar, False
        self._unsettle(piece.start)
        end = self._bar_end(piece.start)
        is_complete = piece.end == end > self.closed_until
        return self._close_until(end, None) if is_complete else NO_CHANGE

    def venue_run(self, bars: Sequence[Bar]) -> bool:
        """Take the venue's bars of whole intervals that follow our last one without a gap.

        `bars`: oldest first, no two of one start. False, and nothing is taken, where they do not
        follow, or where a bar's own prints may be known.
        """
        first, last = bars[0], bars[-1]
        ends = last.ts_event + self.interval_ns
        is_alone = first.interval_s == self.interval_s and not self.pieces
        is_always_open = self._sessions is None or self.interval_s != MINUTE_S
        is_behind = first.ts_event == self.closed_until
        is_gapless = ends - first.ts_event == len(bars) * self.interval_ns
        if not (is_alone and is_always_open and is_behind and is_gapless):
            return False
        n_repaired = self._repair_ns // self.interval_ns + 1
        by_start = {bar.ts_event: bar for bar in bars[-n_repaired:]}
        self._shown.update(by_start)
        self._whole.update(by_start)
        self.closed_until = ends
        if len(self._whole) > MAX_QUIET_BARS:
            self._forget(ends - self._repair_ns)
        return True

    def note_mid(self, ts: int, mid: float) -> None:
        """Remember the last middle price before an edge; quotes never make anything else here.

        After a back-fill the quote of before the cut comes here behind younger ones.
        """
        if self._mids and ts < self._mids[-1][0]:
            self.fill_mids(((ts, mid),))
        else:
            self._mids.append((ts, mid))

    def fill_mids(self, mids: Iterable[tuple[int, float]]) -> None:
        """Take the middle prices before edges of a gap, among those noted already."""
        self._mids = deque(sorted({*self._mids, *mids}), maxlen=MAX_QUIET_BARS)

    def close_due(self, now_ns: int, latest_mid: tuple[int, float] | None = None) -> Changes:
        """Close every bar whose edge is a second behind; `latest_mid` is (time, middle price)."""
        edge = now_ns - GRACE_NS
        edge -= edge % self.interval_ns
        return self._close_until(edge, latest_mid) if edge > self.closed_until else NO_CHANGE

    def settle(self) -> Changes:
        """Return how closed bars changed since they closed or were settled last.

        A burst of late prints costs one fold of their bar, not one each.
        """
        if not self._unsettled:
            return NO_CHANGE
        starts, self._unsettled = sorted(self._unsettled), set()
        return [change for start in starts for change in self._revised(start)]

    def forming(self) -> Bar | None:
        """Return the bar that is being made, None while nothing in it sets a price."""
        start = self._bar_start(self.current.start)
        return self._bar(start) if start + self.interval_ns > self.closed_until else None

    def newest_print(self) -> Print | None:
        """Return the newest print that sets a price, None before the first."""
        for start in sorted(self.pieces, reverse=True):
            newest = self.pieces[start].newest()
            if newest is not None:
                return newest
        return self._last

    def mark_cut(self) -> None:
        """Let a back-fill's bars replace the venue's bars of before the cut: a `u` may be lost."""
        if self.interval_s == MINUTE_S:
            for start, bar in self._whole.items():
                piece = self.pieces[start] = Piece(start, start + self.piece_ns, self.rejects)
                piece.venue = bar
            self._whole.clear()
        for piece in self.pieces.values():
            piece.is_venue_stale = True

    def fill(self, bars: Iterable[Bar], prints: Iterable[Print], since_ns: int) -> Changes:
        """Take a back-fill: the venue's minute bars, and every print from `since_ns` on.

        `since_ns` lies on a minute's edge. What the stream brought meanwhile stays, without
        doubles; its fresher venue bars win. Returns what changed in bars that had closed before.
        """
        self._is_filling = True
        for piece in self.pieces.values():
            if piece.end > since_ns:
                piece.drop_sums()
        for bar in bars if self.takes_venue_bars else ():
            is_fresher = bar.ts_event in self._whole
            at = None if is_fresher else self._piece_at(bar.ts_event)
            if at is not None and (at.venue is None or at.is_venue_stale):
                at.venue, at.is_venue_stale = bar, False
                self._unsettle(at.start)
        for item in prints:
            self.add(item)
        changes = self.settle()
        self._is_filling = False
        self._prune()
        return changes

    def _piece_at(self, ts: int) -> Piece | None:
        start = ts - ts % self.piece_ns
        piece = self.pieces.get(start)
        if piece is None:
            if not self._may_open(ts):
                return None
            piece = self.pieces[start] = Piece(start, start + self.piece_ns, self.rejects)
        if start > self.current.start:
            is_flood, self.current = self.current.size > CALM_PRINTS, piece
            if is_flood:
                self._spill()
            if start >= self._prune_at:
                self._prune()
        if self._bar_end(start) > self.closed_until:
            if not piece.fence_s:
                self._open.append(piece)
            piece.mark(ts)
        return piece

    def _may_open(self, ts: int) -> bool:
        if not self._is_in_session(ts):
            self.rejects["outside_session"] += 1
            return False
        if self._is_filling or ts >= self.closed_until - self._repair_ns:
            return True
        self.rejects["late_beyond_repair"] += 1
        return False

    def _prune(self) -> None:
        """Forget closed pieces past repair, now and then."""
        if not self._is_filling:
            self._prune_at = self.current.start + self._repair_ns
            self._forget(min(self.current.start, self.closed_until) - self._repair_ns)

    def _spill(self) -> None:
        """Keep few prints singly behind the running piece."""
        total = 0
        for start in sorted(self.pieces, reverse=True)[1:]:
            total += self.pieces[start].size
            if total > KEEP_PRINTS:
                self.pieces[start].spill()

    def _forget(self, horizon: int) -> None:
        for start in [start for start in self.pieces if self._bar_end(start) <= horizon]:
            newest = self.pieces.pop(start).newest()
            if newest is not None:
                self._last = newest if self._last is None else max(newest, self._last)
        for kept in (self._shown, self._whole):
            for start in [start for start in kept if self._bar_end(start) <= horizon]:
                del kept[start]

    def _is_in_session(self, ts: int) -> bool:
        opens, closes = self._session
        if not opens <= ts < closes and self._sessions is not None:
            opens, closes = self._session = self._sessions(ts) or (0, 0)
        return opens <= ts < closes

    def _bar_start(self, ts: int) -> int:
        return ts - ts % self.interval_ns

    def _bar_end(self, ts: int) -> int:
        return ts - ts % self.interval_ns + self.interval_ns

    def _bar(self, start: int) -> Bar | None:
        pieces = self.pieces
        if self.piece_ns == self.interval_ns:
            piece = pieces.get(start)
            found = piece.values() if piece else None
        else:
            places = range(start, start + self.interval_ns, self.piece_ns)
            values = [pieces[at].values() for at in places if at in pieces]
            parts = [part for part in values if part is not None]
            found = combine(parts) if parts else None
        if found is None:
            return None
        is_quiet = self.has_quiet_bars and found.volume == 0
        return Bar(self.symbol, self.interval_s, start, *found[2:9], is_quote_mid=is_quiet)

    def _quiet_bar(self, start: int, latest_mid: tuple[int, float] | None) -> Bar | None:
        """Make a bar at the middle price that stood at the interval's end."""
        end = start + self.interval_ns
        known = chain((latest_mid,) if latest_mid else (), reversed(self._mids))
        mid = next((mid for ts, mid in known if ts < end), None)
        if mid is None:
            return None
        prices = (mid, mid, mid, mid)
        return Bar(self.symbol, self.interval_s, start, *prices, 0.0, 0, 0.0, is_quote_mid=True)

    def _close_until(self, edge: int, latest_mid: tuple[int, float] | None) -> Changes:
        changes: list[BarChange] = []
        for start in self._starts_until(edge):
            bar = self._bar(start)
            if bar is None and self.has_quiet_bars:
                bar = self._quiet_bar(start, latest_mid)
            if bar is not None:
                self._shown[start] = bar
                changes.append(BarChange(bar, ChangeKind.CLOSED))
        self.closed_until = edge
        open_pieces, self._open = self._open, []
        for piece in open_pieces:
            if piece.end <= edge:
                piece.shut()
            else:
                self._open.append(piece)
        return changes

    def _starts_until(self, edge: int) -> Sequence[int]:
        step = self.interval_ns
        since = self.closed_until
        if since and (edge - since) // step <= (MAX_QUIET_BARS if self.has_quiet_bars else 4):
            return range(since, edge, step)
        starts = sorted({self._bar_start(at) for at in self.pieces})
        starts = [start for start in starts if since <= start < edge]
        if starts and self.has_quiet_bars:
            return range(max(starts[0], edge - MAX_QUIET_BARS * step), edge, step)
        return starts

    def _unsettle(self, at: int) -> None:
        if self._bar_end(at) <= self.closed_until:
            self._unsettled.add(self._bar_start(at))

    def _revised(self, start: int) -> Changes:
        before = self._shown.get(start)
        if start in self._whole:
            self.rejects["late_left_to_venue"] += 1
            return NO_CHANGE
        bar = self._bar(start)
        if bar is None and self.has_quiet_bars:
            bar = self._quiet_bar(start, None)
        if bar == before:
            return NO_CHANGE
        if bar is None:
            return (BarChange(self._shown.pop(start), ChangeKind.REMOVED),)
        self._shown[start] = bar
        return (BarChange(bar, ChangeKind.REVISED),)

    def _is_alone(self, bar: Bar) -> bool:
        """Tell whether a bar of our interval stands for itself: we have no piece of it."""
        if self.interval_s != MINUTE_S:
            return True
        return bar.ts_event not in self.pieces and self._is_in_session(bar.ts_event)

    def _take_whole(self, bar: Bar) -> Changes:
        start, end = bar.ts_event, bar.ts_event + self.interval_ns
        if self._shown.get(start) == bar:
            return NO_CHANGE
        changes: list[BarChange] = []
        if self.closed_until < start and (self.pieces or self.has_quiet_bars):
            changes += self._close_until(start, None)
        kind = ChangeKind.REVISED if end <= self.closed_until else ChangeKind.CLOSED
        self._shown[start] = self._whole[start] = bar
        self.closed_until = max(end, self.closed_until)
        if len(self._whole) > MAX_QUIET_BARS:
            self._forget(self.closed_until - self._repair_ns)
        return [*changes, BarChange(bar, kind)]

    def _replace(self, trade_id: int, price: float, size: float, by: Print | None) -> None:
        for start in sorted(self.pieces, reverse=True):
            piece = self.pieces[start]
            agreed = piece.agrees()
            ts = piece.remove(trade_id, price, size)
            if ts is None:
                continue
            if by is not None and by.kind is not PrintKind.NOTHING:
                piece.take(by._replace(ts=ts))
            if agreed:
                piece.venue = None
            elif piece.venue is not None:
                self.rejects["correction_left_to_venue"] += 1
            self._unsettle(start)
            return
        self.rejects["correction_unmatched"] += 1
