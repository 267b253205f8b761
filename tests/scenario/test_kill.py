"""Kill the bot while orders are working: after a restart none is lost and none is doubled.

The oracle is the exchange's own record, never our journal.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import defaultdict
from decimal import Decimal

import pytest

from api.proving.house import until
from domain.orders import OrderState
from exchange.faults import Answer, Faults
from journal.database import JournalConfig
from journal.reads.reader import Reader

STARTING_S = 150.0
PASSIVE = {"style": "passive", "limit_offset_bps": -40.0}


class KillAt(Faults):
    """Kill a process by its id when an order of one leg is posted; the model wants no more then.

    Before: the request is lost with the process. After: the order is in, the answer is lost.
    """

    def __init__(self, leg, *, before):
        self.leg, self.before = leg, before
        self.child = None
        self.silence = None
        self.is_done = asyncio.Event()

    async def before_request(self, request):
        if self.before and self._strikes(request):
            return Answer(status=503, body={"message": "lost"})
        return None

    async def after_request(self, request, answer):
        if not self.before:
            self._strikes(request)
        return answer

    def _strikes(self, request):
        is_post = (request.method, request.path) == ("POST", "/v2/orders")
        if self.child is None or self.is_done.is_set() or not is_post:
            return False
        if f"-{self.leg}-" not in request.body["client_order_id"]:
            return False
        os.kill(self.child.pid, signal.SIGKILL)
        self.silence()
        self.is_done.set()
        return True


MOMENTS = [
    pytest.param("BTC/USD", "entry", False, None, id="crypto-entry-posted-answer-lost"),
    pytest.param("BTC/USD", "entry", True, None, id="crypto-entry-lost-on-its-way"),
    pytest.param("BTC/USD", "stop", True, None, id="crypto-filled-and-not-yet-protected"),
    pytest.param("BTC/USD", "entry", False, PASSIVE, id="crypto-entry-rests"),
    pytest.param("AAPL", "stop", False, None, id="fraction-stop-posted-answer-lost"),
    pytest.param("AAPL", "entry", False, "whole", id="bracket-posted-answer-lost"),
]


@pytest.mark.parametrize(("symbol", "leg", "before", "how"), MOMENTS)
async def test_a_kill_loses_no_order_and_doubles_none(open_house, child, symbol, leg, before, how):
    """`kill -9` at the moment, a restart on the same journal, and the venue's record adds up."""
    faults = KillAt(leg, before=before)
    async with open_house(faults=faults) as house:
        changes = {"UNKNOWN_WINDOW_S": 1, "ENTRY_TTL_S": 5, "TRADING_SYMBOLS": symbol}
        if how == "whole":
            changes["MAX_ORDER_AMOUNT"] = 1000
        elif how:
            house.model.answers["execution_plan"] = how
        settings = house.settings(**changes)
        faults.silence = lambda: house.model.wants.update({symbol: "hold"})
        house.model.wants[symbol] = "buy"
        async with child(settings, is_awaited=False) as first:
            faults.child = first
            async with asyncio.timeout(STARTING_S):
                await faults.is_done.wait()
            assert await first.wait() == -signal.SIGKILL
        async with child(settings):
            if house.held(symbol):
                await until(lambda: _covers(house, symbol), what="a stop rests again")
            async with Reader(JournalConfig(url=settings["DATABASE_URL"])) as reader:
                await until(lambda: _agree(house, reader), what="the journal equals the venue")
            _nothing_doubled(house, symbol)
            if leg == "entry" and before:
                assert not house.orders()
            elif how is None or how == "whole":
                assert house.held(symbol) > 0


def _covers(house, symbol):
    """Tell whether the stop at the venue is of the whole position."""
    stop = house.resting_stop(symbol)
    return stop is not None and Decimal(stop["qty"]) == house.held(symbol)


def _nothing_doubled(house, symbol):
    """Hold the posts and fills that the venue saw against: one decision, one entry, once."""
    posts = house.exchange.venue.record.requests("POST", "/v2/orders")
    entered = defaultdict(set)
    for post in posts:
        _, origin, leg, _ = post.body["client_order_id"].split("-")
        if leg == "entry":
            entered[origin].add(post.body["client_order_id"])
    assert all(len(ids) == 1 for ids in entered.values()), dict(entered)
    taken = [post.body["client_order_id"] for post in posts if post.status == 200]
    assert len(taken) == len(set(taken))
    filled = [
        Decimal(order["filled_qty"])
        for order in house.orders()
        if "-entry-" in order["client_order_id"] and Decimal(order["filled_qty"])
    ]
    assert len(filled) <= 1
    assert house.held(symbol) <= sum(filled)
    stops = [
        order
        for order in house.orders("open")
        if order["side"] == "sell" and order["type"] in {"stop", "stop_limit"}
    ]
    assert len(stops) == (1 if filled else 0)


async def _agree(house, reader):
    """Tell whether what the journal holds as working or filled is what the venue says."""
    venue = {order["id"]: order for order in house.orders()}
    page = await reader.orders.page(limit=500)
    known = {row.order.venue_order_id: row.order for row in page.items if row.order.venue_order_id}
    nowhere = [row.order for row in page.items if row.order.venue_order_id is None]
    still_open = {name for name, order in known.items() if not order.state.is_terminal}
    open_there = {order["id"] for order in house.orders("open")}
    return (
        set(known) == set(venue)
        and still_open == open_there
        and all(order.state is OrderState.REJECTED for order in nowhere)
        and all(
            order.filled_quantity == Decimal(venue[name]["filled_qty"])
            for name, order in known.items()
        )
    )
