"""Link entries to the chain in memory, at once: what `domain.ports.Journal` is for a backtest.

A run on event time must not wait for a disk, or its order would depend on the disk. Entries are
linked exactly as the journal does, so the chain's last hash is a digest of everything that
happened. Whoever keeps them (`JournalFile`) has them sealed and writes them behind the run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence

from domain.orders import Order
from domain.ports import Clock, Entry, EntryKind
from domain.records import parse
from journal.chain import Head, Line, Sealed, follow, link, seal, written
from journal.reads.approvals import Asked

Keep = Callable[[Sealed], None]
Hear = Callable[[Entry], None]

MOST_ORDERS = 4_000


def unheard(_entry: Entry) -> None:
    """Hear nothing."""


class InlineJournal:
    """Append to a chain that lives in memory.

    `keep` takes every sealed entry (none: only the chain's end is kept), `hear` every entry as it
    was handed over, in order.
    """

    def __init__(self, clock: Clock, *, keep: Keep | None = None, hear: Hear = unheard) -> None:
        self._clock = clock
        self._keep = keep
        self._hear = hear
        self._head = Head()
        self.reader = InlineReads()

    @property
    def is_up(self) -> bool:
        """Tell that it takes entries: memory always does."""
        return True

    @property
    def seq(self) -> int:
        """Return the last entry's number."""
        return self._head.seq

    @property
    def digest(self) -> str:
        """Return the chain's last hash, in hexadecimal: it names everything that was appended."""
        return self._head.hash.hex()

    async def append(self, *entries: Entry) -> int:
        """Link entries; returns the last one's number.

        Raises `InvariantBroken` for a wrong one where entries are kept: only there they are read.
        """
        return self._link(entries)

    def trace(self, *entries: Entry) -> None:
        """Link entries."""
        self._link(entries)

    def spool(self, *entries: Entry) -> None:
        """Link entries: nothing here can be down."""
        self._link(entries)

    async def close_approval(
        self, decision_id: str, status: str, *, actor: str, reason: str = ""
    ) -> bool:
        """Close nothing: no person waits in a backtest, so none was pending."""
        del decision_id, status, actor, reason
        return False

    def _link(self, entries: Sequence[Entry]) -> int:
        now = self._clock.now_ns()
        for entry in entries:
            if self._keep is None:
                line = Line(self._head.seq + 1, now, entry.kind, entry.ref, written(entry)[0])
                self._head = follow(self._head, line)
            else:
                sealed = seal(entry, now)
                self._head = link(self._head, sealed)
                self._keep(sealed)
            self._hear(entry)
            if entry.kind is EntryKind.ORDER_EVENT:
                self.reader.orders.take(entry)
        return self._head.seq


class InlineReads:
    """What the engine reads of a journal while it runs."""

    def __init__(self) -> None:
        self.orders = InlineOrders()
        self.approvals = NoApprovals()
        self.decisions = None


class InlineOrders:
    """The orders as they were last journaled, by our own id; the oldest are forgotten.

    Whoever asks has lost an order that works at the venue, and holds those that work himself.
    """

    def __init__(self, most: int = MOST_ORDERS) -> None:
        self._bodies: OrderedDict[str, object] = OrderedDict()
        self._most = most

    def take(self, entry: Entry) -> None:
        """Keep what an order event says of its order."""
        self._bodies[entry.ref] = entry.body["order"]
        self._bodies.move_to_end(entry.ref)
        if len(self._bodies) > self._most:
            self._bodies.popitem(last=False)

    async def find(self, client_order_id: str) -> Order | None:
        """Return an order by our own id."""
        body = self._bodies.get(client_order_id)
        return None if body is None else parse(body, Order)


class NoApprovals:
    """The approvals of a run in which no person is asked."""

    async def pending(self) -> list[Asked]:
        """Return none."""
        return []

    async def unfinished(self) -> list[Asked]:
        """Return none."""
        return []
