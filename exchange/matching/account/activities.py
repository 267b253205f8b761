"""The account's history: fills as they happen, crypto fees at the end of their day."""

from bisect import bisect_right, insort_right
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from random import Random
from typing import Any

from exchange.errors import bad_input
from exchange.matching.account.ledger import Execution, Fee
from exchange.matching.orders import ZERO, Order, Status, number, timestamp
from exchange.matching.registry import random_id
from exchange.matching.sessions import in_new_york

MAX_PAGE = 100
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What to list of the activities: newest first unless `ascending`, after `page_token`'s entry.

    `after_ns` and `until_ns` are venue nanoseconds, exclusive.
    """

    types: frozenset[str] = frozenset()
    category: str | None = None
    day: str | None = None
    after_ns: int | None = None
    until_ns: int | None = None
    ascending: bool = False
    page_size: int = MAX_PAGE
    page_token: str | None = None
    order_id: str | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    at_ns: int
    day: str
    body: dict[str, Any]


class Activities:
    """Keep the account's activities, oldest first: a bot that runs for long asks for the newest."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"activities:{seed}")  # noqa: S311 -- ids, no secrets
        self._entries: list[_Entry] = []

    def fill(self, order: Order, execution: Execution) -> None:
        """Note one execution, the order already holding it."""
        leaves = order.remaining if order.is_open else ZERO
        self._add(
            execution.at_ns,
            {
                "activity_type": "FILL",
                "transaction_time": timestamp(execution.at_ns),
                "type": "fill" if order.status is Status.FILLED else "partial_fill",
                "price": number(execution.price),
                "qty": number(execution.qty),
                "side": execution.side.value,
                "symbol": execution.listing.symbol,
                "leaves_qty": number(leaves),
                "order_id": order.id,
                "cum_qty": number(order.filled_qty),
                "order_status": order.status.value,
            },
        )

    def fee(self, fee: Fee, now_ns: int) -> None:
        """Post one crypto fee: `CFEE` in coins for a buy, `FEE` in dollars for a sell."""
        execution = fee.execution
        body = {
            "activity_type": "CFEE" if fee.qty else "FEE",
            "date": in_new_york(execution.at_ns).date().isoformat(),
            "net_amount": number(-fee.amount.quantize(_CENT, ROUND_HALF_EVEN)),
            "description": f"Coin Pair Transaction Fee ({'Non USD' if fee.qty else 'USD'})",
            "symbol": execution.listing.compact,
            "status": "executed",
        }
        if fee.qty:
            body |= {"qty": number(-fee.qty), "price": number(execution.price)}
        self._add(now_ns, body)

    def search(self, wanted: Search) -> list[dict[str, Any]]:
        """Return one page of the activities.

        Raises:
            VenueRefusal: the page token names no activity.
        """
        first = 0
        if wanted.after_ns is not None and wanted.page_token is None:
            first = bisect_right(self._entries, wanted.after_ns, key=_at_ns)
        entries = self._entries[first:] if wanted.ascending else self._entries[first:][::-1]
        if wanted.page_token:
            ids = [entry.body["id"] for entry in entries]
            if wanted.page_token not in ids:
                raise bad_input("invalid page_token")
            entries = entries[ids.index(wanted.page_token) + 1 :]
        found = (entry.body for entry in entries if _matches(entry, wanted))
        return [body for body, _ in zip(found, range(wanted.page_size), strict=False)]

    def _add(self, at_ns: int, body: dict[str, Any]) -> None:
        moment = in_new_york(at_ns)
        entry = _Entry(at_ns, _day(moment), {"id": self._id(moment)} | body)
        insort_right(self._entries, entry, key=_at_ns)

    def _id(self, moment: datetime) -> str:
        """Return an id as the venue forms it: New York's local time, then a random uuid."""
        unique = random_id(self._random)
        return f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}::{unique}"


def _at_ns(entry: _Entry) -> int:
    return entry.at_ns


def _day(moment: datetime) -> str:
    return moment.date().isoformat()


def _matches(entry: _Entry, wanted: Search) -> bool:
    body = entry.body
    is_trade = body["activity_type"] == "FILL"
    return (
        (not wanted.types or body["activity_type"] in wanted.types)
        and (wanted.category is None or (wanted.category == "trade_activity") is is_trade)
        and wanted.day in (None, entry.day)
        and (wanted.after_ns is None or entry.at_ns > wanted.after_ns)
        and (wanted.until_ns is None or entry.at_ns < wanted.until_ns)
        and wanted.order_id in (None, body.get("order_id"))
    )
