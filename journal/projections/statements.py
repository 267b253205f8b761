"""Write the rows of a batch: one statement a kind of row, in a fixed order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from enum import IntEnum, auto
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

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


Statements = dict[Write, sa.Insert | sa.Update]
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
            connection.execute(self._statements[write], self._rows[write])
        self._rows.clear()


def statements_for(dialect: str) -> Statements:
    """Build every statement once for a dialect: `sqlite` or `postgresql`."""
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
    pending = schema.approvals.c.status == "pending"
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
        .values(is_busted=True)
    )
