"""Tell our positions from others', and the venue's slips from trades that somebody else made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec

from domain.account import Difference, Ledger, Position
from domain.decisions import decision_id
from domain.market import AssetClass, asset_class_of
from domain.ports import Clock, Entry, EntryKind
from domain.records import NS_PER_S, Record

FEE_TOLERANCE = Decimal("0.01")
"""Crypto fees leave in coin (at most 0.25 % a side, Alpaca's fee page): no trade of anybody's."""


class Finding(Record, frozen=True):
    """One thing on which the venue and we do not agree, or that is not ours.

    `is_settled` tells what needs no further look; what is not settled keeps entries out.
    """

    code: str
    symbol: str
    message: str
    is_settled: bool
    ours: Decimal | None = None
    venue: Decimal | None = None
    client_order_id: str | None = None


class OwnershipConfig(Record, frozen=True):
    """`symbols` are the managed ones. A position that vanishes or turns must stay so `grace_s`."""

    symbols: frozenset[str]
    adopt_positions: bool = False
    grace_s: float = 10.0


class Ownership:
    """Know for each managed symbol whether its position is ours, and whether somebody else trades.

    `owned` names the symbols whose position the journal can explain, `reducing` those that were
    set to reducing before a restart.
    """

    def __init__(
        self,
        config: OwnershipConfig,
        *,
        ledger: Ledger,
        clock: Clock,
        owned: Iterable[str] = (),
        reducing: Iterable[str] = (),
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._clock = clock
        self._owned = set(owned)
        self._foreign: set[str] = set()
        self._reducing = set(reducing)
        self._touched_ns: dict[str, int] = {}
        self._differs_since_ns: dict[str, int] = {}
        self._is_first = True
        self._unmet: set[str] = set()

    @property
    def reducing(self) -> frozenset[str]:
        """Return the symbols in which somebody else traded."""
        return frozenset(self._reducing)

    @property
    def managed(self) -> frozenset[str]:
        """Return the symbols that we trade."""
        return self._config.symbols

    def is_managed(self, symbol: str) -> bool:
        """Tell whether we trade the symbol at all; others are never touched."""
        return symbol in self._config.symbols

    def is_foreign(self, symbol: str) -> bool:
        """Tell whether a position that is not ours stands in the symbol."""
        return symbol in self._foreign

    def is_reducing(self, symbol: str) -> bool:
        """Tell whether the symbol takes no entries because somebody else traded it."""
        return symbol in self._reducing

    def reduce(self, symbol: str) -> None:
        """Let no entry in: somebody else traded here."""
        self._reducing.add(symbol)

    def accept(self) -> None:
        """Doubt nothing any more: a person took the venue's word for it."""
        self._differs_since_ns.clear()

    def resume(self, symbol: str) -> None:
        """Let entries in again, by a person's word."""
        self._reducing.discard(symbol)

    def touch(self, symbol: str, *, is_entry_fill: bool) -> None:
        """Note that an order of ours moved the symbol just now."""
        self._touched_ns[symbol] = self._clock.monotonic_ns()
        if is_entry_fill:
            self._owned.add(symbol)
            self._foreign.discard(symbol)

    def believable(
        self,
        positions: Sequence[Position],
        is_sound: Callable[[str, Decimal], bool] = lambda _symbol, _told: True,
    ) -> list[Position]:
        """Hold back what has vanished or turned around only just now: it was seen to come back.

        A position believed gone has its stops cancelled, so neither one answer is enough nor one
        that nothing explains: `is_sound` tells whether fills of anybody's lead to a quantity. Nor
        is one that has grown of itself: the venue would refuse the larger stop when the smaller one
        is gone. The first answer is believed whole: before it we know nothing.
        """
        if self._is_first:
            return list(positions)
        told = {self._ledger.spelled(position.symbol): position for position in positions}
        for symbol, ours in self._ledger.positions.items():
            theirs = told[symbol].quantity if symbol in told else Decimal(0)
            if not self.is_managed(symbol) or symbol in self._foreign:
                continue
            is_same_side = ours.quantity * theirs > 0
            if is_same_side and abs(theirs) <= abs(ours.quantity):
                continue
            if (is_same_side or self._has_lasted(symbol)) and is_sound(symbol, theirs):
                continue
            told[symbol] = msgspec.structs.replace(ours)
        return list(told.values())

    def judge(
        self,
        differences: Sequence[Difference],
        told: Sequence[Position],
        adopt: Callable[[Position], None],
    ) -> list[Finding]:
        """Say what each difference means. `told` is the venue's answer before `believable`."""
        if self._is_first:
            self._is_first = False
            self._unmet = {position.symbol for position in self._strangers()}
            return self._meet(adopt)
        met = self._meet(adopt)
        findings = [self._judge(each) for each in self._all(differences, told)]
        self._forget_flat()
        return [*met, *(finding for finding in findings if finding is not None)]

    def _all(self, differences: Sequence[Difference], told: Sequence[Position]) -> list[Difference]:
        """Add what was held back to what the ledger saw, and forget what is gone."""
        seen = {difference.symbol: difference for difference in differences}
        venue = {self._ledger.spelled(position.symbol): position.quantity for position in told}
        for symbol, position in self._ledger.positions.items():
            theirs = venue.get(symbol, Decimal(0))
            if symbol not in seen and position.quantity != theirs:
                seen[symbol] = Difference(
                    symbol=symbol, ours=position.quantity, venue=theirs, is_applied=False
                )
        for symbol in set(self._differs_since_ns) - set(seen):
            del self._differs_since_ns[symbol]
        return [each for each in seen.values() if self.is_managed(each.symbol)]

    def _judge(self, difference: Difference) -> Finding | None:
        symbol = difference.symbol
        self._differs_since_ns.setdefault(symbol, self._clock.monotonic_ns())
        if _is_fee(difference):
            return None
        if not difference.is_applied:
            return self._doubted(difference) if self._has_lasted(symbol) else None
        del self._differs_since_ns[symbol]
        if self._is_fresh(symbol):
            return None
        if difference.ours == 0 and symbol not in self._owned:
            self._foreign.add(symbol)
            return self._foreign_position(symbol, difference.venue)
        self._reducing.add(symbol)
        return Finding(
            code="MANUAL_TRADE",
            symbol=symbol,
            message=f"{symbol} moved from {difference.ours} to {difference.venue} by no order of "
            "ours: the symbol is reducing until a person resumes it.",
            is_settled=True,
            ours=difference.ours,
            venue=difference.venue,
        )

    def _doubted(self, difference: Difference) -> Finding:
        return Finding(
            code="POSITION_DIFFERS",
            symbol=difference.symbol,
            message=f"{difference.symbol}: we hold {difference.ours}, the venue says "
            f"{difference.venue}.",
            is_settled=False,
            ours=difference.ours,
            venue=difference.venue,
        )

    def _strangers(self) -> list[Position]:
        return [
            position
            for symbol, position in self._ledger.positions.items()
            if self.is_managed(symbol) and symbol not in self._owned
        ]

    def _meet(self, adopt: Callable[[Position], None]) -> list[Finding]:
        """Say whose the first answer's positions are, once no order of ours may be behind them.

        A crash between sending and answer leaves an order of unknown outcome: what it filled is
        ours, and is no stranger while its look-up is under way.
        """
        ready = {symbol for symbol in self._unmet if not self._ledger.has_unknown(symbol)}
        self._unmet -= ready
        return [
            self._first(position, adopt)
            for position in self._strangers()
            if position.symbol in ready
        ]

    def _first(self, position: Position, adopt: Callable[[Position], None]) -> Finding:
        """Adopt or list a position that was there before the bot's first start."""
        symbol = position.symbol
        if self._config.adopt_positions:
            self._owned.add(symbol)
            adopt(position)
            return Finding(
                code="POSITION_ADOPTED",
                symbol=symbol,
                message=f"{symbol}: {position.quantity} adopted.",
                is_settled=True,
                venue=position.quantity,
            )
        self._foreign.add(symbol)
        return self._foreign_position(symbol, position.quantity)

    def _foreign_position(self, symbol: str, quantity: Decimal) -> Finding:
        return Finding(
            code="FOREIGN_POSITION",
            symbol=symbol,
            message=f"{symbol}: {quantity} is not ours and is left alone; no entries there.",
            is_settled=True,
            venue=quantity,
        )

    def _has_lasted(self, symbol: str) -> bool:
        since_ns = self._differs_since_ns.get(symbol)
        grace_ns = self._config.grace_s * NS_PER_S
        return since_ns is not None and self._clock.monotonic_ns() - since_ns >= grace_ns

    def _is_fresh(self, symbol: str) -> bool:
        """Tell whether an order of ours moved the symbol within the venue's lag."""
        at_ns = self._touched_ns.get(symbol)
        grace_ns = self._config.grace_s * NS_PER_S
        return at_ns is not None and self._clock.monotonic_ns() - at_ns < grace_ns

    def _forget_flat(self) -> None:
        """A position that is gone belongs to nobody any more."""
        for symbol in (self._owned | self._foreign) - set(self._ledger.positions):
            if not self._is_fresh(symbol):
                self._owned.discard(symbol)
                self._foreign.discard(symbol)


def _is_fee(difference: Difference) -> bool:
    if asset_class_of(difference.symbol) is not AssetClass.CRYPTO:
        return False
    return abs(difference.ours - difference.venue) <= abs(difference.ours) * FEE_TOLERANCE


def adoption_of(position: Position, account_id: str, now: str) -> Entry:
    """Write down that a position is taken over; its ref names the orders that protect it."""
    origin = decision_id(
        account=account_id, strategy="adoption", symbol=position.symbol, as_of=now, attempt=1
    )
    body = {
        "id": origin,
        "kind": "adoption",
        "symbol": position.symbol,
        "reason": f"{position.quantity} held before the first start",
    }
    return Entry(kind=EntryKind.ORIGIN, ref=origin, body=body)
