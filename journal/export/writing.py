"""Export the journal from one snapshot, in chunks, beside a bot that goes on writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import sqlalchemy as sa
import zstandard

from domain.errors import ConfigError, JournalError
from domain.ports import EntryKind
from domain.records import Record
from journal import schema
from journal.audit.findings import Tell, tell_nobody
from journal.audit.walk import Link
from journal.chain import GENESIS, Line
from journal.connections.engines import snapshot
from journal.connections.errors import readable_errors
from journal.database import JournalConfig, address_of
from journal.export.files import (
    MANIFEST,
    JsonLines,
    Manifest,
    Parquet,
    Sink,
    sha256_of,
    write_manifest,
)
from journal.migrate import require_current

_ENTRIES = schema.entries
_CONTENTS = schema.contents
_CHUNK = 500
_FOREVER_NS = 2**63 - 1


class Format(StrEnum):
    """What other programs read."""

    JSONL = "jsonl"
    PARQUET = "parquet"


class ExportOptions(Record, frozen=True):
    """What to export, and whereto.

    The span runs from the first entry written at or after `since_ns` to the last one written before
    `until_ns`, without gaps; `kinds` leaves entries out. `has_contents` adds windows and prompts.
    """

    folder: Path
    format: Format = Format.JSONL
    since_ns: int = 0
    until_ns: int = _FOREVER_NS
    kinds: frozenset[EntryKind] = frozenset()
    has_contents: bool = False

    @property
    def file(self) -> str:
        """Return the name of the file of entries."""
        return f"entries.{self.format}"


async def export(
    config: JournalConfig, options: ExportOptions, tell: Tell = tell_nobody
) -> Manifest:
    """Write the files; raises `ConfigError` for a folder in use, `JournalError` for the rest."""
    address = address_of(config.url)
    if address.path is not None and not address.path.exists():
        raise JournalError(
            f"There is no journal at {address.path}.",
            remedy="Name it with --database or DATABASE_URL.",
        )
    if (options.folder / MANIFEST).exists():
        raise ConfigError(
            f"{options.folder} holds an export already.", remedy="Name another folder with --to."
        )
    with readable_errors(address.shown):
        return await snapshot(address, config, partial(_export, address.shown, options, tell))


def _export(shown: str, options: ExportOptions, tell: Tell, connection: sa.Connection) -> Manifest:
    require_current(connection, shown)
    try:
        return _write(options, tell, connection)
    except OSError as error:
        raise ConfigError(
            f"{options.folder} cannot be written: {error.strerror}.",
            remedy="Name another folder with --to.",
        ) from error


def _write(options: ExportOptions, tell: Tell, connection: sa.Connection) -> Manifest:
    options.folder.mkdir(parents=True, exist_ok=True)
    wanted = _wanted(connection, options)
    total = connection.scalar(sa.select(sa.func.count()).select_from(wanted.subquery())) or 0
    done, first, last, head = 0, 0, 0, GENESIS
    with ExitStack() as stack:
        sink: Sink = _SINKS[options.format](options.folder / options.file)
        stack.callback(sink.close)
        contents = _contents(options, stack)
        for links in _chunks(connection, wanted):
            sink.write(links)
            contents(connection, links)
            done, last, head = done + len(links), links[-1].line.seq, links[-1].hash
            first = first or links[0].line.seq
            tell(done, total)
    files = [options.file, *([_CONTENTS_FILE] if options.has_contents else [])]
    manifest = Manifest(
        export=1,
        file=options.file,
        entries=done,
        first=first,
        last=last,
        anchor=f"{last}:{head.hex()}",
        kinds=tuple(sorted(kind.value for kind in options.kinds)),
        since_ns=options.since_ns,
        until_ns=options.until_ns,
        sha256={name: sha256_of(options.folder / name) for name in files},
    )
    write_manifest(options.folder, manifest)
    return manifest


_SINKS: dict[Format, type[JsonLines | Parquet]] = {
    Format.JSONL: JsonLines,
    Format.PARQUET: Parquet,
}

_CONTENTS_FILE = "contents.jsonl"


def _wanted(connection: sa.Connection, options: ExportOptions) -> sa.Select[Any]:
    """Turn the span of time into one of entries: a spooled entry is older than its neighbours."""
    c = _ENTRIES.c
    since = connection.scalar(sa.select(sa.func.min(c.seq)).where(c.ts >= options.since_ns))
    until = connection.scalar(sa.select(sa.func.max(c.seq)).where(c.ts < options.until_ns))
    query = sa.select(_ENTRIES).where(c.seq.between(since or 1, until or 0))
    if options.kinds:
        query = query.where(c.kind.in_([kind.value for kind in options.kinds]))
    return query


def _chunks(connection: sa.Connection, wanted: sa.Select[Any]) -> Iterator[list[Link]]:
    after = 0
    while True:
        query = wanted.where(_ENTRIES.c.seq > after).order_by(_ENTRIES.c.seq).limit(_CHUNK)
        links = [
            Link(
                Line(row.seq, row.ts, row.kind, row.ref, bytes(row.body)),
                bytes(row.prev_hash),
                bytes(row.hash),
            )
            for row in connection.execute(query)
        ]
        if not links:
            return
        yield links
        after = links[-1].line.seq


class _Contents:
    """Write each decision's window and prompts as one line: `{"seq", "content"}`."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def __call__(self, connection: sa.Connection, links: list[Link]) -> None:
        seqs = [link.line.seq for link in links if link.line.kind == EntryKind.DECISION]
        query = sa.select(_CONTENTS).where(_CONTENTS.c.seq.in_(seqs)).order_by(_CONTENTS.c.seq)
        for row in connection.execute(query) if seqs else ():
            content = zstandard.ZstdDecompressor().decompress(row.content)
            line = {"seq": row.seq, "content": msgspec.Raw(content)}
            self._file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        self._file.close()


def _contents(options: ExportOptions, stack: ExitStack) -> Any:
    if not options.has_contents:
        return lambda _connection, _links: None
    contents = _Contents(options.folder / _CONTENTS_FILE)
    stack.callback(contents.close)
    return contents
