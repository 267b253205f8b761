"""When a refused stop is tried again, and how long an exit under way may take."""

from decimal import Decimal

from engine.clock import ManualClock
from engine.orders.protection.seams import ExitsConfig
from engine.orders.protection.watching.patience import Patience
from engine.orders.protection.watching.refusals import Refusals

CONFIG = ExitsConfig(retry_s=0.25, retry_longest_s=5.0, retry_still_s=60.0)
DAY_S = 86_400


async def tries_of_a_day(clock, refusals, facts):
    """Refuse every try of a day; returns how many there were."""
    tries, until_ns = 0, clock.now_ns() + DAY_S * 1_000_000_000
    while clock.now_ns() < until_ns:
        refusals.refused(facts())
        tries += 1
        await clock.advance(refusals.left_s(facts()))
    return tries


async def test_while_nothing_changes_a_refused_stop_is_tried_once_a_minute():
    """Over a weekend without quotes it was tried every five seconds: 17,000 times a day."""
    clock = ManualClock()
    tries = await tries_of_a_day(clock, Refusals(clock, CONFIG), lambda: "friday's price")
    assert DAY_S / 60 <= tries <= DAY_S / 60 + 12


async def test_while_prices_come_it_is_tried_every_five_seconds():
    """The next price may be one at which the venue takes it."""
    clock = ManualClock()
    refusals = Refusals(clock, CONFIG)
    waits = []
    for _ in range(40):
        refusals.refused(clock.now_ns())
        waits.append(refusals.left_s(clock.now_ns() + 1))
        await clock.advance(waits[-1])
    assert waits == [0.25, 0.5, 1, 2, 4] + [5] * 35


async def test_after_a_hundred_refusals_no_price_makes_it_sooner():
    """An account that may not trade says so at every price: 17,000 times a day it was asked."""
    clock = ManualClock()
    tries = await tries_of_a_day(clock, Refusals(clock, CONFIG), clock.now_ns)
    assert tries <= DAY_S / 60 + 120


async def test_a_new_price_ends_the_long_pause():
    """A position stands bare: what was hopeless on Sunday is tried at once on Monday."""
    clock = ManualClock()
    refusals = Refusals(clock, CONFIG)
    for _ in range(12):
        refusals.refused("friday's price")
        await clock.advance(refusals.left_s("friday's price"))
    refusals.refused("friday's price")
    await clock.advance(10)
    assert refusals.left_s("friday's price") == 50
    assert refusals.left_s("monday's price") <= 0


async def test_a_stop_that_was_taken_begins_anew():
    """The next refusal is another story: soon again, and with its target."""
    clock = ManualClock()
    refusals = Refusals(clock, CONFIG)
    for _ in range(9):
        refusals.refused("x", "stop_loss.stop_price must be <= base_price - 0.01")
    assert refusals.is_alone
    assert refusals.is_any
    refusals.taken()
    assert not refusals.is_alone
    assert not refusals.is_any
    await clock.advance(60)
    refusals.refused("y", "insufficient qty available for order")
    assert refusals.left_s("y") == 0.25
    assert not refusals.is_alone


async def test_an_exit_has_its_time_and_no_more(stand):
    """Whoever waits for it knows when: nobody looks at it every second where bars are played."""
    clock = ManualClock()
    patience = Patience(clock, 3_600)
    close = await stand.gateway.submit(stand.resting(quantity=Decimal(1)))
    assert patience.overdue([close]) == []
    assert patience.left_s() == [3_600]
    await clock.advance(3_599)
    assert patience.overdue([close]) == []
    await clock.advance(1)
    assert patience.overdue([close]) == [close]
    assert patience.left_s() == [0]
    assert patience.overdue([]) == []
    assert patience.left_s() == []
