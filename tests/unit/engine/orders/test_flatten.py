"""Flatten: bounded in its answer, unbounded in its will."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from domain.market import Quote
from domain.orders import Leg, TimeInForce
from engine.orders.flatten import Flatten, FlattenConfig, FlattenSeams
from engine.orders.protection.exits import Exits
from engine.orders.protection.seams import ExitsConfig, Seams
from feeds.calendar import AlwaysOpenCalendar, TradingCalendar

HOUR_NS = 3600 * 10**9


class Closer:
    """A flatten over running exits, and what it said."""

    def __init__(self, stand, group, calendar):
        self.said = []

        def quote(symbol):
            latest = stand.venue.quote(symbol)
            return Quote(symbol, latest.bid, 1.0, latest.ask, 1.0, latest.ts_ns, latest.ts_ns)

        self.exits = Exits(
            ExitsConfig(check_every_s=0.05, cancel_wait_s=1.0),
            Seams(
                gateway=stand.gateway,
                clock=stand.clock,
                calendar=calendar,
                position=stand.ledger.position,
                working=stand.book.working,
                quote=quote,
                is_halted=lambda _symbol: False,
                atr=lambda entry: stand.facts(entry).atr,
                set_band=lambda *_band: None,
                instrument=stand.instruments.__getitem__,
                refresh=stand.reconciler.refresh,
                measured=lambda *_gap: None,
                alert=lambda *_alert: None,
                look=stand.look,
            ),
        )
        stand.book.listen(self.exits.on_change)
        self.flatten = Flatten(
            FlattenSeams(
                exits=self.exits,
                ledger=stand.ledger,
                quote=quote,
                instrument=stand.instruments.__getitem__,
                is_ours=lambda _symbol: True,
                is_managed=lambda _symbol: True,
                cancel_entries=lambda: stand.gateway.cancel_entries("flatten"),
                ended=stand.book.ended,
                refresh=stand.reconciler.refresh,
                start=lambda work, name: group.create_task(work, name=name),
                calendar=calendar,
                journal=stand.journal,
                clock=stand.clock,
                alert=lambda *alert: self.said.append(alert),
            ),
            FlattenConfig(answer_s=0.5, pace_s=0.05, pace_longest_s=0.2),
        )


@asynccontextmanager
async def _closing(stand, calendar=None):
    await stand.look()
    async with asyncio.TaskGroup() as group:
        closer = Closer(stand, group, calendar or AlwaysOpenCalendar())
        running = group.create_task(closer.exits.run())
        await stand.gateway.submit(stand.request(quantity=Decimal("0.37")))
        pair = {"symbol": "BTC/USD", "time_in_force": TimeInForce.IOC}
        prices = {"limit_price": Decimal(50_010), "reference_price": Decimal(50_000)}
        exits = {"stop_loss": Decimal(49_000), "take_profit": Decimal(52_000)}
        await stand.gateway.submit(
            stand.request(2, quantity=Decimal("0.5"), **pair, **prices, **exits)
        )
        for symbol in ("AAPL", "BTC/USD"):
            await stand.until(lambda symbol=symbol: closer.exits.protected_by(symbol) == "venue")
        try:
            yield closer
        finally:
            closer.flatten.cease()
            running.cancel()


@pytest.fixture
def closing():
    """`async with closing(stand) as closer`: two positions behind their stops."""
    return _closing


async def test_everything_is_closed_and_no_order_is_left(stand, closing):
    """Stops first, then the positions; the answer says that it is done."""
    async with closing(stand) as closer:
        for _ in range(20):
            if await closer.flatten.all(actor="test", account_wide=False):
                break
        assert not stand.venue.positions()
        await stand.until(lambda: not stand.book.working())


async def test_a_dead_venue_delays_no_answer_and_the_work_goes_on_behind_it(stand, closing):
    """It answered after a minute, when somebody who wanted out had long stopped waiting."""
    async with closing(stand) as closer:
        await stand.door.shut()
        asked_at = asyncio.get_running_loop().time()
        assert not await closer.flatten.all(actor="test", account_wide=False)
        assert asyncio.get_running_loop().time() - asked_at < 20
        ((code, text, _),) = closer.said
        assert code == "FLATTEN_GOES_ON"
        assert "AAPL 0.37" in text
        await stand.door.open()
        await stand.until(lambda: not stand.venue.positions())


async def test_a_second_question_joins_the_first_flatten(stand, closing):
    """Two impatient people make one flatten: its orders carry one origin."""
    async with closing(stand) as closer:
        answers = await asyncio.gather(
            *(closer.flatten.all(actor=name, account_wide=False) for name in ("a", "b"))
        )
        assert answers[0] == answers[1]
        await stand.until(lambda: not stand.venue.positions())
        orders = [o for o in stand.at_venue() if f"-{Leg.FLATTEN}-" in o["client_order_id"]]
        assert len({order["client_order_id"].split("-")[1] for order in orders}) == 1


async def test_a_closed_market_keeps_the_stop_and_sells_at_the_open(stand, closing):
    """Sending into the night would take the stop back again and again for nothing."""
    now_ns = stand.clock.now_ns()
    calendar = TradingCalendar([(now_ns + HOUR_NS, now_ns + 5 * HOUR_NS)])
    async with closing(stand, calendar) as closer:
        assert not await closer.flatten.all(actor="test", account_wide=False)
        await stand.until(lambda: stand.ledger.quantity("BTC/USD") < Decimal("0.001"))
        assert closer.exits.protected_by("AAPL") == "venue"
        stand.wall.skip(3601)
        stand.quote("AAPL", 99.99, 100.0)
        await stand.until(lambda: stand.ledger.quantity("AAPL") == 0)
