"""The judge of the kill campaign sees what it is there for: planted breaches."""

import random

import pytest

from api.proving.campaign import Bar, Result
from api.proving.house import ScriptedModel, open_house
from api.proving.kill.campaign import STEP, Tally, _Block, _result
from api.proving.kill.oracle import Exposure, covers, doubled, exposures, over_sold, while_up
from domain.records import NS_PER_S
from engine.orders.delivery.points import Point
from exchange.record import RequestRecord


@pytest.fixture
async def house(tmp_path):
    async with open_house(model=ScriptedModel(), folder=tmp_path, history_minutes=1) as made:
        yield made


def posted(house, name, status=200):
    body = {"client_order_id": name, "symbol": "AAPL"}
    house.exchange.venue.record.add(
        RequestRecord(
            at_ns=1, method="POST", path="/v2/orders", query="", body=body, status=status, faults=()
        )
    )


async def test_one_id_taken_twice_is_doubled(house):
    """A refusal of the second is the venue's own guard, and no breach."""
    posted(house, "ah-1-entry-1")
    posted(house, "ah-1-entry-1", status=422)
    assert doubled(house) == []
    posted(house, "ah-1-entry-1")
    assert doubled(house) == ["ah-1-entry-1 was taken 2 times"]


async def test_two_entries_of_one_decision_are_doubled(house):
    """Exits of one origin may have many attempts; an entry has one."""
    for name in ("ah-2-stop-1", "ah-2-stop-2", "ah-2-entry-1", "ah-2-entry-2"):
        posted(house, name)
    (line,) = doubled(house)
    assert "decision 2 entered as" in line


async def test_a_position_without_a_stop_is_exposed_and_not_covered(house):
    """By the venue's own clock, from the fill until now."""
    venue = house.exchange.venue
    order = {"symbol": "BTC/USD", "side": "buy", "type": "market", "time_in_force": "gtc"}
    venue.submit({**order, "qty": "0.01"})
    assert not covers(house, "BTC/USD")
    now = venue.clock.now_ns() + 3 * NS_PER_S
    (bare,) = exposures(house, now)
    assert (bare.symbol, bare.end_ns) == ("BTC/USD", now)
    assert over_sold(house) == []


@pytest.mark.parametrize(
    ("begin", "end", "running", "restarted"),
    [(0, 2, 2, 0), (4, 9, 1, 0), (4, 15, 1, 3), (6, 15, 0, 3), (13, 15, 2, 0)],
)
def test_down_time_is_counted_apart(begin, end, running, restarted):
    """The bot was down from 5 to 12 s."""
    span = Exposure(symbol="X", begin_ns=begin * NS_PER_S, end_ns=end * NS_PER_S)
    assert while_up(span, [(5 * NS_PER_S, 12 * NS_PER_S)]) == (running, restarted)


def test_every_point_is_drawn_as_often_as_any_other():
    """Also in the short form: each at least once in ten rounds."""
    block = _Block("b", random.Random(1), Tally())
    for rounds in (10, 25):
        points = block._points(rounds)
        assert len(points) == rounds
        assert set(points) == set(STEP)
    assert set(STEP) == set(Point)


def test_a_breach_misses_its_bar_and_is_listed():
    """An honest miss: it stands in the result, and the campaign has not held."""
    tally = Tally(starts_s=[1.0])
    tally.steps.update(list(STEP))
    assert _result(1, tally).is_met
    tally.blame("lost", "seed 1 block 0 round 3", ["ah-1-entry-1 is unknown to us"])
    result = _result(1, tally)
    assert result.breaches == ("seed 1 block 0 round 3: ah-1-entry-1 is unknown to us",)
    assert [bar.measured for bar in result.bars if not bar.is_met] == ["1"]
    assert not result.is_met


@pytest.mark.parametrize(("is_long", "is_safe"), [(True, False), (False, True)])
def test_a_time_passed_by_little_is_met_by_nobody_and_fails_no_short_form(is_long, is_safe):
    """A loaded machine may be late by seconds; to stand bare for ten is no lateness."""
    tally = Tally(starts_s=[1.0])
    tally.steps.update(list(STEP))
    tally.blame_time("seed 1 block 0", "AAPL bare for 1.27 s", is_long=is_long)
    result = _result(1, tally)
    assert not result.is_met
    assert result.is_safe is is_safe


def test_a_missed_bar_alone_is_not_met():
    """No breach was seen, and still the figure is short of its bar."""
    bar = Bar(what="cases", bar="at least 2", measured="1", is_met=False)
    assert not Result(cases=1, bars=(bar,)).is_met
