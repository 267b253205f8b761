"""Create the journal: the chain of entries and its projections.

A frozen copy of `journal.schema` as it was at this revision; a test compares the outcome.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

_metadata = sa.MetaData(naming_convention=_NAMING)

# SQLite stores rows in the order of a key that is spelled INTEGER, and of no other.
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seq() -> sa.Column[int]:
    return sa.Column("seq", _SEQ, primary_key=True, autoincrement=False)


def _nth() -> sa.Column[int]:
    return sa.Column("n", sa.Integer, primary_key=True, autoincrement=False)


def _text(name: str, *, null: bool = False, key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=null, primary_key=key)


def _number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _real(name: str, *, null: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(53), nullable=null)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(create_constraint=False), nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False)


sa.Table(
    "entries",
    _metadata,
    _seq(),
    _number("ts"),
    _text("kind"),
    _text("ref"),
    _bytes("body"),
    _bytes("prev_hash"),
    _bytes("hash"),
    sa.Index(None, "kind", "seq"),
)

sa.Table("anchors", _metadata, _seq(), _number("ts"), _text("hash"))

sa.Table("contents", _metadata, _seq(), _number("size"), _bytes("content"))

sa.Table(
    "windows",
    _metadata,
    _text("digest", key=True),
    _number("seq"),
    _text("decision_id"),
    _text("symbol"),
    _text("as_of"),
    sqlite_with_rowid=False,
)

sa.Table(
    "decisions",
    _metadata,
    _seq(),
    _text("id"),
    _number("last_seq"),
    _number("ts"),
    _text("symbol"),
    _text("outcome"),
    _text("reason_code"),
    _text("action", null=True),
    _real("confidence", null=True),
    _text("analyst"),
    _text("as_of"),
    _text("ts_start"),
    _text("ts_end"),
    _text("window_digest"),
    _text("graph_version"),
    _number("tokens_in"),
    _number("tokens_out"),
    _real("cost_usd"),
    _text("denial_code", null=True),
    sa.UniqueConstraint("id"),
    sa.Index(None, "symbol", "seq"),
)

sa.Table(
    "calls",
    _metadata,
    _seq(),
    _nth(),
    _text("role"),
    _number("attempt"),
    _text("model"),
    _text("prompt_digest"),
    _number("tokens_in"),
    _number("tokens_out"),
    _real("cost_usd"),
    _real("latency_ms"),
    _text("error", null=True),
    sqlite_with_rowid=False,
)

sa.Table(
    "gates",
    _metadata,
    _seq(),
    _number("ts"),
    _text("client_order_id"),
    _text("decision_id"),
    _text("purpose"),
    _flag("authorized"),
    _text("code", null=True),
    sa.Index(None, "decision_id"),
    sa.Index(None, "client_order_id"),
)

sa.Table(
    "checks",
    _metadata,
    _seq(),
    _nth(),
    _text("code"),
    _text("value"),
    _text("bound"),
    sqlite_with_rowid=False,
)

sa.Table(
    "orders",
    _metadata,
    _seq(),
    _text("client_order_id"),
    _number("last_seq"),
    _number("ts"),
    _text("origin"),
    _text("leg"),
    _text("symbol"),
    _text("side"),
    _text("state"),
    _flag("is_open"),
    _flag("has_filled"),
    _text("venue_order_id", null=True),
    _text("parent_client_order_id", null=True),
    _bytes("body"),
    sa.UniqueConstraint("client_order_id"),
    sa.Index(None, "origin"),
    sa.Index(None, "symbol", "seq"),
    sa.Index(None, "is_open"),
)

sa.Table(
    "order_events",
    _metadata,
    _seq(),
    _number("ts"),
    _text("client_order_id"),
    _text("kind"),
    _text("state"),
    _text("ts_event"),
    _text("venue_order_id", null=True),
    _text("execution_id", null=True),
    _text("fill_quantity", null=True),
    _text("fill_price", null=True),
    _text("reason"),
    sa.Index(None, "client_order_id", "seq"),
)

sa.Table(
    "fills",
    _metadata,
    _seq(),
    _number("ts"),
    _text("client_order_id"),
    _text("execution_id"),
    _text("symbol"),
    _text("side"),
    _text("leg"),
    _text("quantity"),
    _text("price"),
    _text("fee"),
    _text("position_quantity", null=True),
    _text("ts_event"),
    _flag("is_busted"),
    sa.UniqueConstraint("client_order_id", "execution_id"),
    sa.Index(None, "symbol", "seq"),
    sa.Index(None, "ts"),
)

sa.Table(
    "origins",
    _metadata,
    _text("id", key=True),
    _number("seq"),
    _number("ts"),
    _text("kind"),
    _text("symbol"),
    _text("reason"),
    _text("parent", null=True),
    sa.Index(None, "symbol", "seq"),
)

sa.Table(
    "approvals",
    _metadata,
    _text("decision_id", key=True),
    _number("seq"),
    _number("last_seq"),
    _number("ts"),
    _number("ts_closed"),
    _text("status"),
    _text("actor"),
    _text("reason"),
    _text("expires_at", null=True),
    sa.Index(None, "status"),
)

sa.Table(
    "operator_actions",
    _metadata,
    _seq(),
    _number("ts"),
    _text("action"),
    _text("actor"),
    _text("reason"),
    _bytes("args"),
)

sa.Table(
    "trading_state",
    _metadata,
    _seq(),
    _number("ts"),
    _text("state"),
    _text("code"),
    _text("reason"),
    _text("actor"),
)

sa.Table(
    "equity",
    _metadata,
    _seq(),
    _number("ts"),
    _text("equity"),
    _text("cash"),
    _text("day"),
    _text("day_start"),
    _text("peak"),
    sa.Index(None, "ts"),
)

sa.Table("spooled", _metadata, _text("id", key=True))


_SQLITE_GUARD = """
CREATE TRIGGER entries_no_{verb} BEFORE {verb} ON entries
BEGIN SELECT RAISE(ABORT, 'journal entries are append-only'); END
"""

_POSTGRESQL_GUARD = (
    """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'journal entries are append-only'; END $$
""",
    """
CREATE TRIGGER entries_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()
""",
)


def upgrade() -> None:
    """Create every table, and forbid the database to change or delete an entry."""
    bind = op.get_bind()
    _metadata.create_all(bind)
    if bind.dialect.name == "sqlite":
        statements = [_SQLITE_GUARD.format(verb=verb) for verb in ("update", "delete")]
    else:
        statements = list(_POSTGRESQL_GUARD)
    for statement in statements:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: a journal is never unmade."""
    raise NotImplementedError("a journal is never unmade; restore a backup instead")
