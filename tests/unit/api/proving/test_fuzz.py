"""Garbage: drawn from a seed, of every kind, and judged by what the readers make of it."""

import random

from api.proving.fuzz.bodies import BodyFuzz
from api.proving.fuzz.frames import MarketFuzz, OrderEventFuzz
from api.proving.fuzz.mangler import NASTY, Mangler
from api.proving.fuzz.samples import FRAMES, ORDER


def drawn(seed):
    mangler = Mangler(random.Random(seed))
    spoiled = [mangler.structure(frame) for frame in FRAMES]
    return repr(spoiled), [mangler.octets(b"sound bytes") for _ in range(50)]


def test_the_same_seed_draws_the_same_garbage():
    """So that a breach can be seen again."""
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_spoiling_leaves_the_samples_and_the_nasty_values_sound():
    """A list that was spoiled in place once held itself."""
    before = repr(ORDER), repr(NASTY)
    mangler = Mangler(random.Random(1))
    for _ in range(500):
        mangler.structure(ORDER)
    assert (repr(ORDER), repr(NASTY)) == before


async def test_garbage_is_dropped_with_a_reason_and_never_believed():
    """Every fuzzer, long enough to meet each kind of garbage."""
    market, events, bodies = MarketFuzz(2), OrderEventFuzz(2), BodyFuzz(2)
    for _ in range(1500):
        await market.one()
        events.one()
        bodies.one()
    assert market.breaches == events.breaches == bodies.breaches == []
    assert {"frame_unreadable", "message_malformed", "kind_unknown"} <= set(market.rejects)
    assert 0 < events.unreadable < events.frames
    assert events.applied > 0
    assert 0 < bodies.refused < bodies.bodies
