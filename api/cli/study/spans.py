"""Read a span of time as a person types it."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.records import NS_PER_S
from journal.reads.report import Span


def span_of(since: datetime | None, until: datetime | None, symbol: str | None) -> Span:
    """Return a span; a time without a zone is UTC."""
    return Span(since_ns=_ns(since) or 0, until_ns=_ns(until), symbol=symbol)


def _ns(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(aware.timestamp()) * NS_PER_S
