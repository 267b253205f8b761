"""Read time and print of a message, and count what is refused, by reason."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from domain.bars import Print, PrintKind, print_kind
from domain.records import NS_PER_S
from feeds.alpaca.wire import Stamp, TradeMessage, stamp_ns

MAX_AHEAD_NS = 60 * NS_PER_S
"""A message stamped farther ahead of our clock than this is refused: it would hide all others."""
MAX_ID = (1 << 63) - 1
_INF = math.inf
_MANY_CONDITIONS = 1_024
"""Markets use dozens of combinations; a flood of others is looked up each time."""


class Reader:
    """What one store reads with. `full_price` are conditions that set prices on every tape."""

    def __init__(self) -> None:
        self.rejects: Counter[str] = Counter()
        self.full_price: set[tuple[str, ...] | None] = {None}

    def time_of(self, when: Stamp, now_ns: int) -> int | None:
        """Return a stamp's nanoseconds; none, and counted, when it makes no sense."""
        try:
            ts = stamp_ns(when)
        except ValueError:
            self.rejects["time_invalid"] += 1
            return None
        if ts < now_ns + MAX_AHEAD_NS:
            return ts
        self.rejects["time_ahead"] += 1
        return None

    def prints_of(self, messages: Iterable[TradeMessage], now_ns: int) -> Iterator[Print]:
        """Yield the prints that can be read."""
        for m in messages:
            ts = self.time_of(m.t, now_ns)
            item = None if ts is None else self.print_of(m, ts)
            if item is not None:
                yield item

    def print_of(self, m: TradeMessage, ts: int) -> Print | None:
        """Return a print; none, and counted, when its numbers cannot be."""
        if not (0.0 < m.price < _INF and 0.0 < m.size < _INF and abs(m.trade_id) <= MAX_ID):
            self.rejects["trade_invalid"] += 1
            return None
        kind = print_kind(m.conditions or (), m.tape)
        if kind is PrintKind.FULL and m.conditions not in self.full_price:
            self._learn(m.conditions or ())
        return Print(ts, m.trade_id, m.price, m.size, kind)

    def _learn(self, conditions: tuple[str, ...]) -> None:
        """Remember conditions that set prices on every tape."""
        is_everywhere = all(print_kind(conditions, tape) is PrintKind.FULL for tape in "ABCO")
        if is_everywhere and len(self.full_price) < _MANY_CONDITIONS:
            self.full_price.add(conditions)
