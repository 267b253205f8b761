"""C1: an agent that peeks shines on raw data, and raises where it is given what was known."""

import msgspec
import numpy as np
import pytest

from backtest.controls.timing import (
    LOOK_AHEAD,
    AsOf,
    Known,
    known,
    point_in_time,
    read,
    with_absurd_future,
)
from backtest.records import DecisionRow
from backtest.statistics.figures import sharpe
from domain.errors import InvariantBroken

DAY_NS = 86_400_000_000_000


def test_the_peeking_agent_shines_on_raw_data_and_raises_on_what_was_known(
    walk_of, series, earn, say
):
    """Its market is a random walk, where nobody can know anything; without peeking it follows."""
    data = series(walk_of(1_000))
    peeked = [*(data.close[1:] > data.close[:-1]).astype(float), 0.0]
    shining = sharpe(earn(peeked, data.close), 252)

    now = 0
    seen = AsOf(data, lambda: now)
    ordinary = [0.0]
    for n in range(1, 1_000):
        now = int(data.ts_ns[n]) + DAY_NS
        with pytest.raises(InvariantBroken, match="before it was known") as caught:
            seen.at("close", n + 1)
        closes = seen.column("close")
        ordinary.append(float(closes[-1] > closes[-2]))
    assert caught.value.code == LOOK_AHEAD
    known_only = sharpe(earn(ordinary, data.close), 252)
    say(f"C1 peeking: Sharpe {shining:.1f} on raw data, {known_only:.2f} on what was known")
    assert shining > 10
    assert abs(known_only) < 1.5


def test_a_bar_is_known_at_its_close_and_not_a_nanosecond_before(walk_of, series):
    data = series(walk_of(10))
    close_ns = int(data.ts_ns[4]) + DAY_NS
    assert AsOf(data, lambda: close_ns).n == 5
    assert AsOf(data, lambda: close_ns - 1).n == 4


def test_what_is_answered_leads_back_to_nothing(walk_of, series):
    """A numpy view would carry the whole series in its base."""
    column = AsOf(series(walk_of(10)), lambda: 10**19).column("high")
    assert column.base is None


def test_a_revision_is_read_only_once_it_was_published():
    records = [Known(known_at=10, value="first"), Known(known_at=20, value="revised")]
    assert known(records, 15) == ["first"]
    assert read(records[1], 20) == "revised"
    with pytest.raises(InvariantBroken):
        read(records[1], 19)


def test_an_absurd_future_of_five_bars_leaves_the_past_as_it_was(walk_of, series):
    data = series(walk_of(100))
    at_ns = int(data.ts_ns[59]) + DAY_NS
    absurd = with_absurd_future(data, at_ns)
    assert np.array_equal(absurd.close[:60], data.close[:60])
    assert len(absurd.close) == len(absurd.ts_ns) == 65
    ratios = absurd.close[60:] / data.close[60:65]
    assert set(ratios.round(9)) == {0.01, 100.0}
    assert absurd.digest != data.digest
    assert "absurd after 2015-03-06" in absurd.source


def decided(made, fill, actions, *, filled_after=1):
    rows = tuple(
        DecisionRow(
            ts_ns=n * DAY_NS,
            symbol="TEST",
            id=f"d{n}",
            action=action,
            outcome="ordered",
            reason_code="",
            confidence=1.0,
            thesis="",
            price=100.0,
        )
        for n, action in enumerate(actions)
    )
    execution = msgspec.structs.replace(
        fill(1.0, 100.0), ts_ns=2 * DAY_NS + filled_after, decision_id="d2"
    )
    return made([100.0] * len(actions), decisions=rows, fills=(execution,))


def test_decisions_that_an_absurd_future_moved_fail(made, fill):
    """The last two decisions lie behind the change, and may differ."""
    one = decided(made, fill, ["buy", "hold", "buy", "hold", "buy", "hold"])
    other = decided(made, fill, ["buy", "hold", "buy", "hold", "hold", "buy"])
    held = point_in_time(one, absurd=other, at_ns=3 * DAY_NS)
    assert held.passed
    assert held.figures["decisions_held"] == 4
    moved = point_in_time(one, absurd=other, at_ns=4 * DAY_NS)
    assert not moved.passed
    assert "changed decisions" in moved.line


def test_a_fill_at_the_moment_of_its_decision_fails(made, fill):
    """It would trade at a price that the decision had seen already."""
    assert point_in_time(decided(made, fill, ["buy"] * 3)).passed
    early = point_in_time(decided(made, fill, ["buy"] * 3, filled_after=0))
    assert not early.passed
    assert early.figures["early_fills"] == 1
