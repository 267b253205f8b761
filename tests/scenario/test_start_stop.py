"""Start and stop, twice, in any order: one session at a time, and nothing left behind."""

from __future__ import annotations

import asyncio
from collections import Counter
from decimal import Decimal

import httpx
import pytest

from api.app import create_app
from api.security import SecurityConfig
from domain.orders import Leg
from domain.records import NS_PER_S
from engine.control import ProtectedBy
from exchange.faults import Fault, FaultKind, FaultPlan, Where


@pytest.fixture
def http():
    """Ask a process over its HTTP interface."""

    def client(process):
        app = create_app(
            process.bot, security=SecurityConfig(), bus=process.bus, registry=process.registry
        )
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:3000")

    return client


WAITS = {"Event.wait", "LiveClock.sleep"}
"""What any task may have open for a moment while it waits (`engine.clock.woken_within`)."""


def tasks():
    """Count the tasks of this loop by what they run, the waits of tasks left out."""
    names = (task.get_coro().__qualname__ for task in asyncio.all_tasks() if not task.done())
    return Counter(name for name in names if name not in WAITS)


async def test_starting_twice_is_one_session(open_house, http):
    """The second start answers as the first did, and adds no task."""
    async with open_house() as house, house.up() as process, http(process) as client:
        first = (await client.post("/start")).json()
        running = [name for name in tasks().elements() if name == "Dispatcher.run_forever"]
        second = (await client.post("/start")).json()
        assert len(running) == 1
        assert tasks()["Dispatcher.run_forever"] == 1
        assert first["session"] == second["session"] == "running"
        assert first["started_at"] == second["started_at"]


async def test_starts_at_once_are_one_session(open_house):
    """Ten starts racing each other leave one dispatcher."""
    async with open_house() as house, house.up() as process:
        await asyncio.gather(*(process.bot.start(actor=f"person {n}") for n in range(10)))
        assert tasks()["Dispatcher.run_forever"] == 1
        await asyncio.gather(*(process.bot.stop(actor=f"person {n}") for n in range(10)))
        assert tasks()["Dispatcher.run_forever"] == 0


async def test_stop_leaves_no_task_and_start_after_it_is_one_bot(open_house, http, until):
    """Round after round the process has the tasks that it had before its first session."""
    async with open_house() as house, house.up() as process, http(process) as client:
        before = tasks()
        for _ in range(3):
            assert (await client.post("/start")).status_code == 200
            decided = process.bot.status().decisions
            await until(lambda n=decided: process.bot.status().decisions > n)
            assert tasks()["Dispatcher.run_forever"] == 1
            assert (await client.post("/stop")).json()["session"] == "stopped"
            assert (await client.post("/stop")).json()["session"] == "stopped"
            assert tasks()["Dispatcher.run_forever"] == 0
            await until(lambda: not tasks() - before, what="no session task is left")
        decided = process.bot.status().decisions
        asked = len(house.model.asked)
        end = house.exchange.venue.clock.now_ns() + 2 * NS_PER_S
        await until(lambda: house.exchange.venue.clock.now_ns() > end, what="two bars' time")
        assert process.bot.status().decisions == decided
        assert len(house.model.asked) == asked


async def test_stop_cancels_working_entries_and_keeps_protection(open_house, until):
    """A resting entry goes, the stop of a held position stays at the venue."""
    async with open_house() as house, house.bot() as process:
        house.model.wants["BTC/USD"] = "buy"
        await until(lambda: house.resting_stop("BTC/USD"), what="the pair is held and protected")
        house.model.answers["execution_plan"] = {"style": "passive", "limit_offset_bps": -45.0}
        house.model.wants["AAPL"] = "buy"
        await until(lambda: _entries(house, "AAPL", "new"), what="an entry rests at the venue")
        held = house.held("BTC/USD")
        await process.bot.stop(actor="test")
        assert not _entries(house, "AAPL", "new")
        assert _entries(house, "AAPL", "canceled")
        assert house.resting_stop("BTC/USD") is not None
        assert house.held("BTC/USD") == held > 0
        (view,) = process.bot.positions()
        assert view.protected_by is ProtectedBy.VENUE
        assert not [
            order for order in process.bot.working_orders() if order.request.leg is Leg.ENTRY
        ]


async def test_the_guard_protects_without_a_session(open_house, until):
    """A stop that is cancelled from outside while the bot is stopped is placed again."""
    async with open_house() as house, house.bot() as process:
        house.model.wants["BTC/USD"] = "buy"
        stop = await until(lambda: house.resting_stop("BTC/USD"))
        await process.bot.stop(actor="test")
        house.exchange.venue.cancel(stop["id"])
        again = await until(lambda: house.resting_stop("BTC/USD"), what="a new stop rests")
        assert again["id"] != stop["id"]
        assert Decimal(again["qty"]) == house.held("BTC/USD")


async def test_start_after_a_halt_names_resume_and_its_code(open_house, http):
    """A halted bot starts only after a person has named the reason it was halted for."""
    async with open_house() as house, house.up() as process, http(process) as client:
        await client.post("/start")
        halted = (await client.post("/halt", json={"reason": "lunch"})).json()
        assert halted["trading"] == "halted"
        await client.post("/stop")
        refused = await client.post("/start")
        assert refused.status_code == 409
        problem = refused.json()
        assert problem["code"] == "RESUME_NEEDED"
        assert "/resume" in str(problem)
        assert halted["trading_code"] in str(problem)
        wrong = await client.post("/resume", json={"code": "DAILY_LOSS_REACHED"})
        assert wrong.status_code == 409
        right = await client.post("/resume", json={"code": halted["trading_code"]})
        assert right.json()["trading"] == "active"
        assert (await client.post("/start")).json()["session"] == "running"


def _entries(house, symbol, status):
    return [
        order
        for order in house.orders()
        if order["symbol"] == symbol
        and "-entry-" in order["client_order_id"]
        and order["status"] == status
    ]


async def test_a_process_that_fails_still_ends_its_session(open_house):
    """What goes wrong beside the bot used to leave the dispatcher running behind it."""
    async with open_house() as house:
        with pytest.raises(ExceptionGroup):
            async with house.bot():
                raise ZeroDivisionError
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not names & {"dispatcher", "guard", "market"}


async def test_a_venue_that_stumbles_while_the_bot_comes_up_is_asked_again(open_house, until):
    """After a crash positions need the guard: no 429, 500 or lost answer may keep it out."""
    stumbles = FaultPlan(
        [
            Fault(kind=FaultKind.REQUEST_429, where=Where(path="/v2/assets/AAPL"), seconds=0.5),
            Fault(kind=FaultKind.REQUEST_500, where=Where(path="/v2/clock"), times=2),
            Fault(kind=FaultKind.REQUEST_RESET, where=Where(path="/v2/account"), times=2),
        ]
    )
    async with open_house(faults=stumbles) as house, house.up() as process:
        await until(lambda: process.bot.status().is_reconciled, what="a clean look")
    assert {strike.kind for strike in stumbles.strikes} == {
        FaultKind.REQUEST_429,
        FaultKind.REQUEST_500,
        FaultKind.REQUEST_RESET,
    }
