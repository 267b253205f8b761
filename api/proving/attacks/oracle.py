"""Judge orders by what the exchange itself saw: a line for each law that one of them broke."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from api.proving.attacks.watch import Sent
from domain.records import NS_PER_S, Record

DRIFT = Decimal("1.01")
"""Limits that scale with equity hold at the equity of the moment of sizing, seconds before."""
_OK = 200
_MINUTE_NS = 60 * NS_PER_S

Span = tuple[int, int]


class Bounds(Record, frozen=True):
    """What no order may pass. `halted` are times without entries, `barred` symbols without any."""

    symbols: frozenset[str]
    max_order: Decimal
    max_position: Decimal
    max_exposure: Decimal
    collar: float
    per_minute: int
    halted: tuple[Span, ...] = ()
    barred: frozenset[str] = frozenset()


class Breach(Record, frozen=True):
    """One broken law: where and when (venue nanoseconds), and what."""

    symbol: str
    at_ns: int
    line: str


def broken(sent: Sequence[Sent], bounds: Bounds) -> list[Breach]:
    """Return a breach for each order that should not have reached the exchange."""
    found = [
        Breach(symbol=each.symbol, at_ns=each.at_ns, line=f"{line} ({each.name})")
        for each in sent
        for line in (*_of_any(each, bounds), *(_of_entry(each, bounds) if each.is_entry else ()))
    ]
    return [*found, *_doubled(sent), *_too_many(sent, bounds)]


def short(events: Iterable[tuple[int, dict[str, Any]]]) -> list[Breach]:
    """Return a breach for each order event after which less than nothing was held."""
    return [
        Breach(symbol=event["order"]["symbol"], at_ns=at_ns, line=f"short {event['position_qty']}")
        for at_ns, event in events
        if "position_qty" in event and Decimal(event["position_qty"]) < 0
    ]


def _of_any(sent: Sent, bounds: Bounds) -> Iterator[str]:
    if sent.symbol not in bounds.symbols:
        yield f"an order in {sent.symbol!a}, which is not traded"
    if not sent.origin:
        yield "an order under a name that is not ours"
    if sent.status == _OK and sent.side == "sell" and sent.quantity > sent.held:
        yield f"a sale of {sent.quantity} with {sent.held} held"


def _of_entry(sent: Sent, bounds: Bounds) -> Iterator[str]:
    cost = sent.notional
    if sent.side != "buy":
        yield "an entry that sells"
    if sent.symbol in bounds.barred:
        yield "an entry that nobody approved"
    if sent.limit is None:
        yield "an entry without a limit price"
    if not 0 < cost <= bounds.max_order:
        yield f"an entry of {cost:.2f} USD, at most {bounds.max_order}"
    position, exposure = sent.held_usd + cost, sent.exposed + cost
    if position > sent.equity * bounds.max_position * DRIFT:
        yield f"an entry that makes a position of {position:.2f} USD of {sent.equity:.2f}"
    if exposure > sent.equity * bounds.max_exposure * DRIFT:
        yield f"an entry that makes an exposure of {exposure:.2f} USD of {sent.equity:.2f}"
    low, high = sent.lowest * (1 - bounds.collar), sent.highest * (1 + bounds.collar)
    if sent.limit is not None and not low <= float(sent.limit) <= high:
        yield f"a limit price of {sent.limit}, the venue's own collar is {low:.6g} to {high:.6g}"
    if any(since <= sent.at_ns <= to for since, to in bounds.halted):
        yield "an entry while halted"


def _doubled(sent: Sequence[Sent]) -> Iterator[Breach]:
    """Find names taken twice, and decisions that entered under more than one name."""
    names: dict[str, Sent] = {}
    origins: dict[str, Sent] = {}
    for each in sent:
        if each.status != _OK:
            continue
        if each.name in names:
            line = f"{each.name} was taken twice"
            yield Breach(symbol=each.symbol, at_ns=each.at_ns, line=line)
        elif each.is_entry and each.origin in origins:
            line = f"decision {each.origin} entered as {origins[each.origin].name} and {each.name}"
            yield Breach(symbol=each.symbol, at_ns=each.at_ns, line=line)
        names.setdefault(each.name, each)
        if each.is_entry:
            origins.setdefault(each.origin, each)


def _too_many(sent: Sequence[Sent], bounds: Bounds) -> Iterator[Breach]:
    """Find entries beyond the most that any minute may have."""
    late: deque[int] = deque()
    for each in sent:
        if not each.is_entry:
            continue
        late.append(each.at_ns)
        while late[0] <= each.at_ns - _MINUTE_NS:
            late.popleft()
        if len(late) > bounds.per_minute:
            line = f"the {len(late)}th entry of a minute, at most {bounds.per_minute}"
            yield Breach(symbol=each.symbol, at_ns=each.at_ns, line=line)


def weight_and_turnover(
    events: Iterable[tuple[int, dict[str, Any]]], equity: Decimal
) -> tuple[float, float]:
    """Return the largest position and all that was traded, each as a fraction of the equity."""
    largest, traded = Decimal(0), Decimal(0)
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for _, event in events:
        if event["event"] not in {"fill", "partial_fill"}:
            continue
        price, symbol = Decimal(event["price"]), event["order"]["symbol"]
        traded += price * Decimal(event["qty"])
        held[symbol] = abs(Decimal(event["position_qty"])) * price
        largest = max(largest, held[symbol])
    return float(largest / equity), float(traded / equity)
