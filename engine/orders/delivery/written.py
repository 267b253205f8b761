"""Write an order down before it leaves: nothing is sent that a restart would not know of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from domain.errors import JournalError
from domain.orders import OrderRequest, Purpose
from domain.ports import Entry, EntryKind
from domain.records import plain
from domain.risk import BINDS, AuthorizedOrder, Code, Denied
from engine.orders.delivery.seams import GatewaySeams

log = structlog.get_logger(__name__)

_EXEMPT = frozenset({Purpose.PROTECT, Purpose.FLATTEN})
"""Purposes that go on when the journal is down (law 1)."""

_HELD_BY_RESERVATION = frozenset(
    {
        Code.DUPLICATE_ORDER,
        Code.POSITION_LIMIT_EXCEEDED,
        Code.EXPOSURE_LIMIT_EXCEEDED,
        Code.BUYING_POWER_EXCEEDED,
        Code.OPEN_ORDERS_LIMIT,
        Code.ORDER_RATE_EXCEEDED,
    }
)
"""What an order's own reservation would now fail: these were met when it was made."""


class WriteAhead:
    """Commit verdict and intent; protection waits `patience_s` at most, then takes the spool."""

    def __init__(self, seams: GatewaySeams, patience_s: float) -> None:
        self._journal = seams.journal
        self._spool = seams.spool
        self._patience_s = patience_s

    async def write(self, authorized: AuthorizedOrder) -> None:
        """Return when it is on disk; raises `JournalError` for what may not go unwritten."""
        request = authorized.request
        intent = Entry(
            kind=EntryKind.INTENT,
            ref=request.client_order_id,
            body={"request": plain(request)},
        )
        entries = (gate_entry(request, authorized), intent)
        if request.purpose not in _EXEMPT:
            await self._journal.append(*entries)
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await self._journal.append(*entries)
        except (JournalError, TimeoutError):
            await self._keep_beside(entries)

    async def _keep_beside(self, entries: Sequence[Entry]) -> None:
        """Take the spool. If even that fails it goes unwritten: a bare position is worse."""
        if self._spool is None:
            log.critical("protection_sent_unwritten", ref=entries[-1].ref, error="no spool")
            return
        try:
            async with asyncio.timeout(self._patience_s):
                await asyncio.to_thread(self._spool, *entries)
        except (JournalError, TimeoutError) as error:
            log.critical("protection_sent_unwritten", ref=entries[-1].ref, error=str(error))


def asked_again(purpose: Purpose) -> frozenset[Code]:
    """Return the codes that must still hold when an order leaves later than its verdict."""
    return BINDS[purpose] - _HELD_BY_RESERVATION


def gate_entry(request: OrderRequest, verdict: AuthorizedOrder | Denied) -> Entry:
    """Write a verdict down with every check it rests on."""
    body = {
        "client_order_id": request.client_order_id,
        "decision_id": request.decision_id,
        "purpose": request.purpose.value,
        "authorized": isinstance(verdict, AuthorizedOrder),
        "code": verdict.code.value if isinstance(verdict, Denied) else None,
        "checks": plain(list(verdict.checks)),
    }
    return Entry(kind=EntryKind.GATE, ref=request.client_order_id, body=body)


def denied_body(request: OrderRequest, denied: Denied) -> dict[str, str]:
    """Say to watchers what was denied and why."""
    return {
        "client_order_id": request.client_order_id,
        "decision_id": request.decision_id,
        "symbol": request.symbol,
        "purpose": request.purpose.value,
        "code": denied.code.value,
        "value": denied.value,
        "limit": denied.limit,
    }
