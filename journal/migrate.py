"""Bring a database to the schema this version knows, and refuse one from a newer version."""

from __future__ import annotations

import threading

import sqlalchemy as sa

from domain.errors import JournalError, JournalTooNew

REVISIONS = ("0001",)
"""Every revision this version knows, oldest first; a test compares it with the scripts."""

HEAD = REVISIONS[-1]

_ALEMBIC = threading.Lock()
"""Alembic's `op` and `context` belong to the process: two journals at once mixed their tables."""


def bring_up_to_date(connection: sa.Connection, shown: str) -> None:
    """Create or migrate the tables inside the caller's transaction.

    Raises `JournalTooNew` for a newer schema and `JournalError` for a database of something else;
    in both cases nothing was touched.
    """
    tables = sa.inspect(connection).get_table_names()
    current = _revision(connection, tables)
    if current == HEAD:
        return
    _refuse_newer(current, shown)
    if current is None and tables:
        raise JournalError(
            f"The database holds other tables and no journal ({shown}).",
            remedy="Set DATABASE_URL to a database of its own.",
        )
    _upgrade(connection)


def require_current(connection: sa.Connection, shown: str) -> None:
    """Raise `JournalError` unless the schema is the one this version reads."""
    current = _revision(connection, sa.inspect(connection).get_table_names())
    _refuse_newer(current, shown)
    if current != HEAD:
        raise JournalError(
            f"The journal's schema is {current or 'missing'}, this version reads {HEAD} ({shown}).",
            remedy="Start the bot once: it migrates the journal.",
        )


def _refuse_newer(current: str | None, shown: str) -> None:
    if current is not None and current not in REVISIONS:
        raise JournalTooNew(
            f"The journal was written by a newer version of AutoHedge: its schema is {current}, "
            f"this version knows up to {HEAD} ({shown}).",
            remedy="Install that version, or set DATABASE_URL to another file.",
        )


def _revision(connection: sa.Connection, tables: list[str]) -> str | None:
    if "alembic_version" not in tables:
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _upgrade(connection: sa.Connection) -> None:
    from alembic import command  # noqa: PLC0415 - a journal already up to date starts without it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "journal:migrations")
    config.attributes["connection"] = connection
    with _ALEMBIC:
        command.upgrade(config, "head")
