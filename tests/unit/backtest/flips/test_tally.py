"""What asking again adds up to."""

from __future__ import annotations

import pytest

from backtest.flips.changes import sample_of, stand_of
from backtest.flips.tally import tally, word


@pytest.fixture
def row(decide, ask):
    """`row(*actions)`: a decision that held, asked again with these answers."""

    def made(*actions):
        was = stand_of(decide())
        ended = {"hold": "held", "buy": "quant_rejected", "none": "abstained"}
        return ask(
            was,
            *(
                sample_of(
                    was,
                    decide(
                        action,
                        ended[action],
                        reason_code="ANALYST_TIMEOUT" if action == "none" else "",
                        latency_ms=100.0 * (n + 1),
                    ),
                )
                for n, action in enumerate(actions)
            ),
        )

    return made


def test_the_rate_is_the_mean_over_decisions(row):
    """Three of four answers of one decision, none of another: 37.5 %, and one decision flipped."""
    found = tally([row("buy", "buy", "buy", "hold"), row("hold", "hold", "hold", "hold")])
    assert found.rate == pytest.approx(0.375)
    assert (found.decisions, found.flipped, found.samples) == (2, 1, 8)
    assert found.by_change == {"same": 5, "size": 0, "outcome": 0, "action": 3}
    assert [(turn.was, turn.now, turn.count) for turn in found.turns] == [
        ("hold, held", "buy, quant rejected", 3)
    ]


def test_more_samples_of_one_decision_do_not_narrow_the_interval(row):
    """Answers to one question are no independent trials: Wilson's n counts decisions."""
    few = tally([row("hold") for _ in range(20)])
    many = tally([row(*["hold"] * 10) for _ in range(20)])
    assert few.interval == many.interval
    assert few.interval.low == pytest.approx(0)
    assert few.interval.high == pytest.approx(0.1611, abs=1e-4)


def test_silence_is_counted_apart_and_is_in_no_rate(row):
    """A decision that nobody answered is no unchanged one."""
    found = tally([row("none", "none"), row("buy", "none")])
    assert (found.decisions, found.unanswered, found.rate) == (1, 3, 1.0)
    assert found.tokens_in == 4 * 900


def test_nothing_asked_has_no_rate():
    """Undefined is none, not zero: a threshold would read zero as held."""
    found = tally([])
    assert found.rate is None
    assert found.interval is None
    assert found.latency_p50_ms is None


def test_latency_is_told_by_its_middle_and_its_tail(row):
    """Milliseconds of one decision's calls together."""
    found = tally([row("hold", "hold", "hold")])
    assert found.latency_p50_ms == 200.0
    assert 280.0 < found.latency_p95_ms <= 300.0


def test_a_stand_is_written_in_a_few_words(decide):
    """As the table shows it."""
    assert word(stand_of(decide("buy", "ordered", quantity="0.40"))) == "buy, ordered 0.4"
    assert word(stand_of(decide("hold", "held", reason_code="HOLD"))) == "hold"
