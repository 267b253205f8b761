"""Run the cells on a few stands, one cell after the other on each, and print how each ended."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from api.proving.campaign import Bar, Result, Scale, Table, Tell
from api.proving.faults.cells import Cell, all_cells, some_cells
from api.proving.faults.judge import End, Judge
from api.proving.faults.stand import Stand, standing
from api.proving.faults.steps import Step
from api.proving.house import ScriptedModel, serving
from exchange.faults import FaultKind

LANES = {True: 5, False: 3}
"""How many cells run beside each other; most of a cell is waiting."""
CELLS_A_STAND = 30
FAULT_S = 1.2
SETTLE_S = 60.0
LEAST_STAGED = 0.95
_STABLE = 3
_POLL_S = 0.12


class FaultsCampaign:
    """Every fault of the plan at every step of an order's life."""

    name = "faults"
    title = "Every fault at every step of an order's life"

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Run the product of faults and steps, or a drawn part of it, every kind and step in it."""
        cells = (some_cells if scale.is_short else all_cells)(scale.seed)
        tally = Tally(scale.seed)

        def finished() -> None:
            tell(len(tally.ends), len(cells))

        batches, one_at_a_time = _batches(cells), asyncio.Lock()

        async def lane() -> None:
            for batch in batches:
                await _run(batch, tally, finished, one_at_a_time)

        tell(0, len(cells))
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES[scale.is_short]):
                group.create_task(lane())
        return tally.result(cells)


class Tally:
    """How the cells ended, and what was broken."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.ends: dict[Cell, End] = {}
        self.breaches: list[str] = []
        self.slow: list[str] = []
        self.slowest: tuple[float, str] = (0.0, "")
        self.barest: tuple[float, str] = (0.0, "")
        self.barest_seen: tuple[float, str] = (0.0, "")

    def measure(self, cell: Cell, judge: Judge) -> None:
        """Keep the longest times without a stop."""
        self.barest = max(self.barest, (judge.longest_s, cell.name))
        self.barest_seen = max(self.barest_seen, (judge.longest_seen_s, cell.name))

    def add(
        self, cell: Cell, end: End, lines: list[str], took_s: float, slow: Sequence[str] = ()
    ) -> None:
        """Keep a cell's end; each line becomes a breach that says how to see it again."""
        self.ends[cell] = end
        self.slowest = max(self.slowest, (took_s, cell.name))
        self.breaches += [f"seed {self._seed}, {cell.name}: {line}" for line in lines]
        self.slow += [f"seed {self._seed}, {cell.name}: {line}" for line in slow]

    def result(self, cells: list[Cell]) -> Result:
        """Return the figures; a cell that has not run is a breach too."""
        missing = [cell.name for cell in cells if cell not in self.ends]
        ends = list(self.ends.values())
        unsettled, staged = ends.count(End.UNSETTLED), len(ends) - ends.count(End.NOT_STAGED)
        return Result(
            cases=len(self.ends),
            breaches=(*self.breaches, *(f"{name} did not run" for name in missing)),
            slow=tuple(self.slow),
            bars=(
                Bar(
                    what="cells run",
                    bar=str(len(cells)),
                    measured=str(len(self.ends)),
                    is_met=not missing,
                ),
                Bar(
                    what="cells whose fault could strike at its step",
                    bar=f"at least {LEAST_STAGED:.0%}",
                    measured=f"{staged}",
                    is_met=staged >= LEAST_STAGED * len(ends),
                ),
                Bar(
                    what="cells that end in a named state",
                    bar="all",
                    measured=f"{len(self.ends) - unsettled}",
                    is_met=not unsettled,
                ),
            ),
            tables=(self._table(), self._counts()),
        )

    def _table(self) -> Table:
        found = {(cell.kind, cell.step): end for cell, end in self.ends.items()}
        kinds = [kind for kind in FaultKind if any(key[0] is kind for key in found)]
        rows = tuple(
            (kind.value, *(str(found.get((kind, step), "")) for step in Step)) for kind in kinds
        )
        return Table(
            title="How each cell ended", columns=("Fault", *(s.value for s in Step)), rows=rows
        )

    def _counts(self) -> Table:
        counts = [(end.value, str(list(self.ends.values()).count(end))) for end in End]
        longest = {
            "slowest cell": self.slowest,
            "longest without a stop": self.barest,
            "longest without a stop, since it could be seen": self.barest_seen,
        }
        figures = [(what, f"{took_s:.2f} s: {name}") for what, (took_s, name) in longest.items()]
        return Table(title="Ends", columns=("End", "Cells"), rows=(*counts, *figures))


def _batches(cells: list[Cell]) -> Iterator[tuple[list[Cell], bool]]:
    """Yield what one stand runs: cells in order, those of partial fills on stands of their own."""
    for is_partial in (False, True):
        part = [cell for cell in cells if (cell.step is Step.PARTLY_FILLED) is is_partial]
        for at in range(0, len(part), CELLS_A_STAND):
            yield part[at : at + CELLS_A_STAND], is_partial


async def _run(
    batch: tuple[list[Cell], bool],
    tally: Tally,
    finished: Callable[[], None],
    one_at_a_time: asyncio.Lock,
) -> None:
    """Run a batch; a stand that does not come back, or dies, is replaced by a fresh one."""
    left, is_partial = list(batch[0]), batch[1]
    while left:
        try:
            async with AsyncExitStack() as stack:
                fresh = _stand(seed=len(left), is_partial=is_partial)
                async with one_at_a_time:
                    stand = await stack.enter_async_context(fresh)
                while left and await _cell(stand, left[0], tally):
                    left.pop(0)
                    finished()
        except* (RuntimeError, LookupError, TypeError, ValueError, OSError) as escaped:
            tally.add(left[0], End.UNSETTLED, [f"escaped: {escaped.exceptions[0]!r}"], 0.0)
        if left and left[0] in tally.ends:
            left.pop(0)
            finished()


@asynccontextmanager
async def _stand(*, seed: int, is_partial: bool) -> AsyncIterator[Stand]:
    model = ScriptedModel()
    with tempfile.TemporaryDirectory(prefix="autohedge-faults-") as folder:
        async with (
            serving(model),
            standing(model, Path(folder), seed=seed, is_partial=is_partial) as stand,
        ):
            yield stand


async def _cell(stand: Stand, cell: Cell, tally: Tally) -> bool:
    """Run one cell; return whether the stand can be used again."""
    began_s, lines, slow = time.monotonic(), list[str](), list[str]()
    judge, end = Judge(stand, cell), End.UNSETTLED
    try:
        await stand.drive(cell)
        await stand.faults_over(FAULT_S)
        end = await _settled(judge)
    except (AssertionError, TimeoutError) as error:
        end = End.NOT_STAGED
        slow.append(f"the step never came: {error} {await judge.decided()}")
    if end is End.UNSETTLED:
        lines += ["it did not settle", *await judge.lost()]
    lines += judge.breaches()
    tally.measure(cell, judge)
    try:
        is_usable = await stand.tidy()
    except AssertionError:
        is_usable = False
    tally.add(cell, end, lines, time.monotonic() - began_s, [*slow, *judge.slow])
    return is_usable


async def _settled(judge: Judge) -> End:
    """Return the end once it has been the same for a while, or unsettled at the deadline."""
    seen = [End.UNSETTLED]
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        end = await judge.end()
        seen = [*seen, end] if end is seen[-1] else [end]
        if end is not End.UNSETTLED and len(seen) > _STABLE:
            return end
        await asyncio.sleep(_POLL_S)
    return End.UNSETTLED
