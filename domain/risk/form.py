"""Tell whether an order is an order at all: every term there, of its kind, within reason.

Records are typed, but nothing checks a type when a record is made: what came in wrong is refused
here, with a code, before any limit reads it.
"""

from __future__ import annotations

from domain.orders import Leg, OrderClass, OrderRequest, OrderType, Purpose, Side, TimeInForce
from domain.records import parse_ns
from domain.risk.inputs import need_amount

_KINDS = (
    ("leg", Leg),
    ("side", Side),
    ("order_type", OrderType),
    ("time_in_force", TimeInForce),
    ("order_class", OrderClass),
)
_NAMES = ("symbol", "decision_id", "client_order_id")


def purpose_of(request: OrderRequest) -> Purpose | None:
    """Return what binds the order; none for a leg that is none."""
    return request.purpose if isinstance(request.leg, Leg) else None


def malformed(request: OrderRequest) -> str | None:
    """Name the first term that is missing or of the wrong kind; raises `ValueError` for a number.

    An exit's reference price may be unknown: after a restart the venue's own word is all we have.
    """
    for name, kind in _KINDS:
        if not isinstance(getattr(request, name), kind):
            return f"{name} is {getattr(request, name)!r}"
    for name in _NAMES:
        value = getattr(request, name)
        if not isinstance(value, str) or not value:
            return f"{name} is {value!r}"
    parse_ns(request.valid_until)
    reference = need_amount(request.reference_price, "the reference price")
    if request.purpose is Purpose.ENTRY and reference == 0:
        return "the reference price is 0"
    return None
