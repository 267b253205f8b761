"""Declare the journal's tables once, for SQLite and PostgreSQL alike.

`entries` is the chain and the only truth. `contents` keeps a decision's window and prompts, which
its entry names by their digests, compressed as one. Every other table is a projection of the chain,
written in the same transaction, and could be made anew from it; of the checks only the failed ones
have rows. Money and quantities are text: exact in both databases. Times named `ts` are UTC
nanoseconds of writing; other times are RFC 3339 as they came.
"""

from __future__ import annotations

import sqlalchemy as sa

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

metadata = sa.MetaData(naming_convention=NAMING)

# SQLite stores rows in the order of a key that is spelled INTEGER, and of no other.
Seq = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seq() -> sa.Column[int]:
    return sa.Column("seq", Seq, primary_key=True, autoincrement=False)


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


entries = sa.Table(
    "entries",
    metadata,
    _seq(),
    _number("ts"),
    _text("kind"),
    _text("ref"),
    _bytes("body"),
    _bytes("prev_hash"),
    _bytes("hash"),
    sa.Index(None, "kind", "seq"),
)

anchors = sa.Table("anchors", metadata, _seq(), _number("ts"), _text("hash"))

contents = sa.Table("contents", metadata, _seq(), _number("size"), _bytes("content"))

windows = sa.Table(
    "windows",
    metadata,
    _text("digest", key=True),
    _number("seq"),
    _text("decision_id"),
    _text("symbol"),
    _text("as_of"),
    sqlite_with_rowid=False,
)

decisions = sa.Table(
    "decisions",
    metadata,
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

calls = sa.Table(
    "calls",
    metadata,
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

gates = sa.Table(
    "gates",
    metadata,
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

checks = sa.Table(
    "checks",
    metadata,
    _seq(),
    _nth(),
    _text("code"),
    _text("value"),
    _text("bound"),
    sqlite_with_rowid=False,
)

orders = sa.Table(
    "orders",
    metadata,
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

order_events = sa.Table(
    "order_events",
    metadata,
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

fills = sa.Table(
    "fills",
    metadata,
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

origins = sa.Table(
    "origins",
    metadata,
    _text("id", key=True),
    _number("seq"),
    _number("ts"),
    _text("kind"),
    _text("symbol"),
    _text("reason"),
    _text("parent", null=True),
    sa.Index(None, "symbol", "seq"),
)

approvals = sa.Table(
    "approvals",
    metadata,
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

operator_actions = sa.Table(
    "operator_actions",
    metadata,
    _seq(),
    _number("ts"),
    _text("action"),
    _text("actor"),
    _text("reason"),
    _bytes("args"),
)

trading_state = sa.Table(
    "trading_state",
    metadata,
    _seq(),
    _number("ts"),
    _text("state"),
    _text("code"),
    _text("reason"),
    _text("actor"),
)

equity = sa.Table(
    "equity",
    metadata,
    _seq(),
    _number("ts"),
    _text("equity"),
    _text("cash"),
    _text("day"),
    _text("day_start"),
    _text("peak"),
    sa.Index(None, "ts"),
)

spooled = sa.Table("spooled", metadata, _text("id", key=True))
