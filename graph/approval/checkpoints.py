"""Keep the runs that wait for a person: LangGraph's checkpointers behind one door.

A waiting run is one thread, written once (`durability="exit"`) and deleted when it has ended, so
the store stays as small as what waits. The journal, not this store, says whether an approval is
pending: what stands here without one is left from a crash and is thrown away at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domain.errors import ConfigError, JournalError

if TYPE_CHECKING:
    from langgraph.checkpoint.base import BaseCheckpointSaver
    from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

DEADLINE_S = 10.0
"""Wall seconds for one look, write or deletion."""

_BUSY_MS = 5_000


@dataclass(frozen=True, kw_only=True)
class CheckpointsConfig:
    """Where waiting runs are kept: in a SQLite file of their own, or in the journal's PostgreSQL.

    SQLite has one writer a file, and the journal's belongs to the journal: hence the file beside
    it. A server takes both. Exactly one of the two is given; the address never prints.
    """

    path: Path | None = None
    server_url: str | None = field(default=None, repr=False)


class Checkpoints:
    """Hold one saver for the process and clean up behind its threads."""

    def __init__(self, saver: BaseCheckpointSaver[Any]) -> None:
        self.saver = saver

    async def forget(self, thread: str) -> None:
        """Delete a thread whose run has ended; raises `JournalError`."""
        async with reachable():
            await self.saver.adelete_thread(thread)

    async def keep_only(self, threads: Collection[str]) -> int:
        """Delete every thread but these; returns how many went. Raises `JournalError`."""
        async with reachable():
            kept = [found async for found in self.saver.alist(None)]
            names = {str(found.config["configurable"]["thread_id"]) for found in kept}
            for name in names - set(threads):
                await self.saver.adelete_thread(name)
        return len(names - set(threads))


@asynccontextmanager
async def open_checkpoints(config: CheckpointsConfig) -> AsyncIterator[Checkpoints]:
    """Open the store for as long as the block lasts, making its tables when they are not there.

    Raises `JournalError` when it cannot be opened, `ConfigError` when PostgreSQL's packages are
    missing.
    """
    opened = _in_file(config.path) if config.path is not None else _on_server(config.server_url)
    async with contextlib.AsyncExitStack() as stack:
        async with reachable():
            saver = await stack.enter_async_context(opened)
        yield Checkpoints(saver)


@asynccontextmanager
async def reachable() -> AsyncIterator[None]:
    """Bound what happens within and turn the stores' errors into `JournalError`.

    A `ValueError` is a row that cannot be decoded.
    """
    with named_errors(ValueError):
        async with asyncio.timeout(DEADLINE_S):
            yield


@contextlib.contextmanager
def named_errors(*more: type[Exception]) -> Iterator[None]:
    """Turn the stores' errors, and `more` kinds of them, into `JournalError`."""
    kinds: tuple[type[Exception], ...] = (sqlite3.Error, OSError, TimeoutError)
    try:
        yield
    except (*kinds, *more, *_server_errors()) as error:
        raise JournalError(
            f"The runs that wait for approval cannot be read or written: {_line(error)}.",
            remedy="Look at the disk or the database; APPROVAL=never does without.",
            code="CHECKPOINTS_DOWN",
        ) from error


def _server_errors() -> tuple[type[Exception], ...]:
    """Return PostgreSQL's errors where its driver is installed; without it there can be none."""
    try:
        import psycopg  # noqa: PLC0415 - an extra, loaded only where an error is being named
    except ImportError:
        return ()
    return (psycopg.Error,)


def _line(error: Exception) -> str:
    """Return the first line of an error without credentials that an address may hold."""
    text = str(error).strip().splitlines()
    shown = text[0] if text else type(error).__name__
    return re.sub(r"//[^/\s]*@", "//***@", shown).rstrip(".")


@asynccontextmanager
async def _in_file(path: Path) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver  # noqa: PLC0415 - loads LangGraph

    async with AsyncSqliteSaver.from_conn_string(str(path)) as saver:
        saver.serde = _serializer()
        await saver.conn.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
        await saver.conn.execute("PRAGMA synchronous=FULL")
        await saver.setup()
        yield saver


@asynccontextmanager
async def _on_server(url: str | None) -> AsyncIterator[BaseCheckpointSaver[Any]]:
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver  # noqa: PLC0415 - an extra
        from psycopg.rows import dict_row  # noqa: PLC0415 - likewise
        from psycopg_pool import AsyncConnectionPool  # noqa: PLC0415 - likewise
    except ImportError as error:
        raise ConfigError(
            "Approvals on PostgreSQL need packages that are not installed.",
            remedy="pip install 'autohedge[postgres]'.",
            code="EXTRA_MISSING",
        ) from error
    options = {
        "autocommit": True,
        "prepare_threshold": None,  # poolers between us and the server know no prepared statements
        "row_factory": dict_row,
        "connect_timeout": round(DEADLINE_S),
    }
    pool: AsyncConnectionPool[Any] = AsyncConnectionPool(
        libpq_url(url or ""),
        min_size=1,
        max_size=2,
        open=False,
        timeout=DEADLINE_S,
        check=AsyncConnectionPool.check_connection,
        kwargs=options,
    )
    async with pool:
        saver = AsyncPostgresSaver(pool, serde=_serializer())
        await saver.setup()
        yield saver


def libpq_url(url: str) -> str:
    """Spell a `DATABASE_URL` as libpq does: no driver's name, and `ssl` is `sslmode`."""
    spelled = re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", url)
    return re.sub(r"([?&])ssl=", r"\1sslmode=", spelled)


def _serializer() -> JsonPlusSerializer:
    """Return the serializer that rebuilds nothing but LangGraph's own safe types.

    A state is plain JSON. Left to its default, the serializer would import and call whatever class
    a tampered row names (CVE-2026-28277).
    """
    from langgraph.checkpoint.serde.jsonplus import (  # noqa: PLC0415 - loads LangGraph
        JsonPlusSerializer,
    )

    return JsonPlusSerializer(allowed_msgpack_modules=None, allowed_json_modules=None)
