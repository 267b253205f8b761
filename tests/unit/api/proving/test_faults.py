"""The cells of faults and steps: none is missing, each is drawn again from its seed, some run."""

from itertools import product

import httpx
import pytest

from api.proving.faults.campaign import FaultsCampaign, Tally, _cell, _stand
from api.proving.faults.cells import Cell, Road, all_cells, faults_of, some_cells
from api.proving.faults.judge import End, Judge
from api.proving.faults.stand import MAX_ORDER_USD
from api.proving.faults.steps import Step
from api.proving.house import until
from exchange.faults import FaultKind


def test_the_cells_are_the_product_of_every_fault_and_every_step():
    cells = [(cell.kind, cell.step) for cell in all_cells(7)]
    assert cells == list(product(FaultKind, Step))


def test_the_short_form_has_every_fault_and_every_step():
    cells = some_cells(7)
    assert {cell.kind for cell in cells} == set(FaultKind)
    assert {cell.step for cell in cells} == set(Step)
    assert set(cells) < set(all_cells(7))


def test_one_seed_draws_the_same_cells():
    assert some_cells(3) == some_cells(3)
    assert some_cells(3) != some_cells(4)


@pytest.mark.parametrize("kind", FaultKind)
def test_every_fault_can_be_armed_for_a_cell_and_ends(kind):
    """A fault without an end would never let a cell settle."""
    faults = faults_of(kind)
    assert kind in {fault.kind for fault in faults}
    assert all(fault.times is not None and fault.lasts_s <= 5 for fault in faults)


def test_a_cell_that_has_not_run_is_a_breach():
    cells = all_cells(7)[:2]
    tally = Tally(7)
    tally.add(cells[0], End.FLAT, [], 1.0)
    result = tally.result(cells)
    assert not result.is_met
    assert result.breaches == (f"{cells[1].name} did not run",)


def test_cells_whose_fault_never_struck_fail_the_short_form_when_they_are_many():
    """One in ninety is a busy machine's; one in two means that nothing was tried."""
    cells = all_cells(7)[:40]
    tally = Tally(7)
    for n, cell in enumerate(cells):
        tally.add(cell, End.FLAT if n else End.NOT_STAGED, [], 1.0, [] if n else ["never came"])
    assert tally.result(cells).is_safe
    assert not tally.result(cells).is_met
    for cell in cells[:20]:
        tally.add(cell, End.NOT_STAGED, [], 1.0, ["never came"])
    assert not tally.result(cells).is_safe


async def test_cells_run_on_a_stand_and_end_in_named_states():
    """An answer lost at the entry, and a fault at the exit: entered once, protected, left."""
    tally = Tally(7)
    cells = {
        Cell(kind=FaultKind.ANSWER_504, step=Step.ENTRY_POSTED, road=Road.WHOLE): End.PROTECTED,
        Cell(kind=FaultKind.EVENT_TWICE, step=Step.EXIT_POSTED, road=Road.PAIR): End.FLAT,
        Cell(kind=FaultKind.REQUEST_RESET, step=Step.WORKING, road=Road.FRACTION): End.FLAT,
    }
    async with _stand(seed=1, is_partial=False) as stand:
        for cell in cells:
            assert await _cell(stand, cell, tally)
    assert tally.breaches == []
    assert tally.ends == cells
    assert FaultsCampaign.name == "faults"


async def test_the_judge_sees_an_intent_entered_twice_and_an_order_past_the_limit():
    """What the campaign is there to find, planted at the venue by somebody with our keys."""
    cell = Cell(kind=FaultKind.PDT_FIELDS, step=Step.FILLED, road=Road.WHOLE)
    async with _stand(seed=2, is_partial=False) as stand:
        judge = Judge(stand, cell)
        await stand.drive(cell)
        await until(lambda: stand.is_protected(cell.road))
        exchange = stand.house.exchange
        (entry,) = [p for p in exchange.venue.record.requests("POST") if p.body["side"] == "buy"]
        assert judge.breaches() == []
        again = {"client_order_id": entry.body["client_order_id"][:-1] + "2", "qty": "200"}
        keys = {"APCA-API-KEY-ID": exchange.key, "APCA-API-SECRET-KEY": exchange.secret}
        async with httpx.AsyncClient(base_url=exchange.rest_url, headers=keys) as http:
            answer = await http.post("/v2/orders", json=entry.body | again)
        assert answer.status_code == 200, answer.text
        doubled, too_big, *_ = judge.breaches()
        assert "entered as" in doubled
        assert f"worth more than {MAX_ORDER_USD} USD" in too_big
