"""Space out what may be tried again: the budget of requests is the exits' too."""

from __future__ import annotations

from domain.ports import Clock
from domain.records import NS_PER_S


class Pace:
    """A pause after each try, doubling from `first_s` to `longest_s` until it is reset."""

    def __init__(self, clock: Clock, first_s: float, longest_s: float) -> None:
        self._clock = clock
        self._first_s = first_s
        self._longest_s = longest_s
        self._tries = 0
        self._due_ns = 0

    @property
    def left_s(self) -> float:
        """Return how long to wait, not above zero when the time has come."""
        return (self._due_ns - self._clock.monotonic_ns()) / NS_PER_S

    @property
    def is_due(self) -> bool:
        """Tell whether the next try may go."""
        return self.left_s <= 0

    def back_off(self) -> None:
        """Wait before the next try, longer each time."""
        pause_s = min(self._first_s * 2**self._tries, self._longest_s)
        self._tries = min(self._tries + 1, 32)
        self._due_ns = self._clock.monotonic_ns() + int(pause_s * NS_PER_S)

    def hold(self) -> None:
        """Wait the first pause before the next try."""
        self._tries = 0
        self.back_off()

    def reset(self) -> None:
        """Let the next pause be the first again."""
        self._tries = 0
