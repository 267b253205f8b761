"""Follow every order that may still fill, from the moment it is authorized to its end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from domain.account.records import ZERO
from domain.orders import Order, OrderRequest, OrderState, Purpose, Side, is_absent
from domain.records import Record

SHORT_MARGIN = Decimal("1.03")
"""Alpaca charges a short sale's buying power at 3 % above the ask."""

_MEMORY = 1_000
"""How many finished client order ids are remembered, to deny their repetition here already."""


class Reservation(Record, frozen=True):
    """An order that may still fill: reserved before it is sent, then followed until it ends."""

    request: OrderRequest
    order: Order | None = None

    @property
    def remaining(self) -> Decimal:
        """Return the quantity that may still fill."""
        return self.request.quantity if self.order is None else self.order.remaining

    @property
    def group(self) -> str:
        """Name the group of which only one can fill: the exits of one bracket or OCO."""
        parent = None if self.order is None else self.order.parent_client_order_id
        return parent or self.request.client_order_id

    @property
    def is_entry(self) -> bool:
        """Tell whether it opens; exits never add exposure and use up no limit."""
        return self.request.purpose is Purpose.ENTRY

    @property
    def notional(self) -> Decimal:
        """Return the dollars it may still cost."""
        price = self.request.limit_price or self.request.reference_price
        return self.remaining * price

    @property
    def charge(self) -> Decimal:
        """Return what an entry takes of the buying power."""
        return self.notional * (SHORT_MARGIN if self.request.side is Side.SELL else 1)


class Reservations:
    """All orders that may still fill, by symbol and client order id."""

    def __init__(self) -> None:
        self._live: dict[str, dict[str, Reservation]] = {}
        self._entries: dict[str, Reservation] = {}
        self._ended: dict[str, None] = {}

    def __iter__(self) -> Iterator[Reservation]:
        return (row for rows in self._live.values() for row in rows.values())

    def symbols(self) -> Iterator[str]:
        """Return the symbols with an order in flight."""
        return iter(self._live)

    def of(self, symbol: str) -> Mapping[str, Reservation]:
        """Return a symbol's orders by client order id."""
        return self._live.get(symbol, {})

    def hold(self, request: OrderRequest) -> None:
        """Reserve an order; the same one twice is held once."""
        if request.client_order_id not in self.of(request.symbol):
            self._put(Reservation(request=request))

    def release(self, client_order_id: str) -> None:
        """Let go of an order; one that is not held is no mistake."""
        self._entries.pop(client_order_id, None)
        for symbol, rows in self._live.items():
            if rows.pop(client_order_id, None) is not None:
                if not rows:
                    del self._live[symbol]
                return

    def follow(self, order: Order) -> None:
        """Take an order's new state; its end lets go, unless we only declared it absent."""
        name = order.client_order_id
        if order.is_working or is_absent(order):
            self._put(Reservation(request=order.request, order=order))
            return
        self.release(name)
        self._ended[name] = None
        if len(self._ended) > _MEMORY:
            del self._ended[next(iter(self._ended))]

    def is_known(self, symbol: str, client_order_id: str) -> bool:
        """Tell whether an order of this name is in flight or ended lately."""
        return client_order_id in self.of(symbol) or client_order_id in self._ended

    def has_unknown(self, symbol: str) -> bool:
        """Tell whether the outcome of an order in the symbol is not known."""
        rows = self.of(symbol).values()
        return any(row.order is not None and row.order.state is OrderState.UNKNOWN for row in rows)

    def pending(self, symbol: str, side: Side, *, but: str | None = None) -> Decimal:
        """Return the quantity one side may still fill; of a group only the largest counts.

        `but` leaves one order out.
        """
        largest: dict[str, Decimal] = {}
        for name, row in self.of(symbol).items():
            if row.request.side is side and name != but:
                largest[row.group] = max(largest.get(row.group, ZERO), row.remaining)
        return sum(largest.values(), ZERO)

    def entries(self, symbol: str | None = None) -> list[Reservation]:
        """Return the entries in flight, of one symbol or of all."""
        rows = self._entries.values()
        return [row for row in rows if symbol is None or row.request.symbol == symbol]

    def _put(self, row: Reservation) -> None:
        name = row.request.client_order_id
        self._live.setdefault(row.request.symbol, {})[name] = row
        if row.is_entry:
            self._entries[name] = row
