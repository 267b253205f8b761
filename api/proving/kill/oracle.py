"""Judge by the exchange's own record: what was doubled, what was lost, what stood unprotected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from api.proving.house import House
from domain.orders import Order, OrderState
from domain.records import NS_PER_S, Record, parse_ns
from exchange.record import EventRecord
from journal.reads.reader import Reader

Span = tuple[int, int]
"""From and to, in nanoseconds of venue time."""

_PAGE = 500
DUST_USD = Decimal(1)
"""What is worth less cannot be ordered at the venue, so no stop can be of it."""
STOPS = frozenset({"stop", "stop_limit"})


class Exposure(Record, frozen=True):
    """A position without a resting stop: which, from when to when (venue nanoseconds)."""

    symbol: str
    begin_ns: int
    end_ns: int


def doubled(house: House) -> list[str]:
    """Return a line for each intent that the venue took twice, and each position gone short."""
    lines = []
    entered: defaultdict[str, set[str]] = defaultdict(set)
    taken: defaultdict[str, int] = defaultdict(int)
    for post in house.exchange.venue.record.requests("POST", "/v2/orders"):
        if post.status != 200:  # noqa: PLR2004 - HTTP's own word for done
            continue
        name = str(post.body["client_order_id"])
        _, origin, leg, _ = name.split("-")
        taken[name] += 1
        if leg == "entry":
            entered[origin].add(name)
    lines += [f"{name} was taken {times} times" for name, times in taken.items() if times > 1]
    lines += [
        f"decision {origin} entered as {', '.join(sorted(names))}"
        for origin, names in entered.items()
        if len(names) > 1
    ]
    return lines + [f"{symbol} is short" for symbol in house.symbols if house.held(symbol) < 0]


def over_sold(house: House) -> list[str]:
    """Return a line for each symbol whose resting exits could sell more than is held.

    The exits of one group (target and stop of a bracket) are one: the venue cancels the other. A
    stop that the venue holds waits for its entry or behind its target, and sells nothing more.
    """
    lines = []
    for symbol in house.symbols:
        working = (order for order in house.orders("open") if order["status"] != "held")
        stops = [order for order in working if _is_stop_of(order, symbol)]
        resting = sum((_left(order) for order in stops), Decimal(0))
        if resting > house.held(symbol):
            lines.append(f"{symbol}: stops for {resting}, held {house.held(symbol)}")
    return lines


def covers(house: House, symbol: str) -> bool:
    """Tell whether resting stops are of the whole position, or nothing worth a stop is held."""
    stops = [order for order in house.orders("open") if _is_stop_of(order, symbol)]
    bare = house.held(symbol) - sum((_left(order) for order in stops), Decimal(0))
    return bare * _price(house, symbol) < DUST_USD


async def differences(house: House, reader: Reader) -> list[str]:
    """Return a line for each order that the journal and the venue tell differently."""
    venue = {order["id"]: order for order in house.orders()}
    open_there = {order["id"] for order in house.orders("open")}
    lines, known = [], set()
    async for order in _journaled(reader):
        name = order.venue_order_id
        if name is None and order.state is not OrderState.REJECTED:
            lines.append(f"{order.client_order_id} is {order.state} here and not at the venue")
        elif name is not None and name not in venue:
            lines.append(f"{order.client_order_id} is unknown to the venue")
        elif name is not None:
            known.add(name)
            lines += _difference(order, venue[name], is_open=name in open_there)
    return lines + [
        f"{venue[id_]['client_order_id']} is unknown to us" for id_ in venue.keys() - known
    ]


async def _journaled(reader: Reader) -> AsyncIterator[Order]:
    after: str | None = None
    while True:
        page = await reader.orders.page(limit=_PAGE, after=after)
        for row in page.items:
            yield row.order
        after = page.next
        if after is None:
            return


def _difference(ours: Order, theirs: dict[str, Any], *, is_open: bool) -> Iterator[str]:
    name, filled = ours.client_order_id, Decimal(theirs["filled_qty"])
    if ours.filled_quantity != filled:
        yield f"{name}: filled {filled} there, {ours.filled_quantity} here"
    if ours.state.is_terminal == is_open:
        yield f"{name} is {theirs['status']} there, {ours.state} here"


def exposures(house: House, until_ns: int) -> list[Exposure]:
    """Return every time during which a position stood without a stop, by the venue's own clock."""
    found = []
    orders = house.orders()
    for symbol in house.symbols:
        stops = [_resting(order, until_ns) for order in orders if _is_stop_of(order, symbol)]
        for begin, end in _held(house, symbol, until_ns):
            found += [
                Exposure(symbol=symbol, begin_ns=b, end_ns=e) for b, e in _less(begin, end, stops)
            ]
    return found


def _held(house: House, symbol: str, until_ns: int) -> list[Span]:
    """Return the times during which the venue held a position in the symbol."""
    spans: list[Span] = []
    since: int | None = None
    for each in house.exchange.venue.record:
        if not isinstance(each, EventRecord) or "position_qty" not in each.event:
            continue
        if _compact(each.event["order"]["symbol"]) != _compact(symbol):
            continue
        is_held = Decimal(each.event["position_qty"]) != 0
        if is_held and since is None:
            since = each.at_ns
        elif not is_held and since is not None:
            spans.append((since, each.at_ns))
            since = None
    return spans if since is None else [*spans, (since, until_ns)]


def _resting(order: dict[str, Any], until_ns: int) -> Span:
    ends = (
        order.get(f"{how}_at") for how in ("filled", "canceled", "expired", "replaced", "failed")
    )
    end_ns = min((parse_ns(end) for end in ends if end), default=until_ns)
    return parse_ns(order["submitted_at"]), end_ns


def _less(begin: int, end: int, covered: Iterable[Span]) -> list[Span]:
    """Return what of a time lies in none of the others."""
    left = []
    for since, to in sorted(covered):
        if since > begin:
            left.append((begin, min(since, end)))
        begin = max(begin, to)
        if begin >= end:
            break
    else:
        left.append((begin, end))
    return [(b, e) for b, e in left if e > b]


def while_up(exposure: Exposure, downs: Sequence[Span]) -> tuple[float, float]:
    """Return the seconds of an exposure that count, and after a restart: (running, restarted).

    A time that began before a restart's readiness is counted from that readiness; down-time apart.
    """
    for killed, ready in downs:
        if exposure.begin_ns < ready and exposure.end_ns > killed:
            before = max(0, killed - exposure.begin_ns)
            after = max(0, exposure.end_ns - ready)
            return before / NS_PER_S, after / NS_PER_S
    return (exposure.end_ns - exposure.begin_ns) / NS_PER_S, 0.0


def _is_stop_of(order: dict[str, Any], symbol: str) -> bool:
    is_here = _compact(order["symbol"]) == _compact(symbol)
    return is_here and order["side"] == "sell" and order["type"] in STOPS


def _left(order: dict[str, Any]) -> Decimal:
    return Decimal(order["qty"]) - Decimal(order["filled_qty"])


def _price(house: House, symbol: str) -> Decimal:
    for position in house.exchange.venue.positions():
        if _compact(position["symbol"]) == _compact(symbol):
            return Decimal(position["current_price"])
    return Decimal(0)


def _compact(symbol: str) -> str:
    return symbol.replace("/", "")
