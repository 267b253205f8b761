"""Take over what the venue's list of working orders says, of our orders and of others'."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from domain.errors import JournalError
from domain.orders import Order, OrderReport
from engine.orders.book import OrderBook
from engine.orders.delivery.missing import Missing
from engine.orders.family import ours_from
from engine.orders.ownership import Finding

log = structlog.get_logger(__name__)

OUR_PREFIX = "ah-"


class Takeover:
    """Hear every report, take up orders of ours that memory has lost, and keep others' apart.

    `recall` reads an order of ours from the journal by client order id.
    """

    def __init__(
        self,
        book: OrderBook,
        missing: Missing,
        *,
        is_managed: Callable[[str], bool],
        recall: Callable[[str], Awaitable[Order | None]],
    ) -> None:
        self._book = book
        self._missing = missing
        self._is_managed = is_managed
        self._recall = recall
        self.foreign: tuple[OrderReport, ...] = ()

    async def take(
        self, reports: Sequence[OrderReport], before: Sequence[Order]
    ) -> list[Finding] | None:
        """Take over what the venue says of our orders; none when a needed answer failed.

        `before` is what worked before the list was asked for.
        """
        findings: list[Finding] = []
        foreign = []
        for report in sorted(reports, key=lambda each: each.ts_submitted or ""):
            if self._book.knows(report):
                self._book.hear(report)
            elif self._is_named_ours(report):
                findings.append(await self._adopt(report))
            else:
                foreign.append(report)
        self.foreign = tuple(foreign)
        shown = {each.venue_order_id for report in reports for each in (report, *report.legs)}
        judged = await self._missing.judge(before, shown)
        return None if judged is None else findings + judged

    def _is_named_ours(self, report: OrderReport) -> bool:
        """Tell an order of this bot: another one on the account may use the same names.

        Outside the managed symbols nothing is ours to touch, whatever it is called.
        """
        symbol = self._book.ledger.spelled(report.symbol)
        return report.client_order_id.startswith(OUR_PREFIX) and self._is_managed(symbol)

    async def _adopt(self, report: OrderReport) -> Finding:
        """Take up an order of ours that memory has lost: from the journal, else from its name."""
        name = report.client_order_id
        order = await self._recalled(name)
        self._book.restore([order or ours_from(report)])
        self._book.hear(report)
        where = "the journal" if order is not None else "the venue alone"
        return Finding(
            code="ORDER_ADOPTED",
            symbol=report.symbol,
            message=f"{name} was working and not in memory; it was known to {where}.",
            is_settled=True,
            client_order_id=name,
        )

    async def _recalled(self, name: str) -> Order | None:
        try:
            return await self._recall(name)
        except JournalError as error:
            log.warning("order_not_recalled", order=name, error=str(error))
            return None
