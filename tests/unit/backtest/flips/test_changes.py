"""What counts as a change of a decision, and what does not."""

from __future__ import annotations

import pytest

from backtest.flips.changes import change_between, sample_of, stand_of
from backtest.flips.records import Change


@pytest.mark.parametrize(
    ("was", "now", "change"),
    [
        (("hold", "held"), ("hold", "held"), Change.SAME),
        (("hold", "held"), ("buy", "ordered", "1"), Change.ACTION),
        (("buy", "held"), ("buy", "quant_rejected"), Change.OUTCOME),
        (("buy", "ordered", "1"), ("buy", "ordered", "1.005"), Change.SAME),
        (("buy", "ordered", "1"), ("buy", "ordered", "0.9"), Change.SIZE),
        (("none", "abstained"), ("hold", "held"), Change.ACTION),
    ],
)
def test_the_weightiest_difference_is_what_changed(decide, was, now, change):
    """Action before outcome before size; a rounding is no change."""

    def made(action, outcome, quantity=None):
        return stand_of(decide(action, outcome, quantity=quantity))

    assert change_between(made(*was), made(*now)) is change


@pytest.mark.parametrize("outcome", ["awaiting_approval", "refused", "expired"])
def test_a_persons_word_on_an_order_is_no_answer_of_the_models(decide, outcome):
    """The agents ordered the same; that somebody refused it is not asked again."""
    was = stand_of(decide("buy", outcome, quantity="1", reason_code="REFUSED_BY_PERSON"))
    assert change_between(was, stand_of(decide("buy", "ordered", quantity="1"))) is Change.SAME


@pytest.mark.parametrize(
    "code",
    ["ANALYST_TIMEOUT", "ANALYST_UNAVAILABLE", "ANALYST_RATE_LIMITED", "BUDGET_SPENT"],
)
def test_silence_compares_with_nothing(decide, code):
    """A time-out, then or now, says nothing about the model's mind."""
    silent = stand_of(decide("none", "abstained", reason_code=code))
    held = stand_of(decide())
    assert change_between(silent, held) is None
    assert change_between(held, silent) is None


def test_words_outside_the_schema_are_an_answer(decide):
    """A model that no longer keeps to the form has changed, and the rate says so."""
    broken = stand_of(decide("none", "abstained", reason_code="ANALYST_INVALID_ANSWER"))
    assert change_between(stand_of(decide()), broken) is Change.ACTION


def test_a_sample_tells_what_it_took(decide):
    """Tokens, dollars and the time of all calls."""
    sample = sample_of(stand_of(decide()), decide("buy", "ordered", quantity="2"))
    assert (sample.tokens_in, sample.tokens_out) == (900, 60)
    assert (sample.cost_usd, sample.latency_ms) == (0.001, 250.0)
