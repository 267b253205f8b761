"""Indicators opened where nothing will be revised: the same bits, and still right if it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.indicators import CHECKPOINT_EVERY, REVISABLE, BarArrays, Indicators


def walk(n, seed):
    """So many bars of a walk, with a stretch that does not move."""
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, n)))
    flat = int(random.integers(0, n))
    close[flat : flat + int(random.integers(1, 40))] = close[flat]
    spread = random.uniform(0, 1, n)
    return BarArrays(close + spread, close - spread, close, random.uniform(1, 9, n))


def cut(bars, n):
    """Return the first bars."""
    return BarArrays(*(column[:n].copy() for column in bars))


def see(indicators, bars, since):
    """Show the bars from there on, one by one."""
    for row in zip(*(column[since:].tolist() for column in bars), strict=True):
        indicators.update(*row)


@given(
    n=st.integers(50, 700), more=st.integers(0, 2 * CHECKPOINT_EVERY), seed=st.integers(0, 10**6)
)
def test_both_openings_give_the_same_bits(n, more, seed):
    """At once, and after whatever is seen behind it."""
    bars = walk(n + more, seed)
    plain, revisable = Indicators(min_bars=50), Indicators(min_bars=50)
    assert plain.open(cut(bars, n), is_revisable=False) is revisable.open(cut(bars, n)) is True
    assert plain.values() == revisable.values()
    assert plain.peek(9, 7, 8, 1) == revisable.peek(9, 7, 8, 1)
    see(plain, bars, n)
    see(revisable, bars, n)
    assert plain.values() == revisable.values()
    assert plain.n_seen == revisable.n_seen == n + more


@given(
    n=st.integers(250, 400),
    more=st.integers(0, 2 * CHECKPOINT_EVERY),
    back=st.integers(1, REVISABLE),
    seed=st.integers(0, 10**6),
)
def test_a_bar_revised_later_is_seen_as_if_it_had_been_right(n, more, back, seed):
    """No copy of before the opening is gone back to: where there is no other it is opened anew."""
    bars, other = walk(n + more, seed), walk(n, seed + 1)
    indicators = Indicators(min_bars=50)
    indicators.open(cut(other, n - 100))
    see(indicators, other, n - 100)
    indicators.open(cut(bars, n), is_revisable=False)
    see(indicators, bars, n)
    mended = BarArrays(*(column.copy() for column in bars))
    at = n + more - back
    mended.close[at], mended.high[at] = mended.low[at], mended.high[at] * 2
    indicators.revise(mended, at, n_dropped=back)
    whole = Indicators(min_bars=50)
    whole.open(mended)
    assert indicators.values() == whole.values()
    assert indicators.n_seen == n + more
    longer = BarArrays(*(np.append(column, column[-1] * 1.01) for column in mended))
    see(indicators, longer, n + more)
    see(whole, longer, n + more)
    assert indicators.values() == whole.values()


@pytest.mark.parametrize("is_revisable", [True, False])
def test_too_short_a_history_closes_what_was_open(is_revisable):
    """Values of before would be of another history."""
    indicators = Indicators(min_bars=60)
    assert indicators.open(walk(100, 1), is_revisable=is_revisable)
    assert not indicators.open(walk(59, 1), is_revisable=is_revisable)
    assert indicators.n_seen == 0
    assert set(indicators.values().values()) == {None}
