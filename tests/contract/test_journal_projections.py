"""Every table but the chain and its contents is a function of the chain."""

import sqlalchemy as sa

from domain.decisions import Outcome
from domain.orders import OrderEventKind, OrderState
from domain.ports import EntryKind
from journal import schema
from journal.migrate import bring_up_to_date
from journal.projections.rows import At, project
from journal.projections.statements import Batch, statements_for
from journal.projections.views import VIEWS

PROJECTED = [
    table
    for table in schema.metadata.sorted_tables
    if table.name not in {"entries", "contents", "spooled"}
]


def rows_of(connection):
    return {
        table.name: connection.execute(sa.select(table).order_by(*table.primary_key.columns)).all()
        for table in PROJECTED
    }


async def test_the_projections_are_made_anew_from_the_chain(journal, config, make, tmp_path):
    """Whatever was batched together: entry by entry the same rows come out."""
    asked, other = make.request("d2"), make.request("d3", symbol="BTC/USD")
    ordered = make.decision(2, outcome=Outcome.ORDERED, reason_code="ORDERED")
    waiting = make.decision(3, symbol="BTC/USD", outcome=Outcome.AWAITING_APPROVAL)
    journal.trace(make.decided(make.decision(1)), make.decided(ordered), make.decided(waiting))
    journal.trace(make.plainly("approval", decision_id="d3", status="pending"))
    await journal.close_approval("d3", "approved", actor="ann")
    journal.trace(make.gate(other, code="SPREAD_TOO_WIDE"), make.decided(ordered))
    bust = make.happened(asked, OrderEventKind.TRADE_BUSTED, OrderState.CANCELED, execution="x1")
    await journal.append(make.gate(asked), make.intent(asked), *make.filled(asked), bust)
    state = {"state": "reducing", "code": "DRAWDOWN_REACHED", "reason": "r", "actor": "equity"}
    money = {"equity": "99.5", "cash": "1", "day": "2026-01-05", "day_start": "100", "peak": "101"}
    await journal.append(
        make.plainly("origin", id="p1", kind="protection", symbol="AAPL"),
        make.plainly("trading_state", **state),
        make.plainly("equity", **money),
        make.plainly("operator_action", action="halt", actor="ann", args={"why": None}),
        *(make.alert(n) for n in range(60)),
    )
    entries = await journal._store._runner.run(
        lambda c: c.execute(sa.select(schema.entries).order_by(schema.entries.c.seq)).all()
    )
    written = await journal._store._runner.run(rows_of)

    fresh = sa.create_engine(f"sqlite:///{tmp_path}/fresh.sqlite3")
    with fresh.begin() as connection:
        bring_up_to_date(connection, "fresh")
        statements = statements_for(connection.dialect)
        for entry in entries:
            batch = Batch(statements)
            view = VIEWS[EntryKind(entry.kind)].decode(entry.body)
            batch.extend(project(view, At(entry.seq, entry.ts)))
            batch.flush(connection)
        again = rows_of(connection)
    fresh.dispose()
    assert again == written
    assert all(written.values()), "a table without a row proves nothing"
