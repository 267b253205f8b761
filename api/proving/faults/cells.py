"""Make the cells: the product of every fault and every step, each with its order's road."""

from __future__ import annotations

import random
from enum import StrEnum
from itertools import product

from api.proving.faults.steps import Step
from domain.records import Record
from exchange.faults import Fault, FaultKind, Seam, Where

STEPS_IN_SHORT = 1
_STREAMS = ("trade_updates", "iex", "crypto/us")


class Road(StrEnum):
    """How an order is protected at the venue; named by the symbol that goes this way."""

    WHOLE = "AAPL"
    """Whole shares: a bracket."""
    FRACTION = "NVR"
    """A fraction of a share: a simple order, then a stop for the day."""
    PAIR = "BTC/USD"
    """A crypto pair: an order that fills at once or not, then a stop limit."""


_ROADS = {
    Step.WORKING: (Road.WHOLE, Road.FRACTION),
    Step.STOP_POSTED: (Road.FRACTION, Road.PAIR),
}


class Cell(Record, frozen=True):
    """One fault at one step."""

    kind: FaultKind
    step: Step
    road: Road

    @property
    def name(self) -> str:
        """Return what a person calls it."""
        return f"{self.kind} at {self.step} ({self.road})"


def all_cells(seed: int) -> list[Cell]:
    """Return the whole product; the road of each cell is drawn among those that have its step."""
    return [
        Cell(kind=kind, step=step, road=_drawn(seed, kind, step))
        for kind, step in product(FaultKind, Step)
    ]


def some_cells(seed: int) -> list[Cell]:
    """Return each kind at some drawn steps, so that every step has its turn too."""
    steps, rng = list(Step), random.Random(seed)  # noqa: S311 - drawn cases, no secret
    rng.shuffle(steps)
    chosen = {
        (kind, steps[(n * STEPS_IN_SHORT + more) % len(steps)])
        for n, kind in enumerate(FaultKind)
        for more in range(STEPS_IN_SHORT)
    }
    return [cell for cell in all_cells(seed) if (cell.kind, cell.step) in chosen]


def faults_of(kind: FaultKind) -> list[Fault]:
    """Return a fault as it strikes a cell: long and often enough to hurt, short enough to end.

    What is refused at a handshake needs a link that comes back, so the links are cut with it.
    """
    seams = set(kind.seams)
    if seams & {Seam.HANDSHAKE, Seam.ACTION}:
        return [
            *(Fault(kind=FaultKind.LINK_ABORTED, where=Where(stream=name)) for name in _STREAMS),
            *(Fault(kind=kind, where=Where(stream=name)) for name in _STREAMS),
        ]
    if Seam.FRAME in seams:
        return [_fault(kind, Where(stream=name)) for name in _STREAMS]
    is_of_orders = seams & {Seam.REQUEST, Seam.ANSWER} and kind.scope == ("*", "*")
    return [_fault(kind, Where(path="/v2/orders*") if is_of_orders else Where())]


_SECONDS = {
    FaultKind.LINK_MUTE: 1.0,
    FaultKind.LINK_FROZEN: 1.0,
    FaultKind.REQUEST_HANGS: 0.7,
    FaultKind.ANSWER_HANGS: 0.7,
    FaultKind.REQUEST_SLOW: 0.5,
    FaultKind.REQUEST_429: 0.5,
    FaultKind.EVENT_LATE: 0.5,
    FaultKind.EVENTS_SWAPPED: 0.5,
    FaultKind.LOOKUP_LATE: 0.7,
    FaultKind.HALT: 0.7,
    FaultKind.CLOCK_SKEW: 5.0,
}
_TIMES = {
    Seam.REQUEST: 2,
    Seam.ANSWER: 2,
    Seam.VIEW: 3,
    Seam.MARKET: 8,
    Seam.EVENT: 2,
}


def _fault(kind: FaultKind, where: Where) -> Fault:
    return Fault(
        kind=kind, where=where, times=_TIMES.get(kind.seams[0], 1), seconds=_SECONDS.get(kind)
    )


def _drawn(seed: int, kind: FaultKind, step: Step) -> Road:
    rng = random.Random(f"{seed}:{kind}:{step}")  # noqa: S311 - drawn cases, no secret
    return rng.choice(_ROADS.get(step, tuple(Road)))
