"""The time without a stop is measured by its cause, and told when it is too long."""

import pytest

from engine.clock import ManualClock
from engine.orders.protection.watching.bare import Bare, Cause


@pytest.mark.parametrize(
    ("cause", "allowed_s"),
    [(Cause.FILL, 1.0), (Cause.EXIT, 1.0), (Cause.REPLACED, 1.0), (Cause.RESTART, 5.0)],
)
async def test_a_gap_is_told_once_when_it_has_lasted_too_long(cause, allowed_s):
    """An exit that the venue left hanging stood bare for two seconds, and nobody was told."""
    clock, told = ManualClock(), []
    bare = Bare("AAPL", clock, lambda *_: None, lambda *alert: told.append(alert))
    bare.expected = cause
    bare.observe(is_held=True, is_covered=False)
    await clock.advance(allowed_s)
    bare.look()
    assert told == []
    await clock.advance(0.1)
    bare.look()
    bare.look()
    [(code, line, symbol)] = told
    assert (code, symbol) == ("POSITION_UNPROTECTED", "AAPL")
    assert f"({cause})" in line
