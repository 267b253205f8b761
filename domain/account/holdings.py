"""Keep the positions true between two witnesses: fills that stream in and answers over REST.

The venue's REST positions trail its own fills by seconds and have been seen to vanish for one
answer; its stream tells the position after each execution but is not replayed after a cut. So a
fill counts at once, and an answer that contradicts fresh fills, or drops a position, must be said
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

import msgspec

from domain.account.records import ZERO, Difference, Position, after_fill
from domain.orders import Fill
from domain.records import NS_PER_S, parse_ns

POSITION_LAG_NS = 10 * NS_PER_S
"""How long the venue's positions may trail its own fills (observed on Alpaca: some seconds)."""

FEE_TOLERANCE = Decimal("0.01")
"""Crypto fees are taken from the coins bought, so a holding may be this much below its fills."""


class Holdings:
    """Signed positions by our symbol, valued at marks."""

    def __init__(self) -> None:
        self._positions: dict[str, Position] = {}
        self._marks: dict[str, Decimal] = {}
        self._filled_ns: dict[str, int] = {}
        self._doubted: dict[str, Decimal] = {}
        self._unexplained: dict[str, Decimal] = {}
        self._asked_ns: int | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(self._positions)

    @property
    def positions(self) -> Mapping[str, Position]:
        """Return every position that is not flat."""
        return MappingProxyType(self._positions)

    def get(self, symbol: str) -> Position | None:
        """Return a position as it was last told or moved, or none."""
        return self._positions.get(symbol)

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity, zero when flat."""
        position = self._positions.get(symbol)
        return ZERO if position is None else position.quantity

    def price(self, position: Position) -> Decimal:
        """Return what a unit is worth: its mark, else the venue's price, else what it cost."""
        mark = self._marks.get(position.symbol)
        return mark or position.market_price or position.average_price

    def value(self) -> Decimal:
        """Return the signed value of all positions."""
        held = self._positions.values()
        return sum([row.quantity * self.price(row) for row in held], ZERO)

    def gross(self, symbol: str | None = None) -> Decimal:
        """Return the value of all positions, or of one, whichever their sides."""
        rows = self._positions
        held = rows.values() if symbol is None else [rows[symbol]] if symbol in rows else []
        return sum([abs(row.quantity) * self.price(row) for row in held], ZERO)

    def mark(self, symbol: str, price: Decimal) -> None:
        """Value a holding at a market price; what is no price is ignored."""
        if symbol in self._positions and price.is_finite() and price > 0:
            self._marks[symbol] = price

    def fill(
        self, symbol: str, signed: Decimal, price: Decimal, fill: Fill | None
    ) -> Decimal | None:
        """Move a position by a signed execution and return what it realized.

        None when the last REST answer has counted it already. `fill` is none for a bust, which
        takes quantity back.
        """
        moved = signed if fill is None else self._moved(symbol, signed, fill)
        if moved is None:
            return None
        if moved == 0:
            return ZERO
        position, realized = after_fill(
            self._positions.get(symbol), symbol=symbol, quantity=moved, price=price
        )
        self._set(symbol, position)
        return realized

    def correct(
        self, positions: Sequence[Position], ts_ns: int, spelled: Callable[[str], str]
    ) -> tuple[Difference, ...]:
        """Take over the venue's positions as of `ts_ns`; returns what differed."""
        venue = {spelled(position.symbol): position for position in positions}
        differences = []
        for symbol in sorted({*venue, *self._positions}):
            ours = self.quantity(symbol)
            theirs = venue[symbol].quantity if symbol in venue else ZERO
            is_believed = self._is_believed(symbol, ours, theirs, ts_ns)
            if ours != theirs:
                differences.append(
                    Difference(symbol=symbol, ours=ours, venue=theirs, is_applied=is_believed)
                )
            if is_believed:
                self._unexplained[symbol] = theirs - ours
                self._take(symbol, venue.get(symbol))
        self._asked_ns = ts_ns
        return tuple(differences)

    def accept(
        self, positions: Sequence[Position], ts_ns: int, spelled: Callable[[str], str]
    ) -> None:
        """Take the venue's positions as they are."""
        venue = {spelled(position.symbol): position for position in positions}
        for symbol in {*venue, *self._positions}:
            self._take(symbol, venue.get(symbol))
        self._doubted.clear()
        self._unexplained.clear()
        self._asked_ns = ts_ns

    def _moved(self, symbol: str, signed: Decimal, fill: Fill) -> Decimal | None:
        """Return by how much a fill moves the position; none when REST has counted it.

        The venue tells the position after each execution it streams: one that is older than the
        last one told is part of that.
        """
        ts_ns, asked_ns = parse_ns(fill.ts_event), self._asked_ns
        is_old = asked_ns is not None and ts_ns + POSITION_LAG_NS < asked_ns
        if is_old and symbol not in self._doubted:
            return None
        if asked_ns is not None and ts_ns <= asked_ns and self._is_counted(symbol, signed):
            return None
        filled_ns = self._filled_ns.get(symbol, 0)
        self._filled_ns[symbol] = max(ts_ns, filled_ns)
        if fill.position_quantity is None:
            return signed
        if ts_ns < filled_ns:
            return ZERO
        return fill.position_quantity - self.quantity(symbol)

    def _is_counted(self, symbol: str, signed: Decimal) -> bool:
        """Tell whether REST's last answer brought just what a fill from before it would add.

        After a crash the venue's positions are read before the look-up tells of the order behind
        them: adding its fill again would double the position, and no stop would fit it.
        """
        brought = self._unexplained.get(symbol, ZERO)
        if brought == 0 or abs(brought - signed) > abs(signed) * FEE_TOLERANCE:
            return False
        del self._unexplained[symbol]
        return True

    def _is_believed(self, symbol: str, ours: Decimal, theirs: Decimal, ts_ns: int) -> bool:
        """Tell whether REST's quantity replaces ours now; a doubted one must be said twice."""
        is_first = self._asked_ns is None
        is_close = abs(ours - theirs) <= abs(ours) * FEE_TOLERANCE
        is_lagging = ts_ns - self._filled_ns.get(symbol, 0) < POSITION_LAG_NS
        has_vanished = ours != 0 and ours * theirs <= 0
        is_doubtful = is_lagging or (has_vanished and self._doubted.get(symbol) != theirs)
        if is_first or is_close or not is_doubtful:
            self._doubted.pop(symbol, None)
            return True
        self._doubted[symbol] = theirs
        return False

    def _take(self, symbol: str, position: Position | None) -> None:
        """Take over a position; an average price of 0 is a known quirk, and ours is kept."""
        if position is None:
            self._set(symbol, None)
            return
        ours = self._positions.get(symbol)
        average = position.average_price
        if average <= 0 and ours is not None:
            average = ours.average_price
        self._set(symbol, msgspec.structs.replace(position, symbol=symbol, average_price=average))

    def _set(self, symbol: str, position: Position | None) -> None:
        if position is None or position.quantity == 0:
            self._positions.pop(symbol, None)
            self._marks.pop(symbol, None)
            return
        self._positions[symbol] = position
        if position.market_price is not None:
            self.mark(symbol, position.market_price)
