"""Addresses are understood, and failures are told in one line."""

import contextlib
import sqlite3

import pytest

from domain.errors import ConfigError, JournalError
from journal.database import JournalConfig, address_of
from journal.sql import SqlJournal


def test_an_sqlite_address_is_a_file_and_its_companions(tmp_path, monkeypatch):
    """Relative paths stand on the working directory."""
    monkeypatch.chdir(tmp_path)
    address = address_of("sqlite:///var/j.sqlite3")
    assert address.path == tmp_path / "var" / "j.sqlite3"
    assert address.beside(".spool") == tmp_path / "var" / "j.sqlite3.spool"
    assert not address.is_async


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_postgresql_address_is_written_through_asyncpg(scheme):
    """The password is used and never shown."""
    address = address_of(f"{scheme}://ann:s3cret@db:5433/hedge")
    assert address.url == "postgresql+asyncpg://ann:s3cret@db:5433/hedge"
    assert address.is_async
    assert address.path is None
    assert address.beside(".spool").as_posix() == "var/hedge@db-5433.spool"
    assert "s3cret" not in address.shown


@pytest.mark.parametrize(
    "url", ["", "journal.db", "mysql://u:s3cret@h/d", "sqlite://", "sqlite:///:memory:", "//"]
)
def test_an_address_that_cannot_serve_is_a_setting_to_mend(url):
    """One line that says what may stand there, without the secret that stands there."""
    with pytest.raises(ConfigError, match="DATABASE_URL") as caught:
        address_of(url)
    assert "sqlite:///" in caught.value.remedy
    assert "s3cret" not in caught.value.line


async def test_a_file_that_is_no_database_is_named(config, path, clock):
    """A journal is not guessed at."""
    path.write_bytes(b"This is not a database, whatever its name says. " * 100)
    with pytest.raises(JournalError, match="not an SQLite file") as caught:
        await SqlJournal(config, clock).open()
    assert str(path) in caught.value.line


async def test_the_folder_is_made_and_a_path_through_a_file_is_named(tmp_path, clock, alert):
    """A fresh clone has no var/."""
    url = f"sqlite:///{tmp_path}/new/deep/j.sqlite3"
    async with SqlJournal(JournalConfig(url=url), clock) as journal:
        await journal.append(alert())
    (tmp_path / "file").write_text("")
    blocked = JournalConfig(url=f"sqlite:///{tmp_path}/file/j.sqlite3")
    with pytest.raises(JournalError) as caught:
        await SqlJournal(blocked, clock).open()
    assert "\n" not in caught.value.line
    assert caught.value.remedy


async def test_the_writer_runs_in_wal_with_full_sync(config, path, clock):
    """An acknowledged entry survives a power cut: FULL, not NORMAL."""
    async with SqlJournal(config, clock) as journal:

        def pragmas(connection):
            names = ("journal_mode", "synchronous", "foreign_keys")
            return [connection.exec_driver_sql(f"PRAGMA {n}").scalar() for n in names]

        assert await journal._store._runner.run(pragmas) == ["wal", 2, 1]


async def test_the_lock_is_free_again_after_a_failed_opening(config, path, clock, alert):
    """What a person mends can be tried again in the same process."""
    path.write_bytes(b"no database" * 500)
    with pytest.raises(JournalError):
        await SqlJournal(config, clock).open()
    path.unlink()
    async with SqlJournal(config, clock) as journal:
        await journal.append(alert())


async def test_other_programs_may_read_while_the_journal_is_open(config, path, clock, alert):
    """A database browser does no harm."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(alert())
        with contextlib.closing(sqlite3.connect(path)) as raw:
            assert raw.execute("SELECT count(*) FROM entries").fetchone() == (1,)
        await journal.append(alert())
