"""Every control can be switched off, and a report then says so and passes nothing."""

import pytest

from backtest.controls.switches import NAMES, Controls, found, switched_off


def test_there_are_eleven_and_all_are_on():
    assert list(NAMES) == [f"C{n}" for n in range(1, 12)]
    assert all(Controls().is_on(code) for code in NAMES)


@pytest.mark.parametrize("n", range(11))
def test_each_switch_turns_its_own_control_off(n):
    name = Controls.__struct_fields__[n]
    controls = Controls(**{name: False})
    assert [code for code in NAMES if not controls.is_on(code)] == [f"C{n + 1}"]


def test_what_is_off_passes_nothing():
    assert switched_off("C8").passed is None
    assert switched_off("C8").name == "selection"


def test_a_result_bears_the_controls_name_and_its_figures():
    result = found("C5", "a line", passed=True, paid_usd=3.0)
    assert (result.name, result.figures) == ("costs", {"paid_usd": 3.0})
