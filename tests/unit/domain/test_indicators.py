"""Indicators: against our own constant-time definitions, against batch, and after revisions."""

import math
from collections import deque

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InvariantBroken
from domain.indicators import NAMES, UNAVAILABLE, BarArrays, Indicators, check, series_of


def market(n_bars, seed=1, regime=1.0):
    rng = np.random.default_rng(seed)
    close = 100 * regime * np.exp(np.cumsum(rng.normal(0, 0.002, n_bars)))
    spread = close * rng.uniform(0.0005, 0.002, n_bars)
    return BarArrays(close + spread, close - spread, close, rng.integers(1, 10_000, n_bars) * 1.0)


def part(bars, start, stop=None):
    return BarArrays(*(column[start:stop].copy() for column in bars))


def opened(bars):
    indicators = Indicators()
    indicators.open(bars)
    return indicators


def streamed(bars, n_history=250):
    indicators = opened(part(bars, 0, n_history))
    for row in zip(*part(bars, n_history), strict=True):
        indicators.update(*map(float, row))
    return indicators


class Ema:
    """The textbook recursion, seeded with the mean of the first `period` values."""

    def __init__(self, period):
        self.period, self.seed, self.value = period, [], None

    def update(self, x):
        if self.value is None:
            self.seed.append(x)
            if len(self.seed) == self.period:
                self.value = sum(self.seed) / self.period
        else:
            self.value += 2 / (self.period + 1) * (x - self.value)
        return self.value


class Wilder:
    """Wilder's smoothing: a mean of the first `period` values, then one part in `period`."""

    def __init__(self, period):
        self.period, self.seed, self.value = period, [], None

    def update(self, x):
        if self.value is None:
            self.seed.append(x)
            if len(self.seed) == self.period:
                self.value = sum(self.seed) / self.period
        else:
            self.value = (self.value * (self.period - 1) + x) / self.period
        return self.value


def reference(bars):
    """Compute the set with constant work a bar, from the definitions alone."""
    high, low, close, volume = (column.tolist() for column in bars)
    ema12, ema26, gain, loss, true_range = Ema(12), Ema(26), Wilder(14), Wilder(14), Wilder(14)
    for previous, price in zip([None, *close], close, strict=False):
        ema12.update(price), ema26.update(price)
        if previous is not None:
            gain.update(max(price - previous, 0.0)), loss.update(max(previous - price, 0.0))
    for i in range(1, len(close)):
        true_range.update(max(high[i], close[i - 1]) - min(low[i], close[i - 1]))
    last20 = close[-20:]
    mean = sum(last20) / 20
    deviation = math.sqrt(sum((x - mean) ** 2 for x in last20) / 20)
    return {
        "sma_20": mean,
        "sma_50": sum(close[-50:]) / 50,
        "ema_12": ema12.value,
        "ema_26": ema26.value,
        "rsi_14": 100 * gain.value / (gain.value + loss.value),
        "bb_upper": mean + 2 * deviation,
        "bb_middle": mean,
        "bb_lower": mean - 2 * deviation,
        "roc_10": (close[-1] / close[-11] - 1) * 100,
        "atr_14": true_range.value,
        "volume_sma_20": sum(volume[-20:]) / 20,
        **macd_reference(close),
        **adx_reference(high, low, close),
    }


def macd_reference(close):
    """Both averages start together at the slow one's first value, as TA-Lib has it."""
    fast, slow, signal = Ema(12), Ema(26), Ema(9)
    line = None
    for i, price in enumerate(close):
        slow.update(price)
        if i >= 26 - 12:
            fast.update(price)
        if slow.value is not None:
            line = fast.value - slow.value
            signal.update(line)
    return {"macd": line, "macd_signal": signal.value, "macd_hist": line - signal.value}


def adx_reference(high, low, close):
    """Wilder's directional movement: sums decay by one part in 14, ADX is a Wilder mean."""
    period, plus, minus, span, adx = 14, 0.0, 0.0, 0.0, Wilder(14)
    for i in range(1, len(close)):
        up, down = high[i] - high[i - 1], low[i - 1] - low[i]
        moves = (up if up > down and up > 0 else 0.0), (down if down > up and down > 0 else 0.0)
        true_range = max(high[i], close[i - 1]) - min(low[i], close[i - 1])
        decay = 1 - 1 / period if i >= period else 1.0
        plus, minus = plus * decay + moves[0], minus * decay + moves[1]
        span = span * decay + true_range
        if i >= period:
            adx.update(100 * abs(plus - minus) / (plus + minus) if plus + minus else 0.0)
    return {"adx_14": adx.value}


@pytest.mark.parametrize("regime", [1e-3, 1.0, 1e3])
def test_every_indicator_equals_our_own_constant_time_definition(regime):
    bars = market(700, regime=regime)
    values = streamed(bars).values()
    expected = reference(bars)
    assert set(values) == set(expected) == set(NAMES)
    for name in NAMES:
        assert values[name] == pytest.approx(expected[name], rel=1e-9, abs=1e-9 * regime), name


@pytest.mark.parametrize("n_bars", [251, 300, 777])
def test_a_stream_ends_where_a_handle_opened_on_everything_stands(n_bars):
    bars = market(n_bars)
    assert streamed(bars).values() == opened(bars).values()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(1, 40), st.sampled_from(["revise", "insert", "remove"]))
def test_a_revised_bar_leaves_no_trace(n_streamed, back, how):
    """After any change near the end, values are those of a stream that had the right bars."""
    wrong = market(400 + n_streamed, seed=3)
    indicators = streamed(wrong, 400)
    at = len(wrong.close) - min(back, n_streamed)
    right, dropped = {
        "revise": lambda: (changed(wrong, at), len(wrong.close) - at),
        "insert": lambda: (inserted(wrong, at), len(wrong.close) - at),
        "remove": lambda: (BarArrays(*(np.delete(c, at) for c in wrong)), len(wrong.close) - at),
    }[how]()
    indicators.revise(right, at, n_dropped=dropped)
    assert indicators.n_seen == len(right.close)
    assert indicators.values() == streamed(right, 400).values()


def changed(bars, at):
    copy = BarArrays(*(column.copy() for column in bars))
    copy.close[at] *= 1.01
    copy.high[at] *= 1.02
    return copy


def inserted(bars, at):
    return BarArrays(*(np.insert(column, at, column[at] * 1.01) for column in bars))


def test_a_bar_of_the_opening_history_can_be_revised_too():
    """A correction may come right after the start; then n_seen stays as if it had been right."""
    wrong = market(400, seed=4)
    indicators = opened(wrong)
    right = changed(wrong, 375)
    indicators.revise(right, 375, n_dropped=25)
    assert indicators.n_seen == 400
    assert indicators.values() == opened(right).values()
    window = part(right, 150)
    indicators.revise(window, 399 - 150, n_dropped=1)
    assert indicators.n_seen == 400


def test_a_revision_beyond_the_checkpoints_opens_anew_on_the_history():
    bars = market(600, seed=5)
    indicators = streamed(bars, 400)
    right = changed(bars, 330)
    indicators.revise(right, 330, n_dropped=270)
    assert indicators.values() == opened(right).values()


def test_a_sliding_history_still_finds_its_checkpoint():
    """The store keeps the last bars only; a revision near their end needs no older ones."""
    bars = market(800, seed=6)
    indicators = streamed(bars, 400)
    window = part(changed(bars, 795), 550)
    indicators.revise(window, 795 - 550, n_dropped=5)
    assert indicators.values() == streamed(changed(bars, 795), 400).values()


def test_too_little_history_is_none_for_every_name():
    indicators = opened(market(249))
    assert indicators.values() == UNAVAILABLE == dict.fromkeys(NAMES)
    indicators.update(1.0, 1.0, 1.0, 1.0)
    assert indicators.n_seen == 0
    assert indicators.peek(1.0, 1.0, 1.0, 1.0) == UNAVAILABLE


def test_peek_commits_nothing_and_equals_the_update_that_follows():
    bars = market(400)
    indicators = streamed(part(bars, 0, 399))
    before = indicators.values()
    row = [float(column[399]) for column in bars]
    peeked = indicators.peek(*row)
    assert indicators.values() == before
    indicators.update(*row)
    assert indicators.values() == peeked


def test_a_market_without_movement_has_no_rsi_rather_than_an_oversold_one():
    bars = market(400)
    indicators = opened(bars)
    close = float(bars.close[-1])
    values = deque(maxlen=3)
    for _ in range(14):
        indicators.update(close, close, close, 0.0)
        values.append(indicators.values()["rsi_14"])
    assert values[-2] is not None
    assert values[-1] is None
    assert opened(BarArrays(*(np.full(300, 100.0),) * 4)).values()["rsi_14"] is None
    indicators.update(close + 1, close, close + 1, 1.0)
    assert indicators.values()["rsi_14"] is not None


def test_the_start_up_check_passes_with_the_pinned_library():
    check()


def test_the_start_up_check_names_a_function_whose_stream_went_wrong():
    def forgetful(spec, bars):
        return spec.open(BarArrays(*(column[-60:] for column in bars)))

    with pytest.raises(InvariantBroken, match="stream of SMA differs"):
        check(forgetful)


def test_a_picture_has_each_indicator_at_each_bar_and_ends_as_a_stream_does():
    """What looks back past the first bar is not there; the newest agree to the eye and more."""
    bars = market(400)
    rows = list(zip(*(column.tolist() for column in bars), strict=True))
    series = series_of(rows, last=400)
    assert list(series) == list(NAMES)
    assert {len(values) for values in series.values()} == {400}
    assert series["sma_50"][48] is None
    assert series["sma_50"][49] == pytest.approx(np.mean(bars.close[:50]))
    for name, value in opened(bars).values().items():
        assert series[name][-1] == pytest.approx(value, rel=1e-6)
    assert series_of(rows, last=3)["macd"] == series["macd"][-3:]
    assert series_of([], last=3) == dict.fromkeys(NAMES, ())
