"""Positions and profit as arithmetic: their laws, and one spelling for each symbol."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.account import Position, after_fill, daily_loss, drawdown, normalise_symbol

LAWS = settings(deadline=None, max_examples=300)
amounts = st.decimals(-50, 50, places=3).filter(bool)
prices = st.decimals("0.01", 1_000, places=2)
fills = st.lists(st.tuples(amounts, prices), min_size=1, max_size=12)


def play(story: list[tuple[Decimal, Decimal]]) -> tuple[Position, Decimal]:
    position, total = None, Decimal(0)
    for quantity, price in story:
        position, realized = after_fill(position, symbol="AAPL", quantity=quantity, price=price)
        total += realized
    assert position is not None
    return position, total


@LAWS
@given(fills)
def test_position_is_the_sum_of_its_fills(story):
    position, _ = play(story)
    assert position.quantity == sum(quantity for quantity, _ in story)


@LAWS
@given(fills, prices)
def test_profit_is_conserved_at_any_mark(story, mark):
    """What was realized and what is not together equal the cash that moved plus what is held."""
    position, realized = play(story)
    unrealized = position.quantity * (mark - position.average_price)
    paid = sum(quantity * price for quantity, price in story)
    assert abs(realized + unrealized - (position.quantity * mark - paid)) < Decimal("1e-15")


@LAWS
@given(fills)
def test_average_price_lies_between_the_prices_paid(story):
    position, _ = play(story)
    if position.quantity == 0:
        assert position.average_price == 0
        return
    paid = [price for _, price in story]
    slack = Decimal("1e-20")
    assert min(paid) - slack <= position.average_price <= max(paid) + slack


@LAWS
@given(amounts, prices, prices)
def test_round_trip_realizes_the_difference_of_its_prices(quantity, first, second):
    position, realized = play([(quantity, first), (-quantity, second)])
    assert position.quantity == 0
    assert realized == quantity * (second - first)


def test_closing_leaves_the_average_and_turning_opens_anew():
    long, realized = play([(Decimal(10), Decimal(100)), (Decimal(-4), Decimal(110))])
    assert (long.quantity, long.average_price, realized) == (6, 100, 40)
    short, realized = play([(Decimal(10), Decimal(100)), (Decimal(-15), Decimal(90))])
    assert (short.quantity, short.average_price, realized) == (-5, 90, -100)


def test_position_in_btcusd_is_the_one_we_call_btc_usd():
    """Real positions looked like ghosts and were bought again: the spellings never matched."""
    known = ("AAPL", "BTC/USD", "ETH/USD")
    assert normalise_symbol("BTCUSD", known) == "BTC/USD"
    assert normalise_symbol("BTC/USD", known) == "BTC/USD"
    assert normalise_symbol("AAPL", known) == "AAPL"
    assert normalise_symbol("BTC/USD", ("BTCUSD",)) == "BTCUSD"
    assert normalise_symbol("TSLA", known) == "TSLA"


def test_daily_loss_leaves_transfers_out():
    assert daily_loss(Decimal(1_000), Decimal(900)) == 100
    assert daily_loss(Decimal(1_000), Decimal(1_400), Decimal(500)) == 100
    assert daily_loss(Decimal(1_000), Decimal(500), Decimal(-500)) == 0
    assert daily_loss(Decimal(1_000), Decimal(1_100)) == 0


def test_drawdown_is_a_fraction_of_the_peak():
    assert drawdown(Decimal(1_000), Decimal(900)) == Decimal("0.1")
    assert drawdown(Decimal(1_000), Decimal(1_100)) == 0
    with pytest.raises(ValueError, match="no peak"):
        drawdown(Decimal(0), Decimal(100))
