"""The rules: each against its definition written the slow way, over whole columns."""

import numpy as np
import pytest
import talib

from backtest.baselines.reversion import Oscillators, Reversion
from backtest.baselines.still import Cash, Hold
from backtest.baselines.table import NAMES, policy
from backtest.baselines.trend import Convergence, Crossing, Momentum
from domain.errors import ConfigError

SHARE = 0.9
RULES = (Crossing, Convergence, Momentum, Oscillators, Reversion)


def filled(wishes):
    """Return the position that follows from wishes."""
    held, positions = 0.0, []
    for wish in wishes:
        held = held if wish is None else wish
        positions.append(held)
    return np.array(positions)


def test_cash_never_wants_anything(walk, market):
    assert set(walk(market(300)).through(Cash())) == {None}


def test_buy_and_hold_buys_once_and_asks_again_for_what_a_stop_took(walk, market):
    view, hold = walk(market(10)), Hold(SHARE)
    assert view.through(hold) == [SHARE, *[None] * 9]
    view.quantity = 0.0
    assert hold.target(view) == SHARE


def test_the_crossing_is_long_while_the_fast_mean_is_above_the_slow(walk, market):
    close = market(900)
    wishes = walk(close).through(Crossing(SHARE))
    assert wishes[:199] == [None] * 199
    is_up = talib.SMA(close, 50)[199:] > talib.SMA(close, 200)[199:]
    assert wishes[199:] == [SHARE if up else 0.0 for up in is_up]
    assert 0 < is_up.mean() < 1


def test_convergence_is_macd_above_its_signal(walk, market):
    """TA-Lib begins its averages otherwise, which is forgotten after a few hundred bars."""
    close = market(1_500)
    wishes = walk(close).through(Convergence(SHARE))
    _, _, histogram = talib.MACD(close)
    assert wishes[33] is None
    assert wishes[34] is not None
    assert wishes[300:] == [SHARE if h > 0 else 0.0 for h in histogram[300:]]


def test_momentum_follows_the_last_year(walk, market):
    close = market(700)
    wishes = walk(close).through(Momentum(SHARE))
    assert wishes[:252] == [None] * 252
    assert wishes[252:] == [SHARE if up else 0.0 for up in close[252:] > close[:-252]]


def test_reversion_buys_a_deviation_below_the_mean_and_leaves_at_it(walk, market):
    close = market(900)
    wishes = walk(close).through(Reversion(SHARE))
    upper, mean, _ = talib.BBANDS(close, 20, 1.0, 1.0)
    z = (close - mean)[19:] / (upper - mean)[19:]
    expected = [SHARE if x <= -1 else 0.0 if x >= 0 else None for x in z]
    assert wishes == [None] * 19 + expected


def test_oscillators_buy_what_was_oversold_and_leave_what_is_overbought(walk, market):
    """RSI is Wilder's; the stochastic's thirds are an exponential average, as KDJ has it."""
    close = market(2_000, deviation=0.02)
    high, low = close * 1.004, close * 0.996
    wishes = walk(close, high, low).through(Oscillators(SHARE))
    rsi = talib.RSI(close, 14)
    k = d = None
    for n in range(2_000):
        top, bottom = high[max(0, n - 8) : n + 1].max(), low[max(0, n - 8) : n + 1].min()
        place = 100 * (close[n] - bottom) / (top - bottom)
        k = place if k is None else k + (place - k) / 3
        d = k if d is None else d + (k - d) / 3
        if n > 400:
            is_buy = k < 20 and rsi[n] < 30 and 3 * k - 2 * d > k
            is_sale = k > 80 or rsi[n] > 70
            assert wishes[n] == (SHARE if is_buy else 0.0 if is_sale else None)
    assert SHARE in wishes
    assert 0.0 in wishes


@pytest.mark.parametrize("rule", RULES)
def test_a_price_that_never_moves_is_no_reason_to_trade(rule, walk):
    assert SHARE not in walk([50.0] * 400).through(rule(SHARE))


@pytest.mark.parametrize("rule", RULES)
def test_what_comes_later_changes_no_wish(rule, walk, market):
    """Absurd prices after bar 400 leave the first 400 wishes as they were."""
    close = market(400)
    absurd = np.concatenate((close, [1e9, 1e-6] * 50))
    assert walk(absurd).through(rule(SHARE))[:400] == walk(close).through(rule(SHARE))


def test_every_baseline_has_its_maker():
    for name in NAMES:
        if name != "random":
            assert policy(name, share=SHARE)("AAPL").name == name


def test_symbols_do_not_share_what_a_rule_remembers():
    make = policy("sma", share=SHARE)
    assert make("AAPL") is not make("AAPL")


@pytest.mark.parametrize(
    ("name", "code"), [("astrology", "BASELINE_UNKNOWN"), ("random", "HABITS_MISSING")]
)
def test_a_name_without_a_baseline_is_told(name, code):
    with pytest.raises(ConfigError) as caught:
        policy(name, share=SHARE)
    assert caught.value.code == code
