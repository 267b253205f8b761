"""The venue's own time."""

import pytest

from exchange.clock import VenueClock

SECOND_NS = 1_000_000_000


def test_time_runs_from_its_origin_at_its_speed():
    wall_ns = [5 * SECOND_NS]
    clock = VenueClock(origin_ns=100 * SECOND_NS, speed=20.0, wall=lambda: wall_ns[0])
    assert clock.now_ns() == 100 * SECOND_NS
    wall_ns[0] += SECOND_NS
    assert clock.now_ns() == 120 * SECOND_NS


def test_a_delay_is_told_in_wall_seconds_and_never_negative():
    clock = VenueClock(origin_ns=0, speed=4.0, wall=lambda: 0)
    assert clock.wall_delay_s(10 * SECOND_NS) == 2.5
    assert clock.wall_delay_s(-1) == 0.0


@pytest.mark.parametrize("speed", [0.0, -1.0])
def test_time_can_only_run_forward(speed):
    with pytest.raises(ValueError, match="only run forward"):
        VenueClock(origin_ns=0, speed=speed)
