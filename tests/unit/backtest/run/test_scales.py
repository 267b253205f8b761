"""The scales: prices are kept back only while no limit lies between them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.run.market.loop import VirtualClock
from backtest.run.market.scales import Scales
from domain.account import Account, Ledger, Position
from engine.watching.equity import Calm

NOW, UNTIL = 1_000, 2_000
HELD = {"AAPL": Decimal(100), "BTC/USD": Decimal("0.5")}
PRICE = {"AAPL": Decimal(100), "BTC/USD": Decimal(20_000)}
LOW, HIGH = Decimal(39_000), Decimal(41_500)


class Weighed:
    """Two holdings worth 20,000 dollars beside as much cash, on scales that a test reads."""

    def __init__(self, *, is_calm=True):
        self.clock = VirtualClock(NOW)
        self.ledger = Ledger(tuple(HELD))
        money = Decimal(20_000)
        account = Account(
            account_id="a",
            equity=2 * money,
            cash=money,
            buying_power=money,
            non_marginable_buying_power=money,
            last_equity=money,
        )
        held = [
            Position(
                symbol=symbol,
                quantity=quantity,
                average_price=PRICE[symbol],
                available=quantity,
                market_price=PRICE[symbol],
            )
            for symbol, quantity in HELD.items()
        ]
        self.ledger.correct(account, held, NOW)
        self.calm = Calm(low=LOW, high=HIGH, until_ns=UNTIL) if is_calm else None
        self.scales = Scales(self.ledger, self.clock, lambda: self.calm)


def worth(prices):
    """Return the equity at some prices, exactly."""
    return 20_000 + sum(HELD[symbol] * Decimal(repr(price)) for symbol, price in prices.items())


prices = st.tuples(
    st.sampled_from(tuple(HELD)), st.floats(0.97, 1.05, allow_nan=False, allow_infinity=False)
)


@given(st.lists(prices, max_size=30))
def test_a_price_is_kept_back_exactly_while_equity_lies_within_calm(moves):
    """Sums of floats may err by less than a billionth, on the side of looking."""
    weighed = Weighed()
    weighed.scales.read()
    at = {symbol: float(price) for symbol, price in PRICE.items()}
    for symbol, factor in moves:
        to = at | {symbol: float(PRICE[symbol]) * factor}
        margin = Decimal("0.0001")
        if weighed.scales.weigh_lightly(symbol, to[symbol]):
            assert LOW < worth(to) < HIGH
            at = to
        else:
            assert not LOW + margin < worth(to) < HIGH - margin
    assert weighed.ledger.equity == 40_000, "nothing is marked before somebody may look"
    weighed.scales.mark()
    assert weighed.ledger.equity == worth(at)


def test_from_the_moment_somebody_may_look_the_next_weighing_is_a_true_one():
    """Quantities and limits may be others by then."""
    weighed = Weighed()
    assert not weighed.scales.weigh_lightly("AAPL", 100.5), "nothing was read yet"
    weighed.scales.read()
    assert weighed.scales.weigh_lightly("AAPL", 100.5)
    weighed.scales.mark()
    assert not weighed.scales.weigh_lightly("AAPL", 100.6)
    weighed.ledger.mark("AAPL", Decimal("100.6"))
    weighed.scales.mark()
    assert weighed.ledger.price("AAPL") == Decimal("100.6"), "an old price does not come back"


def test_nothing_is_weighed_lightly_that_is_not_held_or_when_its_time_has_come():
    """A new day has to be looked at, whatever the price."""
    weighed = Weighed()
    weighed.scales.read()
    assert not weighed.scales.weigh_lightly("MSFT", 100.0)
    weighed.clock.now = UNTIL - 1
    assert weighed.scales.weigh_lightly("AAPL", 100.5)
    weighed.clock.now = UNTIL
    assert not weighed.scales.weigh_lightly("AAPL", 100.5)


def test_where_nothing_is_calm_every_price_is_looked_at():
    """A breach, a doubt, a day that dawns."""
    weighed = Weighed(is_calm=False)
    weighed.scales.read()
    assert not weighed.scales.weigh_lightly("AAPL", 100.0)
    weighed = Weighed()
    weighed.scales.read()
    weighed.calm = None
    weighed.scales.read()
    assert not weighed.scales.weigh_lightly("AAPL", 100.0), "what was read before is over"


@pytest.mark.parametrize("price", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_price_is_left_to_a_true_weighing(price):
    """It compares with no limit."""
    weighed = Weighed()
    weighed.scales.read()
    assert not weighed.scales.weigh_lightly("AAPL", price)
    assert weighed.scales.weigh_lightly("AAPL", 100.5)
