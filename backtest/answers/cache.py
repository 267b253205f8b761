"""Keep a model's answers by what was asked, so that asking again is free and always the same.

The key covers everything that makes an answer: model, parameters, the whole prompt, the schema, and
whether it was the first or the second try. A file of SQLite's, written with each answer: a run that
is cut has paid for nothing twice.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from domain.decisions import Call
from domain.errors import ConfigError
from domain.records import digest
from graph.analysts.model.conversation import AGENTS, Prompt
from graph.analysts.model.endpoint import EndpointConfig, shaped

_TABLE = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, call BLOB NOT NULL) STRICT"


class AnswerCache:
    """Answers by key; use it with `with`. Threads take turns."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; raises `ConfigError` when it is none of ours."""
        self._turn = threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=30.0, isolation_level=None, check_same_thread=False
            )
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute(_TABLE)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"The answers cannot be kept in {path}: {error}.",
                remedy="Name another file with --answers.",
                code="ANSWERS_UNREADABLE",
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._db.close()

    def get(self, key: str) -> Call | None:
        """Return the call that was kept, or none."""
        with self._turn:
            row = self._db.execute("SELECT call FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Call)

    def put(self, key: str, call: Call) -> None:
        """Keep a call; the first one stands."""
        encoded = msgspec.json.encode(call)
        with self._turn:
            self._db.execute("INSERT OR IGNORE INTO answers VALUES (?, ?)", (key, encoded))

    def __len__(self) -> int:
        count: int = self._db.execute("SELECT count(*) FROM answers").fetchone()[0]
        return count


def key_of(config: EndpointConfig, prompt: Prompt, attempt: int, sample: int = 0) -> str:
    """Name a question: sha256 over model, parameters, prompt, schema and try.

    `sample` tells the first answer to it, 0, from further ones that are asked for their spread.
    """
    asked = AGENTS[prompt.role].schema if prompt.schema is None else prompt.schema
    schema: dict[str, Any] = shaped(asked, config.max_string)
    key = digest(
        {
            "model": config.model,
            "temperature": config.temperature,
            "max_tokens": config.max_tokens,
            "method": config.method,
            "messages": prompt.messages,
            "schema": schema,
            "attempt": attempt,
        }
    )
    return f"{key}:{sample}" if sample else key
