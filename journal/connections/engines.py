"""Make the engines of the journal: how SQLite is tuned, how long a server may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from journal.database import Address, JournalConfig

T = TypeVar("T")

_READ_ONLY = {"default_transaction_read_only": "on"}


def server_deadlines(seconds: float) -> dict[str, float]:
    """Return how long asyncpg waits for a connection and for a statement."""
    return {"timeout": seconds, "command_timeout": seconds}


def reader_engine(address: Address, config: JournalConfig) -> AsyncEngine:
    """Return an engine for readers: their own few connections, unable to write."""
    if address.path is None:
        return create_async_engine(
            address.reader_url,
            pool_size=2,
            max_overflow=4,
            pool_pre_ping=True,
            connect_args={
                **server_deadlines(config.server_timeout_s),
                "server_settings": _READ_ONLY,
            },
        )
    engine = create_async_engine(address.reader_url, pool_size=2, max_overflow=4)
    _on_connect(engine.sync_engine, "busy_timeout=5000", "query_only=ON")
    return engine


async def snapshot(
    address: Address, config: JournalConfig, work: Callable[[sa.Connection], T]
) -> T:
    """Run long reading in one transaction, which sees one state of the journal while others write.

    SQLite is read on a thread, without the cost of an asynchronous driver.
    """
    if address.path is None:
        engine = reader_engine(address, config).execution_options(isolation_level="REPEATABLE READ")
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(work)
        finally:
            await engine.dispose()
    return await asyncio.to_thread(_read_sqlite, address, work)


def _read_sqlite(address: Address, work: Callable[[sa.Connection], T]) -> T:
    url = sa.make_url(address.reader_url).set(drivername="sqlite")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    _on_connect(engine, "busy_timeout=5000", "query_only=ON")
    sa.event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
    try:
        with engine.connect() as connection:
            return work(connection)
    finally:
        engine.dispose()


def tune_sqlite(engine: sa.Engine, busy_timeout_s: float) -> None:
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
