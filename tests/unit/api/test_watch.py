"""What the simulated venue of a watch is shown: all that moves a market, and nothing else."""

import msgspec
import pytest

from api.assembly.watch import WatchedStore
from api.cli.running.run import mode_of
from api.settings import Config
from domain.errors import ConfigError
from domain.market import AssetClass, Instrument, Quote, StatusChanged, Trade
from engine.bus import Bus
from engine.clock import ManualClock
from engine.watching.market import MarketEars
from exchange.matching.listing import us_equity
from exchange.simulated import SimulatedBroker, SimulatedConfig
from feeds.calendar import AlwaysOpenCalendar
from feeds.gaps import Backfill
from feeds.store import RollingStore, StoreConfig
from feeds.store.checks import to_message

SHARE = us_equity("AAPL")
AAPL = Instrument(
    symbol="AAPL",
    asset_class=AssetClass.STOCK,
    tick=SHARE.price_increment,
    lot=SHARE.lot,
    min_notional=SHARE.price_increment,
)


class Watch:
    """A sink over a real store and a real simulated venue, on a clock that stands still."""

    def __init__(self):
        self.clock = ManualClock()
        self.store = RollingStore(
            StoreConfig(symbols=("AAPL",)),
            listener=MarketEars(Bus().publish),
            clock=self.clock,
            calendar=AlwaysOpenCalendar(),
        )
        config = SimulatedConfig(instruments=(AAPL,), is_always_open=True)
        self.broker = SimulatedBroker(config, self.clock)
        self.sink = WatchedStore(self.store, self.broker, self.clock)

    def quote(self, bid, ask):
        """Return a quote of now."""
        now_ns = self.clock.now_ns()
        return Quote("AAPL", bid, 1.0, ask, 1.0, now_ns, now_ns)

    def trade(self, price, *conditions):
        """Return a print of now."""
        now_ns = self.clock.now_ns()
        return Trade("AAPL", price, 1.0, now_ns, now_ns, conditions=conditions, tape="C")

    def message(self, event):
        """Return an event in the wire's form."""
        return to_message(event)

    @property
    def touch(self):
        """Return the bid and ask that the simulated venue fills at."""
        quote = self.broker.venue.quote("AAPL")
        return quote and (quote.bid, quote.ask)

    @property
    def last(self):
        """Return the price that the simulated venue's stops go by."""
        trade = self.broker.venue.trade("AAPL")
        return trade and trade.price


def test_a_frame_reaches_the_store_and_the_venue():
    """The quote a decision sees is the one its order fills at."""
    watch = Watch()
    watch.sink.apply_frame(
        [watch.message(watch.quote(100.0, 100.1)), watch.message(watch.trade(100.05))]
    )
    assert watch.store.view("AAPL").quote.ask == 100.1
    assert (watch.touch, watch.last) == ((100.0, 100.1), 100.05)


def test_records_reach_them_as_frames_do():
    """Whichever way a feed hands over."""
    watch = Watch()
    watch.sink.apply([watch.quote(100.0, 100.1), watch.trade(100.05)])
    assert watch.store.view("AAPL").quote.ask == 100.1
    assert (watch.touch, watch.last) == ((100.0, 100.1), 100.05)


@pytest.mark.parametrize("condition", ["I", "Z", "4", "M"])
def test_a_print_that_sets_no_last_price_wakes_no_stop(condition):
    """Odd lots, late reports and official closes are no market price."""
    watch = Watch()
    watch.sink.apply([watch.trade(100.0)])
    watch.sink.apply([watch.trade(50.0, condition)])
    assert watch.last == 100.0


def test_a_message_whose_time_is_none_is_passed_over():
    """The store counts it; the venue never sees it."""
    watch = Watch()
    broken = msgspec.structs.replace(
        watch.message(watch.quote(100.0, 100.1)), t=msgspec.msgpack.Ext(-1, b"no time")
    )
    watch.sink.apply_frame([broken])
    assert watch.touch is None
    assert sum(watch.store.counts().values()) == 1


def test_a_lost_link_leaves_no_price_to_fill_at_until_it_is_back():
    """And back-filling brings the market as it stands."""
    watch = Watch()
    watch.sink.apply([watch.quote(100.0, 100.1)])
    watch.sink.link_lost(["AAPL"], "cut")
    assert watch.store.view("AAPL").is_stale
    assert watch.touch == (0.0, 0.0)
    watch.sink.seed(
        Backfill(
            symbol="AAPL",
            since_ns=watch.clock.now_ns(),
            trades=(watch.message(watch.trade(101.05)),),
            quote=watch.message(watch.quote(101.0, 101.1)),
        )
    )
    watch.sink.link_restored(["AAPL"])
    assert not watch.store.view("AAPL").is_stale
    assert (watch.touch, watch.last) == ((101.0, 101.1), 101.05)


def test_a_halt_stops_the_venue_and_its_end_resumes_it():
    """Nothing trades where the market does not."""
    watch = Watch()
    now_ns = watch.clock.now_ns()
    watch.sink.apply([StatusChanged("AAPL", now_ns, is_halted=True)])
    assert watch.broker.venue.is_halted("AAPL")
    watch.sink.apply([StatusChanged("AAPL", now_ns + 1, is_halted=False)])
    assert not watch.broker.venue.is_halted("AAPL")


def test_real_money_and_watching_exclude_each_other():
    """One sends orders, the other none."""
    config = Config.for_demo({}, {})
    with pytest.raises(ConfigError, match="--watch"):
        mode_of(config, live=True, watch=True)
    assert mode_of(config, live=False, watch=True) == "watch"
    assert mode_of(config, live=False, watch=False) == "paper"
