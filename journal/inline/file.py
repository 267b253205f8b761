"""Write a finished chain's entries into a SQLite journal behind the run that makes them."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.errors import ConfigError
from journal.chain import Sealed
from journal.database import JournalConfig, address_of
from journal.store import Request, Store

_BATCH = 2_000
_BEHIND = 4
"""Batches that may wait for the disk before the run waits for them."""
_NEVER = 1 << 60


class JournalFile:
    """A SQLite journal that is written from one thread; use it with `with`.

    Batches go in while the run goes on, at most a few behind it. It holds the run's entries and, as
    the last of all, the anchor of its closing.
    """

    def __init__(self, path: Path) -> None:
        """Create it; raises `ConfigError` when a file is there already."""
        if path.exists():
            raise ConfigError(
                f"{path} is there already, and a run's journal begins with the run.",
                remedy="Name another file, or remove it.",
                code="JOURNAL_EXISTS",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        config = JournalConfig(
            url=f"sqlite:///{path}", anchor_every=_NEVER, anchor_every_s=float(_NEVER)
        )
        self._store = Store(address_of(config.url), config)
        self._waiting: list[Sealed] = []
        self._behind: list[Future[None]] = []
        self._last_ts = 0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="backtest-journal")
        self._runner = asyncio.Runner()

    def __enter__(self) -> Self:
        self._thread.submit(self._run_open).result()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._flush()
            for each in self._behind:
                each.result()
        finally:
            self._thread.submit(self._run_close).result()
            self._thread.shutdown()

    def keep(self, sealed: Sealed) -> None:
        """Take one entry."""
        self._waiting.append(sealed)
        if len(self._waiting) >= _BATCH:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        items, self._waiting = tuple(self._waiting), []
        self._last_ts = items[-1].ts
        self._behind.append(self._thread.submit(self._run_write, items))
        if len(self._behind) > _BEHIND:
            self._behind.pop(0).result()

    def _run_open(self) -> None:
        self._runner.run(self._store.open(0))

    def _run_write(self, items: tuple[Sealed, ...]) -> None:
        self._runner.run(self._commit(items))

    async def _commit(self, items: tuple[Sealed, ...]) -> None:
        await self._store.commit([Request(items=items)])

    def _run_close(self) -> None:
        with self._runner as runner:
            runner.run(self._store.close(self._last_ts))
