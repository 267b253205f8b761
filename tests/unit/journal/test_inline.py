"""The journal of a run on event time."""

from decimal import Decimal

import pytest

from domain.orders import Leg, Order, OrderRequest, OrderState, OrderType, Side, TimeInForce
from domain.ports import Entry, EntryKind
from domain.records import plain
from journal.inline.memory import InlineOrders


@pytest.fixture
def told():
    """Make the entry of an order's event; `n` makes the name."""

    def make(n):
        request = OrderRequest(
            decision_id=f"d{n}",
            leg=Leg.ENTRY,
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(1),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.DAY,
            reference_price=Decimal(100),
            valid_until="2026-01-01T00:00:00Z",
            client_order_id=f"o{n}",
        )
        order = plain(Order(request=request, state=OrderState.ACCEPTED))
        body = {"event": {}, "order": order}
        return Entry(kind=EntryKind.ORDER_EVENT, ref=f"o{n}", body=body)

    return make


async def test_the_oldest_orders_of_a_run_are_forgotten(told):
    """A run of years would else end with every order that it ever sent in memory."""
    orders = InlineOrders(most=3)
    for n in (1, 2, 3, 1, 4):
        orders.take(told(n))
    assert await orders.find("o2") is None
    found = [await orders.find(name) for name in ("o3", "o1", "o4")]
    assert [each and each.request.decision_id for each in found] == ["d3", "d1", "d4"]
