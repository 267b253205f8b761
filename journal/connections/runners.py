"""Run transactions on the one writing connection, and hold the right to write it.

SQLite is written from one thread of its own: through SQLAlchemy's asynchronous engine the same
transaction costs up to twice the CPU (`benchmarks/journal.py`). PostgreSQL is written on the event
loop. Both run the same synchronous functions on a `sqlalchemy.Connection`.

Only a bot takes the lock (`is_owner`). It says who runs, and does not guard the chain: two
processes that append at once are told apart by the entries' own numbers (`journal.store`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.errors import JournalError
from journal.connections.engines import server_deadlines, tune_sqlite
from journal.connections.errors import connection_errors, readable_errors
from journal.database import Address, JournalConfig

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_ADVISORY_KEY = 0x6175746F68656467
"""The key of PostgreSQL's advisory lock: the bytes of "autohedg"."""


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

    def shut_down(self) -> None:
        """Let go of what the runner runs on."""
        ...


class ThreadRunner:
    """Write SQLite from one thread that owns the connection."""

    def __init__(self, address: Address, config: JournalConfig) -> None:
        self._address = address
        self._engine = sa.create_engine(address.url, poolclass=sa.NullPool)
        tune_sqlite(self._engine, config.busy_timeout_s)
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

    def __init__(self, address: Address, config: JournalConfig, *, is_owner: bool) -> None:
        self._address = address
        self._is_owner = is_owner
        deadlines = server_deadlines(config.server_timeout_s) if address.path is None else {}
        self._engine = create_async_engine(
            address.url, poolclass=sa.NullPool, connect_args=deadlines
        )
        if address.path is not None:
            tune_sqlite(self._engine.sync_engine, config.busy_timeout_s)
        self._connection: AsyncConnection | None = None

    async def run(self, work: Work[T]) -> T:
        """Run `work` in a greenlet, so that its statements await."""
        with readable_errors(self._address.shown):
            try:
                connection = await self._connect()
                async with connection.begin():
                    return await connection.run_sync(work)
            except connection_errors():
                await self.aclose()
                raise

    async def aclose(self) -> None:
        """Close the connection and with it a server's lock."""
        if self._connection is not None:
            connection, self._connection = self._connection, None
            with contextlib.suppress(*connection_errors()):
                await connection.close()

    def shut_down(self) -> None:
        """Have nothing to end: there is no thread."""

    async def _connect(self) -> AsyncConnection:
        if self._connection is None:
            connection = await self._engine.connect()
            if self._address.path is None and self._is_owner:
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


def open_runner(address: Address, config: JournalConfig, *, is_owner: bool) -> Runner:
    """Return the runner for an address; a server's advisory lock is taken for an owner alone."""
    if address.is_async:
        return LoopRunner(address, config, is_owner=is_owner)
    return ThreadRunner(address, config)
