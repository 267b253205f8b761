"""Exits over a stand: the real keepers, gateway and journal before the real local exchange."""

import asyncio
from contextlib import asynccontextmanager
from decimal import Decimal

import msgspec
import pytest

from domain.market import Quote
from domain.orders import TimeInForce
from domain.risk import Limits
from engine.control import ProtectedBy
from engine.orders.protection.exits import Exits
from engine.orders.protection.seams import ExitsConfig, Seams
from feeds.calendar import AlwaysOpenCalendar

ROOMY = Limits(
    max_order_amount=Decimal(50_000),
    max_position_fraction=10.0,
    max_exposure_fraction=10.0,
    max_risk_per_trade=1.0,
)
QUICK = ExitsConfig(
    check_every_s=0.05,
    partial_grace_s=0.1,
    breach_grace_s=0.2,
    gap_grace_s=0.05,
    exit_ttl_s=0.5,
    trail_every_s=0.02,
)


class Guarded:
    """Exits over a stand, with what they measured and said."""

    def __init__(self, stand, calendar=None, **changes):
        self.stand = stand
        self.bands = {}
        self.measured = []
        self.alerts = []
        self.is_halted = False
        self.atr = lambda entry: stand.facts(entry).atr
        self.seams = Seams(
            gateway=stand.gateway,
            clock=stand.clock,
            calendar=calendar or AlwaysOpenCalendar(),
            position=stand.ledger.position,
            working=stand.book.working,
            quote=self.quote,
            is_halted=lambda _symbol: self.is_halted,
            atr=lambda entry: self.atr(entry),  # noqa: PLW0108 - a test may replace it
            set_band=lambda symbol, owner, low, high: self.bands.update({symbol: (low, high)}),
            instrument=stand.instruments.__getitem__,
            refresh=stand.reconciler.refresh,
            measured=lambda *gap: self.measured.append(gap),
            alert=lambda *alert: self.alerts.append(alert),
            look=stand.look,
        )
        self.exits = Exits(msgspec.structs.replace(QUICK, **changes), self.seams)
        stand.book.listen(self.exits.on_change)

    def quote(self, symbol):
        """Return the venue's own latest quote."""
        latest = self.stand.venue.quote(symbol)
        return Quote(symbol, latest.bid, 1.0, latest.ask, 1.0, latest.ts_ns, latest.ts_ns)

    def at_venue(self, **wanted):
        """Return the venue's orders whose fields are as wanted."""
        orders = self.stand.at_venue()
        return [o for o in orders if all(o[name] == value for name, value in wanted.items())]

    def resting(self, symbol="BTC/USD"):
        """Return the stops that rest at the venue, by its own record."""
        return [
            order
            for order in self.at_venue(symbol=symbol)
            if order["status"] in {"new", "held", "accepted"} and order["stop_price"] is not None
        ]

    def stop_price(self, symbol="BTC/USD"):
        """Return where the one resting stop of a symbol triggers; none while there is none."""
        resting = self.resting(symbol)
        return Decimal(resting[0]["stop_price"]) if len(resting) == 1 else None

    def protected(self, symbol="BTC/USD"):
        """Tell whether the exits say that the venue protects the position."""
        return self.exits.protected_by(symbol) is ProtectedBy.VENUE

    def move(self, symbol, bid, ask):
        """Move the market, as quote and print, and let the keeper look."""
        self.stand.quote(symbol, bid, ask)
        self.stand.trade(symbol, bid)
        self.exits.wake(symbol)

    def codes(self):
        """Return the codes of what was said, in order."""
        return [code for code, _, _ in self.alerts]

    async def flat(self, symbol="BTC/USD"):
        """Wait until position, orders and plan are gone."""
        await self.stand.until(lambda: not self.stand.venue.positions())
        await self.stand.until(lambda: not self.stand.book.working())
        await self.stand.until(lambda: self.exits.plan(symbol) is None)


@asynccontextmanager
async def _exits_over(stand, *, restored=(), calendar=None, **changes):
    stand.limits = ROOMY
    await stand.look()
    made = Guarded(stand, calendar, **changes)
    for held in restored:
        made.exits.restore(held.opening, list(held.orders), held.attempts)
    running = asyncio.create_task(made.exits.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.wait({running})
        if not running.cancelled():
            running.result()


@pytest.fixture
def exits_over():
    """`async with exits_over(stand, **config) as guarded`: exits that run over a stand."""
    return _exits_over


@pytest.fixture
async def guarded(stand):
    """Exits that run."""
    async with _exits_over(stand) as made:
        yield made


@pytest.fixture
def crypto():
    """Make an IOC entry of half a coin with its stop and target."""

    def make(stand, n=1, **changes):
        fields = {
            "symbol": "BTC/USD",
            "quantity": Decimal("0.5"),
            "limit_price": Decimal(50010),
            "reference_price": Decimal(50_000),
            "time_in_force": TimeInForce.IOC,
            "stop_loss": Decimal(49_000),
            "take_profit": Decimal(52_000),
        }
        return stand.request(n, **(fields | changes))

    return make
