"""A sweep cancels what it should, measures the venue's answers, and is honest about the rest."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from domain.orders import (
    Leg,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    TimeInForce,
    client_order_id,
)
from engine.killswitch.sweep import Sweeper


class Hands:
    """A gateway whose venue answers some cancels; what is answered ends, or goes on working."""

    def __init__(self, answers, ends):
        self.answers, self.ends = answers, ends
        self.asked = []
        self.cancel_answered_at = 0.0

    async def cancel(self, order, reason):
        self.asked.append(order.client_order_id)
        await asyncio.sleep(0)
        if self.answers:
            self.cancel_answered_at = asyncio.get_running_loop().time()
        state = OrderState.CANCELED if self.ends else OrderState.PENDING_CANCEL
        return msgspec.structs.replace(order, state=state)

    async def ended(self, order):
        if self.ends:
            return order
        raise TimeoutError


def order(leg):
    request = OrderRequest(
        decision_id="o",
        leg=leg,
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        reference_price=Decimal(100),
        valid_until="2100-01-01T00:00:00Z",
        client_order_id=client_order_id("o", leg, 1),
    )
    return Order(request=request, state=OrderState.ACCEPTED, venue_order_id=f"v-{leg}")


@pytest.fixture
def sweep():
    """Make a sweeper over an entry and a stop; return it with its hands and what it measured."""

    def build(*, answers=True, ends=True):
        hands, measured = Hands(answers, ends), []
        orders = [order(Leg.ENTRY), order(Leg.STOP)]
        sweeper = Sweeper(
            hands,
            working=lambda: orders,
            ended=hands.ended,
            measured=lambda control, seconds: measured.append((control, seconds)),
        )
        return sweeper, hands, measured

    return build


async def test_entries_go_and_protection_is_not_asked_for(sweep):
    """The usual halt."""
    sweeper, hands, measured = sweep()
    done = await sweeper.entries("halt")
    assert [each.leg for each in done.orders] == [Leg.ENTRY]
    assert hands.asked == [done.orders[0].client_order_id]
    assert done.orders[0].is_gone
    assert measured == [("halt", done.answered_in_s)]
    assert sweeper.last is done


async def test_everything_takes_protection_too(sweep):
    """Only where a person has said so."""
    sweeper, _, _ = sweep()
    done = await sweeper.everything("cancel-all")
    assert [each.leg for each in done.orders] == [Leg.ENTRY, Leg.STOP]


async def test_a_venue_that_does_not_answer_is_not_measured(sweep):
    """A figure without an answer would look like success."""
    sweeper, _, measured = sweep(answers=False, ends=False)
    done = await sweeper.entries("halt")
    assert done.answered_in_s is None
    assert not done.orders[0].is_gone
    assert measured == []
