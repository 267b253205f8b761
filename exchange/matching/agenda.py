"""What will happen at a known venue time: openings, closings, expiries, delayed arrivals."""

import heapq
from collections.abc import Callable
from itertools import count

NEVER = 1 << 62
Deed = Callable[[], None]


class Agenda:
    """Hold deeds by their time; `next_ns` is read on every tick, so it is a plain attribute.

    At one instant deeds go by rank, then as they were entered: the closing auction (0) comes
    before expiries (1), both before the account's photograph of the close (2).
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Deed]] = []
        self._seq = count()
        self.next_ns = NEVER

    def at(self, ns: int, deed: Deed, *, rank: int = 1) -> None:
        """Enter a deed. One that has become pointless must find that out itself."""
        heapq.heappush(self._heap, (ns, rank, next(self._seq), deed))
        self.next_ns = self._heap[0][0]

    def pop(self, now_ns: int) -> tuple[int, Deed] | None:
        """Take the next deed due by `now_ns`, with the time it was entered for."""
        if self.next_ns > now_ns:
            return None
        ns, _, _, deed = heapq.heappop(self._heap)
        self.next_ns = self._heap[0][0] if self._heap else NEVER
        return ns, deed
