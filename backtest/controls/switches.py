"""Switch controls on and off: all are on unless a person says otherwise; a report says which."""

from __future__ import annotations

from backtest.evidence.records import ControlResult
from domain.records import Record

NAMES = {
    "C1": "point in time",
    "C2": "knowledge cut-off",
    "C3": "blind mode",
    "C4": "counterfactuals",
    "C5": "costs",
    "C6": "repeats",
    "C7": "intervals",
    "C8": "selection",
    "C9": "baselines",
    "C10": "ablation",
    "C11": "registration",
}
"""Every control by its code, in the order of a report."""


class Controls(Record, frozen=True):
    """Which controls a run is held to."""

    point_in_time: bool = True
    cutoff: bool = True
    blind: bool = True
    counterfactuals: bool = True
    costs: bool = True
    repeats: bool = True
    intervals: bool = True
    selection: bool = True
    baselines: bool = True
    ablation: bool = True
    registration: bool = True

    def is_on(self, code: str) -> bool:
        """Tell whether the control of a code is on."""
        return bool(getattr(self, self.__struct_fields__[list(NAMES).index(code)]))


def found(
    code: str, line: str, *, passed: bool | None, **figures: float | str | None
) -> ControlResult:
    """Report what a control found, under its name."""
    return ControlResult(code=code, name=NAMES[code], passed=passed, line=line, figures=figures)


def switched_off(code: str) -> ControlResult:
    """Report that a person switched a control off: nothing passed."""
    return found(code, "switched off: what it stops may have happened", passed=None)
