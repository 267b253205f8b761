"""Write the rows of a batch: one statement a kind of row, in a fixed order.

Statements are compiled to the driver's SQL once: SQLAlchemy does not cache upserts, and compiling
two of them cost more CPU than the rest of a decision's transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import IntEnum, auto
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from journal import schema

Row = dict[str, Any]


class Write(IntEnum):
    """The statements of a batch, in the order they are run."""

    ENTRY = auto()
    CONTENT = auto()
    WINDOW = auto()
    DECISION = auto()
    CALL = auto()
    GATE = auto()
    CHECK = auto()
    DENIAL = auto()
    INTENT = auto()
    ORDER = auto()
    ORDER_EVENT = auto()
    FILL = auto()
    BUST = auto()
    ORIGIN = auto()
    APPROVAL = auto()
    OPERATOR_ACTION = auto()
    TRADING_STATE = auto()
    EQUITY = auto()
    ANCHOR = auto()
    SPOOLED = auto()


class Statement:
    """SQL in the driver's own words, and the names of its parameters in order."""

    def __init__(self, clause: sa.Insert | sa.Update, dialect: sa.Dialect) -> None:
        compiled = clause.compile(dialect=dialect)
        assert isinstance(compiled, SQLCompiler)
        self._sql = str(compiled)
        self._names = tuple(compiled.positiontup or ())

    def run(self, connection: sa.Connection, rows: list[Row]) -> None:
        """Run once for each row."""
        names = self._names
        parameters = [tuple([row[name] for name in names]) for row in rows]
        connection.exec_driver_sql(self._sql, parameters)


Statements = dict[Write, Statement]
Rows = Iterator[tuple[Write, Row]]


class Batch:
    """Collect the rows of one transaction and write them."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._rows: defaultdict[Write, list[Row]] = defaultdict(list)

    def add(self, write: Write, row: Row) -> None:
        """Collect one row."""
        self._rows[write].append(row)

    def extend(self, rows: Rows) -> None:
        """Collect many rows."""
        for write, row in rows:
            self._rows[write].append(row)

    def flush(self, connection: sa.Connection) -> None:
        """Write what was collected."""
        for write in sorted(self._rows):
            self._statements[write].run(connection, self._rows[write])
        self._rows.clear()


def statements_for(dialect: sa.Dialect) -> Statements:
    """Compile every statement for a connection's dialect."""
    return {write: Statement(clause, dialect) for write, clause in _clauses(dialect.name).items()}


def _clauses(dialect: str) -> dict[Write, sa.Insert | sa.Update]:
    insert: Any = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect]

    def once(table: sa.Table) -> sa.Insert:
        statement: sa.Insert = insert(table).on_conflict_do_nothing()
        return statement

    def latest(table: sa.Table, key: str, *keep: str, where: Any = None) -> sa.Insert:
        statement = insert(table)
        fixed = {"seq", "ts", key, *keep}
        update = {c.name: statement.excluded[c.name] for c in table.c if c.name not in fixed}
        upsert: sa.Insert = statement.on_conflict_do_update(
            index_elements=[key], set_=update, where=where
        )
        return upsert

    plain = {
        Write.ENTRY: schema.entries,
        Write.CONTENT: schema.contents,
        Write.CALL: schema.calls,
        Write.GATE: schema.gates,
        Write.CHECK: schema.checks,
        Write.ORDER_EVENT: schema.order_events,
        Write.OPERATOR_ACTION: schema.operator_actions,
        Write.TRADING_STATE: schema.trading_state,
        Write.EQUITY: schema.equity,
        Write.ANCHOR: schema.anchors,
        Write.SPOOLED: schema.spooled,
    }
    pending = schema.approvals.c.status == sa.literal_column("'pending'")
    return {
        **{write: sa.insert(table) for write, table in plain.items()},
        Write.WINDOW: once(schema.windows),
        Write.DECISION: latest(schema.decisions, "id", "denial_code"),
        Write.DENIAL: _denial(),
        Write.INTENT: once(schema.orders),
        Write.ORDER: latest(schema.orders, "client_order_id"),
        Write.FILL: once(schema.fills),
        Write.BUST: _bust(),
        Write.ORIGIN: once(schema.origins),
        Write.APPROVAL: latest(schema.approvals, "decision_id", "expires_at", where=pending),
    }


def _denial() -> sa.Update:
    table = schema.decisions
    return (
        sa.update(table)
        .where(table.c.id == sa.bindparam("of_decision"))
        .values(denial_code=sa.bindparam("with_code"))
    )


def _bust() -> sa.Update:
    table = schema.fills
    return (
        sa.update(table)
        .where(table.c.client_order_id == sa.bindparam("of_order"))
        .where(table.c.execution_id == sa.bindparam("of_execution"))
        .values(is_busted=sa.true())
    )
