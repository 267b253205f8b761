"""Give every reader of the journal one door: API, command line, restart, replay, audit."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import TracebackType
from typing import Self

import sqlalchemy as sa

from domain.ports import EntryKind
from journal import schema
from journal.audit.database import AuditOptions, audit
from journal.audit.findings import Tell, Verdict, tell_nobody
from journal.database import JournalConfig
from journal.reads.approvals import ApprovalReads
from journal.reads.decisions import DecisionReads
from journal.reads.funnel import FunnelReads
from journal.reads.orders import OrderReads
from journal.reads.queries import MAX_PAGE, Queries, StoredEntry, select_entries, stored
from journal.reads.report import EVERYTHING, Report, ReportReads, Span
from journal.reads.states import StateReads

_ENTRIES = schema.entries


class Reader:
    """Read on connections of its own, also beside a running writer in another process.

    Every method raises `JournalError`, `JournalTooNew` for a schema from a newer version.
    """

    def __init__(self, config: JournalConfig) -> None:
        self._queries = Queries(config)
        self.orders = OrderReads(self._queries)
        self.states = StateReads(self._queries)
        self.decisions = DecisionReads(self._queries, self.orders, self.states)
        self.approvals = ApprovalReads(self._queries)
        self.funnel = FunnelReads(self._queries)
        self._report = ReportReads(self._queries)
        self._config = config

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._queries.close()

    async def last_seq(self) -> int:
        """Return the number of the newest entry, 0 in an empty journal."""
        return await self._queries.scalar(sa.select(sa.func.max(_ENTRIES.c.seq))) or 0

    async def entries_after(
        self, seq: int, *, limit: int = MAX_PAGE, kinds: frozenset[EntryKind] | None = None
    ) -> list[StoredEntry]:
        """Return entries past `seq`, oldest first: how `/events` resumes and exports read."""
        query = select_entries().where(_ENTRIES.c.seq > seq).order_by(_ENTRIES.c.seq).limit(limit)
        if kinds is not None:
            query = query.where(_ENTRIES.c.kind.in_([kind.value for kind in kinds]))
        return [stored(row) for row in await self._queries.all(query)]

    async def report(
        self, span: Span = EVERYTHING, *, marks: Mapping[str, Decimal] | None = None
    ) -> Report:
        """Add a span of time up; `marks` are prices by symbol for what is still held."""
        return await self._report.report(span, marks=marks)

    async def verify_chain(
        self, options: AuditOptions | None = None, tell: Tell = tell_nobody
    ) -> Verdict:
        """Check every entry, content, anchor and row; the verdict names the first bad entry."""
        return await audit(self._config, options, tell)
