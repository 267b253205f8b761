"""Add the journal up: how runs ended, what was denied, what filled, what it won and cost."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from math import fsum
from typing import Any

import sqlalchemy as sa

from domain.account import Position, after_fill
from domain.records import Record
from journal import schema
from journal.reads.orders import FillRow, fill_row, signed
from journal.reads.queries import Queries

_DECISIONS = schema.decisions
_GATES = schema.gates
_ORDERS = schema.orders
_FILLS = schema.fills
_CALLS = schema.calls

_ZERO = Decimal(0)


class ModelCost(Record, frozen=True):
    """What one model was asked and took, in tokens and dollars."""

    model: str
    calls: int
    errors: int
    tokens_in: int
    tokens_out: int
    cost_usd: float


class SymbolProfit(Record, frozen=True):
    """What the fills of one symbol add up to, in dollars, at average cost.

    `realized` is before fees. `unrealized` is none without a mark. `quantity` is signed.
    """

    symbol: str
    fills: int
    bought: Decimal
    sold: Decimal
    fees: Decimal
    realized: Decimal
    wins: int
    losses: int
    quantity: Decimal
    average_price: Decimal
    unrealized: Decimal | None


class Report(Record, frozen=True):
    """The journal in figures over a span of time (ns, start included, end not)."""

    since_ns: int
    until_ns: int | None
    decisions: int
    by_outcome: dict[str, int]
    by_reason: dict[str, int]
    authorized: int
    denied: dict[str, int]
    orders: dict[str, int]
    symbols: tuple[SymbolProfit, ...]
    models: tuple[ModelCost, ...]
    fills: int
    realized: Decimal
    unrealized: Decimal | None
    fees: Decimal
    model_cost_usd: float

    @property
    def net(self) -> Decimal:
        """Return profit after fees and the model's own cost, open positions at their marks."""
        model = Decimal(repr(self.model_cost_usd))
        return self.realized + (self.unrealized or _ZERO) - self.fees - model


class Span(Record, frozen=True):
    """A span of journal time and, if any, one symbol."""

    since_ns: int = 0
    until_ns: int | None = None
    symbol: str | None = None


EVERYTHING = Span()


class ReportReads:
    """Answer with sums."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def report(
        self, span: Span = EVERYTHING, *, marks: Mapping[str, Decimal] | None = None
    ) -> Report:
        """Add up a span; `marks` are prices by symbol for what is still held.

        Positions opened before the span count at their cost, so realized profit is the span's own.
        """
        outcomes = await self._counts(span, _DECISIONS, _DECISIONS.c.outcome)
        gates = await self._gates(span)
        symbols = await self._profits(span, marks or {})
        models = await self._models(span)
        unrealized = [s.unrealized for s in symbols if s.quantity]
        return Report(
            since_ns=span.since_ns,
            until_ns=span.until_ns,
            decisions=sum(outcomes.values()),
            by_outcome=outcomes,
            by_reason=await self._counts(span, _DECISIONS, _DECISIONS.c.reason_code),
            authorized=gates.pop("", 0),
            denied=gates,
            orders=await self._counts(span, _ORDERS, _ORDERS.c.state),
            symbols=symbols,
            models=models,
            fills=sum(s.fills for s in symbols),
            realized=sum((s.realized for s in symbols), _ZERO),
            unrealized=_sum_known(unrealized),
            fees=sum((s.fees for s in symbols), _ZERO),
            model_cost_usd=fsum(m.cost_usd for m in models),
        )

    async def _counts(
        self, span: Span, table: sa.Table, column: sa.ColumnElement[str]
    ) -> dict[str, int]:
        query = sa.select(column, sa.func.count()).group_by(column).order_by(column)
        query = _within(query, span, table)
        if span.symbol is not None:
            query = query.where(table.c.symbol == span.symbol)
        return {row[0]: row[1] for row in await self._queries.all(query)}

    async def _gates(self, span: Span) -> dict[str, int]:
        """Count verdicts by code; the authorized ones stand under the empty code."""
        query = sa.select(_GATES.c.code, sa.func.count()).group_by(_GATES.c.code)
        query = _within(query, span, _GATES)
        if span.symbol is not None:
            of_symbol = sa.select(_DECISIONS.c.id).where(_DECISIONS.c.symbol == span.symbol)
            query = query.where(_GATES.c.decision_id.in_(of_symbol))
        return {row[0] or "": row[1] for row in await self._queries.all(query)}

    async def _models(self, span: Span) -> tuple[ModelCost, ...]:
        errors = sa.func.sum(sa.case((_CALLS.c.error.is_not(None), 1), else_=0))
        query = sa.select(
            _CALLS.c.model,
            sa.func.count().label("calls"),
            errors.label("errors"),
            sa.func.sum(_CALLS.c.tokens_in).label("tokens_in"),
            sa.func.sum(_CALLS.c.tokens_out).label("tokens_out"),
            sa.func.sum(_CALLS.c.cost_usd).label("cost_usd"),
        ).select_from(_CALLS)
        query = query.join(_DECISIONS, _DECISIONS.c.last_seq == _CALLS.c.seq)
        query = _within(query.group_by(_CALLS.c.model).order_by(_CALLS.c.model), span, _DECISIONS)
        if span.symbol is not None:
            query = query.where(_DECISIONS.c.symbol == span.symbol)
        return tuple(
            ModelCost(
                model=row.model,
                calls=row.calls,
                errors=int(row.errors),
                tokens_in=int(row.tokens_in),
                tokens_out=int(row.tokens_out),
                cost_usd=row.cost_usd,
            )
            for row in await self._queries.all(query)
        )

    async def _profits(self, span: Span, marks: Mapping[str, Decimal]) -> tuple[SymbolProfit, ...]:
        query = sa.select(_FILLS).where(_FILLS.c.is_busted.is_(False))
        if span.until_ns is not None:
            query = query.where(_FILLS.c.ts < span.until_ns)
        if span.symbol is not None:
            query = query.where(_FILLS.c.symbol == span.symbol)
        tallies: dict[str, _Tally] = {}
        async for rows in self._queries.chunks(query, _FILLS.c.seq):
            for row in rows:
                tally = tallies.setdefault(row.symbol, _Tally(row.symbol))
                tally.add(fill_row(row), counts=row.ts >= span.since_ns)
        return tuple(tallies[name].total(marks.get(name)) for name in sorted(tallies))


class _Tally:
    """Walk through one symbol's fills at average cost."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._position: Position | None = None
        self._fills = self._wins = self._losses = 0
        self._bought = self._sold = self._fees = self._realized = _ZERO

    def add(self, row: FillRow, *, counts: bool) -> None:
        """Move the position by a fill; one before the span counts for its cost alone."""
        fill = row.fill
        self._position, realized = after_fill(
            self._position, symbol=self._symbol, quantity=signed(fill), price=fill.price
        )
        if not counts:
            return
        self._fills += 1
        self._fees += fill.fee
        self._realized += realized
        self._wins += realized > 0
        self._losses += realized < 0
        if signed(fill) > 0:
            self._bought += fill.quantity * fill.price
        else:
            self._sold += fill.quantity * fill.price

    def total(self, mark: Decimal | None) -> SymbolProfit:
        """Return what it adds up to."""
        quantity = self._position.quantity if self._position else _ZERO
        average = self._position.average_price if self._position else _ZERO
        unrealized = _ZERO if quantity == 0 else None
        if mark is not None:
            unrealized = quantity * (mark - average)
        return SymbolProfit(
            symbol=self._symbol,
            fills=self._fills,
            bought=self._bought,
            sold=self._sold,
            fees=self._fees,
            realized=self._realized,
            wins=self._wins,
            losses=self._losses,
            quantity=quantity,
            average_price=average,
            unrealized=unrealized,
        )


def _within(query: sa.Select[Any], span: Span, table: sa.Table) -> sa.Select[Any]:
    query = query.where(table.c.ts >= span.since_ns)
    return query if span.until_ns is None else query.where(table.c.ts < span.until_ns)


def _sum_known(values: list[Decimal | None]) -> Decimal | None:
    """Add up; none when any is not known."""
    known = [value for value in values if value is not None]
    return sum(known, _ZERO) if len(known) == len(values) else None
