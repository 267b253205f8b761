"""Ask anew what was true at an order's verdict: it may leave later, or be sent again."""

from __future__ import annotations

import msgspec

from domain.limits import Code
from domain.orders import OrderRequest
from domain.risk import Facts, preview
from engine.orders.delivery.seams import GatewaySeams


class Rechecks:
    """Hold orders that are reserved already against fresh facts."""

    def __init__(self, seams: GatewaySeams) -> None:
        self._seams = seams

    def with_account(self, request: OrderRequest, facts: Facts) -> Facts:
        """Return facts with the account as it stands while the order is reserved."""
        view = self._seams.book.ledger.snapshot(
            request.symbol, now_ns=facts.now_ns or 0, client_order_id=request.client_order_id
        )
        return msgspec.structs.replace(facts, account=view)

    def is_unmoved(self, request: OrderRequest, judged: Facts) -> bool:
        """Tell whether every fact is as it was at the verdict, but for the order's own count."""
        facts = self.with_account(request, self._seams.facts(request))
        return facts == msgspec.structs.replace(judged, orders_last_minute=facts.orders_last_minute)

    def failed(self, request: OrderRequest, codes: frozenset[Code]) -> str | None:
        """Return the first of these codes that fails now, none when all hold."""
        facts = self.with_account(request, self._seams.facts(request))
        checks = preview(request, facts, self._seams.limits())
        found = (check.code for check in checks if not check.passed and Code(check.code) in codes)
        return next(found, None)
