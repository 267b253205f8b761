"""Give the verdict on an order and, in the same step, reserve what it needs."""

from __future__ import annotations

import msgspec

from domain.account import AccountView, Ledger
from domain.decisions import Check
from domain.limits import Code, Limits
from domain.orders import OrderRequest
from domain.records import Record, format_ns
from domain.risk.checks import run
from domain.risk.facts import Facts
from domain.risk.inputs import LATEST_NS

_SEAL = object()


class AuthorizedOrder(Record, frozen=True):
    """An order that every limit let through; only `authorize` below makes one.

    A broker's `submit` takes nothing else, so an unchecked order cannot be sent. `seal` is checked
    at construction, and no other module holds its value. `checks` are the rows that let the order
    through, for the journal.
    """

    request: OrderRequest
    authorized_at: str
    seal: object
    checks: tuple[Check, ...] = ()

    def __post_init__(self) -> None:
        """Refuse construction anywhere else."""
        if self.seal is not _SEAL:
            raise TypeError("an AuthorizedOrder is made by domain.risk.authorize alone")


class Denied(Record, frozen=True):
    """Our own no: the first code that failed, what was found, the limit, and all checks made."""

    code: Code
    value: str
    limit: str
    checks: tuple[Check, ...] = ()


def preview(request: OrderRequest, facts: Facts, limits: Limits) -> tuple[Check, ...]:
    """Hold an order against every limit that binds its purpose; passed or not, none is left out."""
    return run(request, facts, limits)


def authorize(
    request: OrderRequest, facts: Facts, limits: Limits, ledger: Ledger
) -> AuthorizedOrder | Denied:
    """Authorize an order and reserve it, or deny it with a code; never resizes.

    The account is read from the ledger here and not from `facts`, so that no await can lie between
    reading it and reserving in it (law 9). Only the gateway calls this (law 1).
    """
    now_ns = facts.now_ns
    if not isinstance(now_ns, int) or not 0 <= now_ns < LATEST_NS:
        now_ns = 0
    view = _view(request, now_ns, ledger)
    checks = preview(request, msgspec.structs.replace(facts, account=view), limits)
    for check in checks:
        if not check.passed:
            return Denied(
                code=Code(check.code), value=check.value, limit=check.limit, checks=checks
            )
    ledger.reserve(request)
    return AuthorizedOrder(
        request=request, authorized_at=format_ns(now_ns), seal=_SEAL, checks=checks
    )


def _view(request: OrderRequest, now_ns: int, ledger: Ledger) -> AccountView:
    """Read the ledger; one that cannot be read is one of which nothing is known."""
    name = request.client_order_id
    try:
        return ledger.snapshot(request.symbol, now_ns=now_ns, client_order_id=name)
    except (ArithmeticError, AttributeError, TypeError, ValueError):
        return AccountView()
