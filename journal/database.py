"""Say where the journal lives and how it behaves, and understand `DATABASE_URL`."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa

from domain.errors import ConfigError
from domain.records import Record


class JournalConfig(Record, frozen=True):
    """Where the journal lives and what it may hold back; times in seconds of the wall clock.

    `spool_file` and `anchor_file` default to files beside a SQLite database, or in `var/` named
    after a server's. A queue past `queue_entries` or `queue_bytes` drops traces and refuses
    appends. `trace_delay_s` is the longest a trace waits for a commit to ride with. An anchor goes
    with the entry that is `anchor_every` entries or `anchor_every_s` after the last one. Every
    `look_every_s` the writer looks for what other processes appended or spooled. Entries older
    than `retention_days`, windows and prompts older than `retention_contents_days` go, looked for
    every `retain_every_s`; none keeps all.
    """

    url: str = "sqlite:///var/autohedge.sqlite3"
    spool_file: Path | None = None
    anchor_file: Path | None = None
    busy_timeout_s: float = 5.0
    server_timeout_s: float = 10.0
    append_timeout_s: float = 10.0
    retry_first_s: float = 0.2
    retry_last_s: float = 5.0
    trace_delay_s: float = 0.1
    queue_entries: int = 20_000
    queue_bytes: int = 64 * 1024 * 1024
    batch_entries: int = 1_000
    anchor_every: int = 1_000
    anchor_every_s: float = 60.0
    look_every_s: float = 1.0
    retention_days: float | None = None
    retention_contents_days: float | None = None
    retain_every_s: float = 3600.0

    @property
    def spool_path(self) -> Path:
        """Return where the spool is."""
        return self.spool_file or address_of(self.url).beside(".spool")

    @property
    def anchor_path(self) -> Path:
        """Return where the anchors are."""
        return self.anchor_file or address_of(self.url).beside(".anchors")


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
