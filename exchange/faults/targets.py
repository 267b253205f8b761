"""Tell what a request, an order event or a market message is about, so that faults can be aimed."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any
from urllib.parse import parse_qs, unquote

from exchange.faults.fault import Target
from exchange.faults.seam import Request

ORDERS = "/v2/orders"
BY_CLIENT_ID = "/v2/orders:by_client_order_id"
POSITIONS = "/v2/positions"
_REMEMBERED = 20_000


class Targets:
    """Remember the newest orders, by both their ids, since a cancel names nothing but an id."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, Target] = OrderedDict()

    def of_event(self, event: dict[str, Any]) -> Target:
        """Return what an order event is about, and remember its order."""
        order = event["order"]
        target = of_order(order)
        for name in (order["id"], order["client_order_id"]):
            self._known[name] = target
            self._known.move_to_end(name)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return Target(event=event["event"], leg=target.leg, side=target.side, symbol=target.symbol)

    def of_request(self, request: Request) -> Target:
        """Return what a request is about, as far as it says or its order is known."""
        about = self._about(request)
        return Target(
            method=request.method,
            path=request.path,
            leg=about.leg,
            side=about.side,
            symbol=about.symbol,
        )

    def _about(self, request: Request) -> Target:
        path, nothing = request.path, Target()
        if path == BY_CLIENT_ID:
            return self._known.get(asked(request, "client_order_id"), nothing)
        if path == ORDERS and isinstance(request.body, dict):
            return of_order(request.body)
        if path.startswith(f"{ORDERS}/"):
            return self._known.get(path.removeprefix(f"{ORDERS}/"), nothing)
        if path.startswith(f"{POSITIONS}/"):
            return Target(symbol=unquote(path.removeprefix(f"{POSITIONS}/")))
        return Target(symbol=asked(request, "symbols"))


def of_order(fields: dict[str, Any]) -> Target:
    """Return what an order is about, or the request to enter one."""
    names = (fields.get("client_order_id"), fields.get("group_role"))
    return Target(
        leg="-".join(str(name) for name in names if name),
        side=str(fields.get("side") or ""),
        symbol=str(fields.get("symbol") or ""),
    )


def asked(request: Request, name: str) -> str:
    """Return a parameter of the query, empty when absent or given twice."""
    values = parse_qs(request.query).get(name, [])
    return values[0] if len(values) == 1 else ""
