"""The schema in code and the schema in the database are one."""

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from domain.errors import JournalError
from journal import schema
from journal.migrate import HEAD, REVISIONS, bring_up_to_date, require_current
from journal.sql import SqlJournal


@pytest.fixture
def engine(tmp_path):
    engine = sa.create_engine(f"sqlite:///{tmp_path}/m.sqlite3")
    yield engine
    engine.dispose()


def test_the_migrations_lead_to_the_declared_tables(engine):
    """A change of a table without its migration fails here."""
    with engine.begin() as connection:
        bring_up_to_date(connection, "m")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_the_revisions_named_are_the_scripts():
    """A database of a version not listed is from a newer one."""
    config = Config()
    config.set_main_option("script_location", "journal:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert tuple(s.revision for s in reversed(list(scripts.walk_revisions()))) == REVISIONS
    assert scripts.get_heads() == [HEAD]


def test_migrating_twice_changes_nothing(engine):
    """Opening is idempotent."""
    for _ in range(2):
        with engine.begin() as connection:
            bring_up_to_date(connection, "m")
            require_current(connection, "m")


def test_a_failed_migration_leaves_nothing_behind(engine):
    """All of it in one transaction."""
    sa.event.listen(engine, "connect", lambda c, _: setattr(c, "isolation_level", None))
    sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
    with engine.connect() as connection:
        bring_up_to_date(connection, "m")
        connection.rollback()
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_a_database_of_something_else_is_refused(engine):
    """The journal does not move into another program's file."""
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE invoices (id INTEGER)"))
    with engine.begin() as connection, pytest.raises(JournalError, match="other tables"):
        bring_up_to_date(connection, "m")
    with engine.connect() as connection, pytest.raises(JournalError, match="missing"):
        require_current(connection, "m")


async def test_the_database_itself_refuses_to_change_an_entry(config, path, clock, alert):
    """Append-only, also for a person with a shell."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(alert())
    with contextlib.closing(sqlite3.connect(path)) as raw:
        for change in ("UPDATE entries SET ref = 'y'", "DELETE FROM entries"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                raw.execute(change)


def test_databases_may_be_made_at_the_same_moment(tmp_path):
    """Alembic's globals belong to the process: one journal's tables were made in another's."""
    engines = [sa.create_engine(f"sqlite:///{tmp_path}/{n}.sqlite3") for n in range(8)]

    def make(engine):
        with engine.begin() as connection:
            bring_up_to_date(connection, "here")
        with engine.connect() as connection:
            require_current(connection, "here")

    with ThreadPoolExecutor(len(engines)) as threads:
        list(threads.map(make, engines))
    for engine in engines:
        engine.dispose()
