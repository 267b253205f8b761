"""Change what REST answers and order events say: pure functions of a kind and a body.

Sources: what the paper API was seen to answer (the project's protocol notes, sections 3.2 to 3.7).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from exchange.faults.fault import Fault, compact
from exchange.faults.kinds import FaultKind
from exchange.faults.targets import POSITIONS

UNKNOWN = "under_venue_review"
_PDT = {
    "pattern_day_trader": False,
    "daytrade_count": 0,
    "daytrading_buying_power": "0",
    "bod_dtbp": "0",
}
_QUOTED_IN = ("USDT", "USDC", "USD", "BTC")


class View(NamedTuple):
    """What a request is answered with: its path, status and body."""

    path: str
    status: int
    body: Any


def changed(fault: Fault, view: View) -> View:
    """Return what the fault makes of an answer; the same when it has nothing to change."""
    if view.status >= 400:  # noqa: PLR2004 -- HTTP's first status of an error
        return view
    if fault.kind is FaultKind.POSITION_GONE:
        return _without_position(fault, view)
    body = copy.deepcopy(view.body)
    for record in _records(body):
        if fault.where.symbol is None or compact(fault.where.symbol) == compact(_symbol(record)):
            _CHANGES[fault.kind](record, fault)
    return view._replace(body=body)


def unknown_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an order event in words that nobody knows."""
    return event | {"event": UNKNOWN, "order": event["order"] | {"status": UNKNOWN}}


def respelled_event(event: dict[str, Any]) -> dict[str, Any]:
    """Return an order event whose pair is spelled the other way."""
    order = dict(event["order"])
    _respell(order)
    return event | {"order": order}


def _without_position(fault: Fault, view: View) -> View:
    """Forget a position, or all: left out of the list, a 404 when asked for alone."""
    gone = fault.where.symbol
    if isinstance(view.body, list):
        kept = [p for p in view.body if gone and compact(gone) != compact(_symbol(p))]
        return view._replace(body=kept)
    if view.path == POSITIONS or (gone and compact(gone) != compact(_symbol(view.body))):
        return view
    return View(view.path, 404, {"code": 40410000, "message": "position does not exist"})


def _records(body: Any) -> Iterator[dict[str, Any]]:
    """Yield every object of an answer that stands for something, an order's legs too."""
    for record in body if isinstance(body, list) else [body]:
        if isinstance(record, dict):
            yield record
            yield from _records(record.get("legs") or [])


def _symbol(record: dict[str, Any]) -> str:
    return str(record.get("symbol") or "")


def _respell(record: dict[str, Any], _fault: Fault | None = None) -> None:
    symbol = _symbol(record)
    if record.get("asset_class", record.get("class")) != "crypto":
        return
    if "/" in symbol:
        record["symbol"] = compact(symbol)
        return
    quoted = next((name for name in _QUOTED_IN if symbol.endswith(name)), "")
    if quoted:
        record["symbol"] = f"{symbol.removesuffix(quoted)}/{quoted}"


def _make_unknown(record: dict[str, Any], _fault: Fault) -> None:
    """Put an unknown word where an enumeration stands: a status, else an exchange."""
    name = "exchange" if "exchange" in record else "status"
    if name in record:
        record[name] = UNKNOWN


def _skew(record: dict[str, Any], fault: Fault) -> None:
    if "timestamp" in record:
        told = datetime.fromisoformat(record["timestamp"]) + timedelta(seconds=fault.lasts_s)
        record["timestamp"] = told.isoformat()


def _borrow(record: dict[str, Any], _fault: Fault) -> None:
    record.pop("easy_to_borrow", None)


def _add_pdt(record: dict[str, Any], _fault: Fault) -> None:
    record.update(_PDT | {"daytrading_buying_power": record.get("buying_power", "0")})


def _zero_basis(record: dict[str, Any], _fault: Fault) -> None:
    record.update(avg_entry_price="0", cost_basis="0")


_CHANGES: dict[FaultKind, Callable[[dict[str, Any], Fault], None]] = {
    FaultKind.UNKNOWN_ENUM: _make_unknown,
    FaultKind.NO_EASY_TO_BORROW: _borrow,
    FaultKind.PDT_FIELDS: _add_pdt,
    FaultKind.ZERO_BASIS: _zero_basis,
    FaultKind.SYMBOL_SPELLING: _respell,
    FaultKind.CLOCK_SKEW: _skew,
}
