"""Open the database: addresses, connections, the one writer's lock, and errors a person can read.

SQLite is written from one thread of its own: through SQLAlchemy's asynchronous engine the same
transaction costs up to twice the CPU (`benchmarks/journal.py`). PostgreSQL is written on the event
loop. Both run the same synchronous functions on a `sqlalchemy.Connection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.errors import ConfigError, JournalError
from domain.records import Record

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_ADVISORY_KEY = 0x6175746F68656467
"""The key of PostgreSQL's advisory lock: the bytes of "autohedg"."""


class JournalConfig(Record, frozen=True):
    """Where the journal lives and what it may hold back; times in seconds of the wall clock.

    `spool_file` and `anchor_file` default to files beside a SQLite database, or in `var/` named
    after a server's. A queue past
    `queue_entries` or `queue_bytes` drops traces and refuses appends. `trace_delay_s` is the
    longest a trace waits for a commit to ride with.
    """

    url: str = "sqlite:///var/autohedge.sqlite3"
    spool_file: Path | None = None
    anchor_file: Path | None = None
    busy_timeout_s: float = 5.0
    append_timeout_s: float = 10.0
    retry_first_s: float = 0.2
    retry_last_s: float = 5.0
    trace_delay_s: float = 0.1
    queue_entries: int = 20_000
    queue_bytes: int = 64 * 1024 * 1024
    batch_entries: int = 1_000
    anchor_every: int = 1_000

    @property
    def spool_path(self) -> Path:
        """Return where the spool is."""
        return self.spool_file or address_of(self.url).beside(".spool")

    @property
    def anchor_path(self) -> Path:
        """Return where the anchors are."""
        return self.anchor_file or address_of(self.url).beside(".anchors")


_SERVER_DEADLINES = {"timeout": 10.0, "command_timeout": 10.0}
"""Seconds that asyncpg waits for a connection and for a statement."""

_READ_ONLY = {"default_transaction_read_only": "on"}


class Address(Record, frozen=True):
    """A database address taken apart. `path` is none for a server; `shown` hides the password.

    `base` is what the names of files that belong to the database begin with.
    """

    url: str
    reader_url: str
    shown: str
    base: Path
    path: Path | None
    is_async: bool

    def beside(self, suffix: str) -> Path:
        """Return the path of a file that belongs to this database."""
        return self.base.with_name(self.base.name + suffix)


def address_of(url: str) -> Address:
    """Understand `DATABASE_URL`; raises `ConfigError` for what the journal cannot use."""
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        raise ConfigError("DATABASE_URL is not a database address.", remedy=_URL_HELP) from error
    if parsed.drivername in {"sqlite", "sqlite+aiosqlite"}:
        return _sqlite_address(parsed)
    if parsed.drivername in {"postgres", "postgresql", "postgresql+asyncpg"}:
        full = parsed.set(drivername="postgresql+asyncpg")
        text = full.render_as_string(hide_password=False)
        shown = full.render_as_string()
        name = f"{full.database}@{full.host or 'localhost'}-{full.port or 5432}"
        return Address(
            url=text,
            reader_url=text,
            shown=shown,
            base=Path("var") / re.sub(r"[^\w.@-]", "_", name),
            path=None,
            is_async=True,
        )
    raise ConfigError(f"DATABASE_URL names {parsed.drivername!r}.", remedy=_URL_HELP)


_URL_HELP = "Use sqlite:///path/to/file.sqlite3 or postgresql://user:password@host/name."


def _sqlite_address(parsed: sa.URL) -> Address:
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigError("DATABASE_URL names no file.", remedy=_URL_HELP)
    path = Path(parsed.database).absolute()
    is_async = parsed.drivername == "sqlite+aiosqlite"
    url = sa.URL.create(parsed.drivername, database=str(path))
    reader = sa.URL.create(
        "sqlite+aiosqlite", database=f"file:{path}", query={"mode": "rw", "uri": "true"}
    )
    return Address(
        url=url.render_as_string(),
        reader_url=reader.render_as_string(),
        shown=str(path),
        base=path,
        path=path,
        is_async=is_async,
    )


class FileLock:
    """Hold the right to write one SQLite file; the kernel frees it when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def take(self) -> None:
        """Take the lock or raise `JournalError` that names who holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(fd, 20).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise JournalError(
                f"Another process (pid {holder}) writes this journal.",
                remedy="Stop it, or set DATABASE_URL to another file.",
                code="JOURNAL_LOCKED",
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._fd = fd

    def release(self) -> None:
        """Give the lock back."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Runner(Protocol):
    """Run synchronous work in one transaction of the one writing connection."""

    async def run(self, work: Work[T]) -> T:
        """Run `work` and commit; raises `JournalError`, then nothing of it is certain."""
        ...

    async def aclose(self) -> None:
        """Close the connection; the next `run` opens another."""
        ...


class ThreadRunner:
    """Write SQLite from one thread that owns the connection and the file lock."""

    def __init__(self, address: Address, config: JournalConfig) -> None:
        self._address = address
        self._engine = sa.create_engine(address.url, poolclass=sa.NullPool)
        _tune_sqlite(self._engine, config.busy_timeout_s)
        self._connection: sa.Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._inode = 0

    async def run(self, work: Work[T]) -> T:
        """Run `work` on the journal's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def aclose(self) -> None:
        """Close the connection on its own thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._disconnect)

    def shut_down(self) -> None:
        """End the thread."""
        self._thread.shutdown()

    def _run(self, work: Work[T]) -> T:
        with readable_errors(self._address.shown):
            connection = self._connect()
            self._check_file()
            try:
                with connection.begin():
                    result = work(connection)
                self._check_file()
            except SQLAlchemyError:
                self._disconnect()
                raise
            return result

    def _connect(self) -> sa.Connection:
        if self._connection is None:
            if self._inode:
                self._check_file()
            self._connection = self._engine.connect()
            self._inode = self._path.stat().st_ino
        return self._connection

    def _check_file(self) -> None:
        """Raise when the file was removed or replaced: SQLite would write on into nowhere."""
        try:
            is_same = self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise JournalError(
                f"The journal's file was removed or replaced ({self._path}).",
                remedy="Put it back, or stop the bot and restore it.",
            )

    @property
    def _path(self) -> Path:
        assert self._address.path is not None
        return self._address.path

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(SQLAlchemyError):
                connection.close()


class LoopRunner:
    """Write through an asynchronous driver on the event loop."""

    def __init__(self, address: Address, config: JournalConfig) -> None:
        self._address = address
        deadlines = _SERVER_DEADLINES if address.path is None else {}
        self._engine = create_async_engine(
            address.url, poolclass=sa.NullPool, connect_args=deadlines
        )
        if address.path is not None:
            _tune_sqlite(self._engine.sync_engine, config.busy_timeout_s)
        self._connection: AsyncConnection | None = None

    async def run(self, work: Work[T]) -> T:
        """Run `work` in a greenlet, so that its statements await."""
        with readable_errors(self._address.shown):
            try:
                connection = await self._connect()
                async with connection.begin():
                    return await connection.run_sync(work)
            except (SQLAlchemyError, OSError):
                await self.aclose()
                raise

    async def aclose(self) -> None:
        """Close the connection and with it a server's lock."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(SQLAlchemyError, OSError):
                await connection.close()

    def shut_down(self) -> None:
        """Have nothing to end: there is no thread."""

    async def _connect(self) -> AsyncConnection:
        if self._connection is None:
            connection = await self._engine.connect()
            if self._address.path is None:
                await _take_advisory_lock(connection)
            self._connection = connection
        return self._connection


async def _take_advisory_lock(connection: AsyncConnection) -> None:
    taken = await connection.scalar(sa.select(sa.func.pg_try_advisory_lock(_ADVISORY_KEY)))
    await connection.commit()
    if not taken:
        await connection.close()
        raise JournalError(
            "Another process writes this journal.",
            remedy="Stop it, or set DATABASE_URL to another database.",
            code="JOURNAL_LOCKED",
        )


def reader_engine(address: Address) -> AsyncEngine:
    """Return an engine for readers: their own few connections, unable to write."""
    if address.path is None:
        return create_async_engine(
            address.reader_url,
            pool_size=2,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={**_SERVER_DEADLINES, "server_settings": _READ_ONLY},
        )
    engine = create_async_engine(address.reader_url, pool_size=2, max_overflow=4)
    _on_connect(engine.sync_engine, "busy_timeout=5000", "query_only=ON")
    return engine


def _tune_sqlite(engine: sa.Engine, busy_timeout_s: float) -> None:
    """Set WAL and FULL: an acknowledged entry survives a power cut (SCALE, section 5)."""
    _on_connect(
        engine,
        f"busy_timeout={int(busy_timeout_s * 1000)}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "fullfsync=ON",
        "foreign_keys=ON",
        "wal_autocheckpoint=4000",
        "journal_size_limit=67108864",
    )
    sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))


def _on_connect(engine: sa.Engine, *pragmas: str) -> None:
    def tune(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    sa.event.listen(engine, "connect", tune)


_SQLITE_ADVICE = {
    "SQLITE_FULL": ("The journal's disk is full", "Free some space; the journal then goes on."),
    "SQLITE_BUSY": ("Another program holds the journal locked", "Close it; the journal goes on."),
    "SQLITE_LOCKED": ("Another program holds the journal locked", "Close it; the journal goes on."),
    "SQLITE_READONLY": ("The journal may not be written", "Check the file's owner and mode."),
    "SQLITE_CANTOPEN": (
        "The journal cannot be opened",
        "Check that its folder exists and is ours.",
    ),
    "SQLITE_NOTADB": ("The journal is not an SQLite file", "Restore it, or name another file."),
    "SQLITE_CORRUPT": ("The journal is damaged", "Restore it from a backup, or name another file."),
    "SQLITE_IOERR": (
        "The journal's disk failed",
        "Check the disk; the journal goes on when it can.",
    ),
}


@contextlib.contextmanager
def readable_errors(shown: str) -> Iterator[None]:
    """Turn what drivers and the file system raise into one line with a remedy."""
    try:
        yield
    except DBAPIError as error:
        raise _explain(error, shown) from error
    except SQLAlchemyError as error:
        raise JournalError(f"The journal failed: {_first_line(error)} ({shown}).") from error
    except OSError as error:
        raise JournalError(
            f"The journal cannot be reached: {error.strerror or _first_line(error)} ({shown}).",
            remedy="Check DATABASE_URL and that the database is running.",
        ) from error


def _explain(error: DBAPIError, shown: str) -> JournalError:
    name = getattr(error.orig, "sqlite_errorname", "")
    for prefix, (what, remedy) in _SQLITE_ADVICE.items():
        if name.startswith(prefix):
            return JournalError(f"{what} ({shown}).", remedy=remedy)
    failure = JournalError(
        f"The journal failed: {_first_line(error.orig or error)} ({shown}).",
        remedy="Check that the database is running and may be written.",
    )
    if (
        not isinstance(error, OperationalError | InterfaceError)
        and not error.connection_invalidated
    ):
        failure.code = "JOURNAL_REFUSED"
    return failure


def _first_line(error: BaseException) -> str:
    """Return the driver's words without the class that SQLAlchemy puts before asyncpg's."""
    lines = re.sub(r"^<class '[^']*'>: ", "", str(error)).splitlines()
    return lines[0] if lines else type(error).__name__
