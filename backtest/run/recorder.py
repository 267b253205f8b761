"""Read a run's own journal, entry by entry, into the rows and curves that are reported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from math import fsum
from typing import Any

import numpy as np

from backtest.costs import added
from backtest.records import CostsPaid, DecisionRow, FillRow, Floats, Ints, Series
from backtest.run.market.charges import Charged
from domain.decisions import Decision
from domain.market import Window
from domain.orders import Fill, Order, OrderState
from domain.ports import Entry, EntryKind
from domain.records import NS_PER_S, parse, parse_ns


@dataclass(frozen=True, slots=True)
class Curves:
    """Dollars at `ts_ns`: equity, cash, and the sum of what the positions are worth."""

    ts_ns: Ints
    equity: Floats
    cash: Floats
    exposure: Floats


@dataclass(slots=True)
class _Holding:
    """How one symbol's quantity went, fill by fill."""

    ts_ns: list[int] = field(default_factory=lambda: [0])
    quantity: list[float] = field(default_factory=lambda: [0.0])
    exact: Decimal = Decimal(0)


class Recorder:
    """Hear every entry of a run; `charged` tells what an execution has cost."""

    def __init__(self, cash: float, charged: Callable[[str], Charged | None]) -> None:
        self._charged = charged
        self._cash = Decimal(repr(cash))
        self._cash_ts: list[int] = [0]
        self._cash_is: list[float] = [cash]
        self._holdings: dict[str, _Holding] = {}
        self._origins: dict[str, str] = {}
        self._cut: set[str] = set()
        self._decisions: dict[str, DecisionRow] = {}
        self._fills: list[FillRow] = []
        self.denials: Counter[str] = Counter()
        self.alerts: Counter[str] = Counter()
        self.paid = CostsPaid()
        self._handlers: dict[EntryKind, Callable[[dict[str, Any]], None]] = {
            EntryKind.DECISION: self._decided,
            EntryKind.GATE: self._judged,
            EntryKind.ORDER_EVENT: self._moved,
            EntryKind.FILL: self._filled,
            EntryKind.ALERT: self._alerted,
        }

    @property
    def fills(self) -> tuple[FillRow, ...]:
        """Return the executions, oldest first."""
        return tuple(self._fills)

    @property
    def decisions(self) -> tuple[DecisionRow, ...]:
        """Return the decisions, oldest first, with the gate's word on each."""
        return tuple(self._decisions.values())

    @property
    def n_orders(self) -> int:
        """Return how many orders went out."""
        return len(self._origins)

    @property
    def n_cut(self) -> int:
        """Return how many of them could only be filled in part at first: more was not to be had."""
        return len(self._cut)

    def hear(self, entry: Entry) -> None:
        """Take one entry."""
        handler = self._handlers.get(entry.kind)
        if handler is not None:
            handler(entry.body)

    def _decided(self, body: dict[str, Any]) -> None:
        decision: Decision = body["decision"]
        window: Window = body["window"]
        directive, calls, quote = decision.directive, decision.calls, window.quote
        started, ended = decision.ts_start, decision.ts_end
        row = DecisionRow(
            ts_ns=parse_ns(decision.as_of),
            symbol=decision.symbol,
            id=decision.id,
            action="" if directive is None else directive.action.value,
            outcome=decision.outcome.value,
            reason_code=decision.reason_code,
            confidence=0.0 if directive is None else directive.confidence,
            thesis="" if directive is None else directive.thesis,
            price=(quote.bid + quote.ask) / 2,
            latency_s=(parse_ns(ended) - parse_ns(started)) / NS_PER_S,
            tokens=sum(call.tokens_in + call.tokens_out for call in calls),
            cost_usd=fsum(call.cost_usd for call in calls),
        )
        self._decisions[row.id] = row
        if row.cost_usd:
            self.paid = added(self.paid, CostsPaid(model=row.cost_usd))

    def _judged(self, body: dict[str, Any]) -> None:
        code = body.get("code")
        if code is None:
            return
        self.denials[code] += 1
        row = self._decisions.get(body["decision_id"])
        if row is not None:
            self._decisions[row.id] = _with_code(row, code)

    def _moved(self, body: dict[str, Any]) -> None:
        order: Order = body["order"]
        self._origins[order.client_order_id] = order.request.decision_id
        if order.state is OrderState.PARTIALLY_FILLED:
            self._cut.add(order.client_order_id)

    def _filled(self, body: dict[str, Any]) -> None:
        fill = parse(body, Fill)
        ts_ns = parse_ns(fill.ts_event)
        charged = self._charged(fill.client_order_id)
        costs = CostsPaid() if charged is None else charged.costs
        if fill.fee:
            costs = added(costs, CostsPaid(venue_fees=float(fill.fee)))
        self.paid = added(self.paid, costs)
        self._cash += fill.cash
        self._cash_ts.append(ts_ns)
        self._cash_is.append(float(self._cash))
        holding = self._holdings.setdefault(fill.symbol, _Holding())
        holding.exact += fill.change
        holding.ts_ns.append(ts_ns)
        holding.quantity.append(float(holding.exact))
        self._fills.append(
            FillRow(
                ts_ns=ts_ns,
                symbol=fill.symbol,
                quantity=float(fill.change),
                price=float(fill.price),
                reference_price=float(fill.price) if charged is None else charged.reference,
                leg=fill.leg.value,
                decision_id=self._origins.get(fill.client_order_id),
                costs=costs,
            )
        )

    def _alerted(self, body: dict[str, Any]) -> None:
        self.alerts[body["code"]] += 1

    def curves(self, steps: Ints, prices: dict[str, tuple[Ints, Floats]]) -> Curves:
        """Return the account at each step, positions at the last price told by then."""
        cash = np.array(self._cash_is)[_by(self._cash_ts, steps)]
        value, exposure = np.zeros(len(steps)), np.zeros(len(steps))
        for symbol, holding in self._holdings.items():
            held = np.array(holding.quantity)[_by(holding.ts_ns, steps)]
            told_ns, closes = prices[symbol]
            at = np.searchsorted(told_ns, steps, side="right") - 1
            worth = held * closes[np.maximum(at, 0)]
            value += worth
            exposure += np.abs(worth)
        return Curves(ts_ns=steps, equity=cash + value, cash=cash, exposure=exposure)


SHORT_WARMUP = 60
"""About as few bars as the indicators can do with."""


def first_step(told_ns: Ints, start_ns: int, warmup: int) -> int | None:
    """Return when a symbol may first be decided on; none when its bars never suffice."""
    at = max(int(np.searchsorted(told_ns, start_ns)), warmup - 1)
    return int(told_ns[at]) if at < len(told_ns) else None


def too_short(n_bars: Mapping[str, int], warmup: int) -> str:
    """Say why nothing was decided: no bar follows one that the indicators are warm at."""
    symbol = max(n_bars, key=lambda each: n_bars[each])
    shorter = "" if warmup <= SHORT_WARMUP else f", or shorten it by --set warmup={SHORT_WARMUP}"
    return (
        f"nothing was decided: the first {warmup} bars warm the indicators up, and {symbol} has "
        f"{n_bars[symbol]}: begin earlier by --from, or give more bars{shorter}"
    )


def prices_of(series: Series, told_ns: list[int]) -> tuple[Ints, Floats]:
    """Return a symbol's closes and when each was known."""
    return np.array(told_ns, dtype=np.int64), series.close


def _by(times: list[int], steps: Ints) -> Ints:
    """Return at which entry of ascending times each step stands."""
    found: Ints = np.searchsorted(np.array(times, dtype=np.int64), steps, side="right") - 1
    return found


def _with_code(row: DecisionRow, code: str) -> DecisionRow:
    values = {name: getattr(row, name) for name in DecisionRow.__struct_fields__}
    return DecisionRow(**{**values, "code": code})
