"""Every order the account ever sent, found by id, by client id, or by search."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random

from exchange.errors import bad_input, not_found
from exchange.matching.listing import AssetClass
from exchange.matching.orders import Order, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderSearch:
    """What `GET /v2/orders` asks for; times are venue nanoseconds, exclusive."""

    status: str = "open"
    limit: int = 50
    after_ns: int | None = None
    until_ns: int | None = None
    ascending: bool = False
    nested: bool = False
    symbols: frozenset[str] = frozenset()
    side: Side | None = None
    asset_classes: frozenset[AssetClass] = frozenset()
    after_order_id: str | None = None
    before_order_id: str | None = None


def random_id(random: Random) -> str:
    """Draw a version 4 uuid, as text (RFC 9562, section 5.4)."""
    bits = random.getrandbits(128) & ~(0xF000 << 64 | 0xC000 << 48) | (0x4000 << 64 | 0x8000 << 48)
    text = f"{bits:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Registry:
    """Keep all orders in the order they came, and make ids that one seed repeats."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"orders:{seed}")  # noqa: S311 -- ids, no secrets
        self._by_client_id: dict[str, Order] = {}
        self._all: dict[str, Order] = {}
        self.open: dict[str, Order] = {}

    def __contains__(self, order: Order) -> bool:
        return order.id in self._all

    def new_id(self) -> str:
        """Return a fresh uuid."""
        return random_id(self._random)

    def add(self, order: Order) -> None:
        """Keep an order for good: its client id stays taken after its end."""
        self._all[order.id] = self.open[order.id] = order
        self._by_client_id[order.client_order_id] = order

    def check_unique(self, client_order_id: str | None) -> None:
        """Refuse a client id that any order of the account ever had."""
        if client_order_id in self._by_client_id:
            raise bad_input("client_order_id must be unique")

    def get(self, order_id: str) -> Order:
        """Return an order by the venue's id.

        Raises:
            VenueRefusal: 422 when it is no uuid, 404 when there is no such order.
        """
        try:
            key = str(uuid.UUID(order_id))
        except ValueError:
            raise bad_input("invalid order_id") from None
        if key not in self._all:
            raise not_found(f"order not found for {order_id}")
        return self._all[key]

    def by_client_id(self, client_order_id: str) -> Order:
        """Return an order by the client's id, or raise the venue's 404."""
        if client_order_id not in self._by_client_id:
            raise not_found(f"order not found for {client_order_id}")
        return self._by_client_id[client_order_id]

    def search(self, wanted: OrderSearch) -> list[Order]:
        """Return the orders that match, newest first unless `ascending`."""
        found = [order for order in self._window(wanted) if _matches(order, wanted)]
        if wanted.nested:
            # A leg whose parent is not listed stands alone (unverified): it must not be lost.
            listed = set(map(id, found))
            found = [order for order in found if id(_parent(order)) not in listed]
        if not wanted.ascending:
            found.reverse()
        return found[: wanted.limit]

    def _window(self, wanted: OrderSearch) -> Iterable[Order]:
        """Cut the list at the orders named as its bounds, both left out."""
        is_cut = wanted.after_order_id or wanted.before_order_id
        is_open = wanted.status == "open" and not is_cut
        orders = list((self.open if is_open else self._all).values())
        if wanted.after_order_id:
            orders = orders[orders.index(self.get(wanted.after_order_id)) + 1 :]
        if wanted.before_order_id:
            bound = self.get(wanted.before_order_id)
            orders = orders[: orders.index(bound)] if bound in orders else []
        return orders


def _parent(order: Order) -> Order | None:
    """Return the order under which a nested list shows this one."""
    group = order.group
    if group is None or group.parent is order or order not in group.members:
        return None
    return group.parent


def _matches(order: Order, wanted: OrderSearch) -> bool:
    listing = order.listing
    return (
        (wanted.status == "all" or (wanted.status == "open") is order.is_open)
        and (wanted.after_ns is None or order.created_ns > wanted.after_ns)
        and (wanted.until_ns is None or order.created_ns < wanted.until_ns)
        and (not wanted.symbols or not wanted.symbols.isdisjoint((listing.symbol, listing.compact)))
        and wanted.side in (None, order.side)
        and (not wanted.asset_classes or listing.asset_class in wanted.asset_classes)
    )
