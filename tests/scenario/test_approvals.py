"""A person has the last word: asked, answered once, and never later than the prices allow."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx
import pytest
import uvicorn

from api.app import create_app, server_config
from api.security import SecurityConfig
from domain.decisions import Outcome
from domain.records import NS_PER_S
from engine.clock import LiveClock
from engine.control import ControlRefused

SYMBOL = "AAPL"
ASKING = {"APPROVAL": "always", "DECISION_MAX_AGE_S": 60}


class Ahead:
    """The wall's clock, moved on by hand: what is minutes away happens at once."""

    def __init__(self):
        self._real = LiveClock()
        self.ahead_ns = 0

    def now_ns(self):
        return self._real.now_ns() + self.ahead_ns

    def monotonic_ns(self):
        return self._real.monotonic_ns() + self.ahead_ns

    async def sleep(self, seconds):
        await self._real.sleep(seconds)


class _Server(uvicorn.Server):
    """A server that says when it listens and leaves the test's signals alone."""

    def __init__(self, config):
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self):
        yield


@asynccontextmanager
async def door(process):
    """The bot's own HTTP, on a real socket; more is asked of it at once than a person would."""
    security = SecurityConfig(control_rate=(1000, 1000), read_rate=(1000, 1000))
    app = create_app(process.bot, security=security, bus=process.bus, registry=process.registry)
    server = _Server(server_config(app, host="127.0.0.1", port=0))
    serving = asyncio.create_task(server.serve())
    try:
        await asyncio.wait_for(server.listens.wait(), 60)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        app.state.stream.close()
        server.should_exit = True
        await serving


async def waiting(process):
    page = await process.bot.reader().approvals.page()
    return list(page.items)


async def asked_once(house, process, until, symbol=SYMBOL):
    """Let the director want to buy until an order waits, then nothing more."""
    house.model.wants[symbol] = "buy"

    async def found():
        return [each for each in await waiting(process) if each.decision.symbol == symbol]

    (asked,) = await until(found, what=f"an order of {symbol} waits")
    house.model.wants[symbol] = "hold"
    return asked.decision


async def outcome_of(process, decision):
    found = await process.bot.reader().decisions.get(decision.id)
    return found.outcome, found.reason_code


def entries(house):
    return [order for order in house.orders() if "-entry-" in order["client_order_id"]]


async def test_an_approved_order_goes_out_once_under_its_own_name(open_house, until):
    """Nothing is sent or reserved while it waits; the yes sends what the person saw."""
    async with open_house() as house, house.bot(**ASKING) as process, door(process) as http:
        decision = await asked_once(house, process, until)
        assert await outcome_of(process, decision) == (
            Outcome.AWAITING_APPROVAL,
            "APPROVAL_PENDING",
        )
        status = (await http.get("/status")).json()
        assert (status["approvals_pending"], status["slots_busy"]) == (1, 0)
        assert process.bot.account().reserved == 0
        assert not house.orders()
        (shown,) = (await http.get("/approvals")).json()["items"]
        assert shown["directive"]["thesis"] == "The script says buy."
        assert 0 < shown["seconds_left"] <= 300
        said = await http.post(f"/approvals/{decision.id}/approve", json={"reason": "good"})
        assert said.status_code == 200, said.text
        assert said.json()["outcome"] == "ordered"
        assert said.json()["approval"]["actor"] == "http:127.0.0.1"
        await until(lambda: house.held(SYMBOL) > 0)
        (sent,) = entries(house)
        assert sent["client_order_id"] == decision.request.client_order_id
        assert Decimal(sent["qty"]) == decision.request.quantity
        story = (await http.get(f"/decisions/{decision.id}")).json()
        assert (story["approval"]["status"], story["approval"]["reason"]) == ("approved", "good")
        assert story["gates"][0]["authorized"]
        assert (await http.get("/approvals")).json()["items"] == []
        again = await http.post(f"/approvals/{decision.id}/approve")
        assert (again.status_code, again.json()["code"]) == (409, "NOT_PENDING")
        assert "http:127.0.0.1 approved it at" in again.json()["detail"]
        assert len(entries(house)) == 1
        await until(lambda: house.resting_stop(SYMBOL), what="the stop asked nobody")
        house.model.wants[SYMBOL] = "sell"
        await until(lambda: house.held(SYMBOL) == 0, what="the close asked nobody")
        assert await waiting(process) == []


async def test_a_rejected_order_never_goes_and_its_symbol_is_free_again(open_house, until):
    """The symbol waits while its order does, and no longer."""
    async with open_house() as house, house.bot(**ASKING) as process:
        decision = await asked_once(house, process, until)
        house.model.wants[SYMBOL] = "buy"
        asked = len(house.model.asked)
        with pytest.raises(ControlRefused, match="waits for approval"):
            await process.bot.decide(SYMBOL, actor="ann")
        bars = process.bot.status().symbols[0].bars
        await until(lambda: process.bot.status().symbols[0].bars >= bars + 2)
        assert SYMBOL not in {symbol for symbol, _ in house.model.asked[asked:]}
        result = await process.bot.approvals().reject(decision.id, actor="ann", reason="no")
        assert result.message == "Rejected: nothing is sent."
        assert await outcome_of(process, decision) == (Outcome.REFUSED, "APPROVAL_REFUSED")
        another = await asked_once(house, process, until)
        assert another.id != decision.id
        assert not house.orders()


async def test_a_decisions_age_counts_from_the_approval(open_house, until):
    """Four minutes later the decision would be stale; the approval is young, the prices decide."""
    clock = Ahead()
    async with open_house() as house, house.bot(clock=clock, **ASKING) as process:
        house.model.wants[SYMBOL] = "buy"
        (asked,) = await until(lambda: waiting(process))
        decision = asked.decision
        house.model.wants[SYMBOL] = "hold"
        clock.ahead_ns += 240 * NS_PER_S
        result = await process.bot.approvals().approve(decision.id, actor="ann")
        (gate,) = await until(lambda: process.bot.reader().decisions.gates(decision.id))
        checks = {check.code: check for check in gate.checks}
        assert checks["DECISION_STALE"].passed, result.message
        assert float(checks["DECISION_STALE"].value.split()[0]) < 60


async def test_a_halt_keeps_what_waits_and_flatten_rejects_it(open_house, until):
    """A yes does not raise a halt; whoever wants to be flat wants no entry proposed before."""
    async with open_house() as house, house.bot(**ASKING) as process:
        first = await asked_once(house, process, until)
        second = await asked_once(house, process, until, "BTC/USD")
        await process.bot.halt(actor="ann", reason="news")
        result = await process.bot.approvals().approve(first.id, actor="bob")
        assert result.denied_code == "TRADING_HALTED"
        assert result.message.startswith("Approved, but the gate denied it with TRADING_HALTED")
        await process.bot.flatten(actor="ann")
        assert await waiting(process) == []
        assert await outcome_of(process, second) == (Outcome.REFUSED, "APPROVAL_REFUSED")
        found = await process.bot.reader().approvals.get(second.id)
        assert (found.approval.actor, found.approval.reason) == ("ann", "flatten")
        assert not house.orders()


async def test_a_yes_before_the_bot_is_ready_spends_nothing(open_house, until):
    """After a restart nobody sees a price, and books and venue do not agree yet: ask again."""
    async with open_house() as house:
        async with house.bot(**ASKING) as process:
            decision = await asked_once(house, process, until)
        async with house.up(**ASKING) as process, door(process) as http:
            early = await http.post(f"/approvals/{decision.id}/approve")
            assert (early.status_code, early.json()["code"]) == (409, "SESSION_STOPPED")
            assert "goes on waiting" in early.json()["detail"]
            assert len((await http.get("/approvals")).json()["items"]) == 1
            await process.bot.start(actor="ann")
            await until(lambda: _approved(http, decision), what="the yes is taken once it can be")
            await until(lambda: house.held(SYMBOL) > 0)
        assert len(entries(house)) == 1


async def _approved(http, decision):
    """Ask at once, whatever has come up by then: no refusal on the way may cost the order."""
    said = await http.post(f"/approvals/{decision.id}/approve")
    assert said.status_code in {200, 409}, said.text
    return said.status_code == 200 and said.json()["order"]


async def test_only_entries_above_the_limit_wait(open_house, until):
    """A small one goes at once."""
    small = {"APPROVAL": "above", "APPROVAL_ABOVE": 60}
    async with open_house() as house, house.bot(**small) as process:
        house.model.answers["verdict"]["size_fraction"] = 0.5
        house.model.wants[SYMBOL] = "buy"
        await until(lambda: house.held(SYMBOL) > 0)
        house.model.answers["verdict"]["size_fraction"] = 1.0
        await asked_once(house, process, until, "BTC/USD")


async def test_what_waits_outlives_a_restart_and_its_time_goes_on(open_house, until):
    """Stop, start, approve: the same order under the same name, once."""
    async with open_house() as house:
        async with house.bot(**ASKING) as process:
            decision = await asked_once(house, process, until)
            (asked,) = await waiting(process)
            await process.bot.stop(actor="ann")
            assert await waiting(process) == [asked]
        async with house.bot(**ASKING) as process:
            assert process.bot.status().approvals_pending == 1
            assert await waiting(process) == [asked]
            result = await process.bot.approvals().approve(decision.id, actor="ann")
            assert result.order is not None, result.message
            await until(lambda: house.held(SYMBOL) > 0)
            gate = (await process.bot.reader().decisions.gates(decision.id))[0]
            moved = next(check for check in gate.checks if check.code == "PRICE_MOVED")
            assert moved.value.endswith("bps"), "the window's price is known in a new process"
        assert len(entries(house)) == 1


async def journaled(house, kind):
    with (
        contextlib.closing(sqlite3.connect(f"file:{house.journal}?mode=ro", uri=True)) as database,
        database,
    ):
        rows = database.execute("SELECT body FROM entries WHERE kind = ?", (kind,))
        return [bytes(body).decode() for (body,) in rows]


async def test_a_process_that_is_killed_while_an_order_waits_keeps_it(open_house, until, child):
    """`kill -9` in the middle of everything: after the restart one yes sends one order."""
    async with open_house() as house:
        settings = house.settings(**ASKING, AUTOSTART="yes")
        house.model.wants[SYMBOL] = "buy"
        async with child(settings, is_awaited=False) as killed:

            async def is_asked():
                if not house.journal.exists():
                    return False
                with contextlib.suppress(sqlite3.Error):
                    return await journaled(house, "approval")
                return False

            await until(is_asked, what="an order waits")
            killed.kill()
            await killed.wait()
        house.model.wants[SYMBOL] = "hold"
        async with house.bot(**ASKING) as process:
            (asked,) = await waiting(process)
            result = await process.bot.approvals().approve(asked.decision.id, actor="ann")
            assert result.order is not None, result.message
            await until(lambda: house.held(SYMBOL) > 0)
        assert len(entries(house)) == 1
