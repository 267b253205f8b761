"""Hold the faults that are armed: who strikes now is decided here, by count or by seeded chance."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from exchange.faults.fault import Fault, Target
from exchange.faults.kinds import FaultKind, Seam

_STRIKES_KEPT = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One time that a fault struck: when (venue time), which (`number` of the plan), and what."""

    at_ns: int
    number: int
    kind: FaultKind
    target: str


class Armed:
    """One fault of a plan, with its own dice: what others strike never changes its luck."""

    def __init__(self, fault: Fault, *, number: int, seed: int) -> None:
        self.fault = fault
        self.number = number
        self.matched = 0
        self.struck = 0
        self._dice = random.Random(f"{seed}:{number}")  # noqa: S311 -- reproducible on purpose
        # A view's symbol chooses inside the answer, not among requests.
        self._where = (
            msgspec.structs.replace(fault.where, symbol=None)
            if Seam.VIEW in fault.kind.seams
            else fault.where
        )

    def fits(self, target: Target) -> bool:
        """Tell whether it is aimed at this; its kind's scope bounds requests alone."""
        where = self.fault.where
        if target.method:
            method, path = self.fault.kind.scope
            if not (fnmatchcase(target.method, method) and fnmatchcase(target.path, path)):
                return False
            where = self._where
        return where.fits(target)

    def rolls(self) -> bool:
        """Count one match and tell whether it strikes."""
        fault = self.fault
        self.matched += 1
        if fault.times is not None and self.struck >= fault.times:
            return False
        is_hit = (
            self.matched >= fault.nth
            if fault.chance is None
            else self._dice.random() < fault.chance
        )
        self.struck += is_hit
        return is_hit


class Arsenal:
    """The armed faults by where they strike, and their newest strikes, oldest dropped first."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.strikes: deque[Strike] = deque(maxlen=_STRIKES_KEPT)
        self.dropped = 0
        self._added = 0
        self._by_seam: dict[Seam, list[Armed]] = {seam: [] for seam in Seam}

    def __iter__(self) -> Iterator[Armed]:
        found = {armed.number: armed for seam in self._by_seam.values() for armed in seam}
        return iter(sorted(found.values(), key=lambda armed: armed.number))

    def add(self, faults: Iterable[Fault]) -> list[int]:
        """Arm faults; return their numbers, counted since the start and never used again."""
        numbers = []
        for fault in faults:
            self._added += 1
            armed = Armed(fault, number=self._added, seed=self.seed)
            for seam in fault.kind.seams:
                self._by_seam[seam].append(armed)
            numbers.append(armed.number)
        return numbers

    def remove(self, number: int | None) -> int:
        """Disarm one fault, or all; return how many there were."""
        gone = {armed.number for armed in self if number in (None, armed.number)}
        for seam, kept in self._by_seam.items():
            self._by_seam[seam] = [armed for armed in kept if armed.number not in gone]
        return len(gone)

    def at(self, seam: Seam) -> list[Armed]:
        """Return the faults that strike there, oldest first."""
        return self._by_seam[seam]

    def hits(self, seam: Seam, target: Target, *, at_ns: int) -> Iterator[Fault]:
        """Yield each fault that strikes the target now."""
        for armed in self._by_seam[seam]:
            if armed.fits(target) and self.strikes_now(armed, target, at_ns=at_ns):
                yield armed.fault

    def strikes_now(self, armed: Armed, target: Target, *, at_ns: int) -> bool:
        """Roll for a target that fits, and write it down when it strikes."""
        if not armed.rolls():
            return False
        self.dropped += len(self.strikes) == self.strikes.maxlen
        self.strikes.append(
            Strike(at_ns=at_ns, number=armed.number, kind=armed.fault.kind, target=str(target))
        )
        return True
