"""Name what approvals need of the desk and of the journal, and how long they last."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from domain.decisions import Decision
from domain.ports import Entry
from domain.records import Record
from graph.approval.node import Word


class ApprovalConfig(Record, frozen=True):
    """How long an order waits, and how long an approved one may be sent; seconds of event time."""

    ttl_s: float = 300.0
    decision_max_age_s: float = 60.0


class WaitingDesk(Protocol):
    """The desk's side of it (`graph.desk.Desk`)."""

    @property
    def has_approvals(self) -> bool:
        """Tell whether a person has the last word on anything."""
        ...

    async def waits(self, decision: Decision) -> bool:
        """Tell whether the run of a decision waits with the order that was journaled."""
        ...

    async def conclude(self, decision: Decision, word: Word) -> Decision:
        """End a run that waited; raises `JournalError`."""
        ...

    async def forget(self, decision: Decision) -> None:
        """Delete the waiting run of a decision; raises `JournalError`."""
        ...

    async def keep_only(self, decisions: Collection[Decision]) -> None:
        """Delete every waiting run but these; raises `JournalError`."""
        ...


class ApprovalJournal(Protocol):
    """The journal's side of it (`journal.sql.SqlJournal`)."""

    async def append(self, *entries: Entry) -> int:
        """Write and wait for the commit; raises `JournalError`."""
        ...

    async def close_approval(
        self, decision_id: str, status: str, *, actor: str, reason: str = ""
    ) -> bool:
        """Move an approval from pending to `status`; false when someone else was first."""
        ...
