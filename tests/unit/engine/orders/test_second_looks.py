"""A working entry that says nothing is looked up, where an event can be lost at all."""

import asyncio

import pytest

from domain.orders import OrderState
from engine.orders.delivery.lookup import LookupConfig
from engine.orders.delivery.seams import GatewayConfig

QUICK = LookupConfig(first_s=0.01, longest_s=0.05, deadline_s=8.0)


def looks():
    """Return the tasks that look orders up."""
    return [task for task in asyncio.all_tasks() if task.get_name().startswith("second-look")]


async def lose_a_fill(stand):
    """Let an entry rest, and fill it while no event comes through."""
    order = await stand.gateway.submit(stand.resting())
    assert order.state is OrderState.ACCEPTED
    stand.script.events = lambda _event: ()
    stand.quote("AAPL", 99.5, 99.55)
    return order.client_order_id


async def test_a_fill_whose_event_is_lost_is_found_by_a_second_look(stands):
    """Nothing else would tell of it for half a minute."""
    config = GatewayConfig(deadline_s=8.0, second_look_s=0.02, lookup=QUICK)
    async with stands.trading(config=config) as stand:
        name = await lose_a_fill(stand)
        assert len(looks()) == 1
        await stand.until(lambda: stand.book.get(name).state is OrderState.FILLED)
        await stand.until(lambda: not looks())


async def test_where_no_event_can_be_lost_nobody_looks_and_no_task_waits(stands):
    """A venue in this process: each order had a task that waited for nothing."""
    config = GatewayConfig(deadline_s=8.0, second_look_s=None, lookup=QUICK)
    async with stands.trading(config=config) as stand:
        name = await lose_a_fill(stand)
        assert looks() == []
        stand.gateway.resume()
        assert looks() == []
        assert stand.book.get(name).state is OrderState.ACCEPTED


def test_live_an_entry_is_looked_up_after_half_a_second_and_a_lost_order_as_ever():
    """The defaults are those of before there was a choice."""
    assert GatewayConfig().second_look_s == pytest.approx(0.5)
    lookup = LookupConfig()
    assert (lookup.first_s, lookup.longest_s, lookup.deadline_s) == (0.2, 5.0, 15.0)
