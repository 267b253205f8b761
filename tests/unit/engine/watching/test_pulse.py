"""How the agents' answers went, in figures that a person reads."""

import pytest

from domain.decisions import Call, Role
from engine.figures import latency_of
from engine.watching.pulse import KEPT, Pulse


def call(role: Role, latency_ms: float, error: str | None = None) -> Call:
    return Call(
        role=role,
        attempt=1,
        model="m",
        prompt_digest="",
        raw="",
        latency_ms=latency_ms,
        error=error,
    )


def test_every_role_is_counted_with_its_errors_and_latest_latency() -> None:
    """Four roles in their order, also those that were never asked."""
    pulse = Pulse()
    for n in range(10):
        pulse.heard([call(Role.DIRECTOR, 100.0 * (n + 1)), call(Role.QUANT, 5.0)])
    pulse.heard([call(Role.DIRECTOR, 2000.0, error="ANALYST_TIMEOUT")])
    director, quant, risk, execution = pulse.roles()
    assert (director.calls, director.errors) == (11, {"ANALYST_TIMEOUT": 1})
    assert (director.latency.p50_ms, director.latency.p95_ms) == (600.0, 2000.0)
    assert (quant.calls, quant.latency.p95_ms) == (10, 5.0)
    assert [each.calls for each in (risk, execution)] == [0, 0]
    assert risk.latency.p50_ms is None


def test_old_latencies_leave_and_counts_stay() -> None:
    """A slow hour is forgotten once it is over; memory does not grow."""
    pulse = Pulse()
    pulse.heard([call(Role.RISK, 9000.0)] * KEPT)
    pulse.heard([call(Role.RISK, 10.0)] * KEPT)
    risk = pulse.roles()[2]
    assert (risk.calls, risk.latency.count, risk.latency.p95_ms) == (2 * KEPT, KEPT, 10.0)


@pytest.mark.parametrize(("number", "p50_ms", "p95_ms"), [(1, 1000, 1000), (100, 51000, 96000)])
def test_percentiles_are_by_nearest_rank(number: int, p50_ms: float, p95_ms: float) -> None:
    """The values are real ones, never between two."""
    found = latency_of([float(n + 1) for n in reversed(range(number))])
    assert (found.p50_ms, found.p95_ms) == (p50_ms, p95_ms)
