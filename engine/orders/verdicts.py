"""Tell what a look found: journal, watchers and operator, and the trading state when it stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from domain.errors import BrokerError, JournalError
from domain.ports import Clock, Entry, EntryKind, Journal
from domain.records import NS_PER_S, plain
from engine.orders.accounts import CASH_DIFFERS, POSITION_DIFFERS, Mark
from engine.orders.looks import ALWAYS_WRITTEN, Reconciliation
from engine.orders.ownership import Finding

log = structlog.get_logger(__name__)

HALTING = frozenset({CASH_DIFFERS, POSITION_DIFFERS})
"""Differences that no order's own story will settle: when they stay, trading halts."""

Alert = Callable[[str, str, str], None]
Halt = Callable[[str, str], None]
Publish = Callable[[str, dict[str, object]], None]


class Verdicts:
    """Say each thing once, on its edge, and have trading halted for what stays."""

    def __init__(  # noqa: PLR0913 - whom to tell, each named
        self,
        journal: Journal,
        clock: Clock,
        *,
        publish: Publish,
        alert: Alert,
        halt: Halt,
        halt_after_s: float,
        mark: Mark | None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._publish = publish
        self._alert = alert
        self._halt = halt
        self._halt_after_ns = int(halt_after_s * NS_PER_S)
        self._mark = mark
        self._told: frozenset[tuple[str, str]] = frozenset()
        self._since_ns: dict[tuple[str, str], int] = {}
        self._last: Reconciliation | None = None
        self._is_answered = True

    async def tell(
        self, result: Reconciliation, *, mark: Mark | None, reducing: Sequence[str]
    ) -> None:
        """Journal and publish; a difference is told to the operator once, not at every look."""
        if result.is_conclusive:
            self._halt_for(result.differences)
        told = frozenset((each.code, each.symbol) for each in result.differences)
        for finding in result.differences:
            if (finding.code, finding.symbol) not in self._told:
                self._alert(finding.code, finding.message, finding.symbol)
        self._told = told if result.is_conclusive else self._told
        body = {
            **plain(result),
            "reducing": list(reducing),
            "mark": None if mark is None else plain(mark),
        }
        self._publish("reconciled", body)
        last, self._last = self._last, result
        is_news = last is None or (last.clean, last.differences) != (
            result.clean,
            result.differences,
        )
        if not is_news and result.trigger not in ALWAYS_WRITTEN and mark == self._mark:
            return
        with suppress(JournalError):
            ref = result.trigger.value
            await self._journal.append(Entry(kind=EntryKind.RECONCILIATION, ref=ref, body=body))
            self._mark = mark

    def answered(self, error: BrokerError | None) -> None:
        """Say once that the venue stopped answering, and once that it answers again."""
        is_answered = error is None
        if is_answered == self._is_answered:
            return
        self._is_answered = is_answered
        if error is None:
            log.info("reconciliation_answered_again")
        else:
            log.warning("reconciliation_question_failed", code=error.code, error=error.line)

    def _halt_for(self, findings: Sequence[Finding]) -> None:
        """Have trading halted for what has stayed too long for any lag of the venue's."""
        now_ns = self._clock.monotonic_ns()
        staying = {
            (each.code, each.symbol): each
            for each in findings
            if each.code in HALTING and not each.is_settled
        }
        self._since_ns = {key: self._since_ns.get(key, now_ns) for key in staying}
        for key, finding in staying.items():
            if now_ns - self._since_ns[key] >= self._halt_after_ns:
                self._halt(finding.code, finding.message)
