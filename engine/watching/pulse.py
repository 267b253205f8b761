"""Remember how the agents' last answers went: how many, how long, which errors."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from domain.decisions import Call, Role
from engine.figures import RoleVital, latency_of

KEPT = 256
"""How many durations are kept a role."""


class Pulse:
    """Count the questions of each role and keep the last durations; constant time a call."""

    def __init__(self) -> None:
        self._calls: Counter[Role] = Counter()
        self._errors: dict[Role, Counter[str]] = {role: Counter() for role in Role}
        self._took_s: dict[Role, deque[float]] = {role: deque(maxlen=KEPT) for role in Role}

    def heard(self, calls: Iterable[Call]) -> None:
        """Take the calls of one decision."""
        for call in calls:
            self._calls[call.role] += 1
            self._took_s[call.role].append(call.latency_ms / 1000)
            if call.error is not None:
                self._errors[call.role][call.error] += 1

    def roles(self) -> tuple[RoleVital, ...]:
        """Return every role as it stands, in the order in which they speak."""
        return tuple(
            RoleVital(
                role=role,
                calls=self._calls[role],
                errors=dict(self._errors[role]),
                latency=latency_of(self._took_s[role]),
            )
            for role in Role
        )
